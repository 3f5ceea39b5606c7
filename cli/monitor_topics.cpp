// `llmops monitor topics`: a table of what is asked.
#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "cli/arguments.h"
#include "cli/monitor_requests.h"
#include "cli/render/monitor_topics_json.h"
#include "cli/table.h"

namespace llmops {
namespace {

constexpr size_t kShownStrata = 4;

std::string heading(const MonitorTopicsReport& report) {
  std::string text = fmt::format("window {} ({})\n", format_window(report.window), report.used == report.found ? fmt::format("{} {}", format_count(report.found), report.found == 1 ? "request" : "requests") : fmt::format("{} of {} requests", format_count(report.used), format_count(report.found)));
  if (!report.component.empty()) text += fmt::format("component {}\n", on_one_line(report.component));
  if (report.without_text > 0) text += fmt::format("{} without a known text left out\n", format_count(report.without_text));
  if (report.is_drawn) text += fmt::format("{} drawn (--most)\n", format_count(report.used));
  return text;
}

std::string table_of(const MonitorTopicsReport& report, const Terminal& terminal) {
  const size_t strata = std::min(kShownStrata, report.strata.size());
  std::vector<TableColumn> columns{{"share", true, 0, false}, {"requests", true, 4, false}, {"errors", true, 5, false}, {"p95", true, 6, false}};
  for (size_t s = 0; s < strata; ++s) columns.push_back({on_one_line(report.strata[s].name), true, 1 + static_cast<int>(s), false});
  columns.push_back({"words", false, 0, true});
  columns.push_back({"for example", false, 3, true});
  Table table(columns);
  for (const AskedTopic& topic : report.topics) {
    std::vector<std::string> cells{share_text(topic.share), format_count(topic.requests), topic.error_rate ? share_text(*topic.error_rate) : "", topic.latency_p95_ms ? format_duration_ms(*topic.latency_p95_ms) : ""};
    for (size_t s = 0; s < strata; ++s) cells.push_back(share_text(static_cast<double>(topic.by_stratum[s]) / static_cast<double>(report.strata[s].requests)));
    cells.push_back(on_one_line(topic.words.empty() ? topic.exemplar : joined_words(topic.words, " ")));
    cells.push_back(on_one_line(topic.exemplar));
    table.add(std::move(cells));
  }
  std::string text;
  if (strata > 0) text += fmt::format("by {}: the topic's share of each{}\n", report.by, strata < report.strata.size() ? fmt::format("; {} more in --json", report.strata.size() - strata) : "");
  return text + table.render(terminal);
}

std::string topics_text(const MonitorTopicsReport& report, const Terminal& terminal) {
  std::string text = heading(report);
  if (report.has_enough()) return text + table_of(report, terminal);
  text += fmt::format("not enough data (exit 3)   {}\n", report.reason);
  return report.hint.empty() ? text : text + "hint: " + report.hint + "\n";
}

}  // namespace

Action declare_monitor_topics(CLI::App& app) {
  auto options = std::make_shared<MonitorTopicsOptions>();
  add_request_options(app, options->requests, "24h, or of llmops.yaml");
  app.add_option("--topics", options->topics, "how many (default: one for 25 requests, from 2 to 40)")->check(CLI::Range(1, 200))->type_name("N");
  app.add_option("--by", options->by, "shares in each route, language, prompt, model, service or version")->type_name("FIELD");
  app.add_option("--embedder", options->embedder, "tfidf, a folder of static embeddings, or MODEL@URL (default: of llmops.yaml)")->type_name("NAME");
  app.add_option("--most", options->most, "requests that are looked at; of more, so many are drawn (default 5000)")->check(CLI::Range(20, 50'000))->type_name("N");
  app.add_option("-j,--jobs", options->threads, "threads; 0: one for each core")->check(CLI::Range(0, 1024))->type_name("N");
  return [options](Invocation& invocation) -> Result<Outcome> {
    LLMOPS_ASSIGN(Session * session, invocation.session());
    options->seed = invocation.globals.seed;
    LLMOPS_ASSIGN(const MonitorTopicsReport report, monitor_topics(*session, *options));
    const int code = report.has_enough() ? 0 : 3;
    if (invocation.globals.json) return json_outcome(monitor_topics_to_json(report), code);
    return Outcome{topics_text(report, invocation.terminal), code, true};
  };
}

}  // namespace llmops
