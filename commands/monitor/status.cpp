#include "commands/monitor/status.h"

#include "commands/monitor/window.h"
#include "core/telemetry/stored_traces.h"

namespace llmops {

Result<MonitorStatusReport> monitor_status(Session& session) {
  MonitorStatusReport report;
  LLMOPS_ASSIGN(const MonitorConfig config, monitor_config(session));
  report.retention_ms = config.retention_ms;
  auto opened = session.store(false);
  if (!opened && opened.error().code == ErrorCode::kNotFound) return report;
  LLMOPS_ASSIGN(Store * store, std::move(opened));
  report.has_store = true;
  auto made = store->make_missing_records(records_of_bodies);
  // A store that cannot be written now can be read all the same: the totals tell what is missing.
  if (!made && made.error().code != ErrorCode::kIo && made.error().code != ErrorCode::kLocked && made.error().code != ErrorCode::kData) return std::move(made).error();
  if (made) report.records_made = *made;
  LLMOPS_ASSIGN(report.totals, store->production_totals());
  if (config.retention_ms) {
    LLMOPS_ASSIGN(const auto past, store->traces_before(session.clock().unix_ms() - *config.retention_ms));
    report.past_retention = std::ssize(past);
  }
  return report;
}

}  // namespace llmops
