#include "cli/render/monitor_watch_json.h"

#include "cli/render/json_values.h"

namespace llmops {

Json monitor_watch_to_json(const MonitorWatchReport& report) {
  Json monitors = Json::array(), alarms = Json::array();
  for (const WatchedMonitor& one : report.monitors) {
    monitors.push_back({{"name", one.name}, {"looks", one.looks}, {"p_value", or_null(one.p_value)}, {"e_value", or_null(one.e_value)}, {"evidence", one.evidence}, {"value", or_null(one.value)}, {"usual", or_null(one.usual)}, {"unit", text_or_null(one.unit)}, {"alarm", one.alarm}});
  }
  for (const WatchAlarm& one : report.alarms) {
    alarms.push_back({{"monitor", one.monitor}, {"period", format_utc(one.period_ms)}, {"p_value", one.p_value}, {"evidence", one.evidence}, {"what", text_or_null(one.what)}, {"terms", one.terms}, {"new", one.is_new}});
  }
  return {{"schema", "llmops.monitor-watch/v1"}, {"every", report.every}, {"component", text_or_null(report.component)}, {"reference", text_or_null(report.reference)}, {"alarms_per_year", report.alarms_per_year}, {"threshold", report.threshold}, {"periods", report.periods}, {"looked_now", report.looked_now},
      {"newest", window_to_json(report.newest)}, {"late", report.late}, {"monitors", std::move(monitors)}, {"alarms", std::move(alarms)}, {"verdict", report.not_enough ? "not enough data" : watch_has_new_alarm(report) ? "alarm" : "quiet"}, {"reason", text_or_null(report.reason)}, {"hint", text_or_null(report.hint)}, {"dry_run", report.dry_run}};
}

}  // namespace llmops
