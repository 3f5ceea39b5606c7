// The report of `monitor suggest` as JSON (schemas/monitor-suggest.json).
#pragma once

#include "commands/monitor/suggest.h"
#include "core/base/json.h"

namespace llmops {

Json monitor_suggest_to_json(const MonitorSuggestReport& report);

}  // namespace llmops
