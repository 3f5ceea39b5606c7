#include "commands/eval/matrix_json.h"

#include "commands/eval/run_json.h"

namespace llmops {
namespace {

// Cells are numbered from 1, as people read them.
Json numbers(const std::vector<size_t>& cells) {
  Json json = Json::array();
  for (const size_t cell : cells) json.push_back(cell + 1);
  return json;
}

Json axes_to_json(const std::vector<MatrixAxis>& axes) {
  Json json = Json::array();
  for (const MatrixAxis& axis : axes) {
    Json values = Json::array();
    for (const MatrixValue& value : axis.values) values.push_back(value.label);
    json.push_back({{"path", axis.path}, {"variants", axis.is_variants}, {"values", std::move(values)}});
  }
  return json;
}

Json cell_head(const std::vector<MatrixAxis>& axes, const MatrixCell& cell, size_t number) {
  Json values = Json::array();
  for (size_t axis = 0; axis < axes.size(); ++axis) values.push_back(axes[axis].values[cell.values[axis]].label);
  return {{"cell", number}, {"values", std::move(values)}, {"sets", cell.sets}, {"vid", cell.vid}};
}

Json cell_to_json(const std::vector<MatrixAxis>& axes, const MatrixCell& cell, size_t number) {
  Json json = cell_head(axes, cell, number);
  json["run"] = nullptr;
  if (!cell.report) return json;
  const EvalRunReport& ran = *cell.report;
  constexpr const char* kStates[] = {"running", "finished", "stopped"};
  json["run"] = {{"number", ran.run.number}, {"uuid", ran.run.uuid}, {"state", kStates[static_cast<int>(ran.run.state)]}, {"stop_reason", ran.run.stop_reason}};
  json["verdict"] = verdict_name(ran.verdict);
  json["failure"] = cell.failure.empty() ? Json(nullptr) : Json(cell.failure);
  json["models"] = ran.models;
  json["cases"] = {{"done", ran.cases_done}, {"without_score", ran.cases_without_score}};
  json["metrics"] = Json::array();
  for (const MetricRow& row : ran.rows) json["metrics"].push_back(metric_row_to_json(row));
  json["gates"] = Json::array();
  for (const GateResult& gate : ran.gates) json["gates"].push_back(gate_to_json(gate));
  json["errors"] = errors_to_json(ran.errors);
  json["cost"] = {{"usd", optional_to_json(ran.cost_usd)}, {"known", !ran.cost_is_unknown}, {"spent_usd", ran.spent_usd}, {"spent_tokens", ran.spent_tokens}};
  json["spans"] = {{"total", ran.spans}, {"reused", ran.reused}, {"retries", ran.retries}};
  return json;
}

Json spread_to_json(const SpreadRow& row) {
  Json json = {{"axis", row.axis}, {"metric", row.metric}, {"cells", numbers(row.cells)}, {"spread", nullptr}};
  if (!row.spread) return json;
  const PromptSpread& found = *row.spread;
  json["spread"] = {{"value", found.spread}, {"interval", Json::array({found.interval.low, found.interval.high})}, {"level", 0.95}, {"by_chance", found.by_chance}, {"p_value", found.p_value},
                    {"n", found.n}, {"means", found.means}, {"method", "max - min of means; bootstrap over cases; permutation within cases"}};
  json["worst"] = {{"cell", row.cells[found.worst] + 1}, {"mean", found.means[found.worst]}, {"interval", interval_to_json(found.worst_interval)}, {"method", "simultaneous (Bonferroni)"}};
  return json;
}

}  // namespace

Json eval_matrix_to_json(const EvalMatrixReport& report) {
  Json json = {{"schema", "llmops.eval-matrix/v1"}, {"verdict", verdict_name(report.verdict)}, {"verdict_reasons", report.verdict_reasons}};
  json["matrix"] = {{"uuid", report.uuid}, {"stop_reason", report.stop_reason}, {"wall_s", report.wall_s}, {"seed", report.seed}, {"correction", "Holm"}};
  json["chain"] = {{"name", report.chain}, {"path", report.chain_path}};
  json["suite"] = {{"name", report.suite}, {"path", report.suite_path}, {"dataset", report.dataset_path}};
  json["cases"] = {{"total", report.case_count}, {"repeat", report.repeat}};
  json["axes"] = axes_to_json(report.axes);
  json["cells"] = Json::array();
  for (size_t i = 0; i < report.cells.size(); ++i) json["cells"].push_back(cell_to_json(report.axes, report.cells[i], i + 1));
  json["best"] = {{"metric", report.best_by}, {"lower_is_better", report.lower_is_better}, {"level", 0.95}, {"decided", report.best.is_decided()}, {"cells", numbers(report.best.cells)},
                  {"top", report.best.top ? Json(*report.best.top + 1) : Json(nullptr)}, {"n", report.best.n}, {"cases_needed", report.best.cases_needed ? Json(*report.best.cases_needed) : Json(nullptr)},
                  {"cheapest", report.cheapest ? Json(*report.cheapest + 1) : Json(nullptr)}, {"method", "not beaten by any other cell: one-sided paired tests, Bonferroni over the other cells"}};
  json["sensitivity"] = Json::array();
  for (const SpreadRow& row : report.spreads) json["sensitivity"].push_back(spread_to_json(row));
  json["cost"] = {{"spent_usd", report.spent_usd}, {"spent_tokens", report.spent_tokens}};
  return json;
}

Json eval_matrix_plan_to_json(const EvalMatrixPlan& plan) {
  Json json = {{"schema", "llmops.eval-matrix-plan/v1"}, {"chain", plan.first.chain}, {"suite", plan.first.suite}, {"cases", plan.first.case_count}, {"repeat", plan.first.repeat},
               {"metrics", plan.first.metrics}, {"gates", plan.first.gates}, {"axes", axes_to_json(plan.axes)}, {"cells", Json::array()}, {"needs_trust", plan.needs_trust}};
  for (size_t i = 0; i < plan.cells.size(); ++i) json["cells"].push_back(cell_head(plan.axes, plan.cells[i], i + 1));
  return json;
}

}  // namespace llmops
