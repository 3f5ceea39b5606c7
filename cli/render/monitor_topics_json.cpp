#include "cli/render/monitor_topics_json.h"

#include "cli/render/json_values.h"

namespace llmops {
Json monitor_topics_to_json(const MonitorTopicsReport& report) {
  Json topics = Json::array(), strata = Json::array();
  for (const AskedTopic& one : report.topics) {
    Json by = Json::object();
    for (size_t s = 0; s < report.strata.size(); ++s) by[report.strata[s].name] = {{"requests", one.by_stratum[s]}, {"share", static_cast<double>(one.by_stratum[s]) / static_cast<double>(report.strata[s].requests)}};
    topics.push_back({{"words", one.words}, {"exemplar", one.exemplar}, {"exemplar_id", one.exemplar_id}, {"requests", one.requests}, {"share", one.share}, {"outcomes", one.outcomes}, {"error_rate", or_null(one.error_rate)}, {"latency_p50_ms", or_null(one.latency_p50_ms)}, {"latency_p95_ms", or_null(one.latency_p95_ms)},
        {"by", report.by.empty() ? Json(nullptr) : std::move(by)}, {"ids", one.ids}});
  }
  for (const TopicStratum& one : report.strata) strata.push_back({{"name", one.name}, {"requests", one.requests}});
  return {{"schema", "llmops.monitor-topics/v1"}, {"window", window_to_json(report.window)}, {"component", text_or_null(report.component)}, {"found", report.found}, {"used", report.used}, {"without_text", report.without_text}, {"drawn", report.is_drawn}, {"seed", report.seed},
      {"representation", text_or_null(report.representation)}, {"by", text_or_null(report.by)}, {"strata", std::move(strata)}, {"topics", std::move(topics)}, {"reason", text_or_null(report.reason)}, {"hint", text_or_null(report.hint)}};
}

}  // namespace llmops
