-- Schema 4: requests of production as monitors read them, and what was judged of them later.

-- One row for each request (component empty) and for each call of a component below it; made of the trace's spans, and made again when spans
-- are added to it.
CREATE TABLE record (
  trace          INTEGER NOT NULL REFERENCES trace (id),
  span           TEXT NOT NULL,         -- the application's own identifier
  component      TEXT NOT NULL,
  start_ms       INTEGER,               -- unix; NULL: not told
  latency_ms     REAL,
  ttft_ms        REAL,
  session        TEXT,                  -- NULL in this column and below: not told
  user           TEXT,
  service        TEXT,
  route          TEXT,
  language       TEXT,
  prompt         TEXT,                  -- name and version of the prompt template
  vid            TEXT,                  -- of the chain's version, 64 hex
  model_asked    TEXT,
  model_served   TEXT,
  input          TEXT,                  -- the last user turn, of a tool its arguments; at most 32 KiB of it
  output         TEXT,                  -- likewise
  input_bytes    INTEGER,               -- of the whole
  output_bytes   INTEGER,
  finish         TEXT,
  error          TEXT,                  -- its type
  signs          INTEGER NOT NULL,      -- bits: 1 empty answer, 2 refusal, 4 cut off, 8 JSON was begun and is malformed
  input_tokens   INTEGER,
  output_tokens  INTEGER,
  cost_usd       REAL,
  tools          TEXT,                  -- JSON: names of the tools called, in order
  scores         TEXT,                  -- JSON object: what the spans themselves told
  PRIMARY KEY (trace, span, component)
) WITHOUT ROWID;
CREATE INDEX record_by_start ON record (component, start_ms);

-- What was judged of a request after it was served; it may come before the request.
CREATE TABLE trace_score (
  trace TEXT NOT NULL,                  -- the application's own identifiers
  span  TEXT NOT NULL,                  -- empty: of the whole trace
  name  TEXT NOT NULL,
  value TEXT NOT NULL,                  -- JSON: a number or a text
  PRIMARY KEY (trace, span, name)
) WITHOUT ROWID;
