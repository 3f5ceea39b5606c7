-- Schema 5: what is kept of production without its texts, and the looks that monitors took at it.

-- One row for each hour, component and stratum; integers and sums that add up (core/sketch, core/drift/profile.h).
CREATE TABLE profile (
  spec       TEXT NOT NULL,             -- identifier of what was counted and how: others do not add up with it
  component  TEXT NOT NULL,             -- empty: whole requests
  period_ms  INTEGER NOT NULL,          -- unix, the start of the hour
  stratum    TEXT NOT NULL,             -- JSON object: field -> value
  records    INTEGER NOT NULL,
  body       BLOB NOT NULL,
  PRIMARY KEY (spec, component, period_ms, stratum)
) WITHOUT ROWID;

-- One row for each period that a monitor looked at, once: evidence that was counted is not counted again.
CREATE TABLE look (
  monitor    TEXT NOT NULL,             -- its name and what it is of
  period_ms  INTEGER NOT NULL,          -- unix, the start of the period
  looked_ms  INTEGER NOT NULL,          -- unix
  body       TEXT NOT NULL,             -- JSON
  PRIMARY KEY (monitor, period_ms)
) WITHOUT ROWID;
