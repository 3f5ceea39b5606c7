#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "cli/arguments.h"
#include "cli/render/monitor_json.h"
#include "cli/table.h"
#include "commands/monitor/ingest.h"

namespace llmops {

Action declare_monitor_ingest(CLI::App& app) {
  auto options = std::make_shared<MonitorIngestOptions>();
  app.add_option("SOURCE", options->sources, "files of OTLP/JSON lines or of spans, also .gz and .zst; - for standard input")->required();
  return [options](Invocation& invocation) -> Result<Outcome> {
    LLMOPS_ASSIGN(Session * session, invocation.session());
    options->dry_run = invocation.globals.dry_run;
    LLMOPS_ASSIGN(const MonitorIngestReport report, monitor_ingest(*session, *options));
    if (invocation.globals.json) return json_outcome(monitor_ingest_to_json(report));
    std::string text;
    for (const IngestedSource& source : report.sources) {
      text += fmt::format("{}   {} span{}", source.source, format_count(source.spans), source.spans == 1 ? "" : "s");
      if (!report.dry_run) text += fmt::format(" of {} new trace{}   {} added, {} known already", format_count(source.new_traces), source.new_traces == 1 ? "" : "s", format_count(source.added), format_count(source.known));
      if (source.dropped_count() > 0) text += fmt::format("   {} dropped", format_count(source.dropped_count()));
      text += "\n";
      for (const auto& [reason, dropped] : source.dropped) text += fmt::format("  dropped {}   {} (first in line {})\n", format_count(dropped.count), reason, dropped.first_line);
    }
    if (report.dry_run) text += "nothing was stored\n";
    else text += fmt::format("{} traces are stored\n", format_count(report.traces));
    return Outcome{text, 0, false};
  };
}

}  // namespace llmops
