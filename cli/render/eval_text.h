// Runs as text: the table of components, the tree of a case, one step across cases.
#pragma once

#include "cli/terminal.h"
#include "commands/eval/run.h"
#include "commands/eval/show.h"

namespace llmops {

std::string render_eval_run(const EvalRunReport& report, const Terminal& terminal);
// From the stored document of a finished run.
std::string render_eval_summary(const RunRecord& run, const Json& summary, int64_t stored_cases, const Terminal& terminal);
std::string render_case_tree(const ShownCase& shown, bool full, const Terminal& terminal);
std::string render_step_table(const std::vector<ShownCase>& cases, const std::string& step, bool full, const Terminal& terminal);
std::string render_case_list(const std::vector<ShownCase>& cases, const Terminal& terminal);

}  // namespace llmops
