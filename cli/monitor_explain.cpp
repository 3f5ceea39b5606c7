// `llmops monitor explain`: sentences with numbers.
#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <cmath>

#include "cli/arguments.h"
#include "cli/monitor_requests.h"
#include "cli/render/monitor_explain_json.h"
#include "cli/table.h"
#include "core/text/unicode.h"

namespace llmops {
namespace {

constexpr size_t kShownWords = 8;

std::string counted(int64_t count, const char* one, const char* many) { return fmt::format("{} {}", format_count(count), count == 1 ? one : many); }

std::string value_text(double value, const std::string& unit) {
  if (unit == "ms") return format_duration_ms(value);
  if (unit == "USD") return format_usd(value);
  return value == std::floor(value) ? format_count(std::llround(value)) : fmt::format("{:.1f}", value);
}

std::string indented(const std::string& line, const Terminal& terminal) { return truncate_to_width("  " + line, terminal.width(), terminal.unicode()) + "\n"; }

std::string heading(const MonitorExplainReport& report, const Terminal& terminal) {
  std::string text = cut_line(fmt::format("request {}{}{}", report.id, report.component.empty() ? "" : ", component " + report.component, report.start_ms ? " of " + format_moment(*report.start_ms) : ""), terminal);
  if (!report.text.empty()) text += indented(on_one_line(report.text), terminal);
  if (report.against) text += fmt::format("against {} ({}{})\n", format_window(*report.against), counted(report.reference_found, "request", "requests"), report.reference_used < report.reference_found ? fmt::format(", {} with texts used", format_count(report.reference_used)) : "");
  return text;
}

std::string novelty_text(const MonitorExplainReport& report, const Terminal& terminal) {
  if (!report.novelty) return "";
  const ExplainedNovelty& novelty = *report.novelty;
  const bool is_beyond = novelty.distance > novelty.edge;
  std::string text = fmt::format("{}: distance {:.2f} to the three nearest before; {} of {} lie as far or farther\n", terminal.paint(is_beyond ? "new" : "not new", is_beyond ? Tone::kUndecided : Tone::kPlain), novelty.distance, format_count(novelty.farther), format_count(novelty.of));
  text += fmt::format("  those before: median {:.2f}, 95 % edge {:.2f}   conformal p {}\n", novelty.median, novelty.edge, format_p(novelty.p_value));
  return text;
}

std::string topic_text(const MonitorExplainReport& report, const Terminal& terminal) {
  if (!report.topic) return "";
  const ExplainedTopic& topic = *report.topic;
  return cut_line(fmt::format("topic: {} of the requests before ({}), \"{}\"", share_text(topic.share), format_count(topic.before), topic.words.empty() ? topic.exemplar : joined_words(topic.words, " ")), terminal);
}

std::string words_text(const MonitorExplainReport& report, const Terminal& terminal) {
  if (report.new_words.empty()) return "";
  std::string shown;
  for (size_t i = 0; i < std::min(kShownWords, report.new_words.size()); ++i) shown += (i == 0 ? "" : ", ") + report.new_words[i];
  if (report.new_words.size() > kShownWords) shown += fmt::format(" and {} more", report.new_words.size() - kShownWords);
  return cut_line(fmt::format("words that none before held: {} of {}: {}", report.new_words.size(), report.words, shown), terminal);
}

std::string numbers_text(const MonitorExplainReport& report, const Terminal& terminal) {
  Table table({{"", false, 0, false}, {"here", true, 0, false}, {"5 %", true, 3, false}, {"median before", true, 0, false}, {"95 %", true, 1, false}, {"below it", true, 2, false}, {"above it", true, 2, false}});
  for (const ExplainedNumber& one : report.numbers) {
    const auto cell = [&](const std::optional<double>& value) { return value ? value_text(*value, one.unit) : ""; };
    const bool is_outside = one.p05 && (one.value < *one.p05 || one.value > *one.p95);
    table.add({one.unit == "words" ? one.name + ", words" : one.name, value_text(one.value, one.unit), cell(one.p05), cell(one.median), cell(one.p95), one.n > 0 ? share_text(one.share_below) : "", one.n > 0 ? share_text(one.share_above) : ""}, {Tone::kPlain, is_outside ? Tone::kUndecided : Tone::kPlain});
  }
  return table.render(terminal);
}

std::string told(const std::vector<ExplainedSign>& signs, const char* title, const Terminal& terminal) {
  std::string text;
  for (const ExplainedSign& one : signs) text += indented(fmt::format("{}{}   {}", one.name, one.value.empty() ? "" : " " + on_one_line(one.value), one.share ? *one.share == 0 ? std::string("none before") : share_text(*one.share) + " of those before" : std::string("not known before")), terminal);
  return text.empty() ? text : std::string(title) + "\n" + text;
}

std::string nearest_text(const MonitorExplainReport& report, const Terminal& terminal) {
  std::string text;
  for (const NearRequest& one : report.nearest) text += indented(fmt::format("{:.2f}   {}{}", one.distance, on_one_line(one.text), one.copies > 1 ? fmt::format(" ({} times)", format_count(one.copies)) : ""), terminal);
  return text.empty() ? text : "nearest before\n" + text;
}

std::string explain_text(const MonitorExplainReport& report, const Terminal& terminal) {
  std::string text = heading(report, terminal) + novelty_text(report, terminal) + topic_text(report, terminal) + words_text(report, terminal) + numbers_text(report, terminal) + nearest_text(report, terminal);
  text += told(report.signs, "signs", terminal) + told(report.strata, "strata", terminal);
  std::string scores;
  for (const auto& [name, value] : report.scores) scores += fmt::format("{}{} {}", scores.empty() ? "" : ", ", name, fmt::format("{:.4g}", value));
  if (!scores.empty()) text += cut_line("judged: " + scores, terminal);
  if (!report.reason.empty()) text += fmt::format("not enough data (exit 3)   {}\n", report.reason);
  return text;
}

}  // namespace

Action declare_monitor_explain(CLI::App& app) {
  auto options = std::make_shared<MonitorExplainOptions>();
  app.add_option("ID", options->id, "of a trace, or how it begins")->required();
  app.add_option("--against", options->against, "how long the time before it is (default 7d, or of llmops.yaml)")->type_name("TIME");
  app.add_option("--component", options->component, "its call of one component instead of the whole request")->type_name("NAME");
  app.add_option("--embedder", options->embedder, "tfidf, a folder of static embeddings, or MODEL@URL (default: of llmops.yaml)")->type_name("NAME");
  app.add_option("--most", options->most, "requests before it that are looked at; of more, so many are drawn (default 2000)")->check(CLI::Range(20, 20'000))->type_name("N");
  app.add_option("-j,--jobs", options->threads, "threads; 0: one for each core")->check(CLI::Range(0, 1024))->type_name("N");
  return [options](Invocation& invocation) -> Result<Outcome> {
    LLMOPS_ASSIGN(Session * session, invocation.session());
    options->seed = invocation.globals.seed;
    LLMOPS_ASSIGN(const MonitorExplainReport report, monitor_explain(*session, *options));
    const int code = report.reason.empty() ? 0 : 3;
    if (invocation.globals.json) return json_outcome(monitor_explain_to_json(report), code);
    return Outcome{explain_text(report, invocation.terminal), code, true};
  };
}

}  // namespace llmops
