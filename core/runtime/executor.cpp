// The order of a case: steps whose needs are met run, those that wait for a network or a process side by side, until none
// is left; then the output is rendered. The order of spans is the chain's, whatever finished first.
#include "core/runtime/executor.h"

#include <algorithm>
#include <fmt/format.h>
#include <set>
#include <thread>

#include "core/runtime/step_runner.h"

namespace llmops {

struct Executor::Impl {
  std::unique_ptr<PreparedChain> prepared;
};

Executor::Executor(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Executor::~Executor() = default;

Result<std::unique_ptr<Executor>> Executor::create(const Chain& chain, const RuntimeContext& context) {
  auto impl = std::make_unique<Impl>();
  LLMOPS_ASSIGN(impl->prepared, prepare_chain(chain, context));
  return std::unique_ptr<Executor>(new Executor(std::move(impl)));
}

namespace {

bool waits(const PreparedChain& prepared, const StepSpec& step) {
  if (std::holds_alternative<ExecStep>(step.body) || std::holds_alternative<AgentStep>(step.body)) return true;
  if (const auto* retrieve = std::get_if<RetrieveStep>(&step.body)) return retrieve->method != RetrievalMethod::kBm25;
  if (std::holds_alternative<ChainStep>(step.body)) {
    const PreparedChain& called = *prepared.called.at(step.id);
    return std::any_of(called.chain->steps.begin(), called.chain->steps.end(), [&](const StepSpec& inner) { return waits(called, inner); });
  }
  const auto* body = std::get_if<ModelStep>(&step.body);
  return body != nullptr && (!prepared.models.at(body->model).provider->is_local() || (body->few_shot && !body->few_shot->embedder.empty()));
}

// What became of one step of one case.
struct StepState {
  bool done = false;
  bool skipped = false;
  std::optional<Error> error;
  std::string blocked_by;              // not run, because this step failed
  std::optional<Json> output;
  Json tool_calls, turns;
  std::vector<SpanRecord> spans;
  double latency_ms = 0, end_ms = 0;   // end along the graph
};

SpanRecord plain_span(const StepSpec& step, int64_t now_ms) {
  SpanRecord span;
  span.step = step.id;
  span.kind = step.kind_name();
  span.start_ms = now_ms;
  return span;
}

class CaseRun {
 public:
  CaseRun(PreparedChain& prepared, const CaseInput& input, const CancelToken& cancel) : prepared_(prepared), input_(input), cancel_(cancel) {}

  CaseResult run() {
    const auto& steps = prepared_.chain->steps;
    states_.resize(steps.size());
    size_t done = 0;
    while (done < steps.size()) {
      std::vector<size_t> ready;
      for (size_t i = 0; i < steps.size(); ++i) if (!states_[i].done && needs_are_done(steps[i])) ready.push_back(i);
      run_side_by_side(ready);
      for (const size_t i : ready) {
        settle(i);
        ++done;
      }
    }
    return finish();
  }

 private:
  size_t index_of(const std::string& id) const {
    const auto& steps = prepared_.chain->steps;
    return static_cast<size_t>(std::find_if(steps.begin(), steps.end(), [&](const StepSpec& s) { return s.id == id; }) - steps.begin());
  }
  bool needs_are_done(const StepSpec& step) const {
    return std::all_of(step.needs.begin(), step.needs.end(), [&](const std::string& id) { return states_[index_of(id)].done; });
  }

  void run_side_by_side(const std::vector<size_t>& ready) {
    std::vector<size_t> slow, quick;
    for (const size_t i : ready) (waits(prepared_, prepared_.chain->steps[i]) ? slow : quick).push_back(i);
    std::vector<std::thread> threads;
    for (size_t k = 1; k < slow.size(); ++k) threads.emplace_back([this, i = slow[k]] { run_one(i); });
    for (const size_t i : quick) run_one(i);
    if (!slow.empty()) run_one(slow[0]);
    for (std::thread& thread : threads) thread.join();
  }

  TemplateScope scope_of() const {
    TemplateScope scope;
    for (const auto& [name, value] : input_.inputs.items()) scope.set(name, &value);
    scope.set("steps", &steps_);
    return scope;
  }

  void run_one(size_t index) {
    const StepSpec& step = prepared_.chain->steps[index];
    StepState& state = states_[index];
    for (const std::string& id : step.needs_output) {
      const StepState& needed = states_[index_of(id)];
      if (!needed.error && needed.blocked_by.empty()) continue;
      state.blocked_by = needed.error ? id : needed.blocked_by;
      return;
    }
    StepCall call{&step, &input_, &steps_, nullptr, -1, scope_of()};
    if (step.when) {
      auto condition = step.when->evaluate(call.scope);
      if (!condition) return fail(step, state, std::move(condition).error());
      if (!json_truthy(*condition) || *condition == "False" || *condition == "") {
        state.skipped = true;
        return;
      }
    }
    if (!step.for_each) return take(state, run_step(prepared_, call, cancel_));
    auto list = step.for_each->evaluate(call.scope);
    if (!list) return fail(step, state, std::move(list).error());
    if (!list->is_array()) return fail(step, state, Error(ErrorCode::kData, fmt::format("'for_each' of step '{}' needs a list", step.id)));
    Json outputs = Json::array();
    for (size_t i = 0; i < list->size(); ++i) {
      StepCall one = call;
      one.item = &(*list)[i];
      one.item_index = static_cast<int>(i);
      one.scope.set("item", one.item);
      take(state, run_step(prepared_, one, cancel_));
      if (state.error) return;
      outputs.push_back(std::move(*state.output));
    }
    state.output = std::move(outputs);
  }

  void fail(const StepSpec& step, StepState& state, Error error) {
    SpanRecord span = plain_span(step, prepared_.context.clock->unix_ms());
    span.error_code = error.kind.empty() ? std::string(error_code_name(error.code)) : error.kind;
    tell_place(error);
    span.error_message = error.message;
    state.spans.push_back(std::move(span));
    state.error = std::move(error);
  }

  static void take(StepState& state, StepOutcome&& outcome) {
    const int base = static_cast<int>(state.spans.size());
    for (SpanRecord& span : outcome.spans) {
      if (span.parent >= 0) span.parent += base;
      else state.latency_ms += span.latency_ms;
      state.spans.push_back(std::move(span));
    }
    state.output = std::move(outcome.output);
    state.error = std::move(outcome.error);
    state.tool_calls = std::move(outcome.tool_calls);
    state.turns = std::move(outcome.turns);
  }

  // Makes a finished step visible to those that read it. Runs on the case's thread only.
  void settle(size_t index) {
    const StepSpec& step = prepared_.chain->steps[index];
    StepState& state = states_[index];
    state.done = true;
    double start = 0;
    for (const std::string& id : step.needs) start = std::max(start, states_[index_of(id)].end_ms);
    state.end_ms = start + state.latency_ms;
    Json& entry = steps_[step.id] = Json::object();
    entry["skipped"] = state.skipped;
    entry["error"] = nullptr;
    if (state.error) entry["error"] = state.error->message;
    else if (!state.blocked_by.empty()) entry["error"] = fmt::format("not run: step '{}' failed", state.blocked_by);
    else if (!state.skipped) entry["output"] = *state.output;
    if (!state.tool_calls.is_null()) entry["tool_calls"] = state.tool_calls;
    if (!state.turns.is_null()) entry["turns"] = state.turns;
    if (Json parts = parts_by_name(step.id, state.spans); !parts.empty()) entry["spans"] = std::move(parts);
    if (state.skipped || !state.blocked_by.empty()) {
      SpanRecord span = plain_span(step, prepared_.context.clock->unix_ms());
      span.skipped = true;
      if (!state.blocked_by.empty()) span.name = fmt::format("not run: step '{}' failed", state.blocked_by);
      state.spans.push_back(std::move(span));
    }
  }

  CaseResult finish() {
    CaseResult result;
    const auto& steps = prepared_.chain->steps;
    bool any_model = false, cost_known = true, tokens_known = true;
    double cost = 0;
    int64_t input_tokens = 0, output_tokens = 0;
    for (size_t i = 0; i < steps.size(); ++i) {
      result.latency_ms = std::max(result.latency_ms, states_[i].end_ms);
      const int base = static_cast<int>(result.spans.size());
      for (SpanRecord& span : states_[i].spans) {
        if (span.parent >= 0) span.parent += base;
        span.sequence = static_cast<int>(result.spans.size());
        const bool counts = !span.skipped && (span.kind == "model" || span.cost_usd || span.input_tokens);
        if (counts) {
          any_model = true;
          cost_known = cost_known && span.cost_usd.has_value();
          tokens_known = tokens_known && span.input_tokens && span.output_tokens;
          cost += span.cost_usd.value_or(0);
          input_tokens += span.input_tokens.value_or(0);
          output_tokens += span.output_tokens.value_or(0);
        }
        result.spans.push_back(std::move(span));
      }
    }
    if (any_model && cost_known) result.cost_usd = cost;
    if (any_model && tokens_known) {
      result.input_tokens = input_tokens;
      result.output_tokens = output_tokens;
    }
    for (const auto& [id, shots] : prepared_.few_shots) result.is_few_shot_example = result.is_few_shot_example || !shots.of_case(input_).empty();
    auto output = prepared_.chain->output->evaluate(scope_of());
    if (output) result.output = std::move(*output);
    else explain_missing_output(std::move(output).error(), result);
    result.steps = std::move(steps_);
    return result;
  }

  // The output could not be made: the cause is the first failed step, if one failed, else the output's own template.
  void explain_missing_output(Error error, CaseResult& result) {
    if (cancel_.cancelled()) {
      result.error = Error(ErrorCode::kInterrupted, "interrupted");
      return;
    }
    // Only what the output reads can be the cause; a step that nothing needed may fail beside it.
    for (const size_t i : causes_of_output()) {
      if (!states_[i].error) continue;
      result.error = std::move(states_[i].error);
      result.error_step = prepared_.chain->steps[i].id;
      return;
    }
    tell_place(error);
    result.error = std::move(error);
  }

  // The steps that the output reads, and what those could not do without, in the chain's order.
  std::set<size_t> causes_of_output() const {
    std::set<size_t> found;
    std::vector<std::string> open;
    for (const TemplateReference& reference : prepared_.chain->output->references()) {
      if (!reference.path.starts_with("steps.")) continue;
      const std::string rest = reference.path.substr(6);
      open.push_back(rest.substr(0, rest.find('.')));
    }
    while (!open.empty()) {
      const size_t index = index_of(open.back());
      open.pop_back();
      if (!found.insert(index).second) continue;
      for (const std::string& id : prepared_.chain->steps[index].needs_output) open.push_back(id);
    }
    return found;
  }

  PreparedChain& prepared_;
  const CaseInput& input_;
  const CancelToken& cancel_;
  std::vector<StepState> states_;
  Json steps_ = Json::object();
};

}  // namespace

CaseResult run_prepared(PreparedChain& prepared, const CaseInput& input, const CancelToken& cancel) { return CaseRun(prepared, input, cancel).run(); }

CaseResult Executor::run(const CaseInput& input, const CancelToken& cancel) { return run_prepared(*impl_->prepared, input, cancel); }

bool Executor::is_local() const {
  const auto& steps = impl_->prepared->chain->steps;
  return std::none_of(steps.begin(), steps.end(), [this](const StepSpec& step) { return waits(*impl_->prepared, step); });
}

}  // namespace llmops
