// `llmops monitor profile` and `llmops monitor merge`.
#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "cli/arguments.h"
#include "cli/render/monitor_profile_json.h"
#include "cli/table.h"
#include "commands/monitor/window.h"
#include "core/text/unicode.h"

namespace llmops {
namespace {

constexpr size_t kMostHours = 48;

std::string counted(int64_t count, const char* one, const char* many) { return fmt::format("{} {}", format_count(count), count == 1 ? one : many); }

std::string sources_text(const MonitorProfileReport& report) {
  std::string text;
  for (const ProfiledSource& source : report.sources) {
    text += fmt::format("{}   {} of {}\n", escape_control(source.source), counted(source.records, "request", "requests"), counted(source.lines, "line", "lines"));
    for (const auto& [reason, dropped] : source.dropped) text += fmt::format("  dropped {}   {} (first in line {})\n", format_count(dropped.count), reason, dropped.first_line);
    if (source.repaired > 0) text += fmt::format("  repaired {}   what is no UTF-8 became U+FFFD\n", format_count(source.repaired));
  }
  return text;
}

std::string figure_text(const std::optional<double>& value, const std::string& unit) {
  if (!value) return "";
  if (unit == "ms") return format_duration_ms(*value);
  if (unit == "USD") return format_usd(*value);
  return *value < 100 ? fmt::format("{:.1f}", *value) : format_count(std::llround(*value));
}

std::string summary_text(const ProfileSummary& profile, const Terminal& terminal) {
  const ProfileCounts& counts = profile.counts;
  std::string text = fmt::format("spec {}   {}   {}\n", profile.spec_id, counted(counts.records, "request", "requests"), counted(profile.cells, "cell", "cells"));
  text += fmt::format("errors {}   of {}: refusals {}, empty {}, cut off {}, malformed JSON {}\n", format_count(counts.errors), counted(counts.answered, "answer", "answers"), format_count(counts.refusals), format_count(counts.empty), format_count(counts.cut_off), format_count(counts.malformed_json));
  text += fmt::format("different prompts about {} of {}", format_count(std::llround(profile.prompts)), format_count(counts.with_text));
  if (counts.with_session > 0) text += fmt::format("   sessions about {}", format_count(std::llround(profile.sessions)));
  text += "\n";
  Table numbers({{"", false, 0, false}, {"known", true, 2, false}, {"p50", true, 0, false}, {"p95", true, 0, false}, {"mean", true, 1, false}});
  for (const ProfileNumbers& one : profile.numbers) numbers.add({one.name, format_count(one.count), figure_text(one.p50, one.unit), figure_text(one.p95, one.unit), figure_text(one.mean, one.unit)});
  text += numbers.render(terminal);
  std::string words;
  for (const auto& [word, count] : profile.words) words += fmt::format("{}{} {}", words.empty() ? "" : ", ", word, format_count(count));
  if (!words.empty()) text += truncate_to_width("words   " + escape_control(words), terminal.width(), terminal.unicode()) + "\n";
  if (counts.impossible > 0) text += fmt::format("left out {}   numbers that cannot be\n", format_count(counts.impossible));
  if (profile.left_out.without_time > 0) text += fmt::format("without a time {}   in no hour\n", format_count(profile.left_out.without_time));
  return text;
}

std::string hours_text(const ProfileSummary& profile, const Terminal& terminal) {
  const bool has_components = std::any_of(profile.hours.begin(), profile.hours.end(), [](const ProfileHour& hour) { return !hour.component.empty(); });
  Table table({{"hour", false, 0, false}, {has_components ? "component" : "", false, 1, true}, {"records", true, 0, false}, {"errors", true, 2, false}, {"words p50", true, 1, false}, {"p95", true, 3, false}, {"latency p95", true, 4, false}});
  const size_t first = profile.hours.size() > kMostHours ? profile.hours.size() - kMostHours : 0;
  for (size_t i = first; i < profile.hours.size(); ++i) {
    const ProfileHour& hour = profile.hours[i];
    table.add({format_moment(hour.hour_ms), escape_control(hour.component), format_count(hour.records), format_count(hour.errors), figure_text(hour.words_p50, "words"), figure_text(hour.words_p95, "words"), figure_text(hour.latency_p95_ms, "ms")});
  }
  const std::string rows = table.render(terminal);
  return rows.empty() ? rows : "\n" + rows + (first > 0 ? fmt::format("and {} earlier (--json has all)\n", format_count(static_cast<int64_t>(first))) : "");
}

std::string written_text(const MonitorProfileReport& report) { return report.dry_run ? "nothing was written\n" : fmt::format("{} is written\n", escape_control(report.profile.path)); }

}  // namespace

Action declare_monitor_profile(CLI::App& app) {
  struct Given : MonitorProfileOptions { std::string show; };
  auto options = std::make_shared<Given>();
  app.add_option("SHARD", options->sources, "files of requests, also .gz and .zst: records as .jsonl or .csv, OpenAI logs, traces of deepeval; - for standard input");
  app.add_option("-o,--output", options->output, "where the profile goes")->type_name("FILE");
  app.add_flag("--stored", options->stored, "requests of the store instead of files");
  app.add_option("--since", options->since, "with --stored: length of the time before --until (default: all)")->type_name("LENGTH");
  app.add_option("--until", options->until, "with --stored: its end, a date or a moment in UTC (default: now)")->type_name("TIME");
  app.add_option("--strata", options->strata, "cells apart by these fields: route, language, prompt, model, service, version")->delimiter(',')->type_name("FIELD,...");
  app.add_flag("--components", options->components, "calls of components beside whole requests");
  app.add_option("--map", options->map, "every line is a record, and this is where a field stands: input=/request/text")->type_name("FIELD=POINTER");
  app.add_option("--features", options->features, "Fourier features, a multiple of 8 (default 256)")->type_name("N");
  app.add_option("--show", options->show, "what a profile holds, for people")->type_name("PROFILE");
  return [options](Invocation& invocation) -> Result<Outcome> {
    LLMOPS_ASSIGN(Session * session, invocation.session());
    options->seed = invocation.globals.seed;
    options->dry_run = invocation.globals.dry_run;
    if (!options->show.empty()) {
      if (!options->sources.empty() || options->stored || !options->output.empty()) return Error(ErrorCode::kUsage, "--show takes nothing else", "write it alone: llmops monitor profile --show PROFILE");
      LLMOPS_ASSIGN(const MonitorProfileReport report, monitor_profile_show(*session, options->show));
      if (invocation.globals.json) return json_outcome(monitor_profile_to_json(report));
      return Outcome{summary_text(report.profile, invocation.terminal) + hours_text(report.profile, invocation.terminal), 0, true};
    }
    LLMOPS_ASSIGN(const MonitorProfileReport report, monitor_profile(*session, *options));
    if (invocation.globals.json) return json_outcome(monitor_profile_to_json(report));
    return Outcome{sources_text(report) + summary_text(report.profile, invocation.terminal) + written_text(report), 0, false};
  };
}

Action declare_monitor_merge(CLI::App& app) {
  auto options = std::make_shared<MonitorMergeOptions>();
  app.add_option("PROFILE", options->profiles, "profiles of one spec, also .gz and .zst")->required();
  app.add_option("-o,--output", options->output, "where the sum goes")->type_name("FILE");
  return [options](Invocation& invocation) -> Result<Outcome> {
    LLMOPS_ASSIGN(Session * session, invocation.session());
    options->dry_run = invocation.globals.dry_run;
    LLMOPS_ASSIGN(const MonitorProfileReport report, monitor_merge(*session, *options));
    if (invocation.globals.json) return json_outcome(monitor_profile_to_json(report));
    return Outcome{fmt::format("{}\n", counted(std::ssize(report.merged), "profile", "profiles")) + summary_text(report.profile, invocation.terminal) + written_text(report), 0, false};
  };
}

}  // namespace llmops
