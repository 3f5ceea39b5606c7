#include "commands/eval/run_settings.h"

#include <fmt/format.h>

#include "commands/version/reference.h"

namespace llmops {

Result<RunInputs> load_run_inputs(Session& session, const EvalRunOptions& options) {
  LLMOPS_ASSIGN(const fs::path suite_file, session.resolve_suite(options.suite));
  const SuiteSource suite_source{suite_file, session.root(), session.shown(suite_file)};
  LLMOPS_ASSIGN(const std::string chain_path, read_suite_chain(suite_source));
  std::vector<Override> overrides;
  std::vector<Override> of_suite;
  for (const std::string& set : options.sets) {
    LLMOPS_ASSIGN(Override override, parse_override(set));
    (override.path.starts_with("inputs.") ? of_suite : overrides).push_back(std::move(override));
  }
  const fs::path chain_file = (suite_file.parent_path() / chain_path).lexically_normal();
  LLMOPS_ASSIGN(Chain chain, load_chain({chain_file, session.root(), session.shown(chain_file), options.version.empty() ? overrides : std::vector<Override>{}}));
  if (!options.version.empty()) {
    LLMOPS_ASSIGN(Store * store, session.store(true));
    LLMOPS_ASSIGN(const VersionRecord version, resolve_version(*store, chain.name, options.version));
    LLMOPS_ASSIGN(chain, load_version(session, *store, version, overrides));
  }
  LLMOPS_ASSIGN(Suite suite, load_suite({suite_source.file, suite_source.root, suite_source.shown_path, of_suite}, chain));
  return RunInputs{std::move(chain), std::move(suite)};
}

void note_warnings(const Session& session, const std::vector<Error>& warnings) {
  for (const Error& warning : warnings) session.note(fmt::format("warning: {}:{}: {}", warning.where.file, warning.where.line, warning.message));
}

Json run_settings(const Session& session, const Suite& suite, const EvalRunOptions& options) {
  Json json = {{"suite", suite.file.lexically_relative(session.root()).generic_string()}, {"version", options.version}, {"sets", options.sets}, {"filters", options.filters},
               {"repeat", options.repeat.value_or(suite.repeat)}, {"seed", options.seed}, {"no_cache", options.no_cache}, {"baseline", options.baseline}, {"failed_of", options.failed_of}};
  if (options.limit) json["limit"] = *options.limit;
  if (options.sample) json["sample"] = *options.sample;
  if (options.place) {
    json["matrix"] = {{"uuid", options.place->uuid}, {"cell", options.place->cell}, {"cells", options.place->cells}, {"sets", options.place->sets}, {"axes", options.matrix}, {"best_by", options.best_by}};
  }
  return json;
}

Result<EvalRunOptions> options_of_run(const Session& session, const RunRecord& run, const EvalRunOptions& now) {
  LLMOPS_ASSIGN(const Json json, parse_json(run.settings, fmt::format("settings of run {}", run.number)));
  EvalRunOptions options = now;
  options.suite = (session.root() / json.value("suite", "")).string();
  if (const std::string relative = session.shown(options.suite); !relative.empty()) options.suite = relative;
  options.version = json.value("version", "");
  options.sets = json.value("sets", std::vector<std::string>());
  options.filters = json.value("filters", std::vector<std::string>());
  options.repeat = json.value("repeat", 1);
  options.seed = json.value("seed", uint64_t{0});
  options.no_cache = json.value("no_cache", false);
  options.failed_of = json.value("failed_of", "");
  if (options.baseline.empty()) options.baseline = json.value("baseline", "");
  if (json.contains("limit")) options.limit = json["limit"].get<int64_t>();
  if (json.contains("sample")) options.sample = json["sample"].get<int64_t>();
  if (json.contains("matrix")) {
    options.matrix = json["matrix"].value("axes", std::vector<std::string>());
    options.best_by = json["matrix"].value("best_by", "");
  }
  return options;
}

}  // namespace llmops
