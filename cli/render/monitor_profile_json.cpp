#include "cli/render/monitor_profile_json.h"

#include "cli/render/json_values.h"

#include "core/base/clock.h"

namespace llmops {
namespace {

Json source_json(const ProfiledSource& source) {
  Json dropped = Json::array();
  for (const auto& [reason, one] : source.dropped) dropped.push_back({{"reason", reason}, {"count", one.count}, {"first_line", one.first_line}});
  return {{"source", source.source}, {"lines", source.lines}, {"records", source.records}, {"repaired", source.repaired}, {"dropped", std::move(dropped)}};
}

Json counts_json(const ProfileCounts& counts) {
  return {{"records", counts.records}, {"errors", counts.errors}, {"answered", counts.answered}, {"empty", counts.empty}, {"refusals", counts.refusals}, {"cut_off", counts.cut_off}, {"malformed_json", counts.malformed_json}, {"with_text", counts.with_text},
      {"with_session", counts.with_session}, {"impossible", counts.impossible}};
}

}  // namespace

Json monitor_profile_to_json(const MonitorProfileReport& report) {
  const ProfileSummary& profile = report.profile;
  Json sources = Json::array(), numbers = Json::array(), words = Json::array(), hours = Json::array(), dropped = Json::object();
  for (const ProfiledSource& source : report.sources) sources.push_back(source_json(source));
  for (const ProfileNumbers& one : profile.numbers) numbers.push_back({{"name", one.name}, {"unit", one.unit}, {"count", one.count}, {"p50", or_null(one.p50)}, {"p95", or_null(one.p95)}, {"mean", or_null(one.mean)}});
  for (const auto& [word, count] : profile.words) words.push_back({{"word", word}, {"count", count}});
  for (const ProfileHour& hour : profile.hours) hours.push_back({{"hour", format_utc(hour.hour_ms)}, {"component", hour.component}, {"records", hour.records}, {"errors", hour.errors}, {"words_p50", or_null(hour.words_p50)}, {"words_p95", or_null(hour.words_p95)}, {"latency_p95_ms", or_null(hour.latency_p95_ms)}});
  for (const auto& [reason, count] : profile.left_out.dropped) dropped[reason] = count;
  return {{"schema", "llmops.monitor-profile/v1"}, {"sources", std::move(sources)}, {"merged", report.merged}, {"profile", profile.path.empty() ? Json(nullptr) : Json(profile.path)}, {"spec_id", profile.spec_id}, {"spec", profile_spec_json(profile.spec)}, {"cells", profile.cells},
      {"counts", counts_json(profile.counts)}, {"distinct_prompts", profile.prompts}, {"distinct_sessions", profile.sessions}, {"numbers", std::move(numbers)}, {"words", std::move(words)}, {"hours", std::move(hours)}, {"without_time", profile.left_out.without_time},
      {"repaired", profile.left_out.repaired}, {"dropped", std::move(dropped)}, {"dry_run", report.dry_run}};
}

}  // namespace llmops
