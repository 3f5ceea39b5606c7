-- Schema 2: what applications recorded of themselves (`monitor ingest`).

CREATE TABLE trace (
  id       INTEGER PRIMARY KEY,         -- in the order of arrival
  trace    TEXT NOT NULL UNIQUE,        -- the application's own identifier
  start_ms INTEGER NOT NULL,            -- unix, of its earliest span
  service  TEXT NOT NULL                -- empty: not told
);
CREATE INDEX trace_by_start ON trace (start_ms, id);

CREATE TABLE trace_span (
  trace INTEGER NOT NULL REFERENCES trace (id),
  span  TEXT NOT NULL,                  -- the application's own identifier
  body  TEXT NOT NULL,                  -- JSON
  PRIMARY KEY (trace, span)
) WITHOUT ROWID;
