// Reports of `monitor drift` and `monitor skew` as JSON (schemas/monitor-drift.json, monitor-skew.json).
#pragma once

#include "commands/monitor/drift.h"
#include "core/base/json.h"

namespace llmops {

Json monitor_drift_to_json(const MonitorDriftReport& report);

}  // namespace llmops
