// Two samples of requests held against each other: what `monitor skew` and `monitor drift` say.
//
// One request through it: records -> pool_requests (strata, conversations) -> vectors fitted on the pool -> the primary family at the promised level -> the other tests, their p corrected -> who carries the difference -> verdict.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "commands/monitor/request_pool.h"
#include "commands/monitor/test.h"
#include "commands/session.h"

namespace llmops {

struct ComparisonOptions {
  double alpha = 0.01;
  size_t permutations = 1999;
  uint64_t seed = 0;
  size_t threads = 0;
  std::string embedder = "tfidf";
  std::string method = "primary";            // else a detector of texts, alone
  PoolOptions pool;
  size_t map_points = 0;                     // requests of a side to place in a plane, for a picture; 0: none
};

// One line of the table. A test that could not be made says why, and has no p.
struct ComparedTest {
  std::string name, detector;                // "novelty", "kNN"
  bool is_primary = false;
  std::optional<double> statistic, p_value, adjusted;     // adjusted: over the primary family, or over the others
  std::string effect;                        // "8.1 % beyond the 95 % edge"
  std::optional<double> smallest_share;      // of current requests that would have been seen with a probability of 0.8
  std::string reason;
};

struct CarryingRequest {
  std::string id, text;                      // the trace, else the case
  double share = 0;                          // of the statistic; all shares of both sides sum to 1
  int64_t copies = 1;                        // requests of this very text, summed up
};
struct CarryingTerm { std::string term; double share = 0; int64_t reference = 0, current = 0; };   // share: of the current requests that hold it
struct ComparedTopic {
  std::vector<std::string> words;
  std::string exemplar;
  int64_t reference = 0, current = 0;
  double reference_share = 0, current_share = 0, z = 0, p_value = 1, carried = 0;                  // carried: share of the statistic
};
struct MappedRequest { double x = 0, y = 0; std::string text; std::optional<size_t> topic; bool is_current = false, is_new = false; };   // topic: index into topics; absent: none of these
struct FoundIntent { std::string exemplar; std::vector<std::string> ids, examples; int64_t count = 0; };

struct Comparison {
  ComparisonOptions options;
  int64_t reference_found = 0, current_found = 0, reference_used = 0, current_used = 0, reference_without_text = 0, current_without_text = 0, continued = 0;
  int64_t conversations = 0;                 // 0: no session is told
  std::vector<UnmatchedStratum> unmatched;
  bool is_drawn = false;
  std::string representation;
  std::vector<ComparedTest> tests;
  std::optional<double> joint_p;             // of the primary family
  double mean_statistic = 0;                 // biased MMD^2, whose shares are told
  std::vector<CarryingRequest> appeared, vanished;        // most first; of the current side, and of the reference
  std::vector<CarryingTerm> terms;
  std::vector<ComparedTopic> topics;         // by |z|
  int64_t new_requests = 0;                  // called new at a false discovery rate of 0.1
  std::vector<FoundIntent> intents;
  std::map<int64_t, std::pair<int64_t, int64_t>> beyond_edge_by_day;     // day (unix ms) -> requests beyond the reference's edge, requests
  std::vector<MappedRequest> map;            // the reference first; new requests are drawn before others, then evenly by their order
  DriftVerdict verdict = DriftVerdict::kNotEnoughData;
  std::string reason;                        // of kNotEnoughData
};

// Errors: kUsage: an unknown method, too few permutations for alpha; the embedder's; kInterrupted. Not enough data: fewer than kLeastRequests of a side with a known text, or no split rare enough.
inline constexpr size_t kLeastRequests = 20;
Result<Comparison> compare_requests(Session& session, std::vector<StoredRecord> reference, std::vector<StoredRecord> current, const ComparisonOptions& options);

}  // namespace llmops
