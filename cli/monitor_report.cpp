// `llmops monitor report`: writes the page and tells its verdicts.
#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <algorithm>

#include "cli/arguments.h"
#include "cli/render/monitor_report_html.h"
#include "core/text/unicode.h"

namespace llmops {
namespace {

constexpr int kNothingToShow = 3;

// A sentence behind its subject, on as many lines as it needs.
std::string wrapped(const std::string& subject, const std::string& sentence, int width) {
  constexpr size_t kIndent = 13;
  std::string text = fmt::format("  {:<{}}", subject, kIndent - 2), line;
  const std::string plain = escape_control(collapse_space(sentence));
  for (size_t at = 0; at < plain.size();) {
    const size_t end = std::min(plain.find(' ', at), plain.size());
    const std::string word = plain.substr(at, end - at);
    if (!line.empty() && static_cast<int>(kIndent) + display_width(line) + 1 + display_width(word) > width) {
      text += line + "\n" + std::string(kIndent, ' ');
      line.clear();
    }
    line += (line.empty() ? "" : " ") + word;
    at = end + 1;
  }
  return text + line + "\n";
}

std::string summary_text(const MonitorReport& report, bool is_dry, const Terminal& terminal) {
  const ReportVerdicts said = report_verdicts(report);
  return fmt::format("{} {}\n", is_dry ? "would write" : "wrote", escape_control(report.path)) + wrapped("requests", said.drift, terminal.width()) + wrapped("health", said.health, terminal.width()) + wrapped("alarms", said.alarms, terminal.width());
}

}  // namespace

Action declare_monitor_report(CLI::App& app) {
  auto options = std::make_shared<MonitorReportOptions>();
  app.add_option("-o,--output", options->output, "the file to write; an earlier report is replaced")->required()->type_name("FILE")->check(CLI::Validator([](std::string& name) { return name.empty() ? std::string("an empty name names no file") : std::string(); }, ""));
  app.add_flag("--force", options->replace, "replace FILE when it is something else");
  app.add_option("--window,--since", options->window, "length of the window (default: monitor.window of llmops.yaml, 24h)")->type_name("LENGTH");
  app.add_option("--against", options->against, "length of the period before it (default: monitor.against, 7d)")->type_name("LENGTH");
  app.add_option("--until", options->until, "the end of the window: a date or a moment in UTC (default: now)")->type_name("TIME");
  app.add_option("--days", options->days, "days of the timeline (default 30)")->check(CLI::Range(1, 400))->type_name("N");
  app.add_option("--component", options->component, "requests of one component instead of the application's")->type_name("NAME");
  app.add_option("--service", options->service, "of one service alone")->type_name("NAME");
  app.add_option("--permutations", options->permutations, "random splits (default 1999)")->check(CLI::Range(1, 1'000'000))->type_name("N");
  app.add_option("-j,--jobs", options->threads, "threads; 0: one for each core")->check(CLI::Range(0, 1024))->type_name("N");
  return [options](Invocation& invocation) -> Result<Outcome> {
    LLMOPS_ASSIGN(Session * session, invocation.session());
    options->seed = invocation.globals.seed;
    LLMOPS_ASSIGN(const MonitorReport report, monitor_report(*session, *options));
    if (!report.has_page()) {
      if (invocation.globals.json) return json_outcome(monitor_report_to_json(report, false, 0), kNothingToShow);
      return Outcome{fmt::format("nothing was written: {}\n{}\n", report.reason, escape_control(report.hint)), kNothingToShow, false};
    }
    const std::string page = monitor_report_to_html(report);
    if (!invocation.globals.dry_run) LLMOPS_CHECK(write_report(*session, *options, page));
    if (invocation.globals.json) return json_outcome(monitor_report_to_json(report, !invocation.globals.dry_run, page.size()));
    return Outcome{summary_text(report, invocation.globals.dry_run, invocation.terminal), 0, false};
  };
}

}  // namespace llmops
