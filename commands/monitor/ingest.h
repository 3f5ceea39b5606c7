// `llmops monitor ingest`: traces and requests of production into the store, so that suites and monitors can read them.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "commands/session.h"
#include "core/telemetry/trace_lines.h"

namespace llmops {

struct MonitorIngestOptions {
  std::vector<std::string> sources;          // paths; "-": standard input
  std::vector<std::string> map;              // "input=/request/text": every line is a record
  bool follow = false;                       // goes on as the one source grows, until Ctrl-C
  bool dry_run = false;
};

struct DroppedSpans { int64_t count = 0; int first_line = 0; };
struct IngestedSource {
  std::string source;
  int64_t lines = 0, spans = 0;              // spans that could be read
  int64_t added = 0, known = 0, new_traces = 0;
  int64_t scores = 0;                        // judgements that came apart from their request
  int64_t repaired = 0;                      // lines with bytes that are no UTF-8, or half surrogates: replaced by U+FFFD
  int64_t in_future = 0, without_time = 0;   // spans that start more than a minute after now; that tell no time
  int64_t expired = 0;                       // spans of traces that began longer ago than the retention: not stored
  std::map<std::string, int64_t> formats;    // lines, by the name of their format
  std::map<std::string, DroppedSpans> dropped;  // by reason
  int64_t dropped_count() const;
};

struct MonitorIngestReport {
  std::vector<IngestedSource> sources;
  int64_t traces = 0;                        // in the store afterwards
  int64_t unanswered = 0, unasked = 0;       // of batches: requests without their answer (left out), answers without their request (kept)
  std::optional<int64_t> retention_ms;       // monitor.retention of llmops.yaml; absent: traces are kept
  int64_t expired = 0;                       // traces that were stored and have grown older than that: removed
  int64_t records_made = 0;                  // traces that were stored before schema 4, of which records were made now
  bool dry_run = false;
  bool interrupted = false;
};

// Idempotent: what is stored already is counted as known. What cannot be read is left out, counted and named with its line. Bodies are
// kept as `capture` says; keys never. Where the project says how long traces are kept, those that began longer ago by the session's clock are removed when what came is stored,
// while following once an hour too; one without a time never is. Errors: kNotFound, kIo, damaged compression; kData when a source holds nothing of production at all (a log of an evaluation
// names the command that reads it); kUsage: --follow with several sources.
Result<MonitorIngestReport> monitor_ingest(Session& session, const MonitorIngestOptions& options);

}  // namespace llmops
