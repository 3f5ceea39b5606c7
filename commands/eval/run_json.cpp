#include "commands/eval/run_json.h"

#include <cmath>
#include <fmt/format.h>

namespace llmops {

Json interval_to_json(const std::optional<Interval>& interval) {
  if (!interval) return nullptr;
  return Json::array({interval->low, interval->high});
}

Json optional_to_json(const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); }

Json metric_row_to_json(const MetricRow& row) {
  Json json = {{"component", row.component}, {"metric", row.metric}, {"mean", optional_to_json(row.summary.mean)}, {"interval", interval_to_json(row.summary.interval)},
               {"level", 0.95}, {"method", row.summary.method}, {"n", row.summary.n}, {"errors", row.summary.errors}, {"absent", row.summary.absent},
               {"signature", row.signature}, {"unit", row.unit}, {"lower_is_better", row.lower_is_better}};
  if (row.baseline) json["baseline"] = *row.baseline;
  if (row.difference) {
    json["difference"] = {{"mean", row.difference->difference}, {"interval", interval_to_json(row.difference->interval)},
                          {"p_value", optional_to_json(row.difference->p_value)}, {"n", row.difference->n}, {"method", row.difference->method}};
    if (row.p_adjusted) json["difference"]["p_adjusted"] = *row.p_adjusted;
  }
  return json;
}

Json gate_to_json(const GateResult& gate) {
  return {{"gate", gate.text}, {"verdict", verdict_name(gate.verdict)}, {"value", optional_to_json(gate.value)}, {"threshold", optional_to_json(gate.threshold)},
          {"interval", interval_to_json(gate.interval)}, {"n", gate.n}, {"explanation", gate.explanation}};
}

Json errors_to_json(const std::vector<ErrorGroup>& errors) {
  Json json = Json::array();
  for (const ErrorGroup& group : errors) {
    json.push_back({{"step", group.step}, {"code", group.code}, {"message", group.message}, {"count", group.count}, {"example_case", group.example_case}});
  }
  return json;
}

namespace {

Json cases_to_json(const RunSeries& series) {
  Json json = {{"id", series.case_ids}, {"hash", series.case_hashes}, {"columns", Json::object()}};
  if (!series.clusters.empty()) json["cluster"] = series.clusters;
  for (const auto& [name, column] : series.columns) {
    Json values = Json::array();
    bool any = false;
    for (size_t i = 0; i < column.values.size(); ++i) {
      switch (column.states[i]) {
        case ValueState::kPresent: values.push_back(column.values[i]); any = true; break;
        case ValueState::kError: values.push_back("error"); any = true; break;
        case ValueState::kAbsent: values.push_back(nullptr); break;
      }
    }
    if (any) json["columns"][name] = {{"rate", column.is_rate}, {"lower_is_better", column.lower_is_better}, {"values", std::move(values)}};
  }
  for (const auto& [field, values] : series.slices) json["slices"][field] = values;
  return json;
}

}  // namespace

Json eval_run_to_json(const EvalRunReport& report, bool with_cases) {
  constexpr const char* kStates[] = {"running", "finished", "stopped"};
  Json json = {{"schema", "llmops.eval-run/v1"}, {"verdict", verdict_name(report.verdict)}, {"verdict_reasons", report.verdict_reasons}};
  json["run"] = {{"number", report.run.number}, {"uuid", report.run.uuid}, {"state", kStates[static_cast<int>(report.run.state)]}, {"stop_reason", report.run.stop_reason},
                 {"started", format_utc(report.run.started_ms)}, {"finished", report.run.finished_ms ? Json(format_utc(*report.run.finished_ms)) : Json(nullptr)}, {"wall_s", report.wall_s}, {"seed", report.seed}};
  json["chain"] = {{"name", report.run.chain}, {"path", report.chain_path}, {"vid", report.run.vid}, {"committed", report.committed}, {"changed", report.changed}};
  if (report.observed) json["chain"]["observed"] = true;
  json["suite"] = {{"name", report.run.suite}, {"path", report.suite_path}, {"suite_id", report.run.suite_id}, {"dataset", report.dataset_path}};
  json["models"] = report.models;
  json["cases"] = {{"total", report.case_count}, {"done", report.cases_done}, {"without_score", report.cases_without_score}, {"repeat", report.repeat}};
  json["metrics"] = Json::array();
  for (const MetricRow& row : report.rows) json["metrics"].push_back(metric_row_to_json(row));
  json["gates"] = Json::array();
  for (const GateResult& gate : report.gates) json["gates"].push_back(gate_to_json(gate));
  json["errors"] = errors_to_json(report.errors);
  json["cost"] = {{"usd", optional_to_json(report.cost_usd)}, {"known", !report.cost_is_unknown}, {"spent_usd", report.spent_usd}, {"spent_tokens", report.spent_tokens}};
  json["spans"] = {{"total", report.spans}, {"reused", report.reused}, {"retries", report.retries}};
  json["baseline"] = nullptr;
  if (report.baseline) {
    json["baseline"] = {{"description", report.baseline->description}, {"run", report.baseline->run_uuid}, {"pairs", report.baseline->pairing.pairs.size()},
                        {"changed_rows", report.baseline->pairing.changed_rows}, {"only_here", report.baseline->pairing.only_in_a}, {"only_there", report.baseline->pairing.only_in_b}};
  }
  if (with_cases) json["per_case"] = cases_to_json(report.series);
  return json;
}

Result<RunSeries> series_from_json(const Json& document, const std::string& file) {
  const auto refuse = [&](std::string why) { return Error(ErrorCode::kData, fmt::format("'{}' cannot be a baseline: {}", file, why), "write one with `llmops eval run -o FILE.json`"); };
  if (!document.is_object() || document.value("schema", "") != "llmops.eval-run/v1") return refuse("it is not the report of a run");
  const auto cases = document.find("per_case");
  if (cases == document.end() || !cases->is_object() || !cases->contains("id") || !cases->contains("hash") || !cases->contains("columns")) return refuse("it holds no cases");
  RunSeries series;
  for (const Json& id : (*cases)["id"]) series.case_ids.push_back(json_to_text(id));
  for (const Json& hash : (*cases)["hash"]) series.case_hashes.push_back(json_to_text(hash));
  if (series.case_ids.size() != series.case_hashes.size()) return refuse("its columns differ in length");
  if (cases->contains("cluster")) for (const Json& cluster : (*cases)["cluster"]) series.clusters.push_back(cluster.is_number_integer() ? cluster.get<int64_t>() : 0);
  for (const auto& [name, entry] : (*cases)["columns"].items()) {
    Column& column = series.columns[name];
    column.is_rate = entry.value("rate", false);
    column.lower_is_better = entry.value("lower_is_better", false);
    for (const Json& value : entry["values"]) {
      if (value.is_number()) column.push(value.get<double>(), false);
      else column.push(std::nullopt, value.is_string());
    }
    if (column.values.size() != series.case_ids.size()) return refuse("its columns differ in length");
  }
  if (cases->contains("slices")) {
    for (const auto& [field, values] : (*cases)["slices"].items()) for (const Json& value : values) series.slices[field].push_back(json_to_text(value));
  }
  return series;
}

}  // namespace llmops
