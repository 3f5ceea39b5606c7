// Reports of `monitor profile` and `monitor merge` as one JSON document; schemas/monitor-profile.json describes it.
#pragma once

#include "commands/monitor/profile.h"
#include "core/base/json.h"

namespace llmops {

Json monitor_profile_to_json(const MonitorProfileReport& report);

}  // namespace llmops
