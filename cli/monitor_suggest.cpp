// `llmops monitor suggest`: what was written, out of what, and the next command.
#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "cli/arguments.h"
#include "cli/monitor_requests.h"
#include "cli/render/monitor_suggest_json.h"
#include "cli/table.h"
#include "core/text/unicode.h"

namespace llmops {
namespace {

constexpr size_t kShownRows = 5;

std::string counted(int64_t count, const char* one, const char* many) { return fmt::format("{} {}", format_count(count), count == 1 ? one : many); }

std::string source_text(const MonitorSuggestReport& report) {
  std::string text = fmt::format("window {} ({})\n", format_window(report.window), counted(report.found, "request", "requests"));
  if (!report.component.empty()) text += fmt::format("component {}\n", on_one_line(report.component));
  const bool is_by_topics = report.kind == SuggestionKind::kCases && report.cases < kLeastCases;
  if (report.is_time_before) text += fmt::format("no evaluation set yet: held against {} ({})\n", report.evaluation, format_count(report.cases));
  else if (!report.evaluation.empty()) text += fmt::format("cases of {} ({}{})\n", on_one_line(report.evaluation), format_count(report.cases), is_by_topics ? ", too few to hold against: taken by topics" : "");
  else if (is_by_topics && report.found > 0) text += "no evaluation set yet: taken by topics\n";
  if (!report.score.empty()) text += fmt::format("judged by {}, {:.4g} .. {:.4g}{}\n", on_one_line(report.score), *report.lowest, *report.highest, report.least ? fmt::format(", good past {:.4g}", *report.least) : "");
  for (const auto& [reason, count] : report.left_out) text += fmt::format("  left out {}   {}\n", format_count(count), reason);
  return text;
}

std::string candidates_text(const MonitorSuggestReport& report) {
  switch (report.kind) {
    case SuggestionKind::kCases: return report.cases < kLeastCases ? "" : fmt::format("{} {}\n", counted(report.candidates, "request", "requests"), report.is_time_before ? "unlike them" : "not covered by the cases");
    case SuggestionKind::kPreferences: return fmt::format("{} with answers that were judged differently\n", counted(report.candidates, "input", "inputs"));
    case SuggestionKind::kTuning: return fmt::format("{} judged well\n", counted(report.candidates, "answer", "answers"));
  }
  return "";
}

std::string text_in(const MonitorSuggestReport& report, const Json& row) {
  if (report.kind == SuggestionKind::kCases) return row[report.input_column].get<std::string>();
  return report.kind == SuggestionKind::kPreferences ? row["prompt"].get<std::string>() : row["messages"][0]["content"].get<std::string>();
}

std::string suggest_text(const MonitorSuggestReport& report, const Terminal& terminal) {
  std::string text = source_text(report);
  if (report.rows.empty()) return text + fmt::format("nothing to suggest: {}\n", report.reason);
  text += candidates_text(report);
  for (size_t i = 0; i < std::min(kShownRows, report.rows.size()); ++i) {
    const Json& row = report.rows[i];
    const int64_t like = row.contains("like") ? row["like"].get<int64_t>() : 1;
    text += truncate_to_width(fmt::format("  {}{}", on_one_line(text_in(report, row)), like > 1 ? fmt::format(" ({} like it)", format_count(like)) : ""), terminal.width(), terminal.unicode()) + "\n";
  }
  if (report.rows.size() > kShownRows) text += fmt::format("  and {} more\n", format_count(static_cast<int64_t>(report.rows.size() - kShownRows)));
  text += fmt::format("{} {} to {}\n", report.dry_run ? "would write" : "wrote", counted(std::ssize(report.rows), "row", "rows"), on_one_line(report.file));
  if (report.dry_run) return text;
  const std::string_view kind = suggestion_data_kind(report.kind);
  return text + fmt::format("next: llmops eval data check {}{}\n", on_one_line(report.file), kind == "dataset" ? "" : fmt::format(" --kind {}", kind));
}

}  // namespace

Action declare_monitor_suggest(CLI::App& app) {
  auto options = std::make_shared<MonitorSuggestOptions>();
  app.add_option("-o,--output", options->out, "the file to write, as JSONL")->required()->type_name("FILE");
  app.add_option("--kind", options->kind, "cases (default), preferences or tuning")->type_name("KIND");
  add_request_options(app, options->requests, "7d");
  app.add_option("--suite", options->suite, "the suite whose cases are held against (default: those that the serving version was evaluated with)")->type_name("FILE");
  app.add_option("--limit", options->limit, "rows at most (default 50)")->check(CLI::Range(1, 100'000))->type_name("N");
  app.add_option("--score", options->score, "by whose numbers answers are good or bad (default: the score that most requests have)")->type_name("NAME");
  app.add_option("--min-score", options->min_score, "of tuning: the least score of a good answer (default: past the middle of the scale seen)")->type_name("X");
  app.add_flag("--force", options->replace, "replace FILE when it exists");
  app.add_option("--embedder", options->embedder, "tfidf, a folder of static embeddings, or MODEL@URL (default: of llmops.yaml)")->type_name("NAME");
  app.add_option("--most", options->most, "texts that are looked at; of more, so many are drawn (default 5000)")->check(CLI::Range(20, 50'000))->type_name("N");
  app.add_option("-j,--jobs", options->threads, "threads; 0: one for each core")->check(CLI::Range(0, 1024))->type_name("N");
  return [options](Invocation& invocation) -> Result<Outcome> {
    LLMOPS_ASSIGN(Session * session, invocation.session());
    options->seed = invocation.globals.seed;
    options->dry_run = invocation.globals.dry_run;
    LLMOPS_ASSIGN(const MonitorSuggestReport report, monitor_suggest(*session, *options));
    if (invocation.globals.json) return json_outcome(monitor_suggest_to_json(report));
    return Outcome{suggest_text(report, invocation.terminal), 0, false};
  };
}

}  // namespace llmops
