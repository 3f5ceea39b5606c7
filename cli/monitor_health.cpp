// `llmops monitor health`: a table of signals, one of components or strata, and the verdict.
#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "cli/arguments.h"
#include "cli/render/monitor_health_json.h"
#include "cli/sparkline.h"
#include "cli/table.h"
#include "core/base/duration.h"
#include "core/text/unicode.h"

namespace llmops {
namespace {

constexpr size_t kMostRows = 20, kMostCategories = 3;
constexpr int kWidestName = 28;

int exit_code_of(HealthVerdict verdict) { return verdict == HealthVerdict::kDegraded ? 1 : verdict == HealthVerdict::kHealthy ? 0 : 3; }

std::string figure_text(double value, const std::string& unit) {
  if (unit == "share") return fmt::format("{:.{}f} %", 100 * value, std::fabs(value) < 0.1 ? 2 : 1);
  if (unit == "tokens") return std::fabs(value) < 100 ? fmt::format("{:.1f}", value) : format_count(std::llround(value));
  return format_value(value, unit);
}

std::string interval_text(const std::optional<Interval>& interval, const std::string& unit) { return interval ? fmt::format("{} .. {}", figure_text(interval->low, unit), figure_text(interval->high, unit)) : ""; }

std::string value_text(const HealthEstimate& one, const std::string& unit) { return one.value ? figure_text(*one.value, unit) : ""; }

std::string difference_text(const HealthSignal& one) {
  if (!one.difference) return "";
  if (one.unit == "distribution") return fmt::format("{:.1f} % moved", 100 * *one.difference);
  const double size = std::fabs(*one.difference);
  return (*one.difference < 0 ? "-" : "+") + figure_text(size, one.unit);
}

Tone tone_of(HealthChange change) {
  switch (change) {
    case HealthChange::kWorse: return Tone::kBad;
    case HealthChange::kBetter: return Tone::kGood;
    case HealthChange::kChanged: return Tone::kUndecided;
    default: return Tone::kMuted;
  }
}

// What there is to say; a signal without a difference says nothing.
std::string change_text(const HealthSignal& one) {
  if (one.change == HealthChange::kNotEnoughData) return "too few";
  return one.change == HealthChange::kNoDifference ? "" : std::string(health_change_name(one.change));
}

std::string signals_text(const MonitorHealthReport& report, const Terminal& terminal) {
  Table table({{"signal", false, 0, false}, {"now", true, 0, false}, {"95 % interval", false, 4, false}, {"n", true, 5, false}, {"before", true, 1, false}, {"difference", true, 3, false}, {"p", true, 2, false}, {"", false, 0, false}});
  for (const HealthSignal& one : report.found.signals) {
    table.add({truncate_to_width(escape_control(one.name), kWidestName, terminal.unicode()), value_text(one.current, one.unit), interval_text(one.current.interval, one.unit), format_count(one.current.n), value_text(one.before, one.unit), difference_text(one), one.p_adjusted ? format_p(*one.p_adjusted) : "", change_text(one)},
        {Tone::kPlain, Tone::kPlain, Tone::kMuted, Tone::kMuted, Tone::kPlain, Tone::kPlain, Tone::kPlain, tone_of(one.change)});
  }
  return table.render(terminal);
}

std::string line(const std::string& text, const Terminal& terminal) { return truncate_to_width(escape_control(collapse_space(text)), terminal.width(), terminal.unicode()) + "\n"; }

// Of distributions, what is new, and of those that changed what moved most.
std::string categories_text(const MonitorHealthReport& report, const Terminal& terminal) {
  std::string text;
  for (const HealthSignal& one : report.found.signals) {
    if (one.unit != "distribution" || one.before.n == 0) continue;
    size_t shown = 0;
    for (const HealthCategory& category : one.categories) {
      if (category.before > 0 || shown++ >= kMostCategories) continue;
      text += line(fmt::format("new in {}: {} {} times{}", one.name, category.name, format_count(category.current), category.first_ms ? ", first " + format_moment(*category.first_ms) : ""), terminal);
    }
    if (shown > kMostCategories) text += line(fmt::format("new in {}: and {} more", one.name, shown - kMostCategories), terminal);
    if (one.change != HealthChange::kChanged) continue;
    shown = 0;
    for (const HealthCategory& category : one.sequences.empty() ? one.categories : one.sequences) {
      if (category.before == 0 || shown++ >= kMostCategories) continue;
      text += line(fmt::format("{}: {} {} -> {}", one.name, category.name, format_count(category.before), format_count(category.current)), terminal);
    }
  }
  return text;
}

std::string totals_text(const MonitorHealthReport& report) {
  std::string text;
  for (const HealthSignal& one : report.found.signals) {
    if (one.current.total) text += fmt::format("{}{} {}", text.empty() ? "in all   " : "   ", one.name, one.unit == "USD" ? format_usd(*one.current.total) : format_count(std::llround(*one.current.total)));
  }
  return text.empty() ? text : text + "\n";
}

std::string rows_text(const MonitorHealthReport& report, const Terminal& terminal) {
  Table table({{report.by == "step" ? "component" : report.by, false, 0, true}, {"label", false, 2, true}, {"calls", true, 0, false}, {"errors", true, 0, false}, {"before", true, 3, false}, {"p95", true, 0, false}, {"before", true, 3, false}, {"tokens in", true, 4, false},
      {"out", true, 4, false}, {"cost", true, 1, false}, {"", false, 0, false}});
  const size_t shown = std::min(report.rows.size(), kMostRows);
  for (size_t i = 0; i < shown; ++i) {
    const HealthRow& row = report.rows[i];
    const HealthSignal &errors = row.part.errors, &latency = row.part.latency;
    std::string changed;
    HealthChange worst = HealthChange::kNoDifference;
    for (const auto& [signal, name] : {std::pair{&errors, "errors"}, {&latency, "p95"}}) {
      if (signal->change != HealthChange::kWorse && signal->change != HealthChange::kBetter) continue;
      changed += fmt::format("{}{} {}", changed.empty() ? "" : ", ", name, health_change_name(signal->change));
      if (worst != HealthChange::kWorse) worst = signal->change;
    }
    table.add({row.name, row.label, format_count(row.calls), value_text(errors.current, "share"), value_text(errors.before, "share"), value_text(latency.current, "ms"), value_text(latency.before, "ms"), row.input_tokens ? format_count(*row.input_tokens) : "",
                  row.output_tokens ? format_count(*row.output_tokens) : "", row.cost_usd ? format_usd(*row.cost_usd) : "", changed},
        {Tone::kPlain, Tone::kMuted, Tone::kPlain, Tone::kPlain, Tone::kMuted, Tone::kPlain, Tone::kMuted, Tone::kPlain, Tone::kPlain, Tone::kPlain, tone_of(worst)});
  }
  std::string text = table.render(terminal);
  if (shown < report.rows.size()) text += fmt::format("and {} more (--json has all)\n", format_count(static_cast<int64_t>(report.rows.size() - shown)));
  return text.empty() ? text : "\n" + text;
}

std::string series_text(const MonitorHealthReport& report, const Terminal& terminal) {
  if (report.requests == 0) return "";
  std::vector<std::optional<double>> errors, latency;
  // The newest that fit, with their words.
  const size_t width = static_cast<size_t>(std::max(10, std::min(terminal.width(), 100) - 40));
  const size_t first = report.series.size() > width ? report.series.size() - width : 0;
  for (size_t i = first; i < report.series.size(); ++i) {
    errors.push_back(report.series[i].error_rate);
    latency.push_back(report.series[i].latency_p95_ms);
  }
  const auto largest = [](const std::vector<std::optional<double>>& values) {
    std::optional<double> most;
    for (const auto& one : values) if (one) most = std::max(most.value_or(*one), *one);
    return most;
  };
  const std::string each = format_duration(report.bucket_ms);
  std::string text;
  if (const auto most = largest(errors)) text += fmt::format("{}  errors by {}, at most {}\n", sparkline(errors, terminal), each, figure_text(*most, "share"));
  if (const auto most = largest(latency)) text += fmt::format("{}  latency p95 by {}, at most {}\n", sparkline(latency, terminal), each, format_duration_ms(*most));
  return text.empty() ? text : "\n" + text;
}

std::string joined(const std::vector<std::string>& names, size_t most) {
  std::string text;
  for (size_t i = 0; i < std::min(names.size(), most); ++i) text += (i == 0 ? "" : ", ") + names[i];
  return names.size() > most ? text + fmt::format(" and {} more", names.size() - most) : text;
}

std::string gaps_text(const MonitorHealthReport& report) {
  std::string text;
  if (!report.found.not_recorded.empty() && report.requests > 0) text += fmt::format("not recorded: {}\n", escape_control(joined(report.found.not_recorded, SIZE_MAX)));
  for (const auto& [name, count] : report.found.left_out) text += fmt::format("left out of {}: {}, no number or one that cannot be\n", escape_control(name), format_count(count));
  if (report.in_future > 0) text += fmt::format("in the future: {}, in no window yet; look at the clocks\n", format_count(report.in_future));
  if (report.without_time > 0) text += fmt::format("without a time: {}, in no window\n", format_count(report.without_time));
  for (const HealthSignal& one : report.found.signals) {
    if (report.requests == 0 || one.change != HealthChange::kNotEnoughData || one.reason.empty()) continue;
    text += fmt::format("too few for {}: {}\n", escape_control(one.name), one.reason);
    break;   // most have the same
  }
  return text;
}

std::string next_command(const MonitorHealthReport& report) {
  if (report.requests == 0 && !report.newest_ms) return "bring requests in: llmops monitor ingest FILE";
  if (report.requests == 0) return fmt::format("the newest began {}: llmops monitor health --until {}", format_moment(*report.newest_ms), format_utc(*report.newest_ms / 1000 * 1000 + 1000));
  if (report.requests_before == 0) return "compare within: llmops monitor health --since 1h --against 23h";
  if (report.verdict == HealthVerdict::kDegraded && report.by != "version") return "which version: llmops monitor health --by version";
  return "";
}

int64_t tests_in(const MonitorHealthReport& report) {
  int64_t count = 0;
  for (const HealthSignal& one : report.found.signals) count += one.p_value.has_value();
  for (const HealthRow& row : report.rows) count += row.part.errors.p_value.has_value() + row.part.latency.p_value.has_value();
  return count;
}

std::string health_text(const MonitorHealthReport& report, const Terminal& terminal) {
  std::string text = fmt::format("window {} ({} requests)\nagainst {} ({})\n", format_window(report.window), format_count(report.requests), format_window(report.against), format_count(report.requests_before));
  std::string of;
  if (!report.component.empty()) of += "component " + escape_control(report.component);
  if (report.service) of += (of.empty() ? "" : "   ") + ("service " + escape_control(*report.service));
  if (report.sessions > 0) of += fmt::format("{}{} sessions, each one block", of.empty() ? "" : "   ", format_count(report.sessions));
  if (const int64_t tests = tests_in(report); tests > 0) of += fmt::format("{}p corrected over {} tests (Holm)", of.empty() ? "" : "   ", tests);
  if (!of.empty()) text += of + "\n";
  if (report.requests > 0) text += signals_text(report, terminal) + categories_text(report, terminal) + totals_text(report) + rows_text(report, terminal) + series_text(report, terminal);
  text += gaps_text(report);
  const Tone tone = report.verdict == HealthVerdict::kDegraded ? Tone::kBad : report.verdict == HealthVerdict::kHealthy ? Tone::kGood : Tone::kUndecided;
  text += fmt::format("{} at {:g} (exit {})", terminal.paint(std::string(health_verdict_name(report.verdict)), tone), report.alpha, exit_code_of(report.verdict));
  constexpr size_t kNamed = 4;
  if (!report.reason.empty()) text += "   " + report.reason;
  for (const HealthChange change : {HealthChange::kWorse, HealthChange::kBetter, HealthChange::kChanged}) {
    const std::vector<std::string> names = signals_that_are(report, change);
    if (!names.empty()) text += fmt::format("   {}: {}", health_change_name(change), escape_control(joined(names, kNamed)));
  }
  text += "\n";
  const std::string next = next_command(report);
  // How to reach the requests at all is part of the answer; where to look next is for a person.
  if (!next.empty() && (report.verdict == HealthVerdict::kNotEnoughData || terminal.out_is_terminal())) text += next + "\n";
  return text;
}

}  // namespace

Action declare_monitor_health(CLI::App& app) {
  auto options = std::make_shared<MonitorHealthOptions>();
  app.add_option("--since,--window", options->since, "length of the window (default: monitor.window of llmops.yaml, 24h)")->type_name("LENGTH");
  app.add_option("--until", options->until, "its end: a date or a moment in UTC (default: now)")->type_name("TIME");
  app.add_option("--against", options->against, "length of the period before it (default: monitor.against, 7d)")->type_name("LENGTH");
  app.add_option("--by", options->by, "a row for each version, route, step, model, language, prompt or service (default: step, where several components are recorded)")->type_name("FIELD");
  app.add_option("--component", options->component, "calls of this component instead of whole requests")->type_name("NAME");
  app.add_option("--service", options->service, "requests of this service alone")->type_name("NAME");
  return [options](Invocation& invocation) -> Result<Outcome> {
    LLMOPS_ASSIGN(Session * session, invocation.session());
    options->seed = invocation.globals.seed;
    LLMOPS_ASSIGN(const MonitorHealthReport report, monitor_health(*session, *options));
    if (invocation.globals.json) return json_outcome(monitor_health_to_json(report), exit_code_of(report.verdict));
    return Outcome{health_text(report, invocation.terminal), exit_code_of(report.verdict), true};
  };
}

}  // namespace llmops
