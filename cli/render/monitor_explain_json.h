// The report of `monitor explain` as JSON (schemas/monitor-explain.json).
#pragma once

#include "commands/monitor/explain.h"
#include "core/base/json.h"

namespace llmops {

Json monitor_explain_to_json(const MonitorExplainReport& report);

}  // namespace llmops
