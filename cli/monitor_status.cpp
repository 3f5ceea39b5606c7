// `llmops monitor status`: counts, times, and what the requests tell.
#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "cli/arguments.h"
#include "cli/monitor_requests.h"
#include "cli/render/monitor_status_json.h"
#include "cli/table.h"
#include "commands/monitor/window.h"
#include "core/base/duration.h"

namespace llmops {
namespace {

std::string size_text(uint64_t bytes) {
  if (bytes < 10'000) return fmt::format("{} bytes", format_count(static_cast<int64_t>(bytes)));
  if (bytes < 10'000'000) return fmt::format("{:.1f} kB", static_cast<double>(bytes) / 1e3);
  if (bytes < 10'000'000'000) return fmt::format("{:.1f} MB", static_cast<double>(bytes) / 1e6);
  return fmt::format("{:.1f} GB", static_cast<double>(bytes) / 1e9);
}

std::string counted(int64_t count, const char* one, const char* many) { return fmt::format("{} {}", format_count(count), count == 1 ? one : many); }

std::string retention_text(const MonitorStatusReport& report) {
  if (!report.retention_ms) return "retention   none: traces are kept for good (monitor.retention in llmops.yaml)\n";
  std::string text = "retention   " + format_duration(*report.retention_ms);
  if (report.past_retention > 0) text += fmt::format("   {} past it: the next `llmops monitor ingest` removes {}", counted(report.past_retention, "trace is", "traces are"), report.past_retention == 1 ? "it" : "them");
  return text + "\n";
}

std::string status_text(const MonitorStatusReport& report, const Terminal& terminal) {
  const ProductionTotals& totals = report.totals;
  if (totals.traces == 0) {
    std::string text = "no trace is stored\n";
    if (totals.profiles + totals.looks > 0) text += fmt::format("profiles    {}, looks of monitors {}\n", format_count(totals.profiles), format_count(totals.looks));
    return text + retention_text(report) + "bring traces in: llmops monitor ingest FILE\n";
  }
  std::string text = fmt::format("traces      {}", format_count(totals.traces));
  if (totals.first_ms) text += fmt::format("   {} .. {}", format_moment(*totals.first_ms), format_moment(*totals.last_ms));
  text += fmt::format("\nspans       {}\nrecords     {}   of {} and {} of components\n", format_count(totals.spans), format_count(totals.records), counted(totals.requests, "request",
      "requests"), counted(totals.records - totals.requests, "call", "calls"));
  text += fmt::format("scores      {}   that came later\nprofiles    {}\nlooks       {}   of monitors\n", format_count(totals.scores), format_count(totals.profiles), format_count(totals.looks));
  text += fmt::format("database    {}{}   evaluations too\n", size_text(totals.database_bytes), totals.log_bytes > 0 ? fmt::format(", and {} of its log", size_text(totals.log_bytes)) : "");
  text += retention_text(report);
  if (report.records_made > 0) text += fmt::format("records were made of {} that an earlier release stored\n", counted(report.records_made, "trace", "traces"));
  if (totals.without_records > 0) text += fmt::format("{} no record, and no monitor sees {}: run `llmops monitor ingest` where the store can be written\n", counted(totals.without_records, "trace has",
      "traces have"), totals.without_records == 1 ? "it" : "them");
  if (totals.without_time > 0) text += fmt::format("{} no time: in no window, and no retention reaches {}\n", counted(totals.without_time, "trace tells", "traces tell"), totals.without_time == 1 ? "it" : "them");
  Table told({{"requests tell", false, 0, false}, {"share", true, 0, false}, {"count", true, 1, false}});
  for (const auto& [name, requests] : totals.told) told.add({name, totals.requests == 0 ? "" : share_text(static_cast<double>(requests) / static_cast<double>(totals.requests)), format_count(requests)});
  text += "\n" + told.render(terminal);
  Table services({{"service", false, 0, true}, {"traces", true, 0, false}}), components({{"component", false, 0, true}, {"calls", true, 0, false}});
  for (const auto& [name, traces] : totals.services) services.add({name.empty() ? "not told" : name, format_count(traces)});
  for (const auto& [name, records] : totals.components) components.add({name, format_count(records)});
  text += "\n" + services.render(terminal);
  if (!totals.components.empty()) text += "\n" + components.render(terminal);
  return text;
}

}  // namespace

Action declare_monitor_status(CLI::App&) {
  return [](Invocation& invocation) -> Result<Outcome> {
    LLMOPS_ASSIGN(Session * session, invocation.session());
    LLMOPS_ASSIGN(const MonitorStatusReport report, monitor_status(*session));
    if (invocation.globals.json) return json_outcome(monitor_status_to_json(report));
    return Outcome{status_text(report, invocation.terminal), 0, true};
  };
}

}  // namespace llmops
