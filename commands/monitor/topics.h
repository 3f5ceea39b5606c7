// `llmops monitor topics`: what production asks about, by clusters of its texts.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "commands/monitor/request_window.h"
#include "commands/session.h"

namespace llmops {

struct MonitorTopicsOptions {
  RequestChoice requests;
  size_t topics = 0;                         // 0: by the number of requests
  std::string by;                            // one of stratum_fields(); empty: none
  std::string embedder;                      // empty: of llmops.yaml
  size_t most = 5000;                        // of more requests, so many are drawn
  std::optional<uint64_t> seed;
  size_t threads = 0;
};

struct AskedTopic {
  std::vector<std::string> words;            // best first; empty: none sets it apart
  std::string exemplar, exemplar_id;         // the request nearest to its centre
  int64_t requests = 0;
  double share = 0;                          // of the requests used
  int64_t outcomes = 0;                      // requests that tell how they ended
  std::optional<double> error_rate;          // of these; absent: none tells
  std::optional<double> latency_p50_ms, latency_p95_ms;
  std::vector<int64_t> by_stratum;           // requests, in the order of the report's strata
  std::vector<std::string> ids;              // at most kMostTopicIds, nearest to the centre first
};
inline constexpr size_t kMostTopicIds = 20;

struct TopicStratum { std::string name; int64_t requests = 0; };   // "(not told)" where the field is not

struct MonitorTopicsReport {
  TimeWindow window;
  std::string component, by;
  int64_t found = 0, used = 0, without_text = 0;
  bool is_drawn = false;
  uint64_t seed = 0;
  std::string representation;                // empty: not enough data
  std::vector<AskedTopic> topics;            // the largest first
  std::vector<TopicStratum> strata;          // the largest first
  std::string reason, hint;                  // of not enough data
  bool has_enough() const { return reason.empty(); }
};

// Errors: kUsage: lengths, a moment, a component, a field that is none; kNotFound: no store; the embedder's; kInterrupted. Not enough data: fewer than kLeastRequests texts. Deterministic for a seed.
Result<MonitorTopicsReport> monitor_topics(Session& session, const MonitorTopicsOptions& options);

}  // namespace llmops
