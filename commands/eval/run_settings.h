// What a run is of, and what of its options is stored with it so that it can be resumed.
#pragma once

#include "commands/eval/run.h"

namespace llmops {

struct RunInputs {
  Chain chain;
  Suite suite;
};
// The chain (of the working tree, or of `--version`) with its overrides, and the suite over it.
Result<RunInputs> load_run_inputs(Session& session, const EvalRunOptions& options);

// To people, each once.
void note_warnings(const Session& session, const std::vector<Error>& warnings);

// References to other runs are stored by UUID: 'last' is another one when the run is resumed.
Json run_settings(const Session& session, const Suite& suite, const EvalRunOptions& options);
// The options of a stored run; what only concerns this sitting (jobs, budgets, a new baseline) is `now`'s.
Result<EvalRunOptions> options_of_run(const Session& session, const RunRecord& run, const EvalRunOptions& now);

}  // namespace llmops
