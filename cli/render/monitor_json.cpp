#include "cli/render/monitor_json.h"

namespace llmops {

Json monitor_ingest_to_json(const MonitorIngestReport& report) {
  Json sources = Json::array();
  for (const IngestedSource& source : report.sources) {
    Json dropped = Json::array();
    for (const auto& [reason, one] : source.dropped) dropped.push_back({{"reason", reason}, {"count", one.count}, {"first_line", one.first_line}});
    sources.push_back({{"source", source.source}, {"lines", source.lines}, {"spans", source.spans}, {"added", source.added}, {"known", source.known}, {"new_traces", source.new_traces}, {"dropped", std::move(dropped)}});
  }
  return {{"schema", "llmops.monitor-ingest/v1"}, {"sources", std::move(sources)}, {"traces", report.dry_run ? Json(nullptr) : Json(report.traces)}, {"dry_run", report.dry_run}};
}

}  // namespace llmops
