// Reports of `monitor watch` as JSON (schemas/monitor-watch.json).
#pragma once

#include "commands/monitor/watch.h"
#include "core/base/json.h"

namespace llmops {

Json monitor_watch_to_json(const MonitorWatchReport& report);

}  // namespace llmops
