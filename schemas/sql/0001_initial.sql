-- Schema 1 of db.sqlite. Append-only: a released migration is never edited, a change is a new file.
-- The tables `version`, `label` and `label_move` are an index of what the refs of store.git say and can be rebuilt from them;
-- everything else has its only home here.

CREATE TABLE meta (
  key   TEXT PRIMARY KEY,
  value BLOB NOT NULL
) WITHOUT ROWID;

-- ---- versions (an index of store.git) ----
-- One row per commit: a chain that returns to an earlier content has that vid twice in its history.
CREATE TABLE version (
  commit_oid TEXT PRIMARY KEY,          -- 40 hex
  chain      TEXT NOT NULL,
  vid        TEXT NOT NULL,             -- 64 hex
  parent_vid TEXT NOT NULL,             -- empty: the first, or automatic
  message    TEXT NOT NULL,
  author     TEXT NOT NULL,
  created_ms INTEGER NOT NULL,
  depth      INTEGER                    -- place in the history of heads/main, the first is 0; NULL: automatic
) WITHOUT ROWID;
CREATE INDEX version_by_chain ON version (chain, depth);
CREATE INDEX version_by_vid ON version (vid);

CREATE TABLE label_move (
  chain    TEXT NOT NULL,
  name     TEXT NOT NULL,
  sequence INTEGER NOT NULL,            -- place in the chain's label log, the first is 0
  vid      TEXT NOT NULL,
  reason   TEXT NOT NULL,
  author   TEXT NOT NULL,
  moved_ms INTEGER NOT NULL,
  PRIMARY KEY (chain, name, sequence)
) WITHOUT ROWID;

-- ---- runs ----
-- Metric names, step ids, kinds, model names and error codes repeat in every row: rows hold their numbers.
CREATE TABLE name (
  id   INTEGER PRIMARY KEY,
  text TEXT NOT NULL UNIQUE
);

CREATE TABLE run (
  number      INTEGER PRIMARY KEY AUTOINCREMENT,
  uuid        TEXT NOT NULL UNIQUE,
  chain       TEXT NOT NULL,
  vid         TEXT NOT NULL,
  suite       TEXT NOT NULL,
  suite_id    TEXT NOT NULL,
  state       INTEGER NOT NULL CHECK (state IN (0, 1, 2)),  -- running, finished, stopped
  stop_reason TEXT NOT NULL,
  started_ms  INTEGER NOT NULL,
  finished_ms INTEGER,
  settings    TEXT NOT NULL,
  summary     TEXT NOT NULL,
  case_count  INTEGER NOT NULL
);
CREATE INDEX run_by_vid ON run (vid, suite_id, number);

CREATE TABLE run_case (
  id            INTEGER PRIMARY KEY,
  run           INTEGER NOT NULL REFERENCES run (number),
  ordinal       INTEGER NOT NULL,
  repeat        INTEGER NOT NULL,
  case_id       TEXT NOT NULL,
  case_hash     TEXT NOT NULL,
  pass          INTEGER,
  latency_ms    REAL NOT NULL,
  cost_usd      REAL,
  input_tokens  INTEGER,
  output_tokens INTEGER,
  error_code    INTEGER REFERENCES name (id),   -- NULL: no error
  error_step    INTEGER REFERENCES name (id),
  error_message TEXT,
  row           TEXT NOT NULL,
  output        TEXT NOT NULL
);
CREATE UNIQUE INDEX run_case_by_place ON run_case (run, ordinal, repeat);

-- id = run_case.id * 2^20 + sequence: the spans of a case lie side by side and need no second index.
CREATE TABLE span (
  id            INTEGER PRIMARY KEY,
  parent        INTEGER NOT NULL,       -- sequence of the parent; -1: the case
  step          INTEGER NOT NULL,       -- name.id
  kind          INTEGER NOT NULL,       -- name.id
  name          TEXT NOT NULL,
  item          INTEGER NOT NULL,
  flags         INTEGER NOT NULL,       -- 1: skipped; the rest: SpanCache * 2
  start_ms      INTEGER NOT NULL,
  latency_ms    REAL NOT NULL,
  ttft_ms       REAL,
  retries       INTEGER NOT NULL,
  model_asked   INTEGER,                -- name.id
  model_served  INTEGER,                -- name.id
  input_tokens  INTEGER,
  output_tokens INTEGER,
  cost_usd      REAL,
  error_code    INTEGER,                -- name.id; NULL: no error
  error_message TEXT,
  memo_key      BLOB,
  attributes    TEXT,
  input         TEXT,
  prompt        TEXT,
  output        TEXT
);

CREATE TABLE score (
  case_id  INTEGER NOT NULL,            -- run_case.id
  position INTEGER NOT NULL,
  metric   INTEGER NOT NULL,            -- name.id
  value    REAL,
  pass     INTEGER,
  error    TEXT,
  detail   TEXT,
  PRIMARY KEY (case_id, position)
) WITHOUT ROWID;

-- ---- caches: may be emptied at any time ----
-- Only spans that carry a key and no error have a row here.
CREATE TABLE memo (
  key  BLOB PRIMARY KEY,
  span INTEGER NOT NULL                 -- span.id
) WITHOUT ROWID;

CREATE TABLE response (
  id         INTEGER PRIMARY KEY,
  key        BLOB NOT NULL UNIQUE,
  parts      TEXT NOT NULL,
  reply      TEXT NOT NULL,
  created_ms INTEGER NOT NULL
);
