#include "cli/render/monitor_drift_json.h"

#include "cli/render/json_values.h"

namespace llmops {
namespace {

Json requests_to_json(const std::vector<CarryingRequest>& requests) {
  Json made = Json::array();
  for (const CarryingRequest& one : requests) made.push_back({{"id", one.id}, {"text", one.text}, {"share", one.share}, {"copies", one.copies}});
  return made;
}

Json side(const std::string& name, const std::optional<TimeWindow>& window, int64_t found, int64_t used, int64_t without_text) {
  return {{"name", name}, {"window", window_to_json(window)}, {"found", found}, {"used", used}, {"without_text", without_text}};
}

Json tests_to_json(const Comparison& made) {
  Json tests = Json::array();
  for (const ComparedTest& one : made.tests) {
    tests.push_back({{"name", one.name}, {"detector", one.detector}, {"primary", one.is_primary}, {"statistic", or_null(one.statistic)}, {"p_value", or_null(one.p_value)}, {"p_adjusted", or_null(one.adjusted)}, {"effect", text_or_null(one.effect)}, {"smallest_share", or_null(one.smallest_share)}, {"reason", text_or_null(one.reason)}});
  }
  return tests;
}

}  // namespace

Json monitor_drift_to_json(const MonitorDriftReport& report) {
  const Comparison& made = report.whole;
  Json topics = Json::array(), terms = Json::array(), intents = Json::array(), unmatched = Json::array(), days = Json::array(), components = Json::array();
  for (const ComparedTopic& one : made.topics) {
    topics.push_back({{"words", one.words}, {"exemplar", one.exemplar}, {"reference", one.reference}, {"current", one.current}, {"reference_share", one.reference_share}, {"current_share", one.current_share}, {"z", one.z}, {"p_adjusted", one.p_value}, {"carried", one.carried}});
  }
  for (const CarryingTerm& one : made.terms) terms.push_back({{"term", one.term}, {"share", one.share}, {"reference", one.reference}, {"current", one.current}});
  for (const FoundIntent& one : made.intents) intents.push_back({{"exemplar", one.exemplar}, {"count", one.count}, {"examples", one.examples}, {"ids", one.ids}});
  for (const UnmatchedStratum& one : made.unmatched) unmatched.push_back({{"stratum", one.name}, {"reference", one.reference}, {"current", one.current}});
  for (const auto& [day, count] : made.beyond_edge_by_day) days.push_back({{"day", format_utc(day).substr(0, 10)}, {"beyond_edge", count.first}, {"requests", count.second}});
  for (const ComponentDrift& one : report.components) {
    components.push_back({{"component", one.component}, {"reference", one.comparison.reference_used}, {"current", one.comparison.current_used}, {"joint_p", or_null(one.comparison.joint_p)}, {"p_adjusted", or_null(one.adjusted)}, {"verdict", drift_verdict_name(one.comparison.verdict)}, {"reason", text_or_null(one.comparison.reason)}});
  }
  return {{"schema", "llmops.monitor-" + report.kind + "/v1"}, {"current", side(report.current_name, report.window, made.current_found, made.current_used, made.current_without_text)},
      {"reference", side(report.reference_name, report.against, made.reference_found, made.reference_used, made.reference_without_text)}, {"component", text_or_null(report.component)}, {"strata", made.options.pool.strata}, {"unmatched", std::move(unmatched)}, {"conversations", made.conversations > 0 ? Json(made.conversations) : Json(nullptr)}, {"continued", made.continued},
      {"drawn", made.is_drawn}, {"representation", text_or_null(made.representation)}, {"method", made.options.method}, {"permutations", made.options.permutations}, {"seed", made.options.seed}, {"alpha", made.options.alpha}, {"joint_p", or_null(made.joint_p)}, {"tests", tests_to_json(made)},
      {"topics", std::move(topics)}, {"appeared", requests_to_json(made.appeared)}, {"vanished", requests_to_json(made.vanished)}, {"terms", std::move(terms)}, {"new_requests", made.new_requests}, {"intents", std::move(intents)}, {"days", std::move(days)}, {"components", std::move(components)},
      {"verdict", drift_verdict_name(made.verdict)}, {"reason", text_or_null(made.reason)}, {"hint", text_or_null(report.hint)}};
}

}  // namespace llmops
