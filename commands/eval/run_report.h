// From a run's series to what a person reads: rows per component, differences to the baseline, gates, verdict.
#pragma once

#include "commands/eval/baseline.h"
#include "commands/eval/run.h"

namespace llmops {

// Whether the chain is committed, and if not what changed against its head.
Status describe_chain(Store& store, const Chain& chain, EvalRunReport& report);
// Fills rows, cost, gates and verdict from report.series. `undecided`: "", "pass" or "fail".
Status fill_numbers(const Chain& chain, const Suite& suite, const std::optional<Baseline>& baseline, const std::string& undecided, EvalRunReport& report);

}  // namespace llmops
