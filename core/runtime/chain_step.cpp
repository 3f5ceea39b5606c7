// The body of a chain step: another chain of the project as a component. Its steps are spans below this one, named
// "STEP/ITS_STEP", and are reused one by one like any others.
#include <fmt/format.h>

#include "core/runtime/step_runner.h"

namespace llmops {

void run_chain_step(PreparedChain& prepared, const StepCall& call, const ChainStep& body, StepOutcome& outcome, const CancelToken& cancel) {
  CaseInput inner{call.input->id, Json::object(), call.input->repeat};
  outcome.spans[0].name = body.path;
  for (const auto& [name, made] : body.inputs) {
    auto value = made.evaluate(call.scope);
    if (!value) {
      outcome.error = std::move(value).error();
      return;
    }
    inner.inputs[name] = std::move(*value);
  }
  CaseResult result = run_prepared(*prepared.called.at(call.step->id), inner, cancel);
  outcome.spans[0].latency_ms = result.latency_ms;
  for (SpanRecord& span : result.spans) {
    span.step = call.step->id + "/" + span.step;
    span.parent = span.parent < 0 ? 0 : span.parent + 1;
    if (span.item < 0) span.item = call.item_index;
    outcome.spans.push_back(std::move(span));
  }
  if (!result.error) {
    outcome.output = std::move(*result.output);
    return;
  }
  outcome.error = std::move(*result.error);
  if (!result.error_step.empty()) outcome.error->message = fmt::format("step '{}' of {}: {}", result.error_step, body.path, outcome.error->message);
}

}  // namespace llmops
