#include "commands/monitor/request_window.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/duration.h"

namespace llmops {
namespace {

constexpr int64_t kHour = 3'600'000;

void forget_digest(std::optional<std::string>& text) {
  if (text && text->starts_with("{\"sha256\":")) text.reset();
}

}  // namespace

Result<int64_t> length_or(const std::string& text, int64_t otherwise) {
  if (text.empty()) return otherwise;
  return parse_duration_ms(text);
}

Result<ChosenRequests> chosen_requests(const Session& session, const MonitorConfig& config, const RequestChoice& choice) {
  LLMOPS_ASSIGN(const int64_t length, length_or(choice.since, config.window_ms));
  LLMOPS_ASSIGN(const int64_t end, window_end(session, choice.until));
  ChosenRequests chosen;
  LLMOPS_ASSIGN(chosen.store, session.store(false));
  if (!choice.component.empty()) {
    LLMOPS_ASSIGN(const std::vector<std::string> known, chosen.store->record_components());
    if (std::find(known.begin(), known.end(), choice.component) == known.end()) {
      return Error(ErrorCode::kUsage, fmt::format("no component '{}' is recorded", choice.component), known.empty() ? "leave out --component" : did_you_mean(choice.component, known));
    }
  }
  chosen.window = {end - length, end};
  chosen.query = {chosen.window, choice.component, choice.service};
  return chosen;
}

void forget_digests(StoredRecord& record) {
  forget_digest(record.input);
  forget_digest(record.output);
}

Result<std::vector<StoredRecord>> readable_records(Store& store, const RecordQuery& query) {
  LLMOPS_ASSIGN(std::vector<StoredRecord> records, records_in(store, query));
  for (StoredRecord& record : records) forget_digests(record);
  return records;
}

Result<std::set<std::string>> sessions_before(Store& store, const RecordQuery& query) {
  std::set<std::string> sessions;
  Store::RecordFilter filter;
  filter.to_ms = query.window.from_ms;
  filter.component = query.component;
  filter.service = query.service;
  LLMOPS_CHECK(store.visit_records(filter, [&](const StoredRecord& record) {
    if (record.session) sessions.insert(*record.session);
    return true;
  }));
  return sessions;
}

Result<std::string> hint_for_few(Store& store, const RecordQuery& query) {
  LLMOPS_ASSIGN(const std::optional<int64_t> newest, newest_record(store, query.component));
  if (!newest) return std::string("bring requests in: llmops monitor ingest FILE");
  if (*newest >= query.window.from_ms && *newest < query.window.to_ms) return std::string("take a longer window: --since");
  return fmt::format("the newest request is of {}: take --until {}", format_moment(*newest), format_utc((*newest / kHour + 1) * kHour));
}

}  // namespace llmops
