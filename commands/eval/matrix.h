// `llmops eval run --matrix`: an experiment. Each cell is a run of its own, of a version of its own, over one suite; the step
// memo and the cache of replies are shared, so that what two cells have in common is done once.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "commands/eval/matrix_axes.h"
#include "commands/eval/run.h"
#include "core/eval/cell_comparison.h"
#include "core/eval/prompt_spread.h"

namespace llmops {

struct MatrixCell {
  std::vector<size_t> values;              // by axis
  std::vector<std::string> sets;
  std::string vid;
  std::optional<EvalRunReport> report;     // absent: not run; the series holds the columns that are compared
  std::string failure;                     // why no case has a score
};

// Over the cells that differ in one axis of variants alone.
struct SpreadRow {
  std::string axis, metric;
  std::vector<size_t> cells;
  std::optional<PromptSpread> spread;      // worst is an index into cells; absent: not enough data
};

struct EvalMatrixReport {
  std::string uuid, chain, chain_path, suite, suite_path, dataset_path;
  int64_t case_count = 0;                  // of a cell
  int repeat = 1;
  std::vector<MatrixAxis> axes;
  std::vector<MatrixCell> cells;
  std::string best_by;                     // metric
  bool lower_is_better = false;
  BestCells best;
  std::optional<size_t> cheapest;          // of the best cells, when all costs are known and not all the same
  std::vector<SpreadRow> spreads;
  double spent_usd = 0;                    // in this sitting
  int64_t spent_tokens = 0;
  std::string stop_reason;                 // "budget_usd", "budget_tokens", "time_limit", "interrupted"; empty: every cell is done
  Verdict verdict = Verdict::kPass;        // pass: the gates of some cell hold; fail: those of no cell
  std::vector<std::string> verdict_reasons;
  uint64_t seed = 0;
  double wall_s = 0;
};

// Everything that can be refused in any cell is refused before the first one runs. `options.resume`: any run of a matrix.
// Errors: as eval_run, and as matrix_axes.h; kUsage: two cells that are the same chain and suite, an unknown metric.
Result<EvalMatrixReport> eval_matrix(Session& session, const EvalRunOptions& options, const std::function<void(const EvalProgress&)>& progress);

// The same from what is stored: `run` is any of its cells; nothing is run. Cells that were never begun are absent.
Result<EvalMatrixReport> show_matrix(Session& session, const std::string& run);

// What the cells would be, without running them.
struct EvalMatrixPlan {
  std::vector<MatrixAxis> axes;
  std::vector<MatrixCell> cells;
  EvalPlan first;                          // of the first cell
  std::vector<std::string> needs_trust;    // of all cells
};
Result<EvalMatrixPlan> plan_eval_matrix(Session& session, const EvalRunOptions& options);

// Where a stored run stands in its matrix; absent: it is no cell of one.
std::optional<MatrixPlace> matrix_place(const RunRecord& run);

}  // namespace llmops
