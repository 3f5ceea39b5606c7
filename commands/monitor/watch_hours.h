// Hours of production as the monitors of `monitor watch` take them.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "commands/session.h"
#include "core/drift/profile.h"
#include "core/drift/watch.h"

namespace llmops {

struct WatchMonitor {
  std::string_view name, asks;               // "error_rate", "are more requests in error"
  WatchStatistic statistic;
  std::string_view unit;                     // of the value that is told: "share", "words", "tokens", "ms", "USD"; empty: none
};
std::span<const WatchMonitor> watch_monitors();

// The hours of one monitor in order, all of one length; an hour without any of what it counts is left out.
std::vector<HourSums> hours_of(const WatchMonitor& monitor, const std::map<int64_t, ProfileCell>& cells);
// A rate, or a median; nullopt: nothing was counted, or the monitor has no single value.
std::optional<double> value_of(const WatchMonitor& monitor, const ProfileCell& cell);
// How many items it counted.
int64_t items_of(const WatchMonitor& monitor, const ProfileCell& cell);
// Words that came more in `period` than in `before`, most first, by log-odds of their counts.
std::vector<std::string> terms_that_came(const ProfileCell& period, const ProfileCell& before, size_t most);

// One cell for each hour, all strata added up, of the store's requests of a component up to `until`; hours that are not profiled yet, or got more requests since, are profiled and kept (unless `keep` is false). Errors: those of the store.
Result<std::map<int64_t, ProfileCell>> stored_cells(Session& session, Store& store, const std::string& component, int64_t until_ms, bool keep);
// Of a file of `monitor profile`. Errors: of the file; kData: no cell of the component.
Result<std::map<int64_t, ProfileCell>> file_cells(const Session& session, const std::string& path, const std::string& component);

}  // namespace llmops
