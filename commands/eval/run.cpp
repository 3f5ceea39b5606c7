// The order of a run: load, check trust, look through the dataset, snapshot the chain, run and score the cases while they are
// stored, then the numbers, the baseline, the gates and the verdict.
#include "commands/eval/run.h"

#include <algorithm>
#include <condition_variable>
#include <fmt/format.h>
#include <mutex>
#include <set>
#include <thread>
#include <unordered_map>

#include "commands/eval/baseline.h"
#include "commands/eval/run_json.h"
#include "commands/eval/run_report.h"
#include "commands/trust.h"
#include "commands/version/reference.h"
#include "core/base/hash.h"
#include "core/eval/accumulator.h"
#include "core/eval/score_case.h"
#include "core/http/transport.h"
#include "core/runtime/scheduler.h"
#include "core/telemetry/capture.h"

namespace llmops {
namespace {

struct Loaded {
  Chain chain;
  Suite suite;
};

Result<Loaded> load(Session& session, const EvalRunOptions& options) {
  LLMOPS_ASSIGN(const fs::path suite_file, session.resolve_suite(options.suite));
  const SuiteSource suite_source{suite_file, session.root(), session.shown(suite_file)};
  LLMOPS_ASSIGN(const std::string chain_path, read_suite_chain(suite_source));
  std::vector<Override> overrides;
  for (const std::string& set : options.sets) {
    LLMOPS_ASSIGN(Override override, parse_override(set));
    overrides.push_back(std::move(override));
  }
  const fs::path chain_file = (suite_file.parent_path() / chain_path).lexically_normal();
  LLMOPS_ASSIGN(Chain chain, load_chain({chain_file, session.root(), session.shown(chain_file), options.version.empty() ? overrides : std::vector<Override>{}}));
  if (!options.version.empty()) {
    LLMOPS_ASSIGN(Store * store, session.store(true));
    LLMOPS_ASSIGN(const VersionRecord version, resolve_version(*store, chain.name, options.version));
    LLMOPS_ASSIGN(chain, load_version(session, *store, version, overrides));
  }
  LLMOPS_ASSIGN(Suite suite, load_suite(suite_source, chain));
  for (const Error& warning : chain.warnings) session.note(fmt::format("warning: {}:{}: {}", warning.where.file, warning.where.line, warning.message));
  return Loaded{std::move(chain), std::move(suite)};
}

// ---- the dataset ----

struct Selection {
  std::vector<bool> chosen;        // by row of the dataset
  int64_t count = 0;
  std::set<std::string> columns;   // of any row
};

std::string case_id_of(const DatasetSpec& dataset, const DatasetRow& row) {
  const auto found = row.value.find(dataset.id_field);
  return found == row.value.end() || found->is_null() ? std::to_string(row.number) : json_to_text(*found);
}

Error row_error(const DatasetSpec& dataset, const DatasetRow& row, std::string message, std::string hint) {
  return Error(ErrorCode::kData, std::move(message), std::move(hint)).at({dataset.shown_path, row.line, 1, 1, {}});
}

struct Filter { std::string field, value; };

Result<std::vector<Filter>> parse_filters(const std::vector<std::string>& texts) {
  std::vector<Filter> filters;
  for (const std::string& text : texts) {
    const size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0) return Error(ErrorCode::kUsage, fmt::format("filter '{}' is not FIELD=VALUE", text), "write it like --filter 'lang=de'");
    filters.push_back({text.substr(0, equals), text.substr(equals + 1)});
  }
  return filters;
}

// Reads the whole dataset once before anything is spent: every broken row, and every id that stands twice, is met here.
Result<Selection> select_cases(const DatasetSpec& dataset, const EvalRunOptions& options, const std::optional<std::vector<std::string>>& only_ids) {
  LLMOPS_ASSIGN(const auto filters, parse_filters(options.filters));
  LLMOPS_ASSIGN(const auto reader, open_dataset(dataset.source, dataset.shown_path, dataset.format));
  std::unordered_map<std::string, int64_t> seen;
  std::unordered_map<std::string, bool> wanted;
  if (only_ids) for (const std::string& id : *only_ids) wanted.emplace(id, true);
  Selection selection;
  std::vector<std::pair<std::string, size_t>> draws;   // hash, row: for --sample
  DatasetRow row;
  while (true) {
    LLMOPS_ASSIGN(const bool more, reader->next(row));
    if (!more) break;
    if (dataset.id_field_written && !row.value.contains(dataset.id_field)) {
      return row_error(dataset, row, fmt::format("row {} has no '{}'", row.number, dataset.id_field), "give every row an id, or leave `id` out of the suite");
    }
    for (const auto& [column, value] : row.value.items()) if (!selection.columns.contains(column)) selection.columns.insert(column);
    const std::string id = case_id_of(dataset, row);
    const auto [other, is_new] = seen.emplace(id, row.number);
    if (!is_new) return row_error(dataset, row, fmt::format("row {} has the id '{}' of row {}", row.number, id, other->second), "give every row an id of its own");
    bool keep = !only_ids || wanted.contains(id);
    for (const Filter& filter : filters) keep = keep && field_text(row.value, filter.field) == filter.value;
    if (keep && options.limit && selection.count >= *options.limit) keep = false;
    if (keep && options.sample) draws.emplace_back(sha256_hex(fmt::format("{}\n{}", options.seed, id)), selection.chosen.size());
    selection.chosen.push_back(keep);
    selection.count += keep;
  }
  if (selection.chosen.empty()) return Error(ErrorCode::kData, fmt::format("dataset '{}' holds no rows", dataset.shown_path), "add at least one row").at({dataset.shown_path, 1, 1, 1, {}});
  if (options.sample && static_cast<int64_t>(draws.size()) > *options.sample) {
    std::sort(draws.begin(), draws.end());
    for (size_t i = static_cast<size_t>(*options.sample); i < draws.size(); ++i) selection.chosen[draws[i].second] = false;
    selection.count = *options.sample;
  }
  if (selection.count == 0) return Error(ErrorCode::kUsage, "no case is left to run", "look at --filter, --limit, --sample and --failed-of");
  return selection;
}

// A column that no row has is a typing error, met before anything is spent.
Status check_columns(const Suite& suite, const Selection& selection) {
  const std::vector<std::string> known(selection.columns.begin(), selection.columns.end());
  const auto check = [&](std::string_view column, const SourcePlace& place) -> Status {
    if (selection.columns.contains(std::string(column))) return {};
    return Error(ErrorCode::kConfig, fmt::format("no row of '{}' has a column '{}'", suite.dataset.shown_path, column), did_you_mean(column, known)).at(place);
  };
  const auto check_template = [&](const Template& made) -> Status {
    for (const TemplateReference& reference : made.references()) {
      if (reference.guarded || !reference.path.starts_with("case.")) continue;
      const std::string_view column = std::string_view(reference.path).substr(5);
      LLMOPS_CHECK(check(column.substr(0, column.find('.')), reference.place));
    }
    return {};
  };
  for (const auto& [name, made] : suite.inputs) LLMOPS_CHECK(check_template(made));
  for (const MetricSpec& metric : suite.metrics) for (const auto& [name, made] : metric.templated) LLMOPS_CHECK(check_template(made));
  for (const SuiteGate& gate : suite.gates) {
    if (gate.gate.slice) LLMOPS_CHECK(check(std::string_view(gate.gate.slice->field).substr(0, gate.gate.slice->field.find('.')), gate.place));
  }
  if (!suite.dataset.cluster_field.empty()) LLMOPS_CHECK(check(std::string_view(suite.dataset.cluster_field).substr(0, suite.dataset.cluster_field.find('.')), {suite.shown_path, 0, 0, 1, {}}));
  return {};
}

std::string hash_of_row(const Json& row) {
  auto canonical = canonical_json(row);
  return sha256_hex(canonical ? *canonical : dump_json(row)).substr(0, 16);
}

// ---- settings that a resumed run needs ----

Json settings_of(const Session& session, const Loaded& loaded, const EvalRunOptions& options) {
  Json json = {{"suite", loaded.suite.file.lexically_relative(session.root()).generic_string()}, {"version", options.version}, {"sets", options.sets}, {"filters", options.filters},
               {"repeat", options.repeat.value_or(loaded.suite.repeat)}, {"seed", options.seed}, {"no_cache", options.no_cache}, {"baseline", options.baseline}, {"failed_of", options.failed_of}};
  if (options.limit) json["limit"] = *options.limit;
  if (options.sample) json["sample"] = *options.sample;
  return json;
}

Result<EvalRunOptions> options_of(const Session& session, const RunRecord& run, const EvalRunOptions& now) {
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
  return options;
}

// ---- running ----

struct CaseTask {
  int64_t ordinal = 0;
  int repeat = 0;
  std::string id, hash;
  Json row;
};

// Draws the chosen rows in order, each `repeat` times, without those that are stored already.
class TaskSource {
 public:
  TaskSource(const Suite& suite, Selection selection, int repeat, std::vector<std::pair<int64_t, int>> finished)
      : suite_(suite), selection_(std::move(selection)), repeat_(repeat), finished_(std::move(finished)) {
    std::sort(finished_.begin(), finished_.end());
  }
  Status open() {
    LLMOPS_ASSIGN(reader_, open_dataset(suite_.dataset.source, suite_.dataset.shown_path, suite_.dataset.format));
    return {};
  }
  Result<bool> next(CaseTask& task) {
    while (true) {
      if (pending_ == 0) {
        LLMOPS_ASSIGN(const bool more, next_row());
        if (!more) return false;
      }
      const int repeat = repeat_ - pending_--;
      const int64_t ordinal = row_.number - 1;
      if (std::binary_search(finished_.begin(), finished_.end(), std::pair{ordinal, repeat})) continue;
      task = {ordinal, repeat, case_id_of(suite_.dataset, row_), hash_, row_.value};
      return true;
    }
  }

 private:
  Result<bool> next_row() {
    while (true) {
      LLMOPS_ASSIGN(const bool more, reader_->next(row_));
      if (!more) return false;
      const size_t index = static_cast<size_t>(row_.number - 1);
      if (index >= selection_.chosen.size()) return Error(ErrorCode::kData, fmt::format("dataset '{}' changed while it was read", suite_.dataset.shown_path), "run it again");
      if (!selection_.chosen[index]) continue;
      hash_ = hash_of_row(row_.value);
      pending_ = repeat_;
      return true;
    }
  }
  const Suite& suite_;
  Selection selection_;
  int repeat_;
  std::vector<std::pair<int64_t, int>> finished_;
  std::unique_ptr<DatasetReader> reader_;
  DatasetRow row_;
  std::string hash_;
  int pending_ = 0;
};

// Watches for Ctrl-C and the time limit, and shows progress, while the workers work.
class Watch {
 public:
  Watch(const Session& session, std::optional<double> time_limit_s, CancelToken cancel, std::function<void()> tick)
      : session_(session), cancel_(std::move(cancel)), tick_(std::move(tick)) {
    const int64_t start_ns = session.clock().steady_ns();
    thread_ = std::thread([this, start_ns, time_limit_s] {
      std::unique_lock lock(mutex_);
      while (!ended_) {
        wake_.wait_for(lock, std::chrono::milliseconds(50));
        if (ended_) break;
        if (session_.surroundings().cancel.cancelled()) stop("interrupted");
        const double elapsed_s = static_cast<double>(session_.clock().steady_ns() - start_ns) * 1e-9;
        if (time_limit_s && elapsed_s >= *time_limit_s) stop("time_limit");
        tick_();
      }
    });
  }
  ~Watch() { end(); }
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;
  void end() {
    {
      const std::lock_guard lock(mutex_);
      ended_ = true;
    }
    wake_.notify_all();
    if (thread_.joinable()) thread_.join();
  }
  const std::string& reason() const { return reason_; }

 private:
  void stop(const char* reason) {
    if (reason_.empty()) reason_ = reason;
    cancel_.cancel();
  }
  const Session& session_;
  CancelToken cancel_;
  std::function<void()> tick_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool ended_ = false;
  std::string reason_;
  std::thread thread_;
};

class EvalRun {
 public:
  EvalRun(Session& session, EvalRunOptions options, Loaded loaded, const std::function<void(const EvalProgress&)>& progress)
      : session_(session), options_(std::move(options)), loaded_(std::move(loaded)), progress_(progress),
        budget_(options_.budget_usd, options_.budget_tokens) {}

  Result<EvalRunReport> run(const std::optional<RunRecord>& resumed) {
    LLMOPS_ASSIGN(capture_, parse_capture(session_.setting("capture")));
    LLMOPS_CHECK(check_budget());
    LLMOPS_CHECK(require_trust(session_, trust_items(loaded_.chain)));
    // What can be refused is refused before the run has a number, and where no earlier run is named before there is a store.
    const bool names_a_run = !options_.baseline.empty() || !options_.failed_of.empty();
    if (names_a_run) LLMOPS_CHECK(open_store());
    if (!options_.baseline.empty()) {
      LLMOPS_ASSIGN(auto baseline, load_baseline(session_, *store_, options_.baseline, loaded_.suite, loaded_.chain));
      baseline_ = std::move(baseline);
    }
    LLMOPS_CHECK(check_gates());
    std::optional<std::vector<std::string>> only_ids;
    if (!options_.failed_of.empty()) {
      LLMOPS_ASSIGN(only_ids, failed_ids(*store_, options_.failed_of));
    }
    LLMOPS_ASSIGN(Selection selection, select_cases(loaded_.suite.dataset, options_, only_ids));
    LLMOPS_CHECK(check_columns(loaded_.suite, selection));
    repeat_ = options_.repeat.value_or(loaded_.suite.repeat);
    total_ = selection.count * repeat_;
    LLMOPS_CHECK(open_store());
    LLMOPS_CHECK(make_executor());
    LLMOPS_CHECK(begin(resumed));
    std::vector<std::pair<int64_t, int>> finished;
    if (resumed) {
      LLMOPS_ASSIGN(finished, store_->finished_cases(run_.number));
    }
    done_ = static_cast<int64_t>(finished.size());
    reused_cases_ = done_;
    LLMOPS_CHECK(run_cases(std::move(selection), std::move(finished)));
    return report(resumed.has_value());
  }

 private:
  Status check_budget() {
    if (!options_.budget_usd) return {};
    for (const StepSpec& step : loaded_.chain.steps) {
      const auto* body = std::get_if<ModelStep>(&step.body);
      if (body == nullptr) continue;
      const ModelSpec& model = loaded_.chain.models.at(body->model);
      const bool is_paid = model.provider == ProviderKind::kOpenAi || model.provider == ProviderKind::kExec;
      if (is_paid && !model.price) {
        return Error(ErrorCode::kUsage, fmt::format("model '{}' has no price, so a budget in USD cannot be kept", model.name), "add price: {input: ..., output: ...} (USD per 1M tokens), or use --budget-tokens").at(model.place);
      }
    }
    return {};
  }

  Status open_store() {
    LLMOPS_ASSIGN(store_, session_.store(true));
    return {};
  }

  Status check_gates() {
    for (const SuiteGate& gate : loaded_.suite.gates) {
      if (gate.gate.against_baseline && !baseline_) {
        return Error(ErrorCode::kUsage, fmt::format("gate '{}' needs a baseline", gate.gate.text), "add --baseline RUN, REF or FILE").at(gate.place);
      }
    }
    return {};
  }

  Status make_executor() {
    TransportOptions transport;
    const std::string offline = session_.setting("offline");
    transport.offline = offline == "1" || offline == "true";
    for (const char* name : {"https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"}) {
      if (transport.proxy.empty()) transport.proxy = session_.variable(name).value_or("");
    }
    for (const char* name : {"no_proxy", "NO_PROXY"}) if (transport.no_proxy.empty()) transport.no_proxy = session_.variable(name).value_or("");
    transport.ca_file = session_.variable("SSL_CERT_FILE").value_or("");
    transport_ = make_curl_transport(transport);
    limiter_ = std::make_unique<AdaptiveLimiter>(options_.jobs);
    RuntimeContext context;
    context.store = store_;
    context.clock = &session_.clock();
    context.transport = transport_.get();
    context.limiter = limiter_.get();
    context.scrubber = &session_.scrubber();
    context.budget = &budget_;
    context.secret = [this](const SecretReference& reference) { return session_.secret(reference); };
    for (const auto& [name, value] : session_.surroundings().variables) context.child_environment.emplace_back(name, value);
    context.cache = options_.no_cache ? CacheUse::kWriteOnly : CacheUse::kReadAndWrite;
    context.retry.max_retries = static_cast<int>(session_.number_setting("retries"));
    context.seed = options_.seed;
    context.jobs = options_.jobs;
    LLMOPS_ASSIGN(executor_, Executor::create(loaded_.chain, context));
    return {};
  }

  Status begin(const std::optional<RunRecord>& resumed) {
    if (!store_->has_version(loaded_.chain.vid)) {
      LLMOPS_ASSIGN(const VersionInput input, version_input(session_, loaded_.chain, fmt::format("snapshot for a run of {}", loaded_.suite.name), true));
      LLMOPS_ASSIGN(const VersionRecord version, store_->commit_version(input));
      static_cast<void>(version);
    }
    const std::string settings = dump_json(settings_of(session_, loaded_, options_));
    if (resumed) {
      run_ = *resumed;
      LLMOPS_CHECK(store_->reopen_run(run_.number, settings));
    } else {
      run_.uuid = make_uuid_v7(session_.clock().unix_ms());
      run_.chain = loaded_.chain.name;
      run_.vid = loaded_.chain.vid;
      run_.suite = loaded_.suite.name;
      run_.suite_id = loaded_.suite.id;
      run_.started_ms = session_.clock().unix_ms();
      run_.settings = settings;
      run_.case_count = total_;
      LLMOPS_ASSIGN(run_, store_->begin_run(run_));
    }
    LLMOPS_ASSIGN(writer_, store_->run_writer(run_.number));
    return {};
  }

  Status run_cases(Selection selection, std::vector<std::pair<int64_t, int>> finished) {
    std::vector<std::string> steps, slices;
    for (const StepSpec& step : loaded_.chain.steps) steps.push_back(step.id);
    for (const SuiteGate& gate : loaded_.suite.gates) if (gate.gate.slice) slices.push_back(gate.gate.slice->field);
    accumulator_ = std::make_unique<SeriesAccumulator>(loaded_.suite.metrics, steps, slices, loaded_.suite.dataset.cluster_field);
    if (!finished.empty()) LLMOPS_CHECK(take_stored_cases());
    TaskSource source(loaded_.suite, std::move(selection), repeat_, std::move(finished));
    LLMOPS_CHECK(source.open());
    started_ns_ = session_.clock().steady_ns();
    // More workers than cores only get in each other's way when nothing waits.
    const int workers = executor_->is_local() ? std::min(options_.jobs, static_cast<int>(std::max(1U, std::thread::hardware_concurrency()))) : options_.jobs;
    Watch watch(session_, options_.time_limit_s, stop_, [this] { show_progress(); });
    const Status done = run_tasks<CaseTask>(
        workers,
        [&](CaseTask& task) -> Result<bool> {
          if (const std::string met = budget_.met(); !met.empty()) {
            stop_reason_ = met;
            return false;
          }
          return source.next(task);
        },
        [this](CaseTask& task) { return run_case(task); }, stop_);
    watch.end();
    if (stop_reason_.empty()) stop_reason_ = watch.reason();
    if (!done) {
      // What is done is kept; the run can be resumed once the cause is gone.
      const Status flushed = writer_->flush();
      static_cast<void>(flushed.has_value());
      return done;
    }
    if (done_ >= total_) stop_reason_.clear();
    return {};
  }

  Status take_stored_cases() {
    Store::CaseFilter filter;
    filter.with_spans = true;
    Status inner;
    LLMOPS_CHECK(store_->visit_cases(run_.number, filter, [&](const CaseRecord& record) {
      if (!record.error_code.empty()) return true;
      auto row = parse_json(record.row, "store");
      if (!row) {
        inner = std::move(row).error();
        return false;
      }
      count(record);
      accumulator_->add(record, *row);
      return true;
    }));
    return inner;
  }

  Status run_case(CaseTask& task) {
    CaseRecord record;
    record.ordinal = task.ordinal;
    record.repeat = task.repeat;
    record.case_id = task.id;
    record.case_hash = task.hash;
    CaseInput input{task.id, Json::object(), task.repeat};
    CaseResult result;
    auto inputs = case_inputs(loaded_.suite, task.row);
    if (inputs) {
      input.inputs = std::move(*inputs);
      result = executor_->run(input, stop_);
      if (stop_.cancelled() && result.error) return {};   // not finished: it is run again on resume
    } else {
      result.error = std::move(inputs).error();
    }
    record.row = dump_json(task.row);
    if (result.output) record.output = dump_json(*result.output);
    if (result.error) {
      record.error_code = result.error->kind.empty() ? std::string(error_code_name(result.error->code)) : result.error->kind;
      record.error_message = session_.scrubber().scrub(result.error->message);
      record.error_step = result.error_step;
    }
    record.latency_ms = result.latency_ms;
    record.cost_usd = result.cost_usd;
    record.input_tokens = result.input_tokens;
    record.output_tokens = result.output_tokens;
    score_case(loaded_.suite, task.row, input, result, record);
    record.spans = std::move(result.spans);
    {
      const std::lock_guard lock(mutex_);
      accumulator_->add(record, task.row);
      count(record);
      ++done_;
    }
    apply_capture(record, capture_, session_.scrubber());
    return writer_->add(std::move(record));
  }

  // Called under the lock, or before the workers start.
  void count(const CaseRecord& record) {
    for (const SpanRecord& span : record.spans) {
      if (span.skipped || span.kind == "external") continue;
      ++spans_;
      reused_ += span.cache == SpanCache::kStep || span.cache == SpanCache::kResponse;
      retries_ += span.retries;
      if (span.cost_usd) any_cost_ = true;
      if (!span.error_code.empty()) tally(span.step, span.error_code, span.error_message, record.case_id);
    }
    bool no_score = !record.error_code.empty();
    for (const ScoreRecord& score : record.scores) no_score = no_score || !score.error.empty();
    cases_without_score_ += no_score;
    if (!record.error_code.empty() && record.error_step.empty()) tally("output", record.error_code, record.error_message, record.case_id);
    if (record.error_code.empty()) {
      for (const ScoreRecord& score : record.scores) if (!score.error.empty()) tally(score.metric, "no_score", score.error, record.case_id);
    }
  }

  void tally(const std::string& step, const std::string& code, const std::string& message, const std::string& case_id) {
    for (ErrorGroup& group : errors_) {
      if (group.step != step || group.code != code) continue;
      ++group.count;
      return;
    }
    errors_.push_back({step, code, message, case_id, 1});
  }

  void show_progress() {
    if (!progress_) return;
    const std::lock_guard lock(mutex_);
    const double elapsed = static_cast<double>(session_.clock().steady_ns() - started_ns_) * 1e-9;
    int64_t errors = 0;
    for (const ErrorGroup& group : errors_) errors += group.count;
    progress_({done_, total_, elapsed, budget_.spent_usd(), budget_.limit_usd(), spans_, reused_, retries_, errors, any_cost_});
  }

  Result<EvalRunReport> report(bool) {
    EvalRunReport report;
    report.run = run_;
    report.run.state = stop_reason_.empty() ? RunState::kFinished : RunState::kStopped;
    report.run.stop_reason = stop_reason_;
    report.run.finished_ms = session_.clock().unix_ms();
    report.interrupted = stop_reason_ == "interrupted";
    report.chain_path = loaded_.chain.shown_path;
    report.suite_path = loaded_.suite.shown_path;
    report.dataset_path = loaded_.suite.dataset.shown_path;
    report.case_count = total_;
    report.cases_done = done_;
    report.cases_without_score = cases_without_score_;
    report.repeat = repeat_;
    report.spent_usd = budget_.spent_usd();
    report.spent_tokens = budget_.spent_tokens();
    report.spans = spans_;
    report.reused = reused_;
    report.retries = retries_;
    report.errors = std::move(errors_);
    report.seed = options_.seed;
    report.wall_s = static_cast<double>(session_.clock().steady_ns() - started_ns_) * 1e-9;
    report.series = accumulator_->finish();
    LLMOPS_CHECK(describe_chain(*store_, loaded_.chain, report));
    LLMOPS_CHECK(fill_numbers(loaded_.chain, loaded_.suite, baseline_, options_.undecided, report));
    LLMOPS_CHECK(writer_->finish(report.run.state, report.run.stop_reason, dump_json(eval_run_to_json(report, false))));
    if (done_ > 0 && cases_without_score_ == done_ && !report.interrupted && !loaded_.suite.metrics.empty()) return all_failed(report);
    return report;
  }

  Error all_failed(const EvalRunReport& report) const {
    Error error(ErrorCode::kProvider, fmt::format("no case has a score: all {} ended in an error", done_), fmt::format("llmops eval show {} --errors", report.run.number));
    for (const ErrorGroup& group : report.errors) error.details.push_back(fmt::format("{} x {} in '{}': {}", group.count, group.code, group.step, group.message));
    return error;
  }

  Session& session_;
  EvalRunOptions options_;
  Loaded loaded_;
  const std::function<void(const EvalProgress&)>& progress_;
  BudgetMeter budget_;
  Capture capture_ = Capture::kFull;
  Store* store_ = nullptr;
  std::optional<Baseline> baseline_;
  std::unique_ptr<Transport> transport_;
  std::unique_ptr<AdaptiveLimiter> limiter_;
  std::unique_ptr<Executor> executor_;
  std::unique_ptr<RunWriter> writer_;
  std::unique_ptr<SeriesAccumulator> accumulator_;
  RunRecord run_;
  CancelToken stop_;
  std::mutex mutex_;
  std::vector<ErrorGroup> errors_;
  std::string stop_reason_;
  int repeat_ = 1;
  int64_t total_ = 0, done_ = 0, reused_cases_ = 0, cases_without_score_ = 0, spans_ = 0, reused_ = 0, retries_ = 0;
  bool any_cost_ = false;
  int64_t started_ns_ = 0;
};

}  // namespace

Result<EvalRunReport> eval_run(Session& session, const EvalRunOptions& options, const std::function<void(const EvalProgress&)>& progress) {
  if (options.resume.empty()) {
    LLMOPS_ASSIGN(Loaded loaded, load(session, options));
    return EvalRun(session, options, std::move(loaded), progress).run(std::nullopt);
  }
  LLMOPS_ASSIGN(Store * store, session.store(false));
  LLMOPS_ASSIGN(const RunRecord run, store->find_run(options.resume));
  if (run.state == RunState::kFinished) return Error(ErrorCode::kUsage, fmt::format("run {} is finished", run.number), fmt::format("look at it: llmops eval show {}", run.number));
  LLMOPS_ASSIGN(const EvalRunOptions stored, options_of(session, run, options));
  LLMOPS_ASSIGN(Loaded loaded, load(session, stored));
  if (loaded.chain.vid != run.vid || loaded.suite.id != run.suite_id) {
    return Error(ErrorCode::kUsage, fmt::format("run {} cannot be resumed: the {} changed since", run.number, loaded.chain.vid != run.vid ? "chain" : "suite"),
                 "run the suite anew: steps that did not change are reused");
  }
  return EvalRun(session, stored, std::move(loaded), progress).run(run);
}

Result<EvalPlan> plan_eval_run(Session& session, const EvalRunOptions& options) {
  LLMOPS_ASSIGN(const Loaded loaded, load(session, options));
  LLMOPS_ASSIGN(const Selection selection, select_cases(loaded.suite.dataset, options, std::nullopt));
  LLMOPS_CHECK(check_columns(loaded.suite, selection));
  EvalPlan plan{loaded.chain.name, loaded.chain.vid, loaded.suite.name, loaded.suite.id, 0, options.repeat.value_or(loaded.suite.repeat), {}, {}, {}, {}};
  plan.case_count = selection.count * plan.repeat;
  for (const auto& [name, model] : loaded.chain.models) plan.models.push_back(model.model.empty() ? name : name + " = " + model.model);
  for (const MetricSpec& metric : loaded.suite.metrics) plan.metrics.push_back(metric.name + "   " + metric.signature);
  for (const SuiteGate& gate : loaded.suite.gates) plan.gates.push_back(gate.gate.text);
  for (const TrustItem& item : trust_items(loaded.chain)) plan.needs_trust.push_back(item.what);
  return plan;
}

}  // namespace llmops
