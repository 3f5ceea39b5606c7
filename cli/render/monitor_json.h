// Reports of `monitor` as JSON documents; schemas/ describes each.
#pragma once

#include "commands/monitor/ingest.h"
#include "core/base/json.h"

namespace llmops {

Json monitor_ingest_to_json(const MonitorIngestReport& report);

}  // namespace llmops
