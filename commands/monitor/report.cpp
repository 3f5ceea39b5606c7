#include "commands/monitor/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "commands/monitor/health_signals.h"
#include "commands/monitor/request_window.h"
#include "core/base/fs.h"
#include "core/base/json.h"
#include "core/text/unicode.h"

namespace llmops {
namespace {

constexpr int64_t kDay = 24 * 3'600'000LL, kMostDays = 400;
constexpr size_t kMostBins = 24, kMapPoints = 400;
constexpr uint64_t kHeadBytes = 1000;

int64_t day_of(int64_t unix_ms) { return unix_ms / kDay * kDay; }

fs::path full_path(const Session& session, const std::string& path) { return (session.surroundings().working_directory / path).lexically_normal(); }

std::optional<double> number_in(const Json& body, const char* key) {
  const auto found = body.find(key);
  return found == body.end() || !found->is_number() ? std::nullopt : std::optional(found->get<double>());
}

// Values of one period.
struct Numbers { std::vector<double> words, input_tokens, output_tokens, latencies; };

void add_numbers(const StoredRecord& record, Numbers& numbers) {
  if (record.input) numbers.words.push_back(static_cast<double>(split_words(*record.input).size()));
  if (record.input_tokens && *record.input_tokens >= 0) numbers.input_tokens.push_back(static_cast<double>(*record.input_tokens));
  if (record.output_tokens && *record.output_tokens >= 0) numbers.output_tokens.push_back(static_cast<double>(*record.output_tokens));
  if (is_duration(record.latency_ms)) numbers.latencies.push_back(*record.latency_ms);
}

// One walk over the records of the days and of both periods.
Status read_days(Store& store, MonitorReport& report, int64_t days) {
  const int64_t last = day_of(report.window.to_ms - 1), first = last - (days - 1) * kDay;
  for (int64_t at = first; at <= last; at += kDay) report.days.push_back({at, 0, 0, 0, {}, {}, {}, {}});
  std::vector<std::vector<double>> latencies(report.days.size());
  Numbers before, now;
  Store::RecordFilter filter;
  filter.from_ms = std::min(first, report.against.from_ms);
  filter.to_ms = report.window.to_ms;
  filter.component = report.component;
  filter.service = report.service;
  LLMOPS_CHECK(store.visit_records(filter, [&](const StoredRecord& found) {
    StoredRecord record = found;
    forget_digests(record);
    const int64_t start = *record.start_ms;
    if (start >= report.window.from_ms) add_numbers(record, now);
    else if (start >= report.against.from_ms) add_numbers(record, before);
    if (start < first) return true;
    const auto at = static_cast<size_t>((start - first) / kDay);
    ReportDay& day = report.days[at];
    ++day.requests;
    day.outcomes += tells_outcome(found);
    day.errors += found.error.has_value();
    if (is_duration(record.latency_ms)) latencies[at].push_back(*record.latency_ms);
    return true;
  }));
  for (size_t i = 0; i < report.days.size(); ++i) {
    ReportDay& day = report.days[i];
    if (day.outcomes > 0) day.error_rate = static_cast<double>(day.errors) / static_cast<double>(day.outcomes);
    day.error_interval = wilson_interval(day.errors, day.outcomes);
    if (const auto p50 = quantile_interval(latencies[i], 0.5)) day.latency_p50_ms = p50->value;
    if (const auto p95 = quantile_interval(std::move(latencies[i]), 0.95)) day.latency_p95_ms = p95->value;
  }
  report.distributions.push_back(distribution_of("length of requests", "words", before.words, now.words));
  report.distributions.push_back(distribution_of("input tokens", "tokens", before.input_tokens, now.input_tokens));
  report.distributions.push_back(distribution_of("output tokens", "tokens", before.output_tokens, now.output_tokens));
  report.distributions.push_back(distribution_of("latency", "ms", before.latencies, now.latencies));
  return {};
}

// Watching keeps its looks as "latency 24h pool COMPONENT", "-" for whole requests, and beside them what was accepted. The name that is told has of these what is not usual; nullopt: of another component, or no look of a monitor. A key of
// another form is a name.
std::optional<std::string> monitor_of(const std::string& key, const std::string& component) {
  if (key.starts_with("accepted ")) return std::nullopt;
  const size_t every = key.find(' '), mode = every == std::string::npos ? every : key.find(' ', every + 1), place = mode == std::string::npos ? mode : key.find(' ', mode + 1);
  if (place == std::string::npos) return key;
  if (key.substr(place + 1) != (component.empty() ? "-" : component)) return std::nullopt;
  std::string unusual;
  for (const std::string& word : {key.substr(every + 1, mode - every - 1), key.substr(mode + 1, place - mode - 1)}) if (word != "24h" && word != "pool") unusual += (unusual.empty() ? " (" : ", ") + word;
  return key.substr(0, every) + unusual + (unusual.empty() ? "" : ")");
}

Status read_looks(Store& store, MonitorReport& report) {
  LLMOPS_ASSIGN(const std::vector<StoredLook> looks, store.looks());
  for (const StoredLook& look : looks) {
    if (look.period_ms < report.days.front().start_ms || look.period_ms >= report.window.to_ms) continue;
    const std::optional<std::string> monitor = monitor_of(look.monitor, report.component);
    if (!monitor) continue;
    const Json body = Json::parse(look.body, nullptr, false);
    if (!body.is_object()) {
      ++report.unreadable_looks;
      continue;
    }
    const auto alarm = body.find("alarm");
    report.looks.push_back({*monitor, look.period_ms, alarm != body.end() && alarm->is_boolean() && alarm->get<bool>(), number_in(body, "p"), number_in(body, "e"), number_in(body, "statistic")});
  }
  return {};
}

std::optional<double> median_of(std::vector<double> values) {
  const auto found = quantile_interval(std::move(values), 0.5);
  return found ? std::optional(found->value) : std::nullopt;
}

}  // namespace

int64_t MonitorReport::alarms() const {
  return std::count_if(looks.begin(), looks.end(), [](const ReportLook& look) { return look.is_alarm; });
}

ReportDistribution distribution_of(std::string name, std::string unit, const std::vector<double>& before, const std::vector<double>& now) {
  ReportDistribution made{std::move(name), std::move(unit), std::ssize(before), std::ssize(now), median_of(before), median_of(now), {}, {}, {}, false};
  std::vector<double> pooled(before);
  pooled.insert(pooled.end(), now.begin(), now.end());
  if (pooled.empty()) return made;
  std::sort(pooled.begin(), pooled.end());
  const double low = pooled.front(), largest = pooled.back(), near_all = pooled[std::min(pooled.size() - 1, pooled.size() * 99 / 100)];
  // A long tail goes into the last bin, unless cutting it saves little.
  const double high = largest > low + 1.5 * (near_all - low) ? near_all : largest;
  const double rough = std::max(high - low, 1e-9) / static_cast<double>(kMostBins - 2), power = std::pow(10, std::floor(std::log10(rough)));
  double width = 10 * power;
  for (const double factor : {5.0, 2.0, 1.0}) if (factor * power >= rough) width = factor * power;
  if (made.unit != "ms") width = std::max(width, 1.0);         // counts
  else if (high <= low) width = std::max(1.0, std::pow(10, std::floor(std::log10(std::max(high, 1.0)))) / 10);
  const double first = std::floor(low / width);
  const auto bins = std::min(kMostBins, static_cast<size_t>(std::floor(high / width) - first) + 1);
  for (size_t i = 0; i <= bins; ++i) made.from.push_back((first + static_cast<double>(i)) * width);
  made.is_open = largest >= made.from.back();
  const auto count = [&](const std::vector<double>& values) {
    std::vector<int64_t> counts(bins);
    for (const double value : values) {
      const auto past = static_cast<size_t>(std::upper_bound(made.from.begin(), made.from.end(), value) - made.from.begin());     // by the edges that are shown
      ++counts[std::min(bins, std::max<size_t>(past, 1)) - 1];
    }
    return counts;
  };
  made.before = count(before);
  made.now = count(now);
  return made;
}

Status check_report_output(const Session& session, const MonitorReportOptions& options) {
  const fs::path path = full_path(session, options.output);
  std::error_code failed;
  const fs::file_status status = fs::status(path, failed);
  if (!fs::exists(status)) return {};
  if (fs::is_directory(status)) return Error(ErrorCode::kUsage, fmt::format("'{}' is a folder", options.output), "name a file: -o report.html");
  if (options.replace) return {};
  const Error refused(ErrorCode::kUsage, fmt::format("'{}' exists already and is no report", options.output), "give another name, or --force to replace it");
  if (!fs::is_regular_file(status)) return refused;
  LLMOPS_ASSIGN(const std::string bytes, read_file(path));
  if (std::string_view(bytes).substr(0, kHeadBytes).find(fmt::format("content=\"{}\"", kReportGenerator)) == std::string_view::npos) return refused;
  return {};
}

Status write_report(const Session& session, const MonitorReportOptions& options, std::string_view page) {
  LLMOPS_CHECK(check_report_output(session, options));
  WriteOptions how;
  how.failpoint = "report.write";
  return write_file_atomic(full_path(session, options.output), page, how);
}

Result<MonitorReport> monitor_report(Session& session, const MonitorReportOptions& options) {
  if (options.days < 1 || options.days > kMostDays) return Error(ErrorCode::kUsage, fmt::format("a timeline of {} days cannot be drawn", options.days), fmt::format("give --days 1 to {}", kMostDays));
  LLMOPS_CHECK(check_report_output(session, options));
  LLMOPS_ASSIGN(const MonitorConfig config, monitor_config(session));
  LLMOPS_ASSIGN(const int64_t window, length_or(options.window, config.window_ms));
  LLMOPS_ASSIGN(const int64_t against, length_or(options.against, config.against_ms));
  LLMOPS_ASSIGN(const int64_t end, window_end(session, options.until));
  LLMOPS_ASSIGN(Store * store, session.store(false));
  MonitorReport report;
  report.path = options.output;
  report.window = {end - window, end};
  report.against = {end - window - against, end - window};
  report.component = options.component;
  report.service = options.service;
  report.seed = options.seed.value_or(0);
  report.made_ms = end;
  LLMOPS_CHECK(read_days(*store, report, options.days));
  const bool is_empty = std::all_of(report.days.begin(), report.days.end(), [](const ReportDay& day) { return day.requests == 0; });
  if (is_empty) {
    report.reason = fmt::format("no request lies in the {} before {}", options.days == 1 ? "day" : fmt::format("{} days", options.days), format_moment(end));
    LLMOPS_ASSIGN(report.hint, hint_for_few(*store, {report.window, options.component, options.service}));
    return report;
  }
  LLMOPS_CHECK(read_looks(*store, report));
  // One end for all: the clock goes on between them.
  const std::string until = format_utc(end);
  MonitorDriftOptions drift;
  drift.window = options.window;
  drift.against = options.against;
  drift.until = until;
  drift.component = options.component;
  drift.service = options.service;
  drift.permutations = options.permutations;
  drift.most = options.most;
  drift.seed = options.seed;
  drift.threads = options.threads;
  drift.map_points = kMapPoints;
  LLMOPS_ASSIGN(report.drift, monitor_drift(session, drift));
  MonitorHealthOptions health;
  health.since = options.window;
  health.against = options.against;
  health.until = until;
  health.component = options.component;
  health.service = options.service;
  health.seed = options.seed;
  LLMOPS_ASSIGN(report.health, monitor_health(session, health));
  return report;
}

}  // namespace llmops
