#include "cli/render/eval_json.h"

#include <fmt/format.h>

#include "core/eval/metric.h"
#include "core/telemetry/genai_names.h"

namespace llmops {
namespace {

constexpr const char* kStates[] = {"running", "finished", "stopped"};

Json parsed_or_null(const std::string& text) {
  if (text.empty()) return nullptr;
  auto value = parse_json(text, "store");
  return value ? std::move(*value) : Json(text);
}

template <class T>
Json optional(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

Json run_to_json(const RunRecord& run) {
  return {{"number", run.number}, {"uuid", run.uuid}, {"chain", run.chain}, {"vid", run.vid}, {"suite", run.suite}, {"suite_id", run.suite_id}, {"state", kStates[static_cast<int>(run.state)]},
          {"stop_reason", run.stop_reason}, {"started", format_utc(run.started_ms)}, {"finished", run.finished_ms ? Json(format_utc(*run.finished_ms)) : Json(nullptr)}, {"cases", run.case_count}};
}

Json span_to_json(const SpanRecord& span) {
  constexpr const char* kCaches[] = {"none", "miss", "step", "response"};
  Json json = {{"sequence", span.sequence}, {"parent", span.parent < 0 ? Json(nullptr) : Json(span.parent)}, {"step", span.step}, {"kind", span.kind}, {"name", span.name}};
  if (span.item >= 0) json["item"] = span.item;
  json["skipped"] = span.skipped;
  json["input"] = parsed_or_null(span.input);
  if (!span.prompt.empty()) json["prompt"] = parsed_or_null(span.prompt);
  json["output"] = parsed_or_null(span.output);
  json["start"] = format_utc(span.start_ms);
  json["latency_ms"] = span.latency_ms;
  json["ttft_ms"] = optional(span.ttft_ms);
  json["cost_usd"] = optional(span.cost_usd);
  json["retries"] = span.retries;
  json["cache"] = kCaches[static_cast<int>(span.cache)];
  json["error"] = span.error_code.empty() ? Json(nullptr) : Json{{"code", span.error_code}, {"message", span.error_message}};
  json["attributes"] = genai_attributes(span);
  return json;
}

}  // namespace

Json case_to_json(const CaseRecord& record) {
  Json json = {{"case", record.case_id}, {"ordinal", record.ordinal}, {"repeat", record.repeat}, {"hash", record.case_hash}, {"row", parsed_or_null(record.row)}, {"output", parsed_or_null(record.output)},
               {"pass", optional(record.pass)}, {"latency_ms", record.latency_ms}, {"cost_usd", optional(record.cost_usd)}, {"input_tokens", optional(record.input_tokens)}, {"output_tokens", optional(record.output_tokens)}};
  json["error"] = record.error_code.empty() ? Json(nullptr) : Json{{"step", record.error_step}, {"code", record.error_code}, {"message", record.error_message}};
  json["scores"] = Json::object();
  for (const ScoreRecord& score : record.scores) {
    json["scores"][score.metric] = {{"value", optional(score.value)}, {"pass", optional(score.pass)}, {"error", score.error.empty() ? Json(nullptr) : Json(score.error)}, {"detail", parsed_or_null(score.detail)}};
  }
  json["spans"] = Json::array();
  for (const SpanRecord& span : record.spans) json["spans"].push_back(span_to_json(span));
  return json;
}

Json eval_show_to_json(const EvalShowReport& report) {
  Json json = {{"schema", "llmops.eval-show/v1"}, {"run", run_to_json(report.run)}, {"stored_cases", report.stored_cases}, {"summary", report.summary}, {"cases", Json::array()}};
  for (const ShownCase& shown : report.cases) {
    Json one = case_to_json(shown.record);
    for (size_t i = 0; i < shown.why.size(); ++i) one["spans"][i]["why"] = {{"state", shown.why[i].state}, {"reason", shown.why[i].reason}};
    json["cases"].push_back(std::move(one));
  }
  return json;
}

Json eval_list_to_json(const EvalListReport& report) {
  Json json = {{"schema", "llmops.eval-list/v1"}, {"runs", Json::array()}};
  for (const RunRecord& run : report.runs) {
    Json one = run_to_json(run);
    const Json summary = parsed_or_null(run.summary);
    one["verdict"] = summary.is_object() ? summary.value("verdict", Json(nullptr)) : Json(nullptr);
    json["runs"].push_back(std::move(one));
  }
  return json;
}

Json cache_explain_to_json(const CacheExplainReport& report) {
  Json json = {{"schema", "llmops.eval-cache-explain/v1"}, {"run", run_to_json(report.run)}, {"reused", report.reused}, {"run_anew", report.run_anew}, {"steps", Json::array()}};
  for (const CacheExplainRow& row : report.rows) {
    json["steps"].push_back({{"case", row.case_id}, {"step", row.step}, {"item", row.item < 0 ? Json(nullptr) : Json(row.item)}, {"state", row.state}, {"reason", row.reason}});
  }
  return json;
}

Json metrics_to_json(const std::string& name) {
  Json json = {{"schema", "llmops.eval-metrics/v1"}, {"metrics", Json::array()}};
  for (const MetricKind& kind : metric_kinds()) {
    if (!name.empty() && name != kind.type) continue;
    Json parameters = Json::array();
    for (const MetricParameter& parameter : kind.parameters) {
      parameters.push_back({{"name", parameter.name}, {"type", parameter.type}, {"required", parameter.required}, {"default", parameter.default_text}, {"help", parameter.help}});
    }
    json["metrics"].push_back({{"type", kind.type}, {"summary", kind.summary}, {"citation", kind.citation}, {"range", kind.range}, {"level", "case"},
                               {"better", kind.direction == MetricDirection::kHigher ? "higher" : "lower"}, {"parameters", parameters}});
  }
  return json;
}

Json eval_plan_to_json(const EvalPlan& plan) {
  return {{"schema", "llmops.eval-plan/v1"}, {"chain", plan.chain}, {"vid", plan.vid}, {"suite", plan.suite}, {"suite_id", plan.suite_id}, {"cases", plan.case_count}, {"repeat", plan.repeat},
          {"models", plan.models}, {"metrics", plan.metrics}, {"gates", plan.gates}, {"needs_trust", plan.needs_trust}};
}

std::string render_eval_plan(const EvalPlan& plan) {
  std::string text = fmt::format("would run {} cases of suite {} over {} {}\n", plan.case_count, plan.suite, plan.chain, plan.vid.substr(0, 12));
  const auto list = [&](const char* title, const std::vector<std::string>& lines) {
    for (const std::string& line : lines) text += fmt::format("{:<8}{}\n", title, line);
  };
  list("model", plan.models);
  list("metric", plan.metrics);
  list("gate", plan.gates);
  list("trust", plan.needs_trust);
  return text;
}

}  // namespace llmops
