// The order of an experiment: read the axes, load every cell (what is wrong with one of them is met before anything is spent),
// run cell after cell as runs of their own, then compare them on the cases they share.
#include "commands/eval/matrix.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "commands/eval/one_run.h"
#include "commands/trust.h"
#include "core/base/hash.h"

namespace llmops {
namespace {

struct LoadedCell { MatrixCell cell; EvalRunOptions options; RunInputs inputs; };

std::string describe_cell(const std::vector<MatrixAxis>& axes, const std::vector<size_t>& values) {
  std::string text;
  for (size_t axis = 0; axis < axes.size(); ++axis) text += fmt::format("{}{}={}", text.empty() ? "" : ", ", axes[axis].path, axes[axis].values[values[axis]].label);
  return text;
}

// What the chains of all cells would run or reach with a key, each once.
std::vector<TrustItem> trust_of(const std::vector<LoadedCell>& cells) {
  std::vector<TrustItem> items;
  for (const LoadedCell& cell : cells) {
    for (TrustItem& item : trust_items(cell.inputs.chain)) {
      const bool is_known = std::any_of(items.begin(), items.end(), [&](const TrustItem& other) { return other.digest == item.digest; });
      if (!is_known) items.push_back(std::move(item));
    }
  }
  return items;
}

class MatrixRun {
 public:
  MatrixRun(Session& session, EvalRunOptions options, const std::function<void(const EvalProgress&)>& progress)
      : session_(session), options_(std::move(options)), progress_(progress), started_ns_(session.clock().steady_ns()) {}

  // The runs of the matrix that `reference` belongs to, and the options they were begun with.
  Status take_up(const std::string& reference) {
    LLMOPS_ASSIGN(Store * store, session_.store(false));
    LLMOPS_ASSIGN(const RunRecord run, store->find_run(reference));
    const auto place = matrix_place(run);
    if (!place) return Error(ErrorCode::kUsage, fmt::format("run {} is no cell of a matrix", run.number), "name a run that was made with --matrix");
    const std::string best_by = options_.best_by;
    LLMOPS_ASSIGN(options_, options_of_run(session_, run, options_));
    if (!best_by.empty()) options_.best_by = best_by;
    options_.sets = place->sets;
    report_.uuid = place->uuid;
    LLMOPS_ASSIGN(const auto runs, store->runs(0));
    for (const RunRecord& one : runs) {
      if (const auto other = matrix_place(one); other && other->uuid == report_.uuid) stored_.emplace(other->cell, one);
    }
    return {};
  }

  Status load() {
    EvalRunOptions plain = options_;
    plain.resume.clear();
    LLMOPS_ASSIGN(const RunInputs as_written, load_run_inputs(session_, plain));
    LLMOPS_ASSIGN(report_.axes, parse_matrix(options_.matrix, as_written.chain));
    LLMOPS_ASSIGN(const auto cells, matrix_cells(report_.axes));
    if (report_.uuid.empty()) report_.uuid = make_uuid_v7(session_.clock().unix_ms());
    std::map<std::pair<std::string, std::string>, size_t> known;
    for (size_t i = 0; i < cells.size(); ++i) {
      LoadedCell cell{{cells[i], cell_sets(report_.axes, cells[i]), {}, {}, {}}, plain, {}};
      cell.options.place = MatrixPlace{report_.uuid, i, cells.size(), options_.sets};
      cell.options.sets.insert(cell.options.sets.end(), cell.cell.sets.begin(), cell.cell.sets.end());
      auto inputs = load_run_inputs(session_, cell.options);
      if (!inputs) return of_cell(std::move(inputs).error(), i, cells[i]);
      cell.inputs = std::move(*inputs);
      cell.cell.vid = cell.inputs.chain.vid;
      const auto [same, is_new] = known.emplace(std::pair{cell.inputs.chain.vid, cell.inputs.suite.id}, i);
      if (!is_new) return of_cell(Error(ErrorCode::kUsage, fmt::format("it is the same chain and suite as cell {}", same->second + 1), "leave out a value that changes nothing"), i, cells[i]);
      if (const auto run = stored_.find(i); run != stored_.end()) LLMOPS_CHECK(require_same(cell.inputs, run->second));
      cells_.push_back(std::move(cell));
    }
    LLMOPS_CHECK(choose_metric());
    // A model that only some cells use is no unused one.
    std::vector<Error> warnings = cells_[0].inputs.chain.warnings;
    std::erase_if(warnings, [this](const Error& warning) {
      return !std::all_of(cells_.begin(), cells_.end(), [&](const LoadedCell& cell) {
        const auto& others = cell.inputs.chain.warnings;
        return std::any_of(others.begin(), others.end(), [&](const Error& other) { return other.message == warning.message; });
      });
    });
    note_warnings(session_, warnings);
    return {};
  }

  Result<EvalMatrixReport> run(bool may_run) {
    if (may_run) LLMOPS_CHECK(require_trust(session_, trust_of(cells_)));
    for (size_t i = 0; i < cells_.size(); ++i) {
      auto ran = may_run ? run_cell(i) : look_at_cell(i);
      if (!ran) return and_stored_cells(of_cell(std::move(ran).error(), i, cells_[i].cell.values));
      if (!report_.stop_reason.empty()) break;
    }
    return report();
  }

  EvalMatrixPlan plan() {
    EvalMatrixPlan plan{report_.axes, {}, {}, {}};
    for (LoadedCell& cell : cells_) plan.cells.push_back(std::move(cell.cell));
    for (const TrustItem& item : trust_of(cells_)) plan.needs_trust.push_back(item.what);
    return plan;
  }

 private:
  Error of_cell(Error error, size_t cell, const std::vector<size_t>& values) const {
    error.message = fmt::format("cell {} ({}): {}", cell + 1, describe_cell(report_.axes, values), error.message);
    return error;
  }

  Error and_stored_cells(Error error) const {
    size_t done = 0;
    int64_t number = 0;
    for (const LoadedCell& cell : cells_) {
      if (!cell.cell.report) continue;
      ++done;
      number = cell.cell.report->run.number;
    }
    if (done > 0) error.details.push_back(fmt::format("{} of {} cells are stored; to go on: llmops eval run --resume {}", done, cells_.size(), number));
    return error;
  }

  Status choose_metric() {
    const Suite& suite = cells_[0].inputs.suite;
    if (suite.metrics.empty()) return Error(ErrorCode::kUsage, fmt::format("suite '{}' has no metrics, so that cells cannot be compared", suite.name), "add metrics to the suite");
    std::vector<std::string> names;
    for (const MetricSpec& metric : suite.metrics) names.push_back(metric.name);
    names.push_back("pass_rate");
    report_.best_by = options_.best_by;
    if (!report_.best_by.empty()) {
      if (std::find(names.begin(), names.end(), report_.best_by) == names.end()) return Error(ErrorCode::kUsage, fmt::format("unknown metric '{}'", report_.best_by), did_you_mean(report_.best_by, names));
    } else {
      // A quality, not what was measured on the way.
      const auto judges_output = [](const MetricSpec& metric) { return metric.step.empty() && !metric.kind->reads_measured; };
      const auto first = std::find_if(suite.metrics.begin(), suite.metrics.end(), judges_output);
      report_.best_by = first == suite.metrics.end() ? suite.metrics.front().name : first->name;
    }
    for (const MetricSpec& metric : suite.metrics) if (metric.name == report_.best_by) report_.lower_is_better = metric.kind->direction == MetricDirection::kLower;
    return {};
  }

  Status look_at_cell(size_t i) {
    LoadedCell& cell = cells_[i];
    const auto stored = stored_.find(i);
    if (stored == stored_.end()) return {};
    LLMOPS_ASSIGN(EvalRunReport ran, report_stored_run(session_, cell.options, std::move(cell.inputs), stored->second));
    take(cell, std::move(ran));
    return {};
  }

  Status run_cell(size_t i) {
    LoadedCell& cell = cells_[i];
    const auto stored = stored_.find(i);
    if (stored != stored_.end() && stored->second.state == RunState::kFinished) return look_at_cell(i);
    if (const std::string met = limits_left(cell.options); !met.empty()) {
      report_.stop_reason = met;
      return {};
    }
    const auto progress = [&](const EvalProgress& now) {
      EvalProgress of_matrix = now;
      of_matrix.cell = i + 1;
      of_matrix.cells = cells_.size();
      of_matrix.spent_usd += report_.spent_usd;
      of_matrix.limit_usd = options_.budget_usd;
      progress_(of_matrix);
    };
    LLMOPS_ASSIGN(EvalRunReport ran, run_suite(session_, cell.options, std::move(cell.inputs), stored == stored_.end() ? std::nullopt : std::optional(stored->second),
                                               progress_ ? std::function<void(const EvalProgress&)>(progress) : nullptr));
    report_.spent_usd += ran.spent_usd;
    report_.spent_tokens += ran.spent_tokens;
    report_.stop_reason = ran.run.stop_reason;
    if (auto scores = require_scores(ran); !scores) cell.cell.failure = scores.error().message;
    take(cell, std::move(ran));
    return {};
  }

  // What is left of the limits goes into the options of the next run; the name of one that is met.
  std::string limits_left(EvalRunOptions& options) const {
    if (options_.budget_usd) options.budget_usd = *options_.budget_usd - report_.spent_usd;
    if (options_.budget_tokens) options.budget_tokens = *options_.budget_tokens - report_.spent_tokens;
    if (options_.time_limit_s) options.time_limit_s = *options_.time_limit_s - wall_s();
    if (options.budget_usd && *options.budget_usd <= 0) return "budget_usd";
    if (options.budget_tokens && *options.budget_tokens <= 0) return "budget_tokens";
    if (options.time_limit_s && *options.time_limit_s <= 0) return "time_limit";
    return session_.surroundings().cancel.cancelled() ? "interrupted" : "";
  }

  double wall_s() const { return static_cast<double>(session_.clock().steady_ns() - started_ns_) * 1e-9; }

  // Only what is compared stays: a hundred cells hold a hundred series.
  void take(LoadedCell& cell, EvalRunReport ran) const {
    std::erase_if(ran.series.columns, [&](const auto& column) {
      return column.first != report_.best_by && std::none_of(ran.rows.begin(), ran.rows.end(), [&](const MetricRow& row) { return row.column == column.first; });
    });
    ran.series.slices.clear();
    cell.cell.report = std::move(ran);
  }

  std::vector<const RunSeries*> series() const {
    std::vector<const RunSeries*> all;
    for (const LoadedCell& cell : cells_) all.push_back(cell.cell.report ? &cell.cell.report->series : nullptr);
    return all;
  }

  static MetricRow* row_of(MatrixCell& cell, const MetricRow& like) {
    if (!cell.report) return nullptr;
    const auto found = std::find_if(cell.report->rows.begin(), cell.report->rows.end(), [&](const MetricRow& row) { return row.component == like.component && row.metric == like.metric; });
    return found == cell.report->rows.end() ? nullptr : &*found;
  }

  // Differences are to the first cell; what a baseline said is in the gates.
  void compare_cells() {
    if (!cells_[0].cell.report) return;
    const auto all = series();
    for (const MetricRow& first : cells_[0].cell.report->rows) {
      const auto differences = first.column.empty() ? std::vector<CellDifference>(all.size()) : differences_to_first(all, first.column);
      for (size_t i = 0; i < cells_.size(); ++i) {
        MetricRow* row = row_of(cells_[i].cell, first);
        if (row == nullptr) continue;
        row->baseline = i == 0 ? std::nullopt : first.summary.mean;
        row->difference = differences[i].estimate;
        row->p_adjusted = differences[i].p_adjusted;
      }
    }
  }

  void choose_best() {
    report_.best = find_best_cells(series(), report_.best_by, report_.lower_is_better);
    std::optional<double> least;
    bool all_cost_the_same = true;
    for (const size_t i : report_.best.cells) {
      const EvalRunReport& ran = *cells_[i].cell.report;
      if (!ran.cost_usd || ran.cost_is_unknown) {
        report_.cheapest.reset();
        return;
      }
      all_cost_the_same = all_cost_the_same && (!least || *ran.cost_usd == *least);
      if (least && *ran.cost_usd >= *least) continue;
      least = ran.cost_usd;
      report_.cheapest = i;
    }
    if (all_cost_the_same) report_.cheapest.reset();
  }

  void measure_spreads() {
    const auto all = series();
    for (size_t axis = 0; axis < report_.axes.size(); ++axis) {
      if (!report_.axes[axis].is_variants) continue;
      std::map<std::vector<size_t>, std::vector<size_t>> groups;   // values of the other axes -> cells
      for (size_t i = 0; i < cells_.size(); ++i) {
        std::vector<size_t> others = cells_[i].cell.values;
        others[axis] = 0;
        groups[others].push_back(i);
      }
      for (const auto& [others, members] : groups) {
        std::vector<const RunSeries*> variants;
        for (const size_t i : members) variants.push_back(all[i]);
        report_.spreads.push_back({report_.axes[axis].path, report_.best_by, members, measure_spread(variants, report_.best_by, report_.lower_is_better, options_.seed)});
      }
    }
  }

  void decide() {
    size_t passed = 0, failed = 0, done = 0;
    for (const LoadedCell& cell : cells_) {
      if (!cell.cell.report) continue;
      ++done;
      passed += cell.cell.report->verdict == Verdict::kPass && cell.cell.failure.empty();
      failed += cell.cell.report->verdict == Verdict::kFail || !cell.cell.failure.empty();
    }
    if (done < cells_.size()) report_.verdict_reasons.push_back(fmt::format("{} of {} cells are not run yet ({})", cells_.size() - done, cells_.size(), report_.stop_reason.empty() ? "not begun" : report_.stop_reason));
    else if (!report_.stop_reason.empty()) report_.verdict_reasons.push_back(fmt::format("the last cell stopped ({})", report_.stop_reason));
    if (!report_.verdict_reasons.empty()) report_.verdict = Verdict::kUndecided;
    else report_.verdict = passed > 0 ? Verdict::kPass : failed == cells_.size() ? Verdict::kFail : Verdict::kUndecided;
    if (report_.verdict == Verdict::kFail) report_.verdict_reasons.push_back("no cell passes its gates");
    else if (report_.verdict == Verdict::kUndecided && done == cells_.size() && report_.stop_reason.empty()) report_.verdict_reasons.push_back("no cell passes, and some are undecided");
  }

  Result<EvalMatrixReport> report() {
    for (const LoadedCell& cell : cells_) {
      if (!cell.cell.report) continue;
      const EvalRunReport& ran = *cell.cell.report;
      report_.chain = ran.run.chain;
      report_.chain_path = ran.chain_path;
      report_.suite = ran.run.suite;
      report_.suite_path = ran.suite_path;
      report_.dataset_path = ran.dataset_path;
      report_.case_count = ran.case_count;
      report_.repeat = ran.repeat;
      break;
    }
    compare_cells();
    choose_best();
    measure_spreads();
    decide();
    for (LoadedCell& cell : cells_) report_.cells.push_back(std::move(cell.cell));
    const bool any = std::any_of(report_.cells.begin(), report_.cells.end(), [](const MatrixCell& cell) { return cell.report && cell.failure.empty(); });
    const bool all_done = report_.stop_reason.empty() && std::all_of(report_.cells.begin(), report_.cells.end(), [](const MatrixCell& cell) { return cell.report.has_value(); });
    if (!any && all_done) return of_cell(Error(ErrorCode::kProvider, report_.cells[0].failure, fmt::format("llmops eval show {} --errors", report_.cells[0].report->run.number)), 0, report_.cells[0].values);
    report_.seed = options_.seed;
    report_.wall_s = wall_s();
    return std::move(report_);
  }

  Session& session_;
  EvalRunOptions options_;
  std::function<void(const EvalProgress&)> progress_;
  int64_t started_ns_;
  std::map<size_t, RunRecord> stored_;       // by cell
  std::vector<LoadedCell> cells_;
  EvalMatrixReport report_;
};

}  // namespace

Result<EvalMatrixReport> eval_matrix(Session& session, const EvalRunOptions& options, const std::function<void(const EvalProgress&)>& progress) {
  MatrixRun matrix(session, options, progress);
  if (!options.resume.empty()) LLMOPS_CHECK(matrix.take_up(options.resume));
  LLMOPS_CHECK(matrix.load());
  return matrix.run(true);
}

Result<EvalMatrixReport> show_matrix(Session& session, const std::string& run) {
  MatrixRun matrix(session, {}, {});
  LLMOPS_CHECK(matrix.take_up(run));
  LLMOPS_CHECK(matrix.load());
  return matrix.run(false);
}

Result<EvalMatrixPlan> plan_eval_matrix(Session& session, const EvalRunOptions& options) {
  LLMOPS_ASSIGN(EvalPlan first, plan_eval_run(session, options));
  MatrixRun matrix(session, options, {});
  LLMOPS_CHECK(matrix.load());
  EvalMatrixPlan plan = matrix.plan();
  plan.first = std::move(first);
  return plan;
}

std::optional<MatrixPlace> matrix_place(const RunRecord& run) {
  if (run.settings.find("\"matrix\"") == std::string::npos) return std::nullopt;
  auto settings = parse_json(run.settings, "store");
  if (!settings || !settings->is_object() || !settings->contains("matrix")) return std::nullopt;
  const Json& matrix = (*settings)["matrix"];
  return MatrixPlace{matrix.value("uuid", ""), matrix.value("cell", size_t{0}), matrix.value("cells", size_t{0}), matrix.value("sets", std::vector<std::string>())};
}

}  // namespace llmops
