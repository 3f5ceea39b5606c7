// `llmops monitor health`: whether production does worse than before, by signs that need no label.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "commands/monitor/health_signals.h"
#include "commands/monitor/window.h"
#include "commands/session.h"

namespace llmops {

struct MonitorHealthOptions {
  std::string since, against;                // lengths of time; empty: monitor.window and monitor.against of llmops.yaml
  std::string until;                         // empty: now
  std::string by;                            // "step" or one of stratum_fields(); empty: by step where more than one component is told
  std::string component;                     // empty: whole requests
  std::optional<std::string> service;
  std::optional<uint64_t> seed;
};

enum class HealthVerdict { kDegraded, kHealthy, kNotEnoughData };
std::string_view health_verdict_name(HealthVerdict verdict);   // "degraded", "healthy", "not enough data"

// One component or stratum.
struct HealthRow {
  std::string name;                          // "(not told)" where the field is not
  std::string label;                         // of a version: the labels that stand on it
  int64_t calls_before = 0, calls = 0;
  HealthPart part;
  std::optional<int64_t> input_tokens, output_tokens;   // of the window, in all
  std::optional<double> cost_usd;
};

struct HealthBucket { int64_t start_ms = 0, requests = 0; std::optional<double> error_rate, latency_p95_ms; };

struct MonitorHealthReport {
  TimeWindow window, against;                // against ends where window begins
  std::string component, by;
  std::optional<std::string> service;
  int64_t requests = 0, requests_before = 0;
  int64_t sessions = 0;                      // in the window; 0: none is told
  int64_t without_time = 0, in_future = 0;   // in_future: past the end of the window, when that is now
  double alpha = 0;
  uint64_t seed = 0;
  HealthSignals found;
  std::vector<HealthRow> rows;               // by calls
  int64_t bucket_ms = 0;
  std::vector<HealthBucket> series;          // of the window
  HealthVerdict verdict = HealthVerdict::kNotEnoughData;
  std::string reason;                        // of kNotEnoughData
  std::optional<int64_t> newest_ms;          // of an empty window: when the newest request began
};

// Degraded: a signal is worse, its p-value after Holm's correction over all tests of the report (rows too) at most monitor.alpha. A change for the better, or one of which no direction is the worse, is told
// and no degradation. Not enough data: no signal has 30 observations, of 8 sessions, on both sides.
// Errors: kUsage: no length of time, no moment, no such field, no such component; kNotFound: no store. Memory: the records of both periods without their outputs.
Result<MonitorHealthReport> monitor_health(const Session& session, const MonitorHealthOptions& options);

// Names of the signals that changed so, those of rows too, in order.
std::vector<std::string> signals_that_are(const MonitorHealthReport& report, HealthChange change);

}  // namespace llmops
