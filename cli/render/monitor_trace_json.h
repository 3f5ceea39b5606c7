// The report of `monitor trace` as JSON (schemas/monitor-trace.json).
#pragma once

#include "commands/monitor/trace.h"
#include "core/base/json.h"

namespace llmops {

Json monitor_trace_to_json(const MonitorTraceReport& report);
Json monitor_trace_list_to_json(const MonitorTraceListReport& report);

}  // namespace llmops
