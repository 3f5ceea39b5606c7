// Scoring one case: every metric of the suite on its target, and what passed.
#pragma once

#include "core/eval/suite.h"
#include "core/runtime/executor.h"
#include "core/store/records.h"

namespace llmops {

// Fills record.scores and record.pass. A metric whose step was skipped has no score; one whose step failed, or whose target
// is missing, has an error instead: never a 0.
void score_case(const Suite& suite, const Json& row, const CaseInput& input, const CaseResult& result, CaseRecord& record);

bool holds(const PassCondition& condition, double value);

}  // namespace llmops
