#include "commands/eval/run_settings.h"

#include <fmt/format.h>

#include "commands/version/reference.h"
#include "core/telemetry/stored_traces.h"

namespace llmops {
namespace {

Result<std::shared_ptr<const TraceSource>> production_traces(Session& session, const std::string& service) {
  auto store = session.store(false);
  const Error none(ErrorCode::kNotFound, service.empty() ? "the store holds no traces of production" : fmt::format("the store holds no traces of service '{}'", service), "bring them in: llmops monitor ingest FILE");
  if (!store && store.error().code == ErrorCode::kNotFound) return none;
  if (!store) return std::move(store).error();
  LLMOPS_ASSIGN(const auto traces, (*store)->traces(service));
  if (traces.empty()) return none;
  return std::shared_ptr<const TraceSource>(std::make_shared<StoredTraces>(**store, service));
}

// Of the working tree, or of a version.
Result<Chain> load_run_chain(Session& session, const std::string& version, const fs::path& file, const std::vector<Override>& overrides) {
  const fs::path chain_file = file.lexically_normal();
  LLMOPS_ASSIGN(Chain chain, load_chain({chain_file, session.root(), session.shown(chain_file), version.empty() ? overrides : std::vector<Override>{}}));
  if (version.empty()) return chain;
  LLMOPS_ASSIGN(Store * store, session.store(true));
  LLMOPS_ASSIGN(const VersionRecord record, resolve_version(*store, chain.name, version));
  return load_version(session, *store, record, overrides);
}

// What is recorded cannot be run otherwise; the chain only says which version it was.
Result<RunInputs> load_trace_inputs(Session& session, const EvalRunOptions& options, SuiteSource suite_source, const SuiteHead& head, const std::vector<Override>& overrides) {
  if (!overrides.empty() || !suite_source.overrides.empty()) return Error(ErrorCode::kUsage, "the cases of this suite are recorded, so that nothing can be set", "leave out --set and --matrix, or name a suite over a dataset of rows");
  if (options.repeat && *options.repeat > 1) return Error(ErrorCode::kUsage, "the cases of this suite are recorded, so that none can be repeated", "leave out --repeat");
  Chain chain;
  if (head.chain.empty()) {
    if (!options.version.empty()) return Error(ErrorCode::kUsage, "this suite names no chain, so that there is no version of it", "leave out --version, or add `chain:`");
    LLMOPS_ASSIGN(chain, observed_chain(suite_source));
  } else {
    const std::string version = options.version.empty() && !head.label.empty() ? "@" + head.label : options.version;
    LLMOPS_ASSIGN(chain, load_run_chain(session, version, suite_source.file.parent_path() / head.chain, {}));
  }
  LLMOPS_ASSIGN(Suite suite, load_suite(suite_source, chain));
  if (!head.label.empty()) suite.dataset.traces->vid = chain.vid;
  return RunInputs{std::move(chain), std::move(suite)};
}

}  // namespace

Result<RunInputs> load_run_inputs(Session& session, const EvalRunOptions& options) {
  LLMOPS_ASSIGN(const fs::path suite_file, session.resolve_suite(options.suite));
  SuiteSource suite_source{suite_file, session.root(), session.shown(suite_file)};
  suite_source.production = [&session](const std::string& service) { return production_traces(session, service); };
  LLMOPS_ASSIGN(const SuiteHead head, read_suite_head(suite_source));
  std::vector<Override> overrides;
  std::vector<Override> of_suite;
  for (const std::string& set : options.sets) {
    LLMOPS_ASSIGN(Override override, parse_override(set));
    (override.path.starts_with("inputs.") ? of_suite : overrides).push_back(std::move(override));
  }
  suite_source.overrides = std::move(of_suite);
  if (head.is_of_traces) return load_trace_inputs(session, options, suite_source, head, overrides);
  LLMOPS_ASSIGN(Chain chain, load_run_chain(session, options.version, suite_file.parent_path() / head.chain, overrides));
  LLMOPS_ASSIGN(Suite suite, load_suite(suite_source, chain));
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
