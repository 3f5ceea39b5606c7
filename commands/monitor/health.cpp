#include "commands/monitor/health.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <unordered_map>

#include "commands/monitor/request_window.h"
#include "core/base/duration.h"
#include "core/base/json.h"
#include "core/stats/multiple.h"

namespace llmops {
namespace {

constexpr const char* kNotTold = "(not told)";
constexpr int64_t kMinute = 60'000, kHour = 60 * kMinute, kDay = 24 * kHour;

// The records of a window without what no signal reads: only that there is an output, and the input where a session may repeat it.
Result<std::vector<StoredRecord>> light_records(Store& store, const RecordQuery& query) {
  std::vector<StoredRecord> found;
  Store::RecordFilter filter;
  filter.from_ms = query.window.from_ms;
  filter.to_ms = query.window.to_ms;
  filter.component = query.component;
  filter.service = query.service;
  LLMOPS_CHECK(store.visit_records(filter, [&](const StoredRecord& record) {
    StoredRecord& kept = found.emplace_back(record);
    constexpr size_t kHashed = 120;          // a digest in the place of a text is whole
    if (kept.output && kept.output->size() > kHashed) kept.output = "";
    if (!kept.session) kept.input.reset();
    return true;
  }));
  return found;
}

struct Periods { HealthPeriod before, current; };

// Of all components: rows by step, and what their traces ran.
struct ComponentCalls { std::string name; std::vector<StoredRecord> before, current; };

using RecordOfTrace = std::unordered_map<std::string, size_t>;
RecordOfTrace by_trace(const std::vector<StoredRecord>& records) {
  RecordOfTrace index;
  for (size_t i = 0; i < records.size(); ++i) index.emplace(records[i].trace, i);
  return index;
}

// Calls of one component from the start of the period on, an hour past its end where their requests began before it.
Status read_calls(Store& store, const RecordQuery& query, const RecordOfTrace& index, HealthPeriod& period, std::vector<StoredRecord>& calls, std::vector<std::vector<std::pair<int64_t, std::string>>>& steps) {
  Store::RecordFilter filter;
  filter.from_ms = query.window.from_ms;
  filter.to_ms = query.window.to_ms + kHour;
  filter.component = query.component;
  filter.service = query.service;
  return store.visit_records(filter, [&](const StoredRecord& record) {
    const auto found = index.find(record.trace);
    if (found != index.end()) {
      steps[found->second].emplace_back(*record.start_ms, query.component);
      if (record.output) if (const auto score = best_retrieval_score(*record.output)) period.retrieval_scores.emplace_back(found->second, *score);
    }
    if (*record.start_ms >= query.window.to_ms) return true;
    StoredRecord& kept = calls.emplace_back(record);
    kept.input.reset();
    if (kept.output) kept.output = "";
    return true;
  });
}

Result<std::vector<ComponentCalls>> read_components(Store& store, const std::vector<std::string>& names, const MonitorHealthReport& report, Periods& periods) {
  std::vector<ComponentCalls> components;
  for (const std::string& name : names) components.push_back({name, {}, {}});
  for (const bool is_before : {true, false}) {
    HealthPeriod& period = is_before ? periods.before : periods.current;
    const RecordOfTrace index = by_trace(period.records);
    std::vector<std::vector<std::pair<int64_t, std::string>>> steps(period.records.size());
    for (ComponentCalls& one : components) {
      LLMOPS_CHECK(read_calls(store, {is_before ? report.against : report.window, one.name, report.service}, index, period, is_before ? one.before : one.current, steps));
    }
    for (auto& of_record : steps) {
      std::stable_sort(of_record.begin(), of_record.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
      std::vector<std::string>& ran = period.steps.emplace_back();
      for (auto& [start, name] : of_record) ran.push_back(std::move(name));
    }
  }
  std::erase_if(components, [](const ComponentCalls& one) { return one.before.empty() && one.current.empty(); });
  return components;
}

// Scores of a trace belong to its request, those of a span to the record that is this span, else to the request; a component has those of its spans alone.
Status read_scores(Store& store, Periods& periods, bool is_component) {
  struct Index { RecordOfTrace by_trace, by_span; HealthPeriod* period; };
  std::array<Index, 2> indices;
  const auto key_of = [](const std::string& trace, const std::string& span) { return trace + "\n" + span; };
  for (size_t side = 0; side < 2; ++side) {
    indices[side].period = side == 0 ? &periods.before : &periods.current;
    const std::vector<StoredRecord>& records = indices[side].period->records;
    indices[side].by_trace = by_trace(records);
    for (size_t i = 0; i < records.size(); ++i) indices[side].by_span.emplace(key_of(records[i].trace, records[i].span), i);
  }
  return store.visit_scores("", [&](const StoredScore& score) {
    for (const Index& index : indices) {
      if (const auto own = index.by_span.find(key_of(score.trace, score.span)); own != index.by_span.end()) index.period->scores.emplace_back(own->second, score);
      else if (const auto whole = index.by_trace.find(score.trace); whole != index.by_trace.end() && !is_component) index.period->scores.emplace_back(whole->second, score);
    }
    return true;
  });
}

template <class T>
std::optional<T> sum_of(const std::vector<StoredRecord>& records, std::optional<T> StoredRecord::*field) {
  std::optional<T> sum;
  for (const StoredRecord& one : records) if (one.*field && *(one.*field) >= 0) sum = sum.value_or(T{}) + *(one.*field);
  return sum;
}

HealthRow row_of(const std::string& name, const std::vector<StoredRecord>& before, const std::vector<StoredRecord>& current) {
  return {name, "", std::ssize(before), std::ssize(current), part_signals(name, before, current), sum_of(current, &StoredRecord::input_tokens), sum_of(current, &StoredRecord::output_tokens), sum_of(current, &StoredRecord::cost_usd)};
}

Result<std::vector<HealthRow>> rows_by(Store& store, const std::string& field, const Periods& periods) {
  std::map<std::string, std::array<std::vector<StoredRecord>, 2>> strata;
  for (const StoredRecord& one : periods.before.records) strata[stratum_of(one, field).value_or(kNotTold)][0].push_back(one);
  for (const StoredRecord& one : periods.current.records) strata[stratum_of(one, field).value_or(kNotTold)][1].push_back(one);
  std::vector<HealthRow> rows;
  for (const auto& [name, sides] : strata) rows.push_back(row_of(name, sides[0], sides[1]));
  if (field != "version") return rows;
  LLMOPS_ASSIGN(const auto labels, store.labels(""));
  constexpr size_t kShortest = 8;
  for (HealthRow& row : rows) for (const LabelRecord& label : labels) if (row.name.size() >= kShortest && label.vid.starts_with(row.name)) row.label += (row.label.empty() ? "" : ", ") + label.name;
  return rows;
}

void make_series(MonitorHealthReport& report, const std::vector<StoredRecord>& records) {
  const int64_t length = report.window.to_ms - report.window.from_ms;
  report.bucket_ms = length <= 3 * kHour ? 5 * kMinute : length <= 3 * kDay ? kHour : kDay;
  // The last one ends with the window, so that it is whole.
  const int64_t count = std::min<int64_t>(400, (length + report.bucket_ms - 1) / report.bucket_ms);
  const int64_t first = report.window.to_ms - count * report.bucket_ms;
  struct Seen { int64_t outcomes = 0, errors = 0; std::vector<double> latencies; };
  std::vector<Seen> seen(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) report.series.push_back({first + i * report.bucket_ms, 0, {}, {}});
  for (const StoredRecord& one : records) {
    if (*one.start_ms < first) continue;
    const auto at = static_cast<size_t>((*one.start_ms - first) / report.bucket_ms);
    ++report.series[at].requests;
    seen[at].outcomes += tells_outcome(one);
    seen[at].errors += one.error.has_value();
    if (is_duration(one.latency_ms)) seen[at].latencies.push_back(*one.latency_ms);
  }
  for (size_t i = 0; i < seen.size(); ++i) {
    if (seen[i].outcomes > 0) report.series[i].error_rate = static_cast<double>(seen[i].errors) / static_cast<double>(seen[i].outcomes);
    if (const auto p95 = quantile_interval(std::move(seen[i].latencies), 0.95)) report.series[i].latency_p95_ms = p95->value;
  }
}

std::vector<HealthSignal*> all_signals(MonitorHealthReport& report) {
  std::vector<HealthSignal*> all;
  for (HealthSignal& one : report.found.signals) all.push_back(&one);
  for (HealthRow& row : report.rows) for (HealthSignal* one : {&row.part.errors, &row.part.latency}) all.push_back(one);
  return all;
}

void decide(MonitorHealthReport& report) {
  std::vector<HealthSignal*> tested;
  std::vector<std::optional<double>> p_values;
  for (HealthSignal* one : all_signals(report)) {
    if (!one->p_value) continue;
    tested.push_back(one);
    p_values.push_back(one->p_value);
  }
  const auto adjusted = holm_adjust(p_values);
  bool is_worse = false;
  for (size_t i = 0; i < tested.size(); ++i) {
    tested[i]->p_adjusted = adjusted[i];
    settle(*tested[i], report.alpha);
    is_worse = is_worse || tested[i]->change == HealthChange::kWorse;
  }
  if (!tested.empty()) report.verdict = is_worse ? HealthVerdict::kDegraded : HealthVerdict::kHealthy;
  else if (report.requests == 0) report.reason = "the window holds no requests";
  else if (report.requests_before == 0) report.reason = "the period before holds no requests";
  else report.reason = fmt::format("no signal has {} observations of {} sessions on both sides", kLeastObservations, kLeastClusters);
}

// Records without a time come first of all; those past the end are of another clock.
Status count_timeless(Store& store, bool ends_now, MonitorHealthReport& report) {
  Store::RecordFilter filter;
  filter.component = report.component;
  filter.service = report.service;
  LLMOPS_CHECK(store.visit_records(filter, [&](const StoredRecord& record) {
    report.without_time += !record.start_ms;
    return !record.start_ms;
  }));
  if (!ends_now) return {};
  filter.from_ms = report.window.to_ms;
  return store.visit_records(filter, [&](const StoredRecord&) {
    ++report.in_future;
    return true;
  });
}

Status check_names(const MonitorHealthOptions& options, const std::vector<std::string>& components) {
  if (!options.component.empty() && std::find(components.begin(), components.end(), options.component) == components.end()) {
    return Error(ErrorCode::kUsage, fmt::format("no component '{}' is recorded", options.component), components.empty() ? "leave out --component" : did_you_mean(options.component, components));
  }
  if (options.by.empty()) return {};
  if (options.by == "step") return options.component.empty() ? Status() : Error(ErrorCode::kUsage, "a component has no steps of its own", "give --component or --by step, not both");
  std::vector<std::string> known = stratum_fields();
  if (std::find(known.begin(), known.end(), options.by) != known.end()) return {};
  known.emplace_back("step");
  return Error(ErrorCode::kUsage, fmt::format("'{}' is no field of requests", options.by), did_you_mean(options.by, known));
}


int64_t sessions_of(const std::vector<StoredRecord>& records) {
  std::set<std::string_view> sessions;
  for (const StoredRecord& one : records) if (one.session) sessions.insert(*one.session);
  return std::ssize(sessions);
}

}  // namespace

std::string_view health_verdict_name(HealthVerdict verdict) {
  constexpr std::array<std::string_view, 3> kNames{"degraded", "healthy", "not enough data"};
  return kNames[static_cast<size_t>(verdict)];
}

Result<MonitorHealthReport> monitor_health(const Session& session, const MonitorHealthOptions& options) {
  LLMOPS_ASSIGN(const MonitorConfig config, monitor_config(session));
  LLMOPS_ASSIGN(const int64_t since, length_or(options.since, config.window_ms));
  LLMOPS_ASSIGN(const int64_t against, length_or(options.against, config.against_ms));
  LLMOPS_ASSIGN(const int64_t end, window_end(session, options.until));
  LLMOPS_ASSIGN(Store * store, session.store(false));
  LLMOPS_ASSIGN(const std::vector<std::string> components, store->record_components());
  LLMOPS_CHECK(check_names(options, components));
  MonitorHealthReport report;
  report.window = {end - since, end};
  report.against = {end - since - against, end - since};
  report.component = options.component;
  report.service = options.service;
  report.by = options.by;
  report.alpha = config.alpha;
  report.seed = options.seed.value_or(0);
  Periods periods;
  LLMOPS_ASSIGN(periods.before.records, light_records(*store, {report.against, report.component, report.service}));
  LLMOPS_ASSIGN(periods.current.records, light_records(*store, {report.window, report.component, report.service}));
  report.requests = std::ssize(periods.current.records);
  report.requests_before = std::ssize(periods.before.records);
  report.sessions = sessions_of(periods.current.records);
  LLMOPS_CHECK(count_timeless(*store, options.until.empty(), report));
  if (report.requests == 0) {
    LLMOPS_ASSIGN(report.newest_ms, newest_record(*store, report.component));
  }
  LLMOPS_CHECK(read_scores(*store, periods, !report.component.empty()));
  if (report.component.empty()) {
    LLMOPS_ASSIGN(const std::vector<ComponentCalls> calls, read_components(*store, components, report, periods));
    // One component is the request itself.
    if (report.by.empty() && calls.size() > 1) report.by = "step";
    if (report.by == "step") for (const ComponentCalls& one : calls) report.rows.push_back(row_of(one.name, one.before, one.current));
  }
  if (!report.by.empty() && report.by != "step") {
    LLMOPS_ASSIGN(report.rows, rows_by(*store, report.by, periods));
  }
  std::stable_sort(report.rows.begin(), report.rows.end(), [](const HealthRow& a, const HealthRow& b) { return a.calls > b.calls; });
  report.found = health_signals(periods.before, periods.current, report.seed);
  make_series(report, periods.current.records);
  decide(report);
  return report;
}

std::vector<std::string> signals_that_are(const MonitorHealthReport& report, HealthChange change) {
  std::vector<std::string> names;
  for (const HealthSignal& one : report.found.signals) if (one.change == change) names.push_back(one.name);
  for (const HealthRow& row : report.rows) for (const HealthSignal* one : {&row.part.errors, &row.part.latency}) if (one->change == change) names.push_back(one->name);
  return names;
}

}  // namespace llmops
