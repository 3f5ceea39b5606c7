// The report of `monitor health` as a JSON document; schemas/monitor-health.json describes it.
#pragma once

#include "commands/monitor/health.h"
#include "core/base/json.h"

namespace llmops {

Json monitor_health_to_json(const MonitorHealthReport& report);

}  // namespace llmops
