-- Schema 3: how files of weights were made (`compress`), found by what they hold.

CREATE TABLE made_file (
  sha256  TEXT PRIMARY KEY,             -- of the whole file, 64 hex
  name    TEXT NOT NULL,                -- as it was written
  made_ms INTEGER NOT NULL,             -- unix
  report  TEXT NOT NULL                 -- JSON: sources with their digests, options, tool, each tensor's type and error
) WITHOUT ROWID;
