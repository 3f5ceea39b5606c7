// The report of `monitor purge` as JSON (schemas/monitor-purge.json).
#pragma once

#include "commands/monitor/purge.h"
#include "core/base/json.h"

namespace llmops {

// result: absent with --dry-run.
Json monitor_purge_to_json(const MonitorPurgePlan& plan, const std::optional<MonitorPurgeReport>& result);

}  // namespace llmops
