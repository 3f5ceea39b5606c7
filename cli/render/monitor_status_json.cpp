#include "cli/render/monitor_status_json.h"

namespace llmops {
namespace {

Json moment_or_null(const std::optional<int64_t>& unix_ms) { return unix_ms ? Json(format_utc(*unix_ms)) : Json(nullptr); }

}  // namespace

Json monitor_status_to_json(const MonitorStatusReport& report) {
  const ProductionTotals& totals = report.totals;
  Json services = Json::array(), components = Json::array(), told = Json::object();
  for (const auto& [name, traces] : totals.services) services.push_back({{"service", name.empty() ? Json(nullptr) : Json(name)}, {"traces", traces}});
  for (const auto& [name, records] : totals.components) components.push_back({{"component", name}, {"records", records}});
  for (const auto& [name, requests] : totals.told) told[name] = totals.requests == 0 ? Json(nullptr) : Json(static_cast<double>(requests) / static_cast<double>(totals.requests));
  return {{"schema", "llmops.monitor-status/v1"}, {"store", report.has_store}, {"traces", totals.traces}, {"spans", totals.spans}, {"records", totals.records}, {"requests", totals.requests}, {"scores", totals.scores},
      {"profiles", totals.profiles}, {"looks", totals.looks},
      {"without_time", totals.without_time}, {"without_records", totals.without_records}, {"records_made", report.records_made}, {"first", moment_or_null(totals.first_ms)}, {"last", moment_or_null(totals.last_ms)},
          {"services", std::move(services)}, {"components", std::move(components)},
      {"told", std::move(told)}, {"database_bytes", totals.database_bytes}, {"log_bytes", totals.log_bytes}, {"retention_ms", report.retention_ms ? Json(*report.retention_ms) : Json(nullptr)},
          {"past_retention", report.retention_ms ? Json(report.past_retention) : Json(nullptr)}};
}

}  // namespace llmops
