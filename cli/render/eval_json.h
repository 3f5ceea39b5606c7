// Reports of `eval` as JSON documents; schemas/ describes each.
#pragma once

#include "commands/eval/run.h"
#include "commands/eval/show.h"

namespace llmops {

Json case_to_json(const CaseRecord& record);
Json eval_show_to_json(const EvalShowReport& report);
Json eval_list_to_json(const EvalListReport& report);
Json cache_explain_to_json(const CacheExplainReport& report);
// name empty: all.
Json metrics_to_json(const std::string& name);
Json eval_plan_to_json(const EvalPlan& plan);
std::string render_eval_plan(const EvalPlan& plan);

}  // namespace llmops
