#include "commands/monitor/drift.h"

#include <fmt/format.h>

#include <algorithm>

#include "commands/monitor/evaluation_inputs.h"
#include "commands/monitor/request_window.h"
#include "commands/monitor/watch_hours.h"
#include "core/base/duration.h"
#include "core/sketch/hash64.h"
#include "core/stats/multiple.h"

namespace llmops {
namespace {

constexpr int64_t kWeek = 7 * 24 * 3'600'000LL;

struct Plan { ComparisonOptions comparison; TimeWindow window, against; };

Result<Plan> plan_of(const Session& session, const MonitorDriftOptions& options) {
  LLMOPS_ASSIGN(const MonitorConfig config, monitor_config(session));
  Plan plan;
  LLMOPS_ASSIGN(const int64_t window, length_or(options.window, config.window_ms));
  LLMOPS_ASSIGN(const int64_t against, length_or(options.against, config.against_ms));
  LLMOPS_ASSIGN(const int64_t end, window_end(session, options.until));
  if (options.same_weekday && window > kWeek) return Error(ErrorCode::kUsage, "a window of more than a week has no same weekday", "leave out --same-weekday, or take --window 24h");
  plan.window = {end - window, end};
  plan.against = {end - window - against, end - window};
  plan.comparison.alpha = options.alpha.value_or(config.alpha);
  plan.comparison.permutations = options.permutations;
  plan.comparison.seed = options.seed.value_or(0);
  plan.comparison.threads = options.threads;
  plan.comparison.method = options.method;
  plan.comparison.embedder = options.embedder.empty() ? config.embedder : options.embedder;
  plan.comparison.pool.strata = options.strata.value_or(config.strata);
  plan.comparison.pool.most = options.most;
  plan.comparison.map_points = options.map_points;
  plan.comparison.pool.seed = plan.comparison.seed;
  LLMOPS_CHECK(check_strata(plan.comparison.pool.strata));
  return plan;
}

// Of the time before the window, what lies at the window's hours of the week.
void keep_same_weekday(std::vector<StoredRecord>& records, const TimeWindow& window) {
  std::erase_if(records, [&](const StoredRecord& record) {
    if (!record.start_ms) return true;
    const int64_t into_week = ((*record.start_ms - window.from_ms) % kWeek + kWeek) % kWeek;
    return into_week >= window.to_ms - window.from_ms;
  });
}

Result<std::string> hint_for(Store& store, const std::string& component, const TimeWindow& window) {
  LLMOPS_ASSIGN(const std::optional<int64_t> newest, newest_record(store, component));
  if (!newest) return std::string("bring requests in: llmops monitor ingest FILE");
  if (*newest >= window.from_ms && *newest < window.to_ms) return std::string("take a longer window, or a longer time before: --window, --against");
  return fmt::format("the newest request is of {}: take --until {}", format_moment(*newest), format_utc((*newest / 3'600'000 + 1) * 3'600'000));
}

Result<Comparison> compare_windows(Session& session, Store& store, const Plan& plan, const MonitorDriftOptions& options, const std::string& component) {
  LLMOPS_ASSIGN(std::vector<StoredRecord> reference, records_in(store, {plan.against, component, options.service}));
  LLMOPS_ASSIGN(std::vector<StoredRecord> current, records_in(store, {plan.window, component, options.service}));
  if (options.same_weekday) keep_same_weekday(reference, plan.window);
  return compare_requests(session, std::move(reference), std::move(current), plan.comparison);
}

Status add_components(Session& session, Store& store, const Plan& plan, const MonitorDriftOptions& options, MonitorDriftReport& report) {
  LLMOPS_ASSIGN(const std::vector<std::string> components, store.record_components());
  for (const std::string& component : components) {
    LLMOPS_ASSIGN(Comparison made, compare_windows(session, store, plan, options, component));
    report.components.push_back({component, std::move(made), std::nullopt});
  }
  std::vector<std::optional<double>> p_values;
  for (const ComponentDrift& one : report.components) p_values.push_back(one.comparison.joint_p);
  const auto adjusted = holm_adjust(p_values);
  for (size_t i = 0; i < adjusted.size(); ++i) report.components[i].adjusted = adjusted[i];
  return {};
}

constexpr int64_t kHour = 3'600'000;
constexpr size_t kTerms = 10;

std::string detector_of(WatchStatistic statistic) {
  switch (statistic) {
    case WatchStatistic::kFeatures: return "MMD";
    case WatchStatistic::kBuckets: return "KS";
    case WatchStatistic::kRateRise: return "Fisher";
  }
  return "";
}

ProfileCell sum_of(const std::map<int64_t, ProfileCell>& cells, const TimeWindow& window) {
  ProfileCell sum;
  for (auto it = cells.lower_bound(window.from_ms / kHour); it != cells.end() && it->first < window.to_ms / kHour; ++it) sum.merge(it->second);
  return sum;
}

std::string told(const WatchMonitor& monitor, const ProfileCell& before, const ProfileCell& now) {
  const auto was = value_of(monitor, before), is = value_of(monitor, now);
  if (!was || !is) return "";
  if (monitor.unit == "share") return fmt::format("{:.1f} % -> {:.1f} %", *was * 100, *is * 100);
  return fmt::format("median {:.4g} -> {:.4g} {}", *was, *is, monitor.unit);
}

// From sums of hours alone: every monitor that watch has, hours changing places within their hour of the day, at one level by Holm.
Result<MonitorDriftReport> drift_of_profiles(const Session& session, const Plan& plan, const MonitorDriftOptions& options) {
  LLMOPS_ASSIGN(const auto cells, file_cells(session, options.profiles, options.component));
  if (plan.window.from_ms % kHour != 0 || plan.window.to_ms % kHour != 0) return Error(ErrorCode::kUsage, "profiles hold whole hours", "give --until a whole hour: 2026-11-21 or 2026-11-21T14:00:00Z");
  const ProfileCell before = sum_of(cells, plan.against), now = sum_of(cells, plan.window);
  MonitorDriftReport report;
  Comparison& made = report.whole;
  made.options = plan.comparison;
  made.options.method = "profiles";
  made.options.pool.strata.clear();
  made.reference_found = made.reference_used = before.counts.records;
  made.current_found = made.current_used = now.counts.records;
  made.representation = "Fourier features of hashed words";
  std::map<int64_t, ProfileCell> both;
  for (const auto& [hour, cell] : cells) if (hour * kHour >= plan.against.from_ms && hour * kHour < plan.window.to_ms) both.emplace(hour, cell);
  std::vector<std::optional<double>> p_values;
  for (const WatchMonitor& monitor : watch_monitors()) {
    ComparedTest line;
    line.name = monitor.name;
    line.detector = detector_of(monitor.statistic);
    line.is_primary = true;
    const auto least = static_cast<int64_t>(kLeastRequests);
    LookOptions draws;
    draws.seed = plan.comparison.seed;
    draws.permutations = plan.comparison.permutations;
    const bool has_enough = items_of(monitor, before) >= least && items_of(monitor, now) >= least;
    const auto look = has_enough ? look_at(monitor.statistic, hours_of(monitor, both), plan.window.from_ms / kHour, plan.window.to_ms / kHour, draws) : std::nullopt;
    if (look) {
      line.statistic = look->statistic;
      line.p_value = look->p_value;
      line.effect = told(monitor, before, now);
    } else {
      line.reason = items_of(monitor, before) + items_of(monitor, now) == 0 ? "not recorded" : "too few, or no hour of the day on both sides";
    }
    p_values.push_back(line.p_value);
    made.tests.push_back(std::move(line));
  }
  const auto adjusted = holm_adjust(p_values);
  for (size_t i = 0; i < adjusted.size(); ++i) {
    made.tests[i].adjusted = adjusted[i];
    if (adjusted[i]) made.joint_p = std::min(made.joint_p.value_or(1), *adjusted[i]);
  }
  if (!made.joint_p) {
    made.reason = fmt::format("{} and {} requests: at least {} are needed on each side, at the same hours of the day", before.counts.records, now.counts.records, kLeastRequests);
    return report;
  }
  made.verdict = *made.joint_p <= plan.comparison.alpha ? DriftVerdict::kDrift : DriftVerdict::kNoDrift;
  for (const std::string& term : terms_that_came(now, before, kTerms)) made.terms.push_back({term, 0, before.word_counts.estimate(hash64(term)), now.word_counts.estimate(hash64(term))});
  return report;
}

}  // namespace

Result<MonitorDriftReport> monitor_drift(Session& session, const MonitorDriftOptions& options) {
  LLMOPS_ASSIGN(const Plan plan, plan_of(session, options));
  MonitorDriftReport report;
  Store* store = nullptr;
  if (options.profiles.empty()) {
    LLMOPS_ASSIGN(store, session.store(false));
  } else {
    LLMOPS_ASSIGN(report, drift_of_profiles(session, plan, options));
  }
  report.kind = "drift";
  report.window = plan.window;
  report.against = plan.against;
  report.component = options.component;
  report.current_name = format_window(plan.window);
  report.reference_name = format_window(plan.against) + (options.same_weekday ? ", the same weekday" : "");
  if (store == nullptr) return report;
  LLMOPS_ASSIGN(report.whole, compare_windows(session, *store, plan, options, options.component));
  if (report.whole.verdict == DriftVerdict::kNotEnoughData) {
    LLMOPS_ASSIGN(report.hint, hint_for(*store, options.component, plan.window));
  }
  if (options.per_component) LLMOPS_CHECK(add_components(session, *store, plan, options, report));
  return report;
}

Result<MonitorDriftReport> monitor_skew(Session& session, const MonitorDriftOptions& options) {
  LLMOPS_ASSIGN(Plan plan, plan_of(session, options));
  MonitorDriftReport report;
  report.kind = "skew";
  report.component = options.component;
  std::vector<StoredRecord> current;
  Store* store = nullptr;
  if (options.current_file.empty()) {
    LLMOPS_ASSIGN(store, session.store(false));
    LLMOPS_ASSIGN(current, records_in(*store, {plan.window, options.component, options.service}));
    report.window = plan.window;
    report.current_name = format_window(plan.window);
  } else {
    LLMOPS_ASSIGN(EvaluationInputs inputs, file_inputs(session, options.current_file, options.field));
    current = std::move(inputs.requests);
    report.current_name = inputs.name;
  }
  EvaluationInputs reference;
  if (options.reference_file.empty()) {
    LLMOPS_ASSIGN(reference, evaluation_inputs(session, options.suite, serving_version(current)));
  } else {
    LLMOPS_ASSIGN(reference, file_inputs(session, options.reference_file, options.field));
  }
  report.reference_name = reference.name;
  // Cases have no route, no language: strata hold for windows of production alone.
  plan.comparison.pool.strata.clear();
  LLMOPS_ASSIGN(report.whole, compare_requests(session, std::move(reference.requests), std::move(current), plan.comparison));
  if (report.whole.verdict == DriftVerdict::kNotEnoughData && store != nullptr) {
    LLMOPS_ASSIGN(report.hint, hint_for(*store, options.component, plan.window));
  }
  return report;
}

}  // namespace llmops
