#include "cli/render/monitor_purge_json.h"

namespace llmops {
namespace {

Json counts_to_json(const Store::PurgeCounts& counts) { return {{"traces", counts.traces}, {"spans", counts.spans}, {"records", counts.records}, {"scores", counts.scores}}; }
Json moment_or_null(const std::optional<int64_t>& unix_ms) { return unix_ms ? Json(format_utc(*unix_ms)) : Json(nullptr); }

}  // namespace

Json monitor_purge_to_json(const MonitorPurgePlan& plan, const std::optional<MonitorPurgeReport>& result) {
  Json examples = Json::array(), backups = Json::array();
  for (const PurgeExample& one : plan.examples) examples.push_back({{"id", one.id}, {"start", moment_or_null(one.start_ms)}, {"text", one.text}});
  if (result) for (const fs::path& copy : result->backups) backups.push_back(copy.string());
  return {{"schema", "llmops.monitor-purge/v1"}, {"looked_at", plan.looked_at}, {"before", moment_or_null(plan.before_ms)}, {"matched", counts_to_json(plan.counts)}, {"examples", std::move(examples)},
      {"removed", result ? counts_to_json(result->removed) : Json(nullptr)},
      {"erased", result && (result->is_erased || !result->reason.empty()) ? Json(result->is_erased) : Json(nullptr)}, {"reason", result && !result->reason.empty() ? Json(result->reason) : Json(nullptr)}, {"backups", std::move(backups)}};
}

}  // namespace llmops
