#include "cli/render/monitor_health_json.h"

#include "cli/render/json_values.h"

#include "core/base/clock.h"

namespace llmops {
namespace {

Json interval_json(const std::optional<Interval>& interval) { return interval ? Json{{"low", interval->low}, {"high", interval->high}} : Json(nullptr); }

Json estimate_json(const HealthEstimate& one) { return {{"value", or_null(one.value)}, {"interval", interval_json(one.interval)}, {"n", one.n}, {"total", or_null(one.total)}}; }

Json categories_json(const std::vector<HealthCategory>& categories) {
  Json list = Json::array();
  for (const HealthCategory& one : categories) list.push_back({{"name", one.name}, {"before", one.before}, {"current", one.current}, {"first_seen", one.first_ms ? Json(format_utc(*one.first_ms)) : Json(nullptr)}});
  return list;
}

const char* direction_name(HealthDirection direction) {
  switch (direction) {
    case HealthDirection::kHigherIsWorse: return "higher is worse";
    case HealthDirection::kLowerIsWorse: return "lower is worse";
    case HealthDirection::kNeither: break;
  }
  return "neither";
}

Json signal_json(const HealthSignal& one) {
  return {{"name", one.name}, {"unit", one.unit}, {"direction", direction_name(one.direction)}, {"current", estimate_json(one.current)}, {"before", estimate_json(one.before)}, {"difference", or_null(one.difference)},
      {"difference_interval", interval_json(one.difference_interval)}, {"test", one.test.empty() ? Json(nullptr) : Json(one.test)}, {"p_value", or_null(one.p_value)}, {"p_adjusted", or_null(one.p_adjusted)}, {"design_effect", one.design_effect},
      {"change", health_change_name(one.change)}, {"reason", one.reason.empty() ? Json(nullptr) : Json(one.reason)}, {"categories", categories_json(one.categories)}, {"sequences", categories_json(one.sequences)}};
}

Json row_json(const HealthRow& row) {
  return {{"name", row.name}, {"label", row.label.empty() ? Json(nullptr) : Json(row.label)}, {"calls", row.calls}, {"calls_before", row.calls_before}, {"errors", signal_json(row.part.errors)}, {"latency_p95", signal_json(row.part.latency)},
      {"input_tokens", or_null(row.input_tokens)}, {"output_tokens", or_null(row.output_tokens)}, {"cost_usd", or_null(row.cost_usd)}};
}

Json window_json(const TimeWindow& window, int64_t requests) { return {{"from", format_utc(window.from_ms)}, {"to", format_utc(window.to_ms)}, {"requests", requests}}; }

}  // namespace

Json monitor_health_to_json(const MonitorHealthReport& report) {
  Json signals = Json::array(), rows = Json::array(), series = Json::array(), left_out = Json::object();
  for (const HealthSignal& one : report.found.signals) signals.push_back(signal_json(one));
  for (const HealthRow& row : report.rows) rows.push_back(row_json(row));
  for (const HealthBucket& one : report.series) series.push_back({{"start", format_utc(one.start_ms)}, {"requests", one.requests}, {"error_rate", or_null(one.error_rate)}, {"latency_p95_ms", or_null(one.latency_p95_ms)}});
  for (const auto& [name, count] : report.found.left_out) left_out[name] = count;
  return {{"schema", "llmops.monitor-health/v1"}, {"window", window_json(report.window, report.requests)}, {"against", window_json(report.against, report.requests_before)},
      {"component", report.component.empty() ? Json(nullptr) : Json(report.component)}, {"service", or_null(report.service)}, {"by", report.by.empty() ? Json(nullptr) : Json(report.by)}, {"sessions", report.sessions},
      {"without_time", report.without_time}, {"in_future", report.in_future}, {"alpha", report.alpha}, {"seed", report.seed}, {"signals", std::move(signals)}, {"not_recorded", report.found.not_recorded}, {"left_out", std::move(left_out)},
      {"rows", std::move(rows)}, {"bucket_ms", report.bucket_ms}, {"series", std::move(series)}, {"verdict", health_verdict_name(report.verdict)}, {"reason", report.reason.empty() ? Json(nullptr) : Json(report.reason)},
      {"newest", report.newest_ms ? Json(format_utc(*report.newest_ms)) : Json(nullptr)}};
}

}  // namespace llmops
