// Records of production by time, and what the project says about monitoring.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "commands/session.h"
#include "core/store/store.h"

namespace llmops {

// `monitor:` of llmops.yaml, with the defaults where it says nothing.
struct MonitorConfig {
  double alpha = 0.01;                       // false alarms that one test accepts
  double alarms_per_year = 1;                // false alarms that watching accepts, over all monitors
  int64_t window_ms = 24 * 3'600'000LL, against_ms = 7 * 24 * 3'600'000LL;
  std::vector<std::string> strata;           // fields of records within which alone requests are exchanged
  std::string embedder = "tfidf";
  std::optional<int64_t> retention_ms;       // absent: traces are kept
  std::vector<std::string> monitors;         // empty: all
};
// Errors: kConfig with the place: a length of time or a stratum that is none.
Result<MonitorConfig> monitor_config(const Session& session);

// Fields that can be a stratum: "route", "language", "prompt", "model", "service", "version".
std::vector<std::string> stratum_fields();
// Of one record; nullopt: not told. Precondition: one of stratum_fields().
std::optional<std::string> stratum_of(const StoredRecord& record, std::string_view field);
// Errors (kUsage): no such field, with did you mean.
Status check_strata(const std::vector<std::string>& fields);
// The fields' values as one text, "?" where one is not told; empty without fields.
std::string stratum_key(const StoredRecord& record, const std::vector<std::string>& fields);

// [from, to) in unix ms.
struct TimeWindow { int64_t from_ms = 0, to_ms = 0; };
// The time at which windows end: `until` (RFC 3339, or a date: its first moment), else now. Errors: kUsage.
Result<int64_t> window_end(const Session& session, const std::string& until);

struct RecordQuery { TimeWindow window; std::string component; std::optional<std::string> service; };
// All records of a window, by start. Memory: the records.
Result<std::vector<StoredRecord>> records_in(Store& store, const RecordQuery& query);
// When the newest record of the component began, for hints; nullopt: there is none with a time.
Result<std::optional<int64_t>> newest_record(Store& store, const std::string& component);

// "2026-11-21" or "2026-11-21 14:00" in UTC, of a moment.
std::string format_moment(int64_t unix_ms);
// "2026-11-21" of a day, "2026-11-14 .. 20" of whole days, else both ends.
std::string format_window(const TimeWindow& window);

}  // namespace llmops
