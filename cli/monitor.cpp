#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "cli/arguments.h"
#include "cli/render/monitor_json.h"
#include "cli/table.h"
#include "core/base/duration.h"
#include "core/text/unicode.h"
#include "commands/monitor/ingest.h"
#include "commands/monitor/test.h"

namespace llmops {

namespace {

std::string counted(int64_t count, const char* one, const char* many) { return fmt::format("{} {}", format_count(count), count == 1 ? one : many); }

std::string source_text(const IngestedSource& source, bool is_dry, std::optional<int64_t> retention_ms) {
  std::string text = fmt::format("{}   {}", source.source, counted(source.spans, "span", "spans"));
  if (!is_dry) text += fmt::format(" of {}   {} added, {} known already", counted(source.new_traces, "new trace", "new traces"), format_count(source.added), format_count(source.known));
  if (source.scores > 0) text += fmt::format("   {}", counted(source.scores, "score", "scores"));
  if (source.dropped_count() > 0) text += fmt::format("   {} dropped", format_count(source.dropped_count()));
  text += "\n";
  std::string formats;
  for (const auto& [name, lines] : source.formats) formats += fmt::format("{}{} {}", formats.empty() ? "" : ", ", name, format_count(lines));
  if (!formats.empty()) text += fmt::format("  lines   {}\n", formats);
  for (const auto& [reason, dropped] : source.dropped) text += fmt::format("  dropped {}   {} (first in line {})\n", format_count(dropped.count), reason, dropped.first_line);
  if (source.repaired > 0) text += fmt::format("  repaired {}   what is no UTF-8 became U+FFFD\n", format_count(source.repaired));
  if (source.in_future > 0) text += fmt::format("  in the future {}   kept, and in no window yet: look at the clocks\n", format_count(source.in_future));
  if (source.expired > 0 && retention_ms) text += fmt::format("  {} {}   older than the retention of {}\n", is_dry ? "would drop" : "dropped", format_count(source.expired), format_duration(*retention_ms));
  if (source.without_time > 0) text += fmt::format("  without a time {}   kept, and in no window\n", format_count(source.without_time));
  return text;
}

}  // namespace

Action declare_monitor_ingest(CLI::App& app) {
  auto options = std::make_shared<MonitorIngestOptions>();
  app.add_option("SOURCE", options->sources, "files of traces or requests, also .gz and .zst: OTLP/JSON, OpenInference, Langfuse, OpenAI logs and batches, deepeval, spans, records as .jsonl or .csv; - for standard input")->required();
  app.add_option("--map", options->map, "every line is a record, and this is where a field stands: input=/request/text")->type_name("FIELD=POINTER");
  app.add_flag("--follow", options->follow, "go on as the source grows, until Ctrl-C");
  return [options](Invocation& invocation) -> Result<Outcome> {
    LLMOPS_ASSIGN(Session * session, invocation.session());
    options->dry_run = invocation.globals.dry_run;
    LLMOPS_ASSIGN(const MonitorIngestReport report, monitor_ingest(*session, *options));
    if (invocation.globals.json) return json_outcome(monitor_ingest_to_json(report));
    std::string text;
    for (const IngestedSource& source : report.sources) text += source_text(source, report.dry_run, report.retention_ms);
    if (report.unanswered > 0) text += fmt::format("{} left out: no answer came with {}\n", counted(report.unanswered, "request of a batch", "requests of batches"), report.unanswered == 1 ? "it" : "them");
    if (report.unasked > 0) text += fmt::format("{} without what was asked: the file of the batch's requests was not among the sources\n", counted(report.unasked, "answer", "answers"));
    if (report.expired > 0) text += fmt::format("{} removed: older than the retention of {}\n", counted(report.expired, "trace", "traces"), format_duration(*report.retention_ms));
    if (report.records_made > 0) text += fmt::format("records made of {} that an earlier release stored\n", counted(report.records_made, "trace", "traces"));
    if (report.interrupted) text += "interrupted\n";
    if (report.dry_run) text += "nothing was stored\n";
    else text += fmt::format("{} traces are stored\n", format_count(report.traces));
    return Outcome{text, report.interrupted ? 130 : 0, false};
  };
}

namespace {

int exit_code_of(DriftVerdict verdict) { return verdict == DriftVerdict::kDrift ? 1 : verdict == DriftVerdict::kNoDrift ? 0 : 3; }

std::string figure_of(double value) { return value == 0 ? "0" : fmt::format("{:.4g}", value); }

std::string method_names() {
  std::string names;
  for (const Detector& one : detectors()) names += (names.empty() ? "" : ", ") + std::string(one.name);
  return names;
}

std::string test_text(const MonitorTestReport& report, const Terminal& terminal) {
  std::string text = fmt::format("{} ({} {}) and {} ({})\n", escape_control(report.reference), format_count(static_cast<int64_t>(report.reference_count)), report.kind, escape_control(report.current), format_count(static_cast<int64_t>(report.current_count)));
  text += fmt::format("method      {}   {}\nconvention  {}\n", report.method, report.statistic_name, report.convention);
  if (report.embedder) text += fmt::format("vectors     {}\n", escape_control(report.embedder->description));
  for (const std::string& note : report.notes) text += fmt::format("note        {}\n", escape_control(note));
  if (!report.result.p_kind.empty()) {
    text += fmt::format("statistic   {}", figure_of(report.result.statistic));
    if (report.result.p_value) text += fmt::format("   p {}   ({}{})", format_p(*report.result.p_value), report.result.p_kind, report.result.permutations > 0 ? fmt::format(", {} splits, seed {}", format_count(static_cast<int64_t>(report.result.permutations)), report.seed) : "");
    text += "\n";
    for (const auto& [name, value] : report.result.details) text += fmt::format("  {}   {}\n", name, figure_of(value));
  }
  if (!report.carriers.empty()) {
    text += "carried most by\n";
    for (size_t i = 0; i < report.carriers.size(); ++i) text += truncate_to_width(fmt::format("  {:>8}   {}", figure_of(report.result.carriers[i].second), escape_control(collapse_space(report.carriers[i]))), terminal.width(), terminal.unicode()) + "\n";
  }
  const Tone tone = report.verdict == DriftVerdict::kDrift ? Tone::kBad : report.verdict == DriftVerdict::kNoDrift ? Tone::kGood : Tone::kUndecided;
  text += fmt::format("{} at {} (exit {})", terminal.paint(std::string(drift_verdict_name(report.verdict)), tone), figure_of(report.alpha), exit_code_of(report.verdict));
  if (!report.reason.empty()) text += "   " + report.reason;
  return text + "\n";
}

}  // namespace

Action declare_monitor_test(CLI::App& app) {
  auto options = std::make_shared<MonitorTestOptions>();
  app.add_option("--ref", options->reference, "what is held against: .npy, .csv, .tsv, .jsonl, .json, or .txt with a text per line")->required()->type_name("FILE");
  app.add_option("--cur", options->current, "what is tested, of the same kind")->required()->type_name("FILE");
  app.add_option("--method", options->method, method_names() + " (default by what the files hold: mmd, ks, chi2 or novelty)")->type_name("NAME");
  app.add_option("--field", options->field, "the column of the files (default: the only one, or input, text, prompt, question, or all numbers as vectors)")->type_name("COLUMN");
  app.add_option("--context", options->context, "a column that may explain a difference: for --method context")->type_name("COLUMN");
  app.add_option("--embedder", options->embedder, "what makes vectors of texts: tfidf, a folder of static embeddings, MODEL@URL, or a model that a chain declares (default: of llmops.yaml, else tfidf)")->type_name("NAME");
  app.add_option("--permutations", options->permutations, "random splits (default 999)")->check(CLI::Range(1, 1'000'000))->type_name("N");
  app.add_option("--alpha", options->alpha, "false alarms that are accepted (default 0.01)")->check(CLI::Range(1e-9, 0.5))->type_name("P");
  app.add_option("-j,--jobs", options->threads, "threads; 0: one for each core")->check(CLI::Range(0, 1024))->type_name("N");
  return [options](Invocation& invocation) -> Result<Outcome> {
    LLMOPS_ASSIGN(Session * session, invocation.session());
    options->seed = invocation.globals.seed;
    LLMOPS_ASSIGN(const MonitorTestReport report, monitor_test(*session, *options));
    if (invocation.globals.json) return json_outcome(monitor_test_to_json(report), exit_code_of(report.verdict));
    return Outcome{test_text(report, invocation.terminal), exit_code_of(report.verdict), false};
  };
}

}  // namespace llmops
