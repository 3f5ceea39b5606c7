// `llmops monitor trace`: one stored request as the tree of its spans, and the newest requests as a list.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "commands/session.h"
#include "core/telemetry/trace.h"

namespace llmops {

struct MonitorTraceOptions {
  std::string id;                            // of a trace, how it begins, or of a span
  std::string span;                          // this one alone; empty: all
};

struct TraceNode {
  TraceSpan span;                            // parent_id: as it was reported, stored or not
  std::string component;
  int depth = 0;                             // 0: nothing stands above it
  bool is_last = false;                      // of those below the same span
  bool is_parent_missing = false;            // it names one that is not stored, itself, or one below it
  std::optional<double> latency_ms;          // absent: it tells no end, or no start
  std::optional<double> self_ms;             // of the latency, what no span right below it covers
  bool is_slowest = false;                   // the longest self time of several; the first of equals
  std::vector<StoredScore> scores;           // of this span, that came later
};

struct MonitorTraceReport {
  std::string id;
  bool found_by_span = false;
  std::optional<int64_t> start_ms;           // unix, of the earliest span that tells a time
  std::optional<double> latency_ms;          // from there to the latest end
  std::string service, session, user, route, language, vid;   // of the first span that tells it; empty: none
  std::optional<int64_t> input_tokens, output_tokens;         // sums over the models
  std::optional<double> cost_usd;
  std::vector<TraceNode> spans;              // each before those below it; siblings by start
  std::vector<StoredScore> scores;           // of the whole trace, or of spans that are not stored
  int64_t unreadable = 0;                    // spans that are stored and are none: left out
};
// An identifier that is not whole has at least 4 characters. Errors: kNotFound: no store, trace or span; kUsage: too short, or of several, which are listed;
// kCorrupt: none of its spans can be read. Cost: one trace; where no trace begins so, the keys of all spans.
Result<MonitorTraceReport> monitor_trace(Session& session, const MonitorTraceOptions& options);

struct MonitorTraceListOptions {
  std::string since;                         // a length of time before now; empty: no bound
  bool errors = false;                       // with an error alone
  int limit = 20;                            // at least 1
};
struct ListedRequest {
  std::string id;
  std::optional<int64_t> start_ms;
  std::optional<double> latency_ms;
  std::optional<std::string> route, error, input;
};
struct MonitorTraceListReport {
  std::optional<int64_t> since_ms;
  int64_t found = 0;                         // requests that fit; the newest of them are listed
  std::vector<ListedRequest> requests;       // newest first; those without a time last
};
// Errors: kNotFound: no store; kUsage: no length of time. Cost: the records of requests, once.
Result<MonitorTraceListReport> monitor_trace_list(Session& session, const MonitorTraceListOptions& options);

// Milliseconds of [start, end) of a span that no interval of `below` covers; they may overlap and reach beyond it. Cost: n log n.
struct SpanInterval { double start_ms = 0, end_ms = 0; };
double self_time_ms(const SpanInterval& span, std::vector<SpanInterval> below);

}  // namespace llmops
