// The report of `monitor status` as JSON (schemas/monitor-status.json).
#pragma once

#include "commands/monitor/status.h"
#include "core/base/json.h"

namespace llmops {

Json monitor_status_to_json(const MonitorStatusReport& report);

}  // namespace llmops
