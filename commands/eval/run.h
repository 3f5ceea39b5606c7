// `llmops eval run`: a suite over a chain, scored per component, compared with a baseline, judged by its gates.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "commands/session.h"
#include "core/eval/gates.h"
#include "core/eval/suite.h"

namespace llmops {

// Where a run stands in its matrix: stored with the run, so that any cell leads to all of them.
struct MatrixPlace {
  std::string uuid;
  size_t cell = 0, cells = 0;              // cell from 0
  std::vector<std::string> sets;           // of every cell, before its own
};

struct EvalRunOptions {
  std::string suite;                       // path or name; empty: the project's
  std::string version;                     // REF; empty: the working tree
  std::vector<std::string> sets;           // PATH=VALUE
  std::optional<int64_t> limit, sample;
  std::vector<std::string> filters;        // FIELD=VALUE, all must hold
  std::optional<int> repeat;
  int jobs = 16;
  std::string baseline;
  std::optional<double> budget_usd, time_limit_s;
  std::optional<int64_t> budget_tokens;
  std::string undecided;                   // "", "pass", "fail"
  std::string resume, failed_of;           // runs
  bool no_cache = false;
  bool dry_run = false;
  uint64_t seed = 0;
  std::vector<std::string> matrix;         // PATH=a,b,c: see matrix.h
  std::string best_by;                     // of a matrix: the metric that says which cell is the best; empty: the first end-to-end one
  std::optional<MatrixPlace> place;        // of a run that is a cell
};

struct EvalProgress {
  int64_t done = 0, total = 0;
  double elapsed_s = 0, spent_usd = 0;
  std::optional<double> limit_usd;
  int64_t spans = 0, reused = 0, retries = 0, errors = 0;
  bool any_cost = false;
  size_t cell = 0, cells = 0;              // of a matrix, from 1; cells 0: none
};

struct MetricRow {
  std::string component, metric, signature, unit;   // unit: "", "ms", "USD"
  std::string column;                               // of the series; empty: made of the whole series (a quantile, a sum)
  ColumnSummary summary;
  bool lower_is_better = false;
  std::optional<double> baseline;
  std::optional<PairedEstimate> difference;
  std::optional<double> p_adjusted;                 // of a cell of a matrix: corrected for the number of cells
};
struct ErrorGroup { std::string step, code, message, example_case; int64_t count = 0; };
struct BaselineInfo { std::string description, run_uuid; Pairing pairing; };

struct EvalRunReport {
  RunRecord run;
  std::string chain_path, suite_path, dataset_path;
  std::vector<std::string> models;                  // "main = gpt-4o-mini"
  bool committed = false;                           // vid is the chain's head
  bool observed = false;                            // the chain is what traces show of an application
  std::vector<std::string> changed;                 // against the head, when there is one
  int64_t case_count = 0, cases_done = 0, cases_without_score = 0;
  int repeat = 1;
  std::vector<MetricRow> rows;
  std::optional<double> cost_usd;                   // of all cases as if fresh; absent: unknown
  bool cost_is_unknown = false;                     // a paid model has no price or no usage
  double spent_usd = 0;
  int64_t spent_tokens = 0, spans = 0, reused = 0, retries = 0;
  std::optional<BaselineInfo> baseline;
  std::vector<GateResult> gates;
  Verdict verdict = Verdict::kPass;
  std::vector<std::string> verdict_reasons;         // why it is not what the gates alone would say
  std::vector<ErrorGroup> errors;
  RunSeries series;
  uint64_t seed = 0;
  double wall_s = 0;
  bool interrupted = false;
};

// Errors: see Session, Chain, Suite; kUntrusted; kProvider when no case has a score.
Result<EvalRunReport> eval_run(Session& session, const EvalRunOptions& options, const std::function<void(const EvalProgress&)>& progress);

// What a run would do, without doing it (`--dry-run`).
struct EvalPlan {
  std::string chain, vid, suite, suite_id;
  int64_t case_count = 0;
  int repeat = 1;
  std::vector<std::string> models, metrics, gates;
  std::vector<std::string> needs_trust;   // what it would run or reach with a key
};
Result<EvalPlan> plan_eval_run(Session& session, const EvalRunOptions& options);

// A stored run as series, for baselines and comparisons.
Result<RunSeries> load_run_series(Store& store, const RunRecord& run, const Suite& suite, const Chain& chain);

}  // namespace llmops
