// `llmops monitor explain ID`: what sets one stored request apart from those of the time before it.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "commands/monitor/feedback.h"
#include "commands/monitor/window.h"
#include "commands/session.h"

namespace llmops {

struct MonitorExplainOptions {
  std::string id;                            // of a trace, or a prefix that no other one has
  std::string against;                       // how long the time before is; empty: monitor.against of llmops.yaml
  std::string component;                     // empty: the whole request
  std::string embedder;                      // empty: of llmops.yaml
  size_t most = 2000;                        // of more requests before, so many are drawn
  std::optional<uint64_t> seed;
  size_t threads = 0;
};

// Distances are 1 - cosine: 0 is the same, 1 shares nothing.
struct NearRequest { std::string id, text; double distance = 0; int64_t copies = 1; };   // copies: requests of this very text among the nearest that were looked at
struct ExplainedNovelty {
  double distance = 0;                       // mean distance to the three nearest requests before
  double median = 0, edge = 0;               // of the requests before, to each other: the middle one, and the 95 % quantile
  int64_t farther = 0, of = 0;               // requests before that are at least so far from the others
  double p_value = 1;                        // (1 + farther) / (of + 1): conformal, while requests are exchangeable
};
struct ExplainedTopic { std::vector<std::string> words; std::string exemplar; int64_t before = 0; double share = 0, similarity = 0; };   // share: of the requests before; similarity: to the topic's centre
// One number of the request among those of the requests before that tell it.
struct ExplainedNumber { std::string name, unit; double value = 0; int64_t n = 0; std::optional<double> p05, median, p95; double share_below = 0, share_above = 0; };
// What holds of the request; share: of the requests before of which it is known. Absent: it is known of none.
struct ExplainedSign { std::string name, value; std::optional<double> share; };

struct MonitorExplainReport {
  std::string id, component, text;
  std::optional<int64_t> start_ms;
  std::optional<TimeWindow> against;
  int64_t reference_found = 0, reference_used = 0;
  bool is_drawn = false;
  std::string representation;
  std::optional<ExplainedNovelty> novelty;
  std::optional<ExplainedTopic> topic;
  std::vector<NearRequest> nearest;          // at most 5 texts
  std::vector<std::string> new_words;        // of it, that no request before holds, in their order
  int64_t words = 0;                         // of it, each once
  std::vector<ExplainedNumber> numbers;      // length, latency, tokens, cost
  std::vector<ExplainedSign> signs;          // error, refusal, empty, cut off, malformed JSON
  std::vector<ExplainedSign> strata;
  NumericScores scores;
  std::string reason;                        // why it was held against nothing; empty: it was
};

// Held against the requests that began in `against` before it, but those of its own session. Errors: kNotFound: no store, no such request, with a hint; kUsage: a prefix of several, a length of time; the embedder's;
// kInterrupted. A request without a time or a known text, and fewer than kLeastRequests before it, are a reason. Cost: the stored records, once, and those of the time before as in `monitor drift` without permutations.
Result<MonitorExplainReport> monitor_explain(Session& session, const MonitorExplainOptions& options);

}  // namespace llmops
