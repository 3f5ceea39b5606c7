#include "cli/render/monitor_trace_json.h"

#include "cli/render/json_values.h"

namespace llmops {
namespace {

Json moment_or_null(const std::optional<int64_t>& unix_ms) { return unix_ms ? Json(format_utc(*unix_ms)) : Json(nullptr); }

Json scores_to_json(const std::vector<StoredScore>& scores) {
  Json made = Json::array();
  for (const StoredScore& score : scores) {
    auto value = parse_json(score.value, "store");
    made.push_back({{"span", text_or_null(score.span)}, {"name", score.name}, {"value", value ? std::move(*value) : Json(score.value)}});
  }
  return made;
}

Json node_to_json(const TraceNode& node) {
  Json span = span_to_json(node.span);
  span.erase("trace");
  return {{"id", node.span.span_id}, {"parent", text_or_null(node.span.parent_id)}, {"parent_missing", node.is_parent_missing}, {"depth", node.depth}, {"component", node.component}, {"kind", trace_kind_name(node.span.kind)},
      {"latency_ms", or_null(node.latency_ms)}, {"self_ms", or_null(node.self_ms)}, {"slowest", node.is_slowest}, {"span", std::move(span)}, {"scores", scores_to_json(node.scores)}};
}

}  // namespace

Json monitor_trace_to_json(const MonitorTraceReport& report) {
  Json spans = Json::array();
  for (const TraceNode& node : report.spans) spans.push_back(node_to_json(node));
  Json trace = {{"id", report.id}, {"found_by", report.found_by_span ? "span" : "trace"}, {"start", moment_or_null(report.start_ms)}, {"latency_ms", or_null(report.latency_ms)}, {"service", text_or_null(report.service)},
      {"session", text_or_null(report.session)},
      {"user", text_or_null(report.user)}, {"route", text_or_null(report.route)}, {"language", text_or_null(report.language)}, {"version", text_or_null(report.vid)}, {"input_tokens", or_null(report.input_tokens)},
          {"output_tokens", or_null(report.output_tokens)},
      {"cost_usd", or_null(report.cost_usd)}, {"spans", std::move(spans)}, {"scores", scores_to_json(report.scores)}, {"unreadable", report.unreadable}};
  return {{"schema", "llmops.monitor-trace/v1"}, {"trace", std::move(trace)}, {"list", nullptr}};
}

Json monitor_trace_list_to_json(const MonitorTraceListReport& report) {
  Json requests = Json::array();
  for (const ListedRequest& one : report.requests) requests.push_back({{"id", one.id}, {"start", moment_or_null(one.start_ms)}, {"latency_ms", or_null(one.latency_ms)}, {"route", or_null(one.route)}, {"error", or_null(one.error)},
      {"input", or_null(one.input)}});
  return {{"schema", "llmops.monitor-trace/v1"}, {"trace", nullptr}, {"list", {{"since", moment_or_null(report.since_ms)}, {"found", report.found}, {"requests", std::move(requests)}}}};
}

}  // namespace llmops
