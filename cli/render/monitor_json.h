// Reports of `monitor` as JSON documents; schemas/ describes each.
#pragma once

#include "commands/monitor/ingest.h"
#include "commands/monitor/test.h"
#include "core/base/json.h"

namespace llmops {

Json monitor_ingest_to_json(const MonitorIngestReport& report);
Json monitor_test_to_json(const MonitorTestReport& report);

}  // namespace llmops
