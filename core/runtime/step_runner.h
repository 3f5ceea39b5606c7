// Private to core/runtime: running one step's body once.
#pragma once

#include <mutex>

#include "core/provider/process.h"
#include "core/runtime/executor.h"
#include "core/text/bm25.h"

namespace llmops {

struct FewShotExample { Json input, output; };
struct FewShotExamples {
  std::vector<FewShotExample> examples;
  std::multimap<std::string, size_t> by_input;   // dump of the input -> index
  // Those that are the case itself: one of its inputs equals theirs, so they would give the answer away. In rising order.
  std::vector<size_t> of_case(const CaseInput& input) const;
};

// What was prepared once for all cases.
struct PreparedModel {
  const ModelSpec* spec = nullptr;
  std::unique_ptr<Provider> provider;
  CacheIdentity identity;
};
struct PreparedRetrieval { std::vector<Passage> passages; std::unique_ptr<Bm25Index> index; };
struct PreparedChain {
  const Chain* chain = nullptr;
  RuntimeContext context;
  std::map<std::string, PreparedModel> models;
  std::map<std::string, PreparedRetrieval> retrievals;                     // by step id
  std::map<std::string, FewShotExamples> few_shots;                         // by asset name
  std::map<std::string, std::unique_ptr<JsonLineProcess>> processes;       // by step id
  std::map<std::string, std::string> step_identities;                      // digest of definition and model, by step id
};
Result<std::unique_ptr<PreparedChain>> prepare_chain(const Chain& chain, const RuntimeContext& context);

// One execution of a body: the values it sees, and what came out.
struct StepCall {
  const StepSpec* step = nullptr;
  const CaseInput* input = nullptr;
  const Json* steps = nullptr;
  const Json* item = nullptr;      // within for_each
  int item_index = -1;
  TemplateScope scope;
};
struct StepOutcome {
  std::optional<Json> output;
  Json tool_calls;                 // null: none
  std::optional<Error> error;
  std::vector<SpanRecord> spans;   // the step's own first, then external ones; parents are indices into this vector
};
// From the store when the key was seen, else run. Thread-safe.
StepOutcome run_step(PreparedChain& prepared, const StepCall& call, const CancelToken& cancel);

// The bodies. Each fills output, name, prompt, model, tokens, cost and attributes of outcome.spans[0].
void run_model_step(PreparedChain& prepared, const StepCall& call, const ModelStep& body, StepOutcome& outcome, const CancelToken& cancel);
void run_retrieve_step(PreparedChain& prepared, const StepCall& call, const RetrieveStep& body, StepOutcome& outcome);
void run_extract_step(const StepCall& call, const ExtractStep& body, StepOutcome& outcome);
void run_exec_step(PreparedChain& prepared, const StepCall& call, StepOutcome& outcome, const CancelToken& cancel);

// {name: {"input", "output", "latency_ms"}} of the external spans of a step, for metrics. The last of one name counts.
Json external_spans_by_name(const std::vector<SpanRecord>& spans);

}  // namespace llmops
