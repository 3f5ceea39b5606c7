// `llmops monitor purge`: what would be forgotten, a question, and what was.
#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "cli/arguments.h"
#include "cli/monitor_requests.h"
#include "cli/render/monitor_purge_json.h"
#include "cli/table.h"
#include "commands/monitor/window.h"

namespace llmops {
namespace {

std::string counted(int64_t count, const char* one, const char* many) { return fmt::format("{} {}", format_count(count), count == 1 ? one : many); }

std::string counts_text(const Store::PurgeCounts& counts) {
  return fmt::format("{}: {}, {}, {}", counted(counts.traces, "trace", "traces"), counted(counts.spans, "span", "spans"), counted(counts.records, "record", "records"), counted(counts.scores, "score", "scores"));
}

std::string example_text(const PurgeExample& example) { return fmt::format("  {}   {}   {}", example.id, example.start_ms ? format_moment(*example.start_ms) : "time not told", example.text); }

std::string plan_text(const MonitorPurgePlan& plan, const char* verb, const Terminal& terminal) {
  std::string text = fmt::format("{} {} of {} stored\n", verb, counts_text(plan.counts), format_count(plan.looked_at));
  for (const PurgeExample& example : plan.examples) text += "  " + cut_line(example_text(example), terminal);
  if (plan.counts.traces > std::ssize(plan.examples)) text += fmt::format("  and {} more\n", format_count(plan.counts.traces - std::ssize(plan.examples)));
  return text;
}

std::string erased_text(const MonitorPurgeReport& report) {
  if (report.is_erased) return "the database was rewritten: nothing of what was removed is left in its files\n";
  return report.reason.empty() ? "" : fmt::format("not yet erased from the files of the database, the next purge does it: {}\n", report.reason);
}

std::string result_text(const MonitorPurgeReport& report, const Session& session) {
  if (report.removed.traces == 0) return erased_text(report);
  std::string text = fmt::format("removed {}\n", counts_text(report.removed)) + erased_text(report);
  for (const fs::path& copy : report.backups) text += fmt::format("{} is a copy of before an upgrade and may hold it: delete it when you do not need it\n", session.shown(copy));
  return text + "profiles, files that commands wrote and cases of evaluations stay\n";
}

Result<Outcome> do_purge(Invocation& invocation, const MonitorPurgeOptions& options) {
  LLMOPS_ASSIGN(Session * session, invocation.session());
  LLMOPS_ASSIGN(const MonitorPurgePlan plan, plan_monitor_purge(*session, options));
  const bool json = invocation.globals.json;
  const std::string nothing = plan.traces.empty() ? fmt::format("nothing matches among {}\n", counted(plan.looked_at, "stored trace", "stored traces")) : "";
  if (invocation.globals.dry_run) {
    if (json) return json_outcome(monitor_purge_to_json(plan, std::nullopt));
    return Outcome{plan.traces.empty() ? nothing : plan_text(plan, "would remove", invocation.terminal), 0, false};
  }
  if (!invocation.globals.yes && !plan.traces.empty()) {
    if (!invocation.terminal.in_is_terminal()) {
      Error error(ErrorCode::kUsage, fmt::format("this forgets {} for good, and nobody is here to be asked", counted(plan.counts.traces, "trace", "traces")), "add --yes, or --dry-run to look first");
      for (const PurgeExample& example : plan.examples) error.details.push_back(on_one_line(example_text(example)));
      return error;
    }
    std::fputs(plan_text(plan, "this removes", invocation.terminal).c_str(), stderr);
    if (!ask("forget them for good?")) return Outcome{"nothing was removed\n", 1, false};
  }
  LLMOPS_ASSIGN(const MonitorPurgeReport report, monitor_purge(*session, plan));
  if (json) return json_outcome(monitor_purge_to_json(plan, report));
  return Outcome{nothing + result_text(report, *session), 0, false};
}

}  // namespace

Action declare_monitor_purge(CLI::App& app) {
  auto options = std::make_shared<MonitorPurgeOptions>();
  app.add_option("PATTERN", options->pattern, "a text that they hold, case aside, or the user, session or id that they are of; with a * it must fit the whole");
  app.add_option("--field", options->field, "hold PATTERN against this alone: user, session, text, id or service")->type_name("NAME");
  app.add_option("--before", options->before, "those that began before 2026-01-01, or 2026-01-01T14:00:00Z")->type_name("TIME");
  app.add_option("--older-than", options->older_than, "those that began longer ago: 90d")->type_name("TIME");
  return [options](Invocation& invocation) { return do_purge(invocation, *options); };
}

}  // namespace llmops
