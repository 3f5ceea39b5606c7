// The report of an experiment as one JSON document.
#pragma once

#include "commands/eval/matrix.h"

namespace llmops {

Json eval_matrix_to_json(const EvalMatrixReport& report);
Json eval_matrix_plan_to_json(const EvalMatrixPlan& plan);

}  // namespace llmops
