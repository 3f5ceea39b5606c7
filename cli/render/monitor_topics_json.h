// The report of `monitor topics` as JSON (schemas/monitor-topics.json).
#pragma once

#include "commands/monitor/topics.h"
#include "core/base/json.h"

namespace llmops {

Json monitor_topics_to_json(const MonitorTopicsReport& report);

}  // namespace llmops
