#include "commands/eval/baseline.h"

#include <algorithm>
#include <fmt/format.h>
#include <set>

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
  Status inner;
  LLMOPS_CHECK(store.visit_cases(run.number, filter, [&](const CaseRecord& record) {
    auto row = parse_json(record.row, "store");
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

bool names_a_run(const std::string& text) {
  if (text == "last" || text.starts_with("last-")) return true;
  if (!text.empty() && text.size() < 6 && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; })) return true;
  return text.size() >= 9 && text[8] == '-';
}

}  // namespace

Result<Baseline> load_baseline(Session& session, Store& store, const std::string& reference, const Suite& suite, const Chain& chain) {
  const fs::path file = session.surroundings().working_directory / reference;
  std::error_code ignored;
  if (fs::is_regular_file(file, ignored)) {
    LLMOPS_ASSIGN(const std::string bytes, read_file(file));
    LLMOPS_ASSIGN(const Json document, parse_json(bytes, reference));
    LLMOPS_ASSIGN(RunSeries series, series_from_json(document, reference));
    return Baseline{std::move(series), fmt::format("file {}", reference), {}};
  }
  if (names_a_run(reference)) {
    LLMOPS_ASSIGN(const RunRecord run, store.find_run(reference));
    LLMOPS_ASSIGN(RunSeries series, load_run_series(store, run, suite, chain));
    return Baseline{std::move(series), fmt::format("run {} ({})", run.number, short_vid(run.vid)), run.uuid};
  }
  if (reference.ends_with(".json") || reference.find('/') != std::string::npos) return Error(ErrorCode::kNotFound, fmt::format("baseline file '{}' does not exist", reference), "write one with `llmops eval run -o FILE.json`");
  LLMOPS_ASSIGN(const VersionRecord version, resolve_version(store, chain.name, reference));
  LLMOPS_ASSIGN(const auto run, store.newest_finished_run(version.vid, suite.id));
  if (!run) {
    return Error(ErrorCode::kNotFound, fmt::format("version {} ('{}') has no finished run of this suite", short_vid(version.vid), reference),
                 fmt::format("make one: llmops eval run {} --version {}", suite.shown_path, reference));
  }
  LLMOPS_ASSIGN(RunSeries series, load_run_series(store, *run, suite, chain));
  return Baseline{std::move(series), fmt::format("{} (run {})", reference, run->number), run->uuid};
}

Result<std::vector<std::string>> failed_ids(Store& store, const std::string& run_reference) {
  LLMOPS_ASSIGN(const RunRecord run, store.find_run(run_reference));
  std::set<std::string> ids;
  LLMOPS_CHECK(store.visit_cases(run.number, {}, [&](const CaseRecord& record) {
    bool failed = !record.error_code.empty() || record.pass == false;
    for (const ScoreRecord& score : record.scores) failed = failed || !score.error.empty() || score.pass == false;
    if (failed) ids.insert(record.case_id);
    return true;
  }));
  if (ids.empty()) return Error(ErrorCode::kNotFound, fmt::format("no case of run {} failed", run.number));
  return std::vector<std::string>(ids.begin(), ids.end());
}

}  // namespace llmops
