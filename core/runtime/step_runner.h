// Private to core/runtime: running one step's body once.
#pragma once

#include <mutex>

#include "core/provider/process.h"
#include "core/runtime/executor.h"
#include "core/text/bm25.h"

namespace llmops {

struct EmbeddingMatrix;

struct FewShotExample { Json input, output; };
struct FewShotExamples {
  std::vector<FewShotExample> examples;
  std::shared_ptr<const Bm25Index> index;               // over the inputs, when a step selects by it
  std::shared_ptr<const EmbeddingMatrix> embeddings;    // likewise
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
struct PreparedRetrieval {
  std::vector<Passage> passages;
  std::unique_ptr<Bm25Index> index;                     // null: embeddings alone
  std::shared_ptr<const EmbeddingMatrix> embeddings;    // null: BM25 alone
};
struct PreparedChain {
  const Chain* chain = nullptr;
  RuntimeContext context;
  std::map<std::string, PreparedModel> models;
  std::map<std::string, PreparedRetrieval> retrievals;                     // by step id
  std::map<std::string, FewShotExamples> few_shots;                         // by step id
  std::map<std::string, std::unique_ptr<JsonLineProcess>> processes;       // by step id
  std::map<std::string, std::unique_ptr<JsonLineProcess>> tools;           // by tool name: of agents
  std::map<std::string, std::unique_ptr<PreparedChain>> called;            // by step id
  std::map<std::string, std::string> step_identities;                      // digest of definition and model, by step id
};
// `model` must outlive what is made; the chain is where its program and files lie. Errors: a broken replay file, a missing secret.
Result<PreparedModel> prepare_model(const Chain& chain, const ModelSpec& model, const RuntimeContext& context);
Result<std::unique_ptr<PreparedChain>> prepare_chain(const Chain& chain, const RuntimeContext& context);
// One case through it. Thread-safe.
CaseResult run_prepared(PreparedChain& prepared, const CaseInput& input, const CancelToken& cancel);

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
  Json turns;                      // of an agent; null: none
  std::optional<Error> error;
  std::vector<SpanRecord> spans;   // the step's own first, then external ones; parents are indices into this vector
};
// What is stored of a case's error is its message: the place, where it has one, goes in front ("qa.chain.yaml:6:24: ...").
void tell_place(Error& error);
// From the store when the key was seen, else run. Thread-safe.
StepOutcome run_step(PreparedChain& prepared, const StepCall& call, const CancelToken& cancel);

// The bodies. Each fills output, name, prompt, model, tokens, cost and attributes of outcome.spans[0].
void run_model_step(PreparedChain& prepared, const StepCall& call, const ModelStep& body, StepOutcome& outcome, const CancelToken& cancel);
void run_retrieve_step(PreparedChain& prepared, const StepCall& call, const RetrieveStep& body, StepOutcome& outcome, const CancelToken& cancel);
void run_extract_step(const StepCall& call, const ExtractStep& body, StepOutcome& outcome);
void run_exec_step(PreparedChain& prepared, const StepCall& call, StepOutcome& outcome, const CancelToken& cancel);

void run_agent_step(PreparedChain& prepared, const StepCall& call, const AgentStep& body, StepOutcome& outcome, const CancelToken& cancel);
void run_chain_step(PreparedChain& prepared, const StepCall& call, const ChainStep& body, StepOutcome& outcome, const CancelToken& cancel);

// Fills turns and tool_calls of an agent's outcome from its spans, fresh or reused.
void read_agent_spans(StepOutcome& outcome);

// Takes what a fresh call used out of the run's budget. Under a budget, a call whose amount nobody knows cannot be allowed
// to pass as free: kProvider "missing_usage".
Status charge_budget(const RuntimeContext& context, const ModelSpec& model, const TokenUsage& usage, std::optional<double> cost);

// {name: {"input", "output", "latency_ms", "error"}} of the parts of a step, for metrics: what a program reported, or the steps
// of a called chain. The last of one name counts.
Json parts_by_name(const std::string& step, const std::vector<SpanRecord>& spans);

}  // namespace llmops
