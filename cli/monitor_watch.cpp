#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "cli/arguments.h"
#include "cli/render/monitor_watch_json.h"
#include "cli/sparkline.h"
#include "cli/table.h"
#include "commands/monitor/watch.h"
#include "core/text/unicode.h"

namespace llmops {
namespace {

constexpr size_t kBars = 30;

std::string value_text(const std::optional<double>& value, const std::string& unit) {
  if (!value) return "";
  if (unit == "share") return *value < 0.0995 ? fmt::format("{:.1f} %", *value * 100) : fmt::format("{:.0f} %", *value * 100);
  if (unit == "USD") return format_usd(*value);
  if (unit == "ms") return format_duration_ms(*value);
  return fmt::format("{:.4g} {}", *value, unit);
}

std::string monitors_text(const MonitorWatchReport& report, const Terminal& terminal) {
  Table table({{"monitor", false, 0, false}, {"usual", true, 2, false}, {"newest", true, 1, false}, {"p", true, 1, false}, {"evidence", true, 0, false}, {"", false, 3, false}});
  for (const WatchedMonitor& one : report.monitors) {
    if (one.looks == 0) continue;
    std::vector<std::optional<double>> bars(one.history.end() - static_cast<std::ptrdiff_t>(std::min(kBars, one.history.size())), one.history.end());
    const double evidence = one.alarm ? report.threshold : one.evidence;
    table.add({one.name, value_text(one.usual, one.unit), value_text(one.value, one.unit), one.p_value ? format_p(*one.p_value) : "", one.alarm ? "alarm" : fmt::format("{:.3g} of {:.3g}", evidence, report.threshold), sparkline(bars, terminal, 1)},
              {Tone::kPlain, Tone::kPlain, Tone::kPlain, Tone::kPlain, one.alarm ? Tone::kBad : Tone::kPlain});
  }
  std::string text = table.render(terminal), silent;
  for (const WatchedMonitor& one : report.monitors) if (one.looks == 0) silent += (silent.empty() ? "" : ", ") + one.name;
  if (!silent.empty()) text += truncate_to_width("not enough data: " + silent, terminal.width(), terminal.unicode()) + "\n";
  return text;
}

std::string alarms_text(const MonitorWatchReport& report, const Terminal& terminal) {
  std::string text;
  for (const WatchAlarm& one : report.alarms) {
    text += fmt::format("{} {}   {}", one.is_new ? terminal.paint("alarm", Tone::kBad) : "alarm (told before)", one.period, one.monitor);
    if (!one.what.empty()) text += "   " + one.what;
    text += "\n";
    std::string terms;
    for (const std::string& term : one.terms) terms += (terms.empty() ? "" : ", ") + escape_control(term);
    if (!terms.empty()) text += truncate_to_width("  words that came: " + terms, terminal.width(), terminal.unicode()) + "\n";
  }
  return text;
}

std::string watch_text(const MonitorWatchReport& report, const Terminal& terminal, int code) {
  std::string text = fmt::format("watched by {}   {} periods, {} new", report.every, format_count(report.periods), format_count(report.looked_now));
  if (report.newest) text += fmt::format("   the newest {}", format_window(*report.newest));
  text += "\n";
  if (!report.component.empty()) text += fmt::format("component {}\n", escape_control(report.component));
  text += report.reference.empty() ? "against all earlier ones" : fmt::format("against {}", escape_control(report.reference));
  text += fmt::format("; at most {:g} false alarm{} a year over all {} monitors\n", report.alarms_per_year, report.alarms_per_year == 1 ? "" : "s", report.monitors.size());
  text += monitors_text(report, terminal) + alarms_text(report, terminal);
  if (report.late > 0) text += report.late == 1 ? "1 request came after its period was looked at\n" : fmt::format("{} requests came after their periods were looked at\n", format_count(report.late));
  const bool is_alarm = watch_has_new_alarm(report);
  text += fmt::format("verdict: {} (exit {})\n", terminal.paint(report.not_enough ? "not enough data" : is_alarm ? "alarm" : "quiet", report.not_enough ? Tone::kUndecided : is_alarm ? Tone::kBad : Tone::kGood), code);
  if (!report.reason.empty()) text += report.reason + "\n";
  if (!report.hint.empty()) text += "hint: " + report.hint + "\n";
  if (is_alarm) text += "look closer: llmops monitor drift   if this is the new normal: llmops monitor watch --accept\n";
  if (report.dry_run) text += "nothing was stored\n";
  return text;
}

}  // namespace

Action declare_monitor_watch(CLI::App& app) {
  auto options = std::make_shared<MonitorWatchOptions>();
  app.add_option("--every", options->every, "how long a period is: 24h or 1h (default 24h)")->type_name("TIME");
  app.add_option("--until", options->until, "looks at what ended before: 2026-11-21 (default: now)")->type_name("TIME");
  app.add_option("--component", options->component, "requests of one component instead of the application's")->type_name("NAME");
  app.add_option("--monitors", options->monitors, "names, with commas (default: of llmops.yaml, else all)")->delimiter(',')->type_name("NAMES");
  app.add_option("--alarms-per-year", options->alarms_per_year, "false alarms that are accepted, over all looks and monitors (default 1, or of llmops.yaml)")->check(CLI::Range(1e-6, 1e6))->type_name("N");
  app.add_option("--profiles", options->profiles, "a file of monitor profile instead of the store's requests")->type_name("FILE");
  app.add_option("--reference", options->reference, "a file of monitor profile that each period is held against, instead of all earlier ones")->type_name("FILE");
  app.add_flag("--same-weekday", options->same_weekday, "a day against the same days of the week alone");
  app.add_flag("--accept", options->accept, "what is now is normal: held against from the newest period on");
  app.add_flag("--restart", options->restart, "forget all looks and begin anew");
  return [options](Invocation& invocation) -> Result<Outcome> {
    LLMOPS_ASSIGN(Session * session, invocation.session());
    options->dry_run = invocation.globals.dry_run;
    LLMOPS_ASSIGN(const MonitorWatchReport report, monitor_watch(*session, *options));
    const int code = report.not_enough ? 3 : watch_has_new_alarm(report) ? 1 : 0;
    if (invocation.globals.json) return json_outcome(monitor_watch_to_json(report), code);
    return Outcome{watch_text(report, invocation.terminal, code), code, false};
  };
}

}  // namespace llmops
