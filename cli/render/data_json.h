// JSON documents of `llmops eval data`.
#pragma once

#include "commands/eval/data.h"
#include "commands/eval/data_scan.h"

namespace llmops {

// `with_statistics`: of stats; else the problems of check.
Json data_scan_to_json(const DataScanReport& report, bool with_statistics);
Json data_dedupe_to_json(const DataDedupeReport& report);
Json data_split_to_json(const DataSplitReport& report);
Json data_overlap_to_json(const DataOverlapReport& report);

}  // namespace llmops
