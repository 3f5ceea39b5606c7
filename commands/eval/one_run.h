// One run of a suite over a chain that are loaded already: what `eval run` and each cell of a matrix do.
#pragma once

#include "commands/eval/run_settings.h"

namespace llmops {

// A stored run goes on where it stopped. Errors: as eval_run, but for a run in which no case has a score: see require_scores.
Result<EvalRunReport> run_suite(Session& session, const EvalRunOptions& options, RunInputs inputs, const std::optional<RunRecord>& resumed,
                                const std::function<void(const EvalProgress&)>& progress);

// The same report from what is stored of a run; nothing is run or written.
Result<EvalRunReport> report_stored_run(Session& session, const EvalRunOptions& options, RunInputs inputs, const RunRecord& run);

// Errors (kUsage): the chain or the suite is no longer the run's.
Status require_same(const RunInputs& inputs, const RunRecord& run);

// kProvider with the groups of errors when a run that ended has no score at all: its cases are stored, but it measured nothing.
Status require_scores(const EvalRunReport& report);

}  // namespace llmops
