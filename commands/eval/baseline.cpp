#include "commands/eval/baseline.h"

#include <algorithm>
#include <fmt/format.h>
#include <set>

#include "commands/eval/case_selection.h"
#include "commands/eval/run_json.h"
#include "commands/version/reference.h"
#include "core/eval/accumulator.h"

namespace llmops {

Result<RunSeries> load_run_series(Store& store, const RunRecord& run, const Suite& suite, const Chain& chain) {
  std::vector<std::string> steps, slices;
  for (const StepSpec& step : chain.steps) steps.push_back(step.id);
  for (const SuiteGate& gate : suite.gates) if (gate.gate.slice) slices.push_back(gate.gate.slice->field);
  SeriesAccumulator accumulator(suite.metrics, steps, slices, suite.dataset.cluster_field);
  Store::CaseFilter filter;
  filter.with_spans = true;
  RowLookup rows(suite.dataset);
  const bool reads_rows = !slices.empty() || !suite.dataset.cluster_field.empty();
  Status inner;
  LLMOPS_CHECK(store.visit_cases(run.number, filter, [&](const CaseRecord& record) {
    auto row = reads_rows ? rows.row_of(record) : Result<Json>(Json());
    if (!row) {
      inner = std::move(row).error();
      return false;
    }
    accumulator.add(record, *row);
    return true;
  }));
  LLMOPS_CHECK(inner);
  return accumulator.finish();
}

namespace {

int repeat_of(const RunRecord& run) {
  auto settings = parse_json(run.settings, "store");
  return settings && settings->is_object() ? settings->value("repeat", 1) : 1;
}

bool names_a_run(const std::string& text) {
  if (text == "last" || text.starts_with("last-")) return true;
  if (!text.empty() && text.size() < 6 && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; })) return true;
  return text.size() >= 9 && text[8] == '-';
}

}  // namespace

Result<Baseline> load_baseline(Session& session, const std::string& reference, const Suite& suite, const Chain& chain) {
  const fs::path file = session.surroundings().working_directory / reference;
  std::error_code ignored;
  if (fs::is_regular_file(file, ignored)) {
    LLMOPS_ASSIGN(const std::string bytes, read_file(file));
    LLMOPS_ASSIGN(const Json document, parse_json(bytes, reference));
    LLMOPS_ASSIGN(RunSeries series, series_from_json(document, reference));
    const auto cases = document.find("cases");
    const int repeat = cases != document.end() && cases->is_object() ? cases->value("repeat", 1) : 1;
    return Baseline{std::move(series), fmt::format("file {}", reference), {}, repeat};
  }
  const bool is_file_name = reference.ends_with(".json") || reference.find('/') != std::string::npos;
  if (is_file_name && !names_a_run(reference)) return Error(ErrorCode::kNotFound, fmt::format("baseline file '{}' does not exist", reference), "write one with `llmops eval run -o FILE.json`");
  LLMOPS_ASSIGN(Store * store, session.store(false));
  if (names_a_run(reference)) {
    LLMOPS_ASSIGN(const RunRecord run, store->find_run(reference));
    LLMOPS_ASSIGN(RunSeries series, load_run_series(*store, run, suite, chain));
    return Baseline{std::move(series), fmt::format("run {} ({})", run.number, short_vid(run.vid)), run.uuid, repeat_of(run)};
  }
  LLMOPS_ASSIGN(const VersionRecord version, resolve_version(*store, chain.name, reference));
  LLMOPS_ASSIGN(const auto run, store->newest_finished_run(version.vid, suite.id));
  if (!run) {
    return Error(ErrorCode::kNotFound, fmt::format("version {} ('{}') has no finished run of this suite", short_vid(version.vid), reference),
                 fmt::format("make one: llmops eval run {} --version {}", suite.shown_path, reference));
  }
  LLMOPS_ASSIGN(RunSeries series, load_run_series(*store, *run, suite, chain));
  return Baseline{std::move(series), fmt::format("{} (run {})", reference, run->number), run->uuid, repeat_of(*run)};
}

Result<FailedCases> failed_cases(Session& session, const std::string& run_reference) {
  LLMOPS_ASSIGN(Store * store, session.store(false));
  LLMOPS_ASSIGN(const RunRecord run, store->find_run(run_reference));
  std::set<std::string> ids;
  LLMOPS_CHECK(store->visit_cases(run.number, {}, [&](const CaseRecord& record) {
    bool failed = !record.error_code.empty() || record.pass == false;
    for (const ScoreRecord& score : record.scores) failed = failed || !score.error.empty() || score.pass == false;
    if (failed) ids.insert(record.case_id);
    return true;
  }));
  if (ids.empty()) return Error(ErrorCode::kNotFound, fmt::format("no case of run {} failed", run.number), "run the whole suite instead");
  return FailedCases{run.uuid, {ids.begin(), ids.end()}};
}

}  // namespace llmops
