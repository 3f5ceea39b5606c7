#include "cli/render/monitor_explain_json.h"

#include "cli/render/json_values.h"

namespace llmops {
namespace {

Json signs_to_json(const std::vector<ExplainedSign>& signs) {
  Json made = Json::array();
  for (const ExplainedSign& one : signs) made.push_back({{"name", one.name}, {"value", text_or_null(one.value)}, {"share_before", or_null(one.share)}});
  return made;
}

}  // namespace

Json monitor_explain_to_json(const MonitorExplainReport& report) {
  Json nearest = Json::array(), numbers = Json::array(), novelty, topic, scores = Json::object();
  for (const NearRequest& one : report.nearest) nearest.push_back({{"id", one.id}, {"text", one.text}, {"distance", one.distance}, {"copies", one.copies}});
  for (const ExplainedNumber& one : report.numbers) {
    numbers.push_back({{"name", one.name}, {"unit", one.unit}, {"value", one.value}, {"n", one.n}, {"p05", or_null(one.p05)}, {"median", or_null(one.median)}, {"p95", or_null(one.p95)}, {"share_below", one.n > 0 ? Json(one.share_below) : Json(nullptr)}, {"share_above", one.n > 0 ? Json(one.share_above) : Json(nullptr)}});
  }
  if (const auto& found = report.novelty) novelty = {{"distance", found->distance}, {"median", found->median}, {"edge", found->edge}, {"farther", found->farther}, {"of", found->of}, {"p_value", found->p_value}};
  if (const auto& found = report.topic) topic = {{"words", found->words}, {"exemplar", found->exemplar}, {"before", found->before}, {"share_before", found->share}, {"similarity", found->similarity}};
  for (const auto& [name, value] : report.scores) scores[name] = value;
  return {{"schema", "llmops.monitor-explain/v1"}, {"id", report.id}, {"component", text_or_null(report.component)}, {"text", text_or_null(report.text)}, {"start", report.start_ms ? Json(format_utc(*report.start_ms)) : Json(nullptr)}, {"against", report.against ? window_to_json(*report.against) : Json(nullptr)},
      {"found", report.reference_found}, {"used", report.reference_used}, {"drawn", report.is_drawn}, {"representation", text_or_null(report.representation)}, {"novelty", std::move(novelty)}, {"topic", std::move(topic)}, {"nearest", std::move(nearest)},
      {"words", report.words}, {"new_words", report.new_words}, {"numbers", std::move(numbers)}, {"signs", signs_to_json(report.signs)}, {"strata", signs_to_json(report.strata)}, {"scores", std::move(scores)}, {"reason", text_or_null(report.reason)}};
}

}  // namespace llmops
