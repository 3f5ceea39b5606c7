#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "cli/arguments.h"
#include "cli/progress.h"
#include "cli/render/eval_json.h"
#include "cli/render/eval_text.h"
#include "cli/render/matrix_text.h"
#include "cli/table.h"
#include "commands/eval/matrix_json.h"
#include "commands/eval/run_json.h"
#include "core/eval/metric.h"

namespace llmops {
namespace {

int exit_code_of_verdict(Verdict verdict, bool interrupted) {
  if (interrupted) return 130;
  switch (verdict) {
    case Verdict::kPass: return 0;
    case Verdict::kFail: return 1;
    case Verdict::kUndecided: return 3;
  }
  return 70;
}

// What `-o` writes, by the extension. JSONL: one line per case, from the store.
enum class OutputFormat { kJson, kJsonl };
struct OutputFile { fs::path path; OutputFormat format; };

Result<std::vector<OutputFile>> parse_outputs(const Session& session, const std::vector<std::string>& names) {
  std::vector<OutputFile> files;
  for (const std::string& name : names) {
    const fs::path path = session.surroundings().working_directory / name;
    if (name.ends_with(".jsonl")) files.push_back({path, OutputFormat::kJsonl});
    else if (name.ends_with(".json")) files.push_back({path, OutputFormat::kJson});
    else return Error(ErrorCode::kUsage, fmt::format("'{}' has no known extension", name), "write .json or .jsonl");
    std::error_code ignored;
    if (!fs::is_directory(path.parent_path(), ignored)) return Error(ErrorCode::kUsage, fmt::format("directory of '{}' does not exist", name), "make it first");
  }
  return files;
}

// One line per case, from the store; `cell` (from 1): of a matrix.
Status append_cases(Session& session, int64_t run, std::optional<size_t> cell, AtomicFile& out) {
  LLMOPS_ASSIGN(Store * store, session.store(false));
  Store::CaseFilter filter;
  filter.with_spans = true;
  Status written;
  LLMOPS_CHECK(store->visit_cases(run, filter, [&](const CaseRecord& record) {
    Json line = case_to_json(record);
    if (cell) line["cell"] = *cell;
    written = out.append(dump_json(line) + "\n");
    return written.has_value();
  }));
  return written;
}

constexpr const char* kReportFailpoint = "report.write";

// `runs`: each with its cell, or none.
Status write_outputs(Session& session, const std::vector<OutputFile>& files, const Json& document, const std::vector<std::pair<int64_t, std::optional<size_t>>>& runs) {
  WriteOptions options;
  options.failpoint = kReportFailpoint;
  for (const OutputFile& file : files) {
    if (file.format == OutputFormat::kJson) {
      LLMOPS_CHECK(write_file_atomic(file.path, dump_json_pretty(document) + "\n", options));
      continue;
    }
    LLMOPS_ASSIGN(AtomicFile out, AtomicFile::create(file.path, options));
    for (const auto& [run, cell] : runs) LLMOPS_CHECK(append_cases(session, run, cell, out));
    LLMOPS_CHECK(out.commit());
  }
  return {};
}

struct RunFlags { EvalRunOptions options; std::vector<std::string> outputs; };

void declare_run_options(CLI::App& app, const std::shared_ptr<RunFlags>& flags) {
  EvalRunOptions& options = flags->options;
  app.add_option("SUITE", options.suite, "path or name of the suite");
  app.add_option("--version", options.version, "run this version of the chain instead of the files")->type_name("REF");
  app.add_option("--set", options.sets, "change the chain for this run: models.NAME.key, steps.ID.key, assets.NAME.path")->type_name("PATH=VALUE")->allow_extra_args(false);
  app.add_option("--matrix", options.matrix, "run one cell for each value, or for each combination of several axes; steps.ID.variants=space,order,FILE for variants of a prompt")->type_name("PATH=a,b,c")->allow_extra_args(false);
  app.add_option("--best-by", options.best_by, "of a matrix: the metric that says which cell is the best (default: the first end to end)")->type_name("METRIC");
  app.add_option("--limit", options.limit, "only the first N cases")->type_name("N")->check(CLI::PositiveNumber);
  app.add_option("--sample", options.sample, "N cases drawn by the seed, the same ones every time")->type_name("N")->check(CLI::PositiveNumber);
  app.add_option("--filter", options.filters, "only cases whose field has this value")->type_name("FIELD=VALUE")->allow_extra_args(false);
  app.add_option("--repeat", options.repeat, "run every case K times")->type_name("K")->check(CLI::Range(1, 10'000));
  app.add_option("-j,--jobs", options.jobs, "cases at once; shrinks when the server throttles")->type_name("N")->check(CLI::Range(1, 4096));
  app.add_option("--baseline", options.baseline, "compare with a run, the newest run of a version, or a --json document")->type_name("RUN|REF|FILE");
  app.add_option("--budget-usd", options.budget_usd, "stop when this much is spent")->type_name("X")->check(CLI::PositiveNumber);
  app.add_option("--budget-tokens", options.budget_tokens, "stop when this many tokens are used")->type_name("N")->check(CLI::PositiveNumber);
  app.add_option("--time-limit", options.time_limit_s, "stop after so many seconds")->type_name("S")->check(CLI::PositiveNumber);
  app.add_option("--undecided", options.undecided, "count undecided as pass or fail")->type_name("pass|fail")->check(CLI::IsMember({"pass", "fail"}));
  app.add_option("--resume", options.resume, "go on with a run that was stopped")->type_name("RUN");
  app.add_option("--failed-of", options.failed_of, "only the cases that failed in a run")->type_name("RUN");
  app.add_flag("--no-cache", options.no_cache, "reuse no step and no reply");
  app.add_option("-o,--output", flags->outputs, "write the report: .json or .jsonl")->type_name("FILE")->allow_extra_args(false);
}

Result<Outcome> do_eval_matrix(Invocation& invocation, Session& session, const EvalRunOptions& options, const std::vector<OutputFile>& outputs) {
  const bool json = invocation.globals.json;
  if (options.dry_run) {
    LLMOPS_ASSIGN(const EvalMatrixPlan plan, plan_eval_matrix(session, options));
    return json ? json_outcome(eval_matrix_plan_to_json(plan)) : Outcome{render_eval_matrix_plan(plan, invocation.terminal), 0, false};
  }
  ProgressLine progress(invocation.terminal, invocation.globals);
  const auto report = eval_matrix(session, options, [&](const EvalProgress& now) { progress.show(now); });
  progress.clear();
  if (!report) return report.error();
  const Json document = eval_matrix_to_json(*report);
  std::vector<std::pair<int64_t, std::optional<size_t>>> runs;
  for (size_t i = 0; i < report->cells.size(); ++i) if (report->cells[i].report) runs.emplace_back(report->cells[i].report->run.number, i + 1);
  LLMOPS_CHECK(write_outputs(session, outputs, document, runs));
  const int exit_code = exit_code_of_verdict(report->verdict, report->stop_reason == "interrupted");
  return json ? json_outcome(document, exit_code) : Outcome{render_eval_matrix(*report, invocation.terminal), exit_code, false};
}

// A run that is a cell leads to its whole matrix.
Result<bool> wants_matrix(Session& session, const EvalRunOptions& options) {
  if (options.resume.empty()) {
    if (options.matrix.empty() && !options.best_by.empty()) return Error(ErrorCode::kUsage, "--best-by chooses among the cells of a matrix", "add --matrix PATH=a,b,c");
    return !options.matrix.empty();
  }
  if (!options.matrix.empty()) return Error(ErrorCode::kUsage, "a run is resumed with the matrix that it has", "leave out --matrix");
  LLMOPS_ASSIGN(Store * store, session.store(false));
  LLMOPS_ASSIGN(const RunRecord run, store->find_run(options.resume));
  return matrix_place(run).has_value();
}

Result<Outcome> do_eval_run(Invocation& invocation, RunFlags& flags, bool jobs_given) {
  LLMOPS_ASSIGN(Session * session, invocation.session());
  EvalRunOptions& options = flags.options;
  if (!jobs_given) options.jobs = static_cast<int>(session->number_setting("jobs"));
  options.seed = static_cast<uint64_t>(session->number_setting("seed"));
  options.dry_run = invocation.globals.dry_run;
  LLMOPS_ASSIGN(const auto outputs, parse_outputs(*session, flags.outputs));
  LLMOPS_ASSIGN(const bool is_matrix, wants_matrix(*session, options));
  if (is_matrix) return do_eval_matrix(invocation, *session, options, outputs);
  if (options.dry_run) {
    LLMOPS_ASSIGN(const EvalPlan plan, plan_eval_run(*session, options));
    if (invocation.globals.json) return json_outcome(eval_plan_to_json(plan));
    return Outcome{render_eval_plan(plan), 0, false};
  }
  ProgressLine progress(invocation.terminal, invocation.globals);
  auto report = eval_run(*session, options, [&](const EvalProgress& now) { progress.show(now); });
  progress.clear();
  if (!report) return std::move(report).error();
  // The columns of all cases are not made for nobody.
  const bool is_wanted = invocation.globals.json || !outputs.empty();
  const Json document = is_wanted ? eval_run_to_json(*report, true) : Json();
  LLMOPS_CHECK(write_outputs(*session, outputs, document, {{report->run.number, std::nullopt}}));
  const int exit_code = exit_code_of_verdict(report->verdict, report->interrupted);
  if (invocation.globals.json) return json_outcome(document, exit_code);
  return Outcome{render_eval_run(*report, invocation.terminal), exit_code, false};
}

std::string when(int64_t unix_ms) { return format_utc(unix_ms / 1000 * 1000); }

}  // namespace

Action declare_eval_run(CLI::App& app) {
  auto flags = std::make_shared<RunFlags>();
  declare_run_options(app, flags);
  const CLI::Option* jobs = app.get_option("--jobs");
  return [flags, jobs](Invocation& invocation) { return do_eval_run(invocation, *flags, jobs->count() > 0); };
}

Action declare_eval_list(CLI::App& app) {
  auto limit = std::make_shared<int>(20);
  app.add_option("--limit", *limit, "how many; 0: all")->type_name("N")->check(CLI::NonNegativeNumber);
  return [limit](Invocation& invocation) -> Result<Outcome> {
    LLMOPS_ASSIGN(Session * session, invocation.session());
    LLMOPS_ASSIGN(const EvalListReport report, eval_list(*session, *limit));
    if (invocation.globals.json) return json_outcome(eval_list_to_json(report));
    if (report.runs.empty()) return Outcome{"no runs yet; make one: llmops eval run\n", 0, false};
    Table table({{"run", true, 0, false}, {"when", false, 3, false}, {"chain", false, 1, true}, {"version", false, 2, false}, {"suite", false, 1, true}, {"cases", true, 4, false}, {"state", false, 0, false}});
    constexpr const char* kStates[] = {"not finished", "finished", "stopped"};
    for (const RunRecord& run : report.runs) {
      std::string state = kStates[static_cast<int>(run.state)];
      if (auto summary = parse_json(run.summary, "store"); summary && run.state == RunState::kFinished) state = summary->value("verdict", state);
      if (!run.stop_reason.empty()) state += " (" + run.stop_reason + ")";
      if (const auto place = matrix_place(run)) state += fmt::format("   cell {} of {}", place->cell + 1, place->cells);
      table.add({std::to_string(run.number), when(run.started_ms), run.chain, run.vid.substr(0, 12), run.suite, format_count(run.case_count), state},
                {Tone::kStrong, Tone::kPlain, Tone::kPlain, Tone::kPlain, Tone::kPlain, Tone::kPlain, state.starts_with("pass") ? Tone::kGood : state.starts_with("fail") ? Tone::kBad : Tone::kUndecided});
    }
    return Outcome{table.render(invocation.terminal), 0, true};
  };
}

Action declare_eval_show(CLI::App& app) {
  auto options = std::make_shared<EvalShowOptions>();
  auto full = std::make_shared<bool>(false);
  app.add_option("RUN", options->run, "number, UUID, last, last-1 (default: last)");
  app.add_option("--case", options->case_id, "one case as a tree")->type_name("ID");
  app.add_option("--step", options->step, "one component across all cases")->type_name("ID");
  app.add_flag("--failed", options->failed, "the cases that failed");
  app.add_flag("--errors", options->errors, "the cases without a score");
  app.add_flag("--full", *full, "bodies whole");
  auto whole_matrix = std::make_shared<bool>(false);
  app.add_flag("--matrix", *whole_matrix, "the matrix that the run is a cell of, compared again from what is stored");
  return [options, full, whole_matrix](Invocation& invocation) -> Result<Outcome> {
    LLMOPS_ASSIGN(Session * session, invocation.session());
    if (*whole_matrix) {
      LLMOPS_ASSIGN(const EvalMatrixReport matrix, show_matrix(*session, options->run));
      return invocation.globals.json ? json_outcome(eval_matrix_to_json(matrix)) : Outcome{render_eval_matrix(matrix, invocation.terminal), 0, true};
    }
    LLMOPS_ASSIGN(const EvalShowReport report, eval_show(*session, *options));
    if (invocation.globals.json) return json_outcome(eval_show_to_json(report));
    const Terminal& terminal = invocation.terminal;
    if (!options->case_id.empty()) {
      std::string text;
      for (const ShownCase& shown : report.cases) text += render_case_tree(shown, *full, terminal);
      return Outcome{text, 0, true};
    }
    if (!options->step.empty()) return Outcome{render_step_table(report.cases, options->step, *full, terminal), 0, true};
    if (options->failed || options->errors) {
      if (report.cases.empty()) return Outcome{fmt::format("run {}: no case {}\n", report.run.number, options->failed ? "failed" : "is without a score"), 0, false};
      return Outcome{render_case_list(report.cases, terminal), 0, true};
    }
    return Outcome{render_eval_summary(report.run, report.summary, report.stored_cases, terminal), 0, true};
  };
}

Action declare_eval_metrics(CLI::App& app) {
  auto name = std::make_shared<std::string>();
  app.add_option("NAME", *name, "one metric in detail");
  return [name](Invocation& invocation) -> Result<Outcome> {
    if (!name->empty() && find_metric_kind(*name) == nullptr) {
      return Error(ErrorCode::kNotFound, fmt::format("unknown metric '{}'", *name), did_you_mean(*name, metric_type_names()));
    }
    if (invocation.globals.json) return json_outcome(metrics_to_json(*name));
    if (name->empty()) {
      Table table({{"metric", false, 0, false}, {"range", false, 2, false}, {"better", false, 3, false}, {"what", false, 0, true}});
      for (const MetricKind& kind : metric_kinds()) table.add({kind.type, kind.range, kind.direction == MetricDirection::kHigher ? "higher" : "lower", kind.summary}, {Tone::kStrong});
      return Outcome{table.render(invocation.terminal), 0, true};
    }
    const MetricKind& kind = *find_metric_kind(*name);
    std::string text = fmt::format("{}   {}\n\nrange    {}, {} is better, per case\nsource   {}\n", kind.type, kind.summary, kind.range, kind.direction == MetricDirection::kHigher ? "higher" : "lower", kind.citation);
    if (!kind.parameters.empty()) text += "\n";
    Table table({{"parameter", false, 0, false}, {"type", false, 2, false}, {"default", false, 1, false}, {"what", false, 0, true}});
    for (const MetricParameter& parameter : kind.parameters) table.add({parameter.name, parameter.type, parameter.required ? "required" : parameter.default_text, parameter.help}, {Tone::kStrong});
    return Outcome{text + table.render(invocation.terminal), 0, false};
  };
}

Action declare_eval_cache_stats(CLI::App&) {
  return [](Invocation& invocation) -> Result<Outcome> {
    LLMOPS_ASSIGN(Session * session, invocation.session());
    LLMOPS_ASSIGN(const CacheStatsReport report, eval_cache_stats(*session));
    if (invocation.globals.json) return json_outcome({{"schema", "llmops.eval-cache-stats/v1"}, {"responses", report.stats.responses}, {"response_bytes", report.stats.response_bytes}, {"steps", report.stats.steps}});
    return Outcome{fmt::format("replies   {} ({} bytes)\nsteps     {}\n", format_count(report.stats.responses), format_count(report.stats.response_bytes), format_count(report.stats.steps)), 0, false};
  };
}

Action declare_eval_cache_explain(CLI::App& app) {
  auto options = std::make_shared<EvalShowOptions>();
  app.add_option("RUN", options->run, "number, UUID, last, last-1 (default: last)");
  app.add_option("--case", options->case_id, "one case")->type_name("ID");
  app.add_option("--step", options->step, "one step")->type_name("ID");
  return [options](Invocation& invocation) -> Result<Outcome> {
    LLMOPS_ASSIGN(Session * session, invocation.session());
    LLMOPS_ASSIGN(const CacheExplainReport report, eval_cache_explain(*session, *options));
    if (invocation.globals.json) return json_outcome(cache_explain_to_json(report));
    Table table({{"case", false, 0, false}, {"step", false, 0, false}, {"", false, 0, false}, {"why", false, 1, true}});
    for (const CacheExplainRow& row : report.rows) {
      table.add({row.case_id, row.item >= 0 ? fmt::format("{}[{}]", row.step, row.item) : row.step, row.state, row.reason}, {Tone::kPlain, Tone::kStrong, row.state == "reused" ? Tone::kGood : Tone::kPlain});
    }
    return Outcome{table.render(invocation.terminal) + fmt::format("run {}: {} reused, {} run anew\n", report.run.number, format_count(report.reused), format_count(report.run_anew)), 0, true};
  };
}

Action declare_eval_cache_clear(CLI::App&) {
  return [](Invocation& invocation) -> Result<Outcome> {
    LLMOPS_ASSIGN(Session * session, invocation.session());
    LLMOPS_ASSIGN(const CacheStatsReport stats, eval_cache_stats(*session));
    const int64_t entries = stats.stats.responses + stats.stats.steps;
    if (invocation.globals.dry_run) {
      if (invocation.globals.json) return json_outcome({{"schema", "llmops.eval-cache-clear/v1"}, {"forgotten", 0}, {"would_forget", entries}});
      return Outcome{fmt::format("would forget {} entries; runs stay whole\n", format_count(entries)), 0, false};
    }
    if (!invocation.globals.yes) return Error(ErrorCode::kUsage, fmt::format("this forgets {} entries that paid calls may have made", format_count(entries)), "add --yes");
    LLMOPS_ASSIGN(const int64_t cleared, eval_cache_clear(*session));
    if (invocation.globals.json) return json_outcome({{"schema", "llmops.eval-cache-clear/v1"}, {"forgotten", cleared}});
    return Outcome{fmt::format("forgot {} entries\n", format_count(cleared)), 0, false};
  };
}

}  // namespace llmops
