#include "commands/monitor/watch_hours.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include "commands/monitor/profile_records.h"
#include "commands/monitor/window.h"
#include "core/drift/profile_file.h"

namespace llmops {
namespace {

constexpr int64_t kHour = 3'600'000;

using Sketch = QuantileSketch ProfileCell::*;

Sketch sketch_of(std::string_view name) {
  if (name == "length") return &ProfileCell::words;
  if (name == "input_tokens") return &ProfileCell::input_tokens;
  if (name == "output_tokens") return &ProfileCell::output_tokens;
  if (name == "answer_bytes") return &ProfileCell::output_bytes;
  if (name == "latency") return &ProfileCell::latency_ms;
  if (name == "ttft") return &ProfileCell::ttft_ms;
  return &ProfileCell::cost_usd;
}

struct Rate { int64_t events = 0, trials = 0; };

Rate rate_of(std::string_view name, const ProfileCounts& counts) {
  if (name == "error_rate") return {counts.errors, counts.records};
  if (name == "refusal_rate") return {counts.refusals, counts.answered};
  if (name == "empty_rate") return {counts.empty, counts.answered};
  if (name == "cut_off_rate") return {counts.cut_off, counts.answered};
  return {counts.malformed_json, counts.answered};
}

HourSums bucket_sums(int64_t hour, const QuantileSketch& sketch, const std::map<double, size_t>& places) {
  HourSums made{hour, std::vector<double>(places.size())};
  for (const auto& [value, count] : sketch.buckets()) made.sums[places.at(value)] = static_cast<double>(count);
  return made;
}

HourSums feature_hour(int64_t hour, const ProfileCell& cell) {
  const FeatureSums sums = feature_sums(cell.features);
  HourSums made{hour, sums.sums};
  made.sums.push_back(sums.squares);
  made.sums.push_back(static_cast<double>(sums.count));
  return made;
}

void add_cell(std::map<int64_t, ProfileCell>& cells, int64_t hour_ms, ProfileCell cell) {
  const auto [found, fresh] = cells.try_emplace(hour_ms / kHour, ProfileCell{});
  if (fresh) found->second = std::move(cell);
  else found->second.merge(cell);
}

}  // namespace

std::span<const WatchMonitor> watch_monitors() {
  static constexpr std::array<WatchMonitor, 13> kMonitors{{
      {"mean_embedding", "do the prompts mean something else", WatchStatistic::kFeatures, ""},
      {"length", "are the prompts of other lengths", WatchStatistic::kBuckets, "words"},
      {"input_tokens", "do calls take other numbers of tokens", WatchStatistic::kBuckets, "tokens"},
      {"output_tokens", "do answers take other numbers of tokens", WatchStatistic::kBuckets, "tokens"},
      {"answer_bytes", "are the answers of other lengths", WatchStatistic::kBuckets, "bytes"},
      {"latency", "do answers take another time", WatchStatistic::kBuckets, "ms"},
      {"ttft", "do answers begin after another time", WatchStatistic::kBuckets, "ms"},
      {"cost", "do requests cost otherwise", WatchStatistic::kBuckets, "USD"},
      {"error_rate", "are more requests in error", WatchStatistic::kRateRise, "share"},
      {"refusal_rate", "are more answers refusals", WatchStatistic::kRateRise, "share"},
      {"empty_rate", "are more answers empty", WatchStatistic::kRateRise, "share"},
      {"cut_off_rate", "are more answers cut off", WatchStatistic::kRateRise, "share"},
      {"malformed_json_rate", "is more JSON malformed", WatchStatistic::kRateRise, "share"},
  }};
  return kMonitors;
}

std::vector<HourSums> hours_of(const WatchMonitor& monitor, const std::map<int64_t, ProfileCell>& cells) {
  std::vector<HourSums> made;
  std::map<double, size_t> places;
  if (monitor.statistic == WatchStatistic::kBuckets) {
    const Sketch sketch = sketch_of(monitor.name);
    for (const auto& [hour, cell] : cells) for (const auto& [value, count] : (cell.*sketch).buckets()) places.emplace(value, 0);
    size_t next = 0;
    for (auto& [value, place] : places) place = next++;
  }
  for (const auto& [hour, cell] : cells) {
    if (items_of(monitor, cell) == 0) continue;
    if (monitor.statistic == WatchStatistic::kFeatures) {
      made.push_back(feature_hour(hour, cell));
    } else if (monitor.statistic == WatchStatistic::kBuckets) {
      made.push_back(bucket_sums(hour, cell.*sketch_of(monitor.name), places));
    } else {
      const Rate rate = rate_of(monitor.name, cell.counts);
      made.push_back({hour, {static_cast<double>(rate.events), static_cast<double>(rate.trials)}});
    }
  }
  return made;
}

std::optional<double> value_of(const WatchMonitor& monitor, const ProfileCell& cell) {
  if (monitor.statistic == WatchStatistic::kFeatures) return std::nullopt;
  if (monitor.statistic == WatchStatistic::kBuckets) return (cell.*sketch_of(monitor.name)).quantile(0.5);
  const Rate rate = rate_of(monitor.name, cell.counts);
  return rate.trials == 0 ? std::nullopt : std::optional(static_cast<double>(rate.events) / static_cast<double>(rate.trials));
}

int64_t items_of(const WatchMonitor& monitor, const ProfileCell& cell) {
  if (monitor.statistic == WatchStatistic::kFeatures) return cell.features.count;
  if (monitor.statistic == WatchStatistic::kBuckets) return (cell.*sketch_of(monitor.name)).count();
  return rate_of(monitor.name, cell.counts).trials;
}

std::vector<std::string> terms_that_came(const ProfileCell& period, const ProfileCell& before, size_t most) {
  std::map<std::string, std::pair<int64_t, int64_t>> counts;
  for (const auto& [word, count] : frequent_words(period, HeavyTerms::kKept)) counts[word].second = count;
  for (const auto& [word, count] : frequent_words(before, HeavyTerms::kKept)) counts[word].first = count;
  const auto n = static_cast<double>(before.word_counts.total()), m = static_cast<double>(period.word_counts.total());
  std::vector<std::pair<double, std::string>> ranked;
  for (const auto& [word, count] : counts) {
    if (count.second == 0) continue;
    // Log-odds with half a count added to all, in standard deviations.
    const double x = static_cast<double>(count.first) + 0.5, y = static_cast<double>(count.second) + 0.5;
    const double z = (std::log(y / (m - y + 1)) - std::log(x / (n - x + 1))) / std::sqrt(1 / x + 1 / y);
    if (z > 2 && static_cast<double>(count.second) >= 5) ranked.emplace_back(-z, word);
  }
  std::sort(ranked.begin(), ranked.end());
  std::vector<std::string> made;
  for (const auto& [z, word] : ranked) if (made.size() < most) made.push_back(word);
  return made;
}

Result<std::map<int64_t, ProfileCell>> stored_cells(Session& session, Store& store, const std::string& component, int64_t until_ms, bool keep) {
  LLMOPS_ASSIGN(const MonitorConfig config, monitor_config(session));
  ProfileSpec spec;
  spec.capture = session.setting("capture");
  spec.strata = config.strata;
  std::sort(spec.strata.begin(), spec.strata.end());
  spec.components = !component.empty();
  const std::string id = profile_spec_id(spec);
  std::map<int64_t, ProfileCell> cells;
  Status broken;
  Store::ProfileFilter filter;
  filter.spec = id;
  filter.component = component;
  filter.to_ms = until_ms;
  LLMOPS_CHECK(store.visit_profiles(filter, [&](const StoredProfile& row) {
    auto cell = profile_cell_of(row.body, spec);
    if (!cell) {
      broken = cell.error();
      return false;
    }
    add_cell(cells, row.period_ms, std::move(*cell));
    return true;
  }));
  LLMOPS_CHECK(broken);
  // Hours with more requests than their profile counts: new ones, and those to which some came late. Fewer: their traces were purged, and the profile stays.
  LLMOPS_ASSIGN(const auto counts, store.record_hours(component));
  std::set<int64_t> wanted;
  for (const auto& [hour, count] : counts) {
    const auto found = cells.find(hour);
    if ((hour + 1) * kHour <= until_ms && (found == cells.end() || found->second.counts.records < count)) wanted.insert(hour);
  }
  if (wanted.empty()) return cells;
  ProfiledRecords fresh(spec);
  Store::RecordFilter of_time;
  of_time.component = component;
  of_time.from_ms = *wanted.begin() * kHour;
  of_time.to_ms = (*wanted.rbegin() + 1) * kHour;
  LLMOPS_CHECK(store.visit_records(of_time, [&](const StoredRecord& record) {
    if (!record.start_ms || !wanted.contains(*record.start_ms / kHour)) return true;
    broken = fresh.add(record);
    return static_cast<bool>(broken);
  }));
  LLMOPS_CHECK(broken);
  std::vector<StoredProfile> rows;
  for (const int64_t hour : wanted) cells.erase(hour);
  for (const auto& [key, cell] : fresh.profile().cells()) {
    rows.push_back({id, key.component, key.hour_ms, key.stratum.empty() ? "{}" : key.stratum, cell.counts.records, profile_cell_bytes(cell)});
    add_cell(cells, key.hour_ms, cell);
  }
  if (keep) LLMOPS_CHECK(store.put_profiles(rows));
  return cells;
}

Result<std::map<int64_t, ProfileCell>> file_cells(const Session& session, const std::string& path, const std::string& component) {
  LLMOPS_ASSIGN(const Profile profile, read_profile(session.surroundings().working_directory / path, path));
  std::map<int64_t, ProfileCell> cells;
  for (const auto& [key, cell] : profile.cells()) if (key.component == component) add_cell(cells, key.hour_ms, cell);
  if (cells.empty()) return Error(ErrorCode::kData, component.empty() ? fmt::format("'{}' holds no hour of whole requests", path) : fmt::format("'{}' holds no hour of component '{}'", path, component), "see what it holds: llmops monitor profile --show FILE");
  return cells;
}

}  // namespace llmops
