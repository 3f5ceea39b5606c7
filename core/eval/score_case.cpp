#include "core/eval/score_case.h"

#include <fmt/format.h>

namespace llmops {

bool holds(const PassCondition& condition, double value) {
  switch (condition.op) {
    case GateOperator::kAtLeast: return value >= condition.number;
    case GateOperator::kAtMost: return value <= condition.number;
    case GateOperator::kAbove: return value > condition.number;
    case GateOperator::kBelow: return value < condition.number;
    case GateOperator::kEqual: return value == condition.number;
  }
  return false;
}

namespace {

std::optional<double> as_number(std::optional<int64_t> value) {
  if (!value) return std::nullopt;
  return static_cast<double>(*value);
}

Measured measured_of_case(const CaseResult& result) {
  return {result.latency_ms, std::nullopt, result.cost_usd, as_number(result.input_tokens), as_number(result.output_tokens)};
}

// A step that ran several times (for_each) counts as the sum of its runs.
std::optional<Measured> measured_of_step(const CaseResult& result, const std::string& step) {
  std::optional<Measured> sum;
  for (const SpanRecord& span : result.spans) {
    if (span.step != step || span.skipped) continue;
    if (!sum) {
      sum = Measured{span.latency_ms, span.ttft_ms, span.cost_usd, as_number(span.input_tokens), as_number(span.output_tokens)};
      continue;
    }
    const auto add = [](std::optional<double>& total, std::optional<double> more) {
      if (total && more) *total += *more;
      else total.reset();
    };
    add(sum->latency_ms, span.latency_ms);
    add(sum->cost_usd, span.cost_usd);
    add(sum->input_tokens, as_number(span.input_tokens));
    add(sum->output_tokens, as_number(span.output_tokens));
  }
  return sum;
}

enum class TargetState { kThere, kSkipped, kFailed };

// Why a target has no value, in words, when it has none.
TargetState target_state(const MetricSpec& metric, const CaseResult& result, std::string& why) {
  if (metric.step.empty()) {
    if (result.output || metric.kind->reads_measured) return TargetState::kThere;
    why = result.error ? result.error->message : "there is no output";
    return TargetState::kFailed;
  }
  const auto entry = result.steps.find(metric.step);
  if (entry == result.steps.end()) {
    why = "the step did not run";
    return TargetState::kFailed;
  }
  if ((*entry)["skipped"] == true) return TargetState::kSkipped;
  if (const Json& error = (*entry)["error"]; !error.is_null()) {
    why = fmt::format("step '{}': {}", metric.step, json_to_text(error));
    return TargetState::kFailed;
  }
  return TargetState::kThere;
}

Result<MetricScore> score_one(const MetricSpec& metric, const TemplateScope& scope, const CaseResult& result) {
  Json params = metric.literals;
  for (const auto& [name, made] : metric.templated) {
    LLMOPS_ASSIGN(params[name], made.evaluate(scope));
  }
  MetricInput input;
  input.params = &params;
  if (metric.kind->reads_measured) {
    const Measured measured = metric.step.empty() ? measured_of_case(result) : measured_of_step(result, metric.step).value_or(Measured{});
    input.measured = &measured;
    return metric.metric->score(input);
  }
  LLMOPS_ASSIGN(const Json target, metric.target_value->evaluate(scope));
  input.target = &target;
  return metric.metric->score(input);
}

}  // namespace

void score_case(const Suite& suite, const Json& row, const CaseInput& input, const CaseResult& result, CaseRecord& record) {
  TemplateScope scope;
  for (const auto& [name, value] : input.inputs.items()) scope.set(name, &value);
  scope.set("steps", &result.steps);
  if (result.output) scope.set("output", &*result.output);
  scope.set("case", &row);
  bool all_passed = true, any_counted = false, any_unknown = false;
  for (const MetricSpec& metric : suite.metrics) {
    ScoreRecord score;
    score.metric = metric.name;
    std::string why;
    const TargetState state = target_state(metric, result, why);
    if (state == TargetState::kFailed) {
      score.error = why;
    } else if (state == TargetState::kThere) {
      auto scored = score_one(metric, scope, result);
      if (!scored) {
        score.error = scored.error().message;
      } else {
        score.value = scored->value;
        if (scored->value && metric.pass) score.pass = holds(*metric.pass, *scored->value);
        Json detail = scored->detail.is_object() ? scored->detail : Json::object();
        if (!scored->reason.empty()) detail["reason"] = scored->reason;
        if (!detail.empty()) score.detail = dump_json(detail);
      }
    }
    if (metric.pass && state != TargetState::kSkipped) {
      any_counted = any_counted || score.pass.has_value();
      any_unknown = any_unknown || !score.pass.has_value();
      all_passed = all_passed && score.pass.value_or(true);
    }
    record.scores.push_back(std::move(score));
  }
  if (any_counted && !all_passed) record.pass = false;
  else if (any_counted && !any_unknown) record.pass = true;
}

}  // namespace llmops
