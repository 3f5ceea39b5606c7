// One case through the step graph of a chain: every step's input, prompt, output, tokens, cost, latency and error become a
// span; a step whose key was seen before comes from the store.
//   key = SHA-256(step definition and the digests of its files, model identity, the values its templates read, repeat index)
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/base/secret.h"
#include "core/chain/chain.h"
#include "core/http/retry.h"
#include "core/provider/provider.h"
#include "core/provider/response_cache.h"
#include "core/runtime/budget.h"
#include "core/store/external_files.h"
#include "core/store/store.h"

namespace llmops {

// What the surroundings give. All pointers must outlive the executor; store may be null (nothing is reused).
struct RuntimeContext {
  Store* store = nullptr;
  Clock* clock = nullptr;
  Transport* transport = nullptr;
  AdaptiveLimiter* limiter = nullptr;
  SecretScrubber* scrubber = nullptr;
  BudgetMeter* budget = nullptr;
  // The value of a variable that a key names; kMissingSecret when it is not set.
  std::function<Result<Secret>(const SecretReference&)> secret;
  std::vector<std::pair<std::string, std::string>> child_environment;  // for exec
  CacheUse cache = CacheUse::kReadAndWrite;
  RetryPolicy retry;
  uint64_t seed = 0;
  int jobs = 1;
  // Where an external asset lies; fetches it when it is not here.
  std::function<Result<ExternalFile>(const AssetSpec&)> external_file;
  CancelToken cancel;                  // ends what is made before the first case: embeddings of documents
};

struct CaseInput {
  std::string id;
  Json inputs = Json::object();
  int repeat = 0;
};

struct CaseResult {
  std::optional<Json> output;
  std::optional<Error> error;          // why there is no output: the first step's error that it could not do without
  std::string error_step;
  Json steps = Json::object();         // {ID: {output?, skipped, error, tool_calls?, turns?, spans?}}: what metrics see
  bool is_few_shot_example = false;    // one of its inputs is an example that a step may show (it was left out for this case)
  std::vector<SpanRecord> spans;       // in the order of the chain's steps; external spans after their parent
  double latency_ms = 0;               // along the slowest path of the graph; original latencies where steps were reused
  std::optional<double> cost_usd;      // sum over steps; absent when any model step's is unknown, or there is none
  std::optional<int64_t> input_tokens, output_tokens;
};

class Executor {
 public:
  // Opens replay files, builds retrieval indexes and providers. Errors: a broken replay file or asset row, a missing secret.
  static Result<std::unique_ptr<Executor>> create(const Chain& chain, const RuntimeContext& context);
  ~Executor();
  // Thread-safe. Never throws away a case: a failing step is in the result. Cancelled: error kInterrupted.
  CaseResult run(const CaseInput& input, const CancelToken& cancel);
  // True when no step waits for a network or a process: more workers than cores do not help.
  bool is_local() const;

 private:
  struct Impl;
  explicit Executor(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace llmops
