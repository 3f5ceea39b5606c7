// `llmops monitor ingest`: traces of production into the store, so that suites and monitors can read them.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "commands/session.h"

namespace llmops {

struct MonitorIngestOptions {
  std::vector<std::string> sources;          // paths; "-": standard input
  bool dry_run = false;
};

struct DroppedSpans { int64_t count = 0; int first_line = 0; };
struct IngestedSource {
  std::string source;
  int64_t lines = 0, spans = 0;              // spans that could be read
  int64_t added = 0, known = 0, new_traces = 0;
  std::map<std::string, DroppedSpans> dropped;  // by reason
  int64_t dropped_count() const;
};

struct MonitorIngestReport {
  std::vector<IngestedSource> sources;
  int64_t traces = 0;                        // in the store afterwards
  bool dry_run = false;
};

// Idempotent: what is stored already is counted as known. What cannot be read is left out, counted and named with its line. Bodies are
// kept as `capture` says; keys never. Errors: kNotFound, kIo, damaged compression; kData when a source holds no span at all.
Result<MonitorIngestReport> monitor_ingest(Session& session, const MonitorIngestOptions& options);

}  // namespace llmops
