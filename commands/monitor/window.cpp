#include "commands/monitor/window.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/duration.h"
#include "core/base/yaml_reader.h"

namespace llmops {
namespace {

constexpr int64_t kMinute = 60'000, kDay = 24 * 60 * kMinute;

Status read_length(YamlReader& reader, const YamlDocument& document, const char* key, int64_t& ms) {
  LLMOPS_ASSIGN(const auto text, reader.optional_text(key));
  if (!text) return {};
  auto parsed = parse_duration_ms(*text);
  if (!parsed) return document.error_at(reader.pointer_of(key), parsed.error().message, parsed.error().hint);
  ms = *parsed;
  return {};
}

}  // namespace

Result<MonitorConfig> monitor_config(const Session& session) {
  MonitorConfig config;
  const YamlDocument* project = session.project();
  if (project == nullptr || !project->value().is_object() || !project->value().contains("monitor")) return config;
  LLMOPS_ASSIGN(YamlReader reader, YamlReader::open(*project, "/monitor", "monitor"));
  LLMOPS_ASSIGN(const auto alpha, reader.optional_number("alpha", 0, 1));
  LLMOPS_ASSIGN(const auto alarms, reader.optional_number("alarms_per_year", 0, 1e6));
  if (alpha && (*alpha <= 0 || *alpha > 0.5)) return project->error_at("/monitor/alpha", fmt::format("{} is no share of false alarms", *alpha), "write a number above 0, at most 0.5: 0.01");
  if (alarms && *alarms <= 0) return project->error_at("/monitor/alarms_per_year", "no test can promise that no alarm is false", "write a number above 0: 1");
  config.alpha = alpha.value_or(config.alpha);
  config.alarms_per_year = alarms.value_or(config.alarms_per_year);
  LLMOPS_CHECK(read_length(reader, *project, "window", config.window_ms));
  LLMOPS_CHECK(read_length(reader, *project, "against", config.against_ms));
  int64_t retention = 0;
  LLMOPS_CHECK(read_length(reader, *project, "retention", retention));
  if (retention > 0) config.retention_ms = retention;
  LLMOPS_ASSIGN(const auto embedder, reader.optional_text("embedder"));
  if (embedder) config.embedder = *embedder;
  LLMOPS_ASSIGN(config.strata, reader.optional_text_list("strata"));
  for (size_t i = 0; i < config.strata.size(); ++i) {
    const Status known = check_strata({config.strata[i]});
    if (!known) return project->error_at(json_pointer_append("/monitor/strata", i), known.error().message, known.error().hint);
  }
  LLMOPS_ASSIGN(config.monitors, reader.optional_text_list("monitors"));
  return config;
}

std::vector<std::string> stratum_fields() { return {"route", "language", "prompt", "model", "service", "version"}; }

std::optional<std::string> stratum_of(const StoredRecord& record, std::string_view field) {
  if (field == "route") return record.route;
  if (field == "language") return record.language;
  if (field == "prompt") return record.prompt;
  if (field == "model") return record.model_served ? record.model_served : record.model_asked;
  if (field == "service") return record.service;
  if (field == "version") return record.vid;
  return std::nullopt;
}

Status check_strata(const std::vector<std::string>& fields) {
  const std::vector<std::string> known = stratum_fields();
  for (const std::string& field : fields) {
    if (std::find(known.begin(), known.end(), field) != known.end()) continue;
    const std::string guess = did_you_mean(field, known);
    return Error(ErrorCode::kUsage, fmt::format("'{}' is no stratum", field), guess.empty() ? "take some of route, language, prompt, model, service, version" : guess);
  }
  return {};
}

std::string stratum_key(const StoredRecord& record, const std::vector<std::string>& fields) {
  std::string key;
  for (const std::string& field : fields) key += (key.empty() ? "" : " / ") + stratum_of(record, field).value_or("?");
  return key;
}

Result<int64_t> window_end(const Session& session, const std::string& until) {
  if (until.empty()) return session.clock().unix_ms();
  auto moment = parse_utc(until.size() == 10 ? until + "T00:00:00Z" : until);
  if (!moment) return Error(ErrorCode::kUsage, fmt::format("'{}' is no moment", until), "write 2026-11-21 or 2026-11-21T14:00:00Z");
  return *moment;
}

Result<std::vector<StoredRecord>> records_in(Store& store, const RecordQuery& query) {
  std::vector<StoredRecord> found;
  Store::RecordFilter filter;
  filter.from_ms = query.window.from_ms;
  filter.to_ms = query.window.to_ms;
  filter.component = query.component;
  filter.service = query.service;
  LLMOPS_CHECK(store.visit_records(filter, [&](const StoredRecord& record) {
    found.push_back(record);
    return true;
  }));
  return found;
}

Result<std::optional<int64_t>> newest_record(Store& store, const std::string& component) {
  std::optional<int64_t> newest;
  Store::RecordFilter filter;
  filter.component = component;
  LLMOPS_CHECK(store.visit_records(filter, [&](const StoredRecord& record) {
    if (record.start_ms) newest = std::max(newest.value_or(*record.start_ms), *record.start_ms);
    return true;
  }));
  return newest;
}

std::string format_moment(int64_t unix_ms) {
  const std::string text = format_utc(unix_ms);
  return unix_ms % kDay == 0 ? text.substr(0, 10) : text.substr(0, 10) + " " + text.substr(11, 5);
}

std::string format_window(const TimeWindow& window) {
  const bool is_days = window.from_ms % kDay == 0 && window.to_ms % kDay == 0;
  if (!is_days) return format_moment(window.from_ms) + " .. " + format_moment(window.to_ms);
  const std::string first = format_moment(window.from_ms), last = format_moment(window.to_ms - kDay);
  if (first == last) return first;
  return first.substr(0, 7) == last.substr(0, 7) ? first + " .. " + last.substr(8) : first + " .. " + last;
}

}  // namespace llmops
