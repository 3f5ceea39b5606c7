#include "cli/render/monitor_json.h"

namespace llmops {

Json monitor_ingest_to_json(const MonitorIngestReport& report) {
  Json sources = Json::array();
  for (const IngestedSource& source : report.sources) {
    Json dropped = Json::array();
    for (const auto& [reason, one] : source.dropped) dropped.push_back({{"reason", reason}, {"count", one.count}, {"first_line", one.first_line}});
    Json formats = Json::object();
    for (const auto& [name, lines] : source.formats) formats[name] = lines;
    sources.push_back({{"source", source.source}, {"lines", source.lines}, {"formats", std::move(formats)}, {"spans", source.spans}, {"added", source.added}, {"known", source.known}, {"new_traces", source.new_traces}, {"scores", source.scores},
        {"repaired", source.repaired}, {"in_future", source.in_future}, {"without_time", source.without_time}, {"expired", source.expired}, {"dropped", std::move(dropped)}});
  }
  return {{"schema", "llmops.monitor-ingest/v1"}, {"sources", std::move(sources)}, {"unanswered", report.unanswered}, {"unasked", report.unasked}, {"retention_ms", report.retention_ms ? Json(*report.retention_ms) : Json(nullptr)}, {"expired", report.expired}, {"records_made", report.records_made}, {"traces", report.dry_run ? Json(nullptr) : Json(report.traces)}, {"dry_run", report.dry_run}, {"interrupted", report.interrupted}};
}

Json monitor_test_to_json(const MonitorTestReport& report) {
  Json details = Json::object(), carriers = Json::array();
  for (const auto& [name, value] : report.result.details) details[name] = value;
  for (size_t i = 0; i < report.result.carriers.size(); ++i) {
    const auto& [index, share] = report.result.carriers[i];
    carriers.push_back({{"index", index}, {"share", share}, {"text", i < report.carriers.size() ? Json(report.carriers[i]) : Json(nullptr)}});
  }
  const bool is_known = !report.result.p_kind.empty();
  Json embedder;
  if (report.embedder) embedder = {{"name", report.embedder->name}, {"kind", report.embedder->kind}, {"dimensions", report.embedder->dimensions}};
  return {{"schema", "llmops.monitor-test/v1"}, {"reference", {{"source", report.reference}, {"count", report.reference_count}}}, {"current", {{"source", report.current}, {"count", report.current_count}}}, {"kind", report.kind}, {"embedder", std::move(embedder)}, {"method", report.method},
      {"statistic", {{"name", report.statistic_name}, {"value", is_known ? Json(report.result.statistic) : Json(nullptr)}}}, {"convention", report.convention}, {"source", report.source}, {"p_value", report.result.p_value ? Json(*report.result.p_value) : Json(nullptr)},
      {"p_kind", is_known ? Json(report.result.p_kind) : Json(nullptr)}, {"permutations", report.result.permutations}, {"seed", report.seed}, {"details", std::move(details)}, {"carriers", std::move(carriers)}, {"alpha", report.alpha},
      {"verdict", drift_verdict_name(report.verdict)}, {"reason", report.reason.empty() ? Json(nullptr) : Json(report.reason)}, {"notes", report.notes}};
}

}  // namespace llmops
