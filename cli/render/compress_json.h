// JSON documents of `llmops compress`.
#pragma once

#include "commands/compress/compare.h"
#include "commands/compress/inspect.h"
#include "commands/compress/plan.h"
#include "commands/compress/prune.h"
#include "commands/compress/rewrite.h"

namespace llmops {

Json compress_prune_to_json(const CompressPruneReport& report);
Json compress_plan_to_json(const CompressPlanReport& report);
Json compress_compare_to_json(const CompressCompareReport& report);
Json compress_inspect_to_json(const CompressInspectReport& report);

}  // namespace llmops
