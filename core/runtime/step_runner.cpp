// A step's body runs once per set of values it reads. Before that its key is looked up: definition, files, model and values
// are in it, so an edit of one component runs that component and what reads its output, and nothing else.
#include "core/runtime/step_runner.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/base/hash.h"

namespace llmops {
namespace {

const Json* value_at_path(const TemplateScope& scope, std::string_view path) {
  const size_t dot = std::min(path.find('.'), path.size());
  const Json* at = scope.find(path.substr(0, dot));
  path.remove_prefix(std::min(dot + 1, path.size()));
  while (at != nullptr && !path.empty()) {
    const size_t end = std::min(path.find('.'), path.size());
    if (!at->is_object()) return at;  // deeper than data can tell: the whole value was read
    const auto found = at->find(std::string(path.substr(0, end)));
    at = found == at->end() ? nullptr : &*found;
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return at;
}

// {path: value} of everything the step's templates read; what is undefined is left out.
Json values_read(const StepCall& call) {
  Json values = Json::object();
  if (std::holds_alternative<ExecStep>(call.step->body)) {
    values["inputs"] = call.input->inputs;
    values["steps"] = Json::object();
    for (const std::string& id : call.step->needs) if (call.steps->contains(id)) values["steps"][id] = (*call.steps)[id];
    values["case"] = {{"id", call.input->id}};
    if (call.item != nullptr) values["item"] = *call.item;
    return values;
  }
  for (const TemplateReference& reference : call.step->references) {
    if (values.contains(reference.path)) continue;
    if (const Json* value = value_at_path(call.scope, reference.path)) values[reference.path] = *value;
  }
  return values;
}

// Which examples a few-shot step may show hangs on inputs that no template of it needs to read.
std::string few_shot_key(const PreparedChain& prepared, const StepCall& call) {
  const auto* body = std::get_if<ModelStep>(&call.step->body);
  if (body == nullptr || !body->few_shot) return {};
  std::string key = fmt::format("\nwithout {}", fmt::join(prepared.few_shots.at(call.step->id).of_case(*call.input), ","));
  if (body->few_shot->select == FewShotSelect::kRandom) key += "\ndrawn for " + dump_json(call.input->inputs);
  return key;
}

std::string memo_key(const PreparedChain& prepared, const StepCall& call, const std::string& values) {
  Sha256 hash;
  hash.update("llmops-step-v1\n");
  hash.update(prepared.step_identities.at(call.step->id));
  hash.update(values);
  hash.update(few_shot_key(prepared, call));
  hash.update(fmt::format("\nrepeat {}", call.input->repeat));
  const Sha256Digest digest = hash.finish();
  return {reinterpret_cast<const char*>(digest.data()), 16};
}

// A stored span becomes this case's own: same content, marked as reused.
bool reuse(std::vector<SpanRecord> stored, const StepCall& call, StepOutcome& outcome) {
  if (stored.empty() || stored[0].output.empty()) return false;
  auto output = parse_json(stored[0].output, "store");
  if (!output) return false;
  std::map<int, int> position;
  for (size_t i = 0; i < stored.size(); ++i) position[stored[i].sequence] = static_cast<int>(i);
  for (size_t i = 0; i < stored.size(); ++i) {
    SpanRecord& span = stored[i];
    span.parent = i == 0 ? -1 : position.contains(span.parent) ? position[span.parent] : 0;
    span.cache = SpanCache::kStep;
    span.retries = 0;
    // The key stays with the span that was really run; a copy needs none.
    span.memo_key.clear();
    if (i == 0) span.step = call.step->id;
    span.item = call.item_index;
  }
  if (!stored[0].attributes.empty()) {
    if (auto attributes = parse_json(stored[0].attributes, "store"); attributes && attributes->contains("tool_calls")) outcome.tool_calls = (*attributes)["tool_calls"];
  }
  outcome.output = std::move(*output);
  outcome.spans = std::move(stored);
  if (std::holds_alternative<AgentStep>(call.step->body)) read_agent_spans(outcome);
  return true;
}

}  // namespace

void tell_place(Error& error) {
  if (error.where.file.empty() || error.where.line <= 0) return;
  error.message = fmt::format("{}:{}:{}: {}", error.where.file, error.where.line, error.where.column, error.message);
  error.where = {};
}

StepOutcome run_step(PreparedChain& prepared, const StepCall& call, const CancelToken& cancel) {
  RuntimeContext& context = prepared.context;
  StepOutcome outcome;
  SpanRecord span;
  span.step = call.step->id;
  span.kind = call.step->kind_name();
  span.item = call.item_index;
  span.start_ms = context.clock->unix_ms();
  span.input = dump_json(values_read(call));
  const std::string key = memo_key(prepared, call, span.input);
  if (context.store != nullptr && context.cache == CacheUse::kReadAndWrite) {
    if (auto stored = context.store->find_step(key); stored && reuse(std::move(*stored), call, outcome)) {
      outcome.spans[0].input = std::move(span.input);
      return outcome;
    }
  }
  span.memo_key = context.cache == CacheUse::kOff ? "" : key;
  span.cache = SpanCache::kMiss;
  outcome.spans.push_back(std::move(span));
  const int64_t start_ns = context.clock->steady_ns();
  if (const auto* model = std::get_if<ModelStep>(&call.step->body)) run_model_step(prepared, call, *model, outcome, cancel);
  else if (const auto* retrieve = std::get_if<RetrieveStep>(&call.step->body)) run_retrieve_step(prepared, call, *retrieve, outcome, cancel);
  else if (const auto* agent = std::get_if<AgentStep>(&call.step->body)) run_agent_step(prepared, call, *agent, outcome, cancel);
  else if (const auto* chain = std::get_if<ChainStep>(&call.step->body)) run_chain_step(prepared, call, *chain, outcome, cancel);
  else if (const auto* extract = std::get_if<ExtractStep>(&call.step->body)) run_extract_step(call, *extract, outcome);
  else if (const auto* text = std::get_if<TemplateStep>(&call.step->body)) {
    auto rendered = text->text->evaluate(call.scope);
    if (rendered) outcome.output = std::move(*rendered);
    else outcome.error = std::move(rendered).error();
  } else {
    run_exec_step(prepared, call, outcome, cancel);
  }
  SpanRecord& own = outcome.spans[0];
  // A model's latency is the provider's: waiting for a place or for a retry is not the model's doing. An agent's and a called
  // chain's are made of their parts'.
  const auto& body = call.step->body;
  const bool measured_below = std::holds_alternative<ModelStep>(body) || std::holds_alternative<AgentStep>(body) || std::holds_alternative<ChainStep>(body);
  if (!measured_below) own.latency_ms = static_cast<double>(context.clock->steady_ns() - start_ns) * 1e-6;
  if (outcome.error) {
    outcome.output.reset();
    own.error_code = outcome.error->kind.empty() ? std::string(error_code_name(outcome.error->code)) : outcome.error->kind;
    tell_place(*outcome.error);
    own.error_message = context.scrubber->scrub(outcome.error->message);
    own.memo_key.clear();
  } else {
    own.output = dump_json(*outcome.output);
  }
  return outcome;
}

}  // namespace llmops
