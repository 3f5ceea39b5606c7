// `llmops monitor status`: what is stored of production.
#pragma once

#include <optional>

#include "commands/session.h"

namespace llmops {

struct MonitorStatusReport {
  bool has_store = false;
  ProductionTotals totals;
  int64_t records_made = 0;                  // traces stored before schema 4 whose records were made now
  std::optional<int64_t> retention_ms;       // monitor.retention of llmops.yaml
  int64_t past_retention = 0;                // traces that the next `monitor ingest` removes
};

// Makes the records that are missing (Store::make_missing_records) where the store can be written. Without a store there is nothing, which is no error. Errors: the store's; kConfig.
Result<MonitorStatusReport> monitor_status(Session& session);

}  // namespace llmops
