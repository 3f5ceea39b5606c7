// An experiment as text: one table, a row per cell.
#pragma once

#include "cli/terminal.h"
#include "commands/eval/matrix.h"

namespace llmops {

std::string render_eval_matrix(const EvalMatrixReport& report, const Terminal& terminal);
std::string render_eval_matrix_plan(const EvalMatrixPlan& plan, const Terminal& terminal);

}  // namespace llmops
