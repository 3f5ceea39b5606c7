#include "cli/render/matrix_text.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/render/eval_json.h"
#include "cli/table.h"
#include "core/text/unicode.h"

namespace llmops {
namespace {

constexpr double kAlpha = 0.05;

std::string interval_text(const std::optional<Interval>& interval, const std::string& unit) {
  return interval ? fmt::format("{} .. {}", format_value(interval->low, unit), format_value(interval->high, unit)) : "";
}

std::string signed_value(double value, const std::string& unit) { return (value < 0 ? "" : "+") + format_value(value, unit); }

std::string list_of(const std::vector<size_t>& cells) {
  std::string text;
  for (const size_t cell : cells) text += (text.empty() ? "" : ", ") + std::to_string(cell + 1);
  return text;
}

std::string shown_values(const EvalMatrixReport& report, size_t cell) {
  std::string text;
  for (size_t axis = 0; axis < report.axes.size(); ++axis) text += (text.empty() ? "" : ", ") + report.axes[axis].values[report.cells[cell].values[axis]].label;
  return text;
}

const MetricRow* row_named(const MatrixCell& cell, const std::string& component, const std::string& metric) {
  if (!cell.report) return nullptr;
  for (const MetricRow& row : cell.report->rows) if (row.metric == metric && (component.empty() || row.component == component)) return &row;
  return nullptr;
}

std::string mean_text(const MetricRow* row) { return row != nullptr && row->summary.mean ? format_value(*row->summary.mean, row->unit) : ""; }

// Other numbers of the cells: what the suite measures end to end, beside the metric that decides.
std::vector<std::string> other_metrics(const EvalMatrixReport& report) {
  std::vector<std::string> names;
  for (const MatrixCell& cell : report.cells) {
    if (!cell.report) continue;
    for (const MetricRow& row : cell.report->rows) {
      if (row.component == "end to end" && row.metric != report.best_by && row.metric != "cost" && std::find(names.begin(), names.end(), row.metric) == names.end()) names.push_back(row.metric);
    }
  }
  return names;
}

std::string state_of(const MatrixCell& cell) {
  if (!cell.report) return "not run";
  if (!cell.failure.empty()) return "no score";
  if (cell.report->run.state == RunState::kStopped) return "stopped";
  return cell.report->gates.empty() && cell.report->verdict == Verdict::kPass ? "" : std::string(verdict_name(cell.report->verdict));
}

Tone tone_of(const std::string& state) { return state == "pass" ? Tone::kGood : state == "fail" || state == "no score" ? Tone::kBad : state.empty() ? Tone::kPlain : Tone::kUndecided; }

// What is varied without whose it is ("temperature" for "models.main.params.temperature"), unless two axes then read alike.
std::vector<TableColumn> first_columns(const std::vector<MatrixAxis>& axes) {
  std::vector<TableColumn> columns{{"cell", true, 0, false}};
  const auto short_name = [](const std::string& path) { return path.substr(path.rfind('.') + 1); };
  for (const MatrixAxis& axis : axes) {
    const auto alike = std::count_if(axes.begin(), axes.end(), [&](const MatrixAxis& other) { return short_name(other.path) == short_name(axis.path); });
    columns.push_back({alike > 1 ? axis.path : short_name(axis.path), false, 0, false});
  }
  return columns;
}

void add_values(const std::vector<MatrixAxis>& axes, const MatrixCell& cell, const Terminal& terminal, std::vector<std::string>& cells) {
  constexpr int kLongestLabel = 32;
  for (size_t axis = 0; axis < axes.size(); ++axis) cells.push_back(truncate_to_width(axes[axis].values[cell.values[axis]].label, kLongestLabel, terminal.unicode()));
}

std::string table_text(const EvalMatrixReport& report, const Terminal& terminal) {
  const std::vector<std::string> others = other_metrics(report);
  std::vector<TableColumn> columns = first_columns(report.axes);
  const size_t first = columns.size();
  for (const auto& [title, importance] : {std::pair{report.best_by.c_str(), 0}, {"95 % interval", 3}, {"n", 5}, {"difference (paired)", 1}, {"p (Holm)", 2}}) columns.push_back({title, true, importance, false});
  columns[first + 4].right = columns[first + 3].right = false;
  for (const std::string& name : others) columns.push_back({name, true, 6, false});
  for (const auto& [title, importance] : {std::pair{"cost", 2}, {"run", 7}}) columns.push_back({title, true, importance, false});
  columns.push_back({"verdict", false, 4, false});
  Table table(std::move(columns));
  for (size_t i = 0; i < report.cells.size(); ++i) {
    const MatrixCell& cell = report.cells[i];
    std::vector<std::string> cells{std::to_string(i + 1)};
    add_values(report.axes, cell, terminal, cells);
    std::vector<Tone> tones(cells.size(), Tone::kPlain);
    const auto add = [&](std::string text, Tone tone = Tone::kPlain) {
      cells.push_back(std::move(text));
      tones.push_back(tone);
    };
    const MetricRow* best = row_named(cell, "", report.best_by);
    add(best == nullptr ? "" : best->summary.mean ? mean_text(best) : "no data");
    add(best == nullptr ? "" : interval_text(best->summary.interval, best->unit));
    add(best == nullptr ? "" : format_count(best->summary.n));
    std::string difference, p;
    Tone tone = Tone::kPlain;
    if (best != nullptr && best->difference) {
      difference = signed_value(best->difference->difference, best->unit);
      if (best->difference->interval) difference += fmt::format("  {} .. {}", signed_value(best->difference->interval->low, best->unit), signed_value(best->difference->interval->high, best->unit));
      if (best->p_adjusted) p = format_p(*best->p_adjusted);
      if (best->p_adjusted && *best->p_adjusted <= kAlpha) {
        const bool better = (best->difference->difference > 0) != report.lower_is_better;
        p += better ? "  better" : "  worse";
        tone = better ? Tone::kGood : Tone::kBad;
      }
    }
    add(difference, tone);
    add(p, tone);
    for (const std::string& name : others) add(mean_text(row_named(cell, "end to end", name)));
    add(mean_text(row_named(cell, "end to end", "cost")));
    add(cell.report ? std::to_string(cell.report->run.number) : "");
    const std::string state = state_of(cell);
    add(state, tone_of(state));
    table.add(std::move(cells), std::move(tones));
  }
  return table.render(terminal);
}

std::string best_text(const EvalMatrixReport& report) {
  const BestCells& best = report.best;
  if (!best.top) return fmt::format("best by {}: no cell has data\n", report.best_by);
  std::string text = fmt::format("best by {}: ", report.best_by);
  if (!best.is_decided()) text += fmt::format("cannot be said, no cell could be left out at n={}", format_count(best.n));
  else if (best.cells.size() == 1) text += fmt::format("cell {} ({}), which beats every other one", best.cells[0] + 1, shown_values(report, best.cells[0]));
  else text += fmt::format("one of cells {} (95 % sure), which cannot be told apart at n={}", list_of(best.cells), format_count(best.n));
  if (best.cells.size() > 1 && best.cases_needed) text += fmt::format("; about {} cases would tell the first two", format_count(*best.cases_needed));
  if (report.cheapest && best.cells.size() > 1) text += fmt::format("; the cheapest of them is cell {} ({})", *report.cheapest + 1, format_usd(*report.cells[*report.cheapest].report->cost_usd));
  return text + "\n";
}

std::string spread_text(const EvalMatrixReport& report, const SpreadRow& row) {
  std::string text = fmt::format("spread of {} over {} (cells {}): ", row.metric, row.axis, list_of(row.cells));
  if (!row.spread) return text + "not enough data\n";
  const PromptSpread& found = *row.spread;
  text += fmt::format("{}  {} .. {}   by chance {}, p {}\n", format_value(found.spread, ""), format_value(found.interval.low, ""), format_value(found.interval.high, ""), format_value(found.by_chance, ""), format_p(found.p_value));
  if (found.spread == 0) return text;
  const size_t worst = row.cells[found.worst];
  return text + fmt::format("  worst: cell {} ({})   {}  {}\n", worst + 1, shown_values(report, worst), format_value(found.means[found.worst], ""), interval_text(found.worst_interval, ""));
}

int exit_of(Verdict verdict) { return verdict == Verdict::kPass ? 0 : verdict == Verdict::kFail ? 1 : 3; }

}  // namespace

std::string render_eval_matrix(const EvalMatrixReport& report, const Terminal& terminal) {
  std::string text = fmt::format("{}   suite {}   {} cases", report.chain, report.suite, format_count(report.case_count));
  if (report.repeat > 1) text += fmt::format(" (each {} times)", report.repeat);
  text += fmt::format("   {} cells, compared with the first\n\n", report.cells.size()) + table_text(report, terminal) + "\n" + best_text(report);
  for (const SpreadRow& row : report.spreads) text += spread_text(report, row);
  int64_t reused = 0, spans = 0, number = 0;
  for (const MatrixCell& cell : report.cells) {
    if (!cell.report) continue;
    reused += cell.report->reused;
    spans += cell.report->spans;
    number = number == 0 ? cell.report->run.number : number;
    if (!cell.failure.empty()) text += fmt::format("run {}: {}      llmops eval show {} --errors\n", cell.report->run.number, cell.failure, cell.report->run.number);
  }
  if (reused > 0) text += fmt::format("steps run {}, reused {} of {}\n", format_count(spans - reused), format_count(reused), format_count(spans));
  if (report.spent_usd > 0) text += fmt::format("spent {}\n", format_usd(report.spent_usd));
  for (const std::string& reason : report.verdict_reasons) text += reason + "\n";
  const std::string verdict(verdict_name(report.verdict));
  if (report.stop_reason == "interrupted") text += fmt::format("matrix of {} runs   {} (exit 130)\n", report.cells.size(), terminal.paint("interrupted", Tone::kUndecided));
  else text += fmt::format("matrix of {} runs   {} (exit {})\n", report.cells.size(), terminal.paint(verdict, tone_of(verdict)), exit_of(report.verdict));
  if (!report.stop_reason.empty() && number > 0) text += fmt::format("to go on: llmops eval run --resume {}\n", number);
  else if (terminal.out_is_terminal() && !terminal.quiet() && number > 0) text += fmt::format("again: llmops eval show {} --matrix    one cell: llmops eval show {} --failed\n", number, number);
  return text;
}

std::string render_eval_matrix_plan(const EvalMatrixPlan& plan, const Terminal& terminal) {
  std::string text = fmt::format("would run {} cells of {} cases of suite {} over {}\n", plan.cells.size(), format_count(plan.first.case_count), plan.first.suite, plan.first.chain);
  std::vector<TableColumn> columns = first_columns(plan.axes);
  columns.push_back({"version", false, 1, false});
  Table table(std::move(columns));
  for (size_t i = 0; i < plan.cells.size(); ++i) {
    std::vector<std::string> cells{std::to_string(i + 1)};
    add_values(plan.axes, plan.cells[i], terminal, cells);
    cells.push_back(plan.cells[i].vid.substr(0, 12));
    table.add(std::move(cells));
  }
  text += table.render(terminal);
  for (const std::string& item : plan.needs_trust) text += fmt::format("trust   {}\n", item);
  return text;
}

}  // namespace llmops
