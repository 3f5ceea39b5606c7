// The order of a run: load, check trust, look through the dataset, snapshot the chain, run and score the cases while they are
// stored, then the numbers, the baseline, the gates and the verdict.
#include "commands/eval/run.h"

#include <algorithm>
#include <fmt/format.h>
#include <mutex>
#include <thread>

#include "commands/eval/baseline.h"
#include "commands/eval/case_selection.h"
#include "commands/eval/error_tally.h"
#include "commands/eval/one_run.h"
#include "commands/eval/run_json.h"
#include "commands/eval/run_report.h"
#include "commands/eval/run_settings.h"
#include "commands/eval/run_watch.h"
#include "commands/external_assets.h"
#include "commands/network.h"
#include "commands/trust.h"
#include "commands/version/key_scan.h"
#include "commands/version/reference.h"
#include "core/base/hash.h"
#include "core/eval/accumulator.h"
#include "core/eval/score_case.h"
#include "core/eval/trace_case.h"
#include "core/http/transport.h"
#include "core/runtime/scheduler.h"
#include "core/telemetry/capture.h"

namespace llmops {
namespace {

class EvalRun {
 public:
  EvalRun(Session& session, EvalRunOptions options, RunInputs inputs, const std::function<void(const EvalProgress&)>& progress)
      : session_(session), options_(std::move(options)), inputs_(std::move(inputs)), progress_(progress),
        budget_(options_.budget_usd, options_.budget_tokens) {}

  // The report of a stored run, from its cases; nothing is run or written.
  Result<EvalRunReport> look_back(const RunRecord& run) {
    LLMOPS_ASSIGN(store_, session_.store(false));
    if (!options_.baseline.empty()) {
      LLMOPS_ASSIGN(baseline_, load_baseline(session_, options_.baseline, inputs_.suite, inputs_.chain));
    }
    LLMOPS_CHECK(check_gates());
    run_ = run;
    stop_reason_ = run.stop_reason;
    repeat_ = options_.repeat.value_or(inputs_.suite.repeat);
    total_ = run.case_count;
    started_ns_ = session_.clock().steady_ns();
    make_accumulator();
    LLMOPS_CHECK(take_stored_cases(true));
    return report();
  }

  Result<EvalRunReport> run(const std::optional<RunRecord>& resumed) {
    LLMOPS_ASSIGN(capture_, parse_capture(session_.setting("capture")));
    is_recorded_ = inputs_.suite.dataset.traces.has_value();
    // Recorded cases run nothing and spend nothing.
    if (!is_recorded_) {
      LLMOPS_CHECK(check_budget());
      LLMOPS_CHECK(require_trust(session_, trust_items(inputs_.chain)));
    }
    // What can be refused is refused before the run has a number and before there is a store.
    if (!options_.baseline.empty()) {
      LLMOPS_ASSIGN(auto baseline, load_baseline(session_, options_.baseline, inputs_.suite, inputs_.chain));
      baseline_ = std::move(baseline);
      if (!baseline_->run_uuid.empty()) options_.baseline = baseline_->run_uuid;
    }
    LLMOPS_CHECK(check_gates());
    std::optional<std::vector<std::string>> only_ids;
    if (!options_.failed_of.empty()) {
      LLMOPS_ASSIGN(FailedCases failed, failed_cases(session_, options_.failed_of));
      options_.failed_of = failed.run_uuid;
      only_ids = std::move(failed.ids);
    }
    LLMOPS_ASSIGN(CaseSelection selection, select_cases(inputs_.suite.dataset, options_, only_ids));
    LLMOPS_CHECK(check_columns(inputs_.suite, selection));
    repeat_ = options_.repeat.value_or(inputs_.suite.repeat);
    total_ = selection.count * repeat_;
    // The snapshot looks for keys too, but then there is a store already.
    if (const auto there = session_.store(false); !there) LLMOPS_CHECK(check_for_keys(session_, inputs_.chain));
    LLMOPS_ASSIGN(store_, session_.store(true));
    if (!is_recorded_) LLMOPS_CHECK(make_executor());
    LLMOPS_CHECK(begin(resumed));
    std::vector<std::pair<int64_t, int>> finished;
    if (resumed) {
      LLMOPS_ASSIGN(finished, store_->finished_cases(run_.number));
    }
    done_ = static_cast<int64_t>(finished.size());
    reused_cases_ = done_;
    LLMOPS_CHECK(run_cases(std::move(selection), std::move(finished)));
    if (few_shot_cases_ > 0) session_.note(fmt::format("warning: {} of {} cases are few-shot examples too (each was left out of the examples for its own case)", few_shot_cases_, done_));
    return report();
  }

 private:
  Status check_budget() {
    if (!options_.budget_usd) return {};
    for (const ModelSpec* model : inputs_.chain.asked_models()) {
      const bool is_paid = model->provider != ProviderKind::kReplay && model->provider != ProviderKind::kEcho;
      if (is_paid && !model->price) {
        return Error(ErrorCode::kUsage, fmt::format("model '{}' has no price, so a budget in USD cannot be kept", model->name), "add price: {input: ..., output: ...} (USD per 1M tokens), or use --budget-tokens").at(model->place);
      }
    }
    return {};
  }

  Status check_gates() {
    for (const SuiteGate& gate : inputs_.suite.gates) {
      if (gate.gate.against_baseline && !baseline_) {
        return Error(ErrorCode::kUsage, fmt::format("gate '{}' needs a baseline", gate.gate.text), "add --baseline RUN, REF or FILE").at(gate.place);
      }
    }
    return {};
  }

  Status make_executor() {
    transport_ = make_transport(session_);
    external_.emplace(session_, *transport_);
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
    context.external_file = [this](const AssetSpec& asset) { return external_->get(asset); };
    context.cache = options_.no_cache ? CacheUse::kWriteOnly : CacheUse::kReadAndWrite;
    context.retry = retry_policy(session_);
    context.seed = options_.seed;
    context.jobs = options_.jobs;
    context.cancel = session_.surroundings().cancel;
    LLMOPS_ASSIGN(executor_, Executor::create(inputs_.chain, context));
    return {};
  }

  Status begin(const std::optional<RunRecord>& resumed) {
    if (!store_->has_version(inputs_.chain.vid)) {
      LLMOPS_CHECK(commit_called_chains(session_, *store_, inputs_.chain));
      LLMOPS_ASSIGN(const VersionInput input, version_input(session_, inputs_.chain, fmt::format("snapshot for a run of {}", inputs_.suite.name), true));
      LLMOPS_ASSIGN(const VersionRecord version, store_->commit_version(input));
      static_cast<void>(version);
    }
    const std::string settings = dump_json(run_settings(session_, inputs_.suite, options_));
    if (resumed) {
      run_ = *resumed;
      LLMOPS_CHECK(store_->reopen_run(run_.number, settings));
    } else {
      run_.uuid = make_uuid_v7(session_.clock().unix_ms());
      run_.chain = inputs_.chain.name;
      run_.vid = inputs_.chain.vid;
      run_.suite = inputs_.suite.name;
      run_.suite_id = inputs_.suite.id;
      run_.started_ms = session_.clock().unix_ms();
      run_.settings = settings;
      run_.case_count = total_;
      LLMOPS_ASSIGN(run_, store_->begin_run(run_));
    }
    LLMOPS_ASSIGN(writer_, store_->run_writer(run_.number));
    return {};
  }

  Status run_cases(CaseSelection selection, std::vector<std::pair<int64_t, int>> finished) {
    make_accumulator();
    if (!finished.empty()) LLMOPS_CHECK(take_stored_cases(false));
    TaskSource source(inputs_.suite, std::move(selection), repeat_, std::move(finished));
    LLMOPS_CHECK(source.open());
    started_ns_ = session_.clock().steady_ns();
    // More workers than cores only get in each other's way when nothing waits.
    const int workers = is_recorded_ || executor_->is_local() ? std::min(options_.jobs, static_cast<int>(std::max(1U, std::thread::hardware_concurrency()))) : options_.jobs;
    RunWatch watch(session_, options_.time_limit_s, stop_, [this] { show_progress(); });
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

  void make_accumulator() {
    std::vector<std::string> steps, slices;
    for (const StepSpec& step : inputs_.chain.steps) steps.push_back(step.id);
    for (const SuiteGate& gate : inputs_.suite.gates) if (gate.gate.slice) slices.push_back(gate.gate.slice->field);
    accumulator_ = std::make_unique<SeriesAccumulator>(inputs_.suite.metrics, steps, slices, inputs_.suite.dataset.cluster_field);
  }

  // Cases that met an error are run again when a run goes on.
  Status take_stored_cases(bool with_errors) {
    Store::CaseFilter filter;
    filter.with_spans = true;
    RowLookup rows(inputs_.suite.dataset);
    Status inner;
    LLMOPS_CHECK(store_->visit_cases(run_.number, filter, [&](const CaseRecord& record) {
      if (!record.error_code.empty() && !with_errors) return true;
      done_ += with_errors;
      auto row = rows.row_of(record);
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
    auto inputs = case_inputs(inputs_.suite, task.row);
    if (inputs) {
      input.inputs = std::move(*inputs);
      result = is_recorded_ ? result_of_trace(inputs_.chain, task.row) : executor_->run(input, stop_);
      if (stop_.cancelled() && result.error) return {};   // not finished: it is run again on resume
    } else {
      result.error = std::move(inputs).error();
    }
    record.row = is_recorded_ ? row_without_spans(task.row) : dump_json(task.row);
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
    score_case(inputs_.suite, task.row, input, result, record);
    record.spans = std::move(result.spans);
    // Before anything else sees it: what is not to be kept is not in the summary of errors either.
    apply_capture(record, capture_, session_.scrubber());
    {
      const std::lock_guard lock(mutex_);
      accumulator_->add(record, task.row);
      count(record);
      ++done_;
      few_shot_cases_ += result.is_few_shot_example;
    }
    return writer_->add(std::move(record));
  }

  // Spans are stored as such.
  static std::string row_without_spans(Json row) {
    row.erase("spans");
    return dump_json(row);
  }

  // Called under the lock, or before the workers start.
  void count(const CaseRecord& record) {
    for (const SpanRecord& span : record.spans) {
      if (span.skipped || span.kind == "external") continue;
      retries_ += span.retries;
      if (span.cost_usd) any_cost_ = true;
      if (span.parent >= 0) continue;
      ++spans_;
      reused_ += span.cache == SpanCache::kStep || span.cache == SpanCache::kResponse;
    }
    errors_.add(record);
    bool no_score = !record.error_code.empty();
    for (const ScoreRecord& score : record.scores) no_score = no_score || !score.error.empty();
    cases_without_score_ += no_score;
  }

  void show_progress() {
    if (!progress_) return;
    const std::lock_guard lock(mutex_);
    const double elapsed = static_cast<double>(session_.clock().steady_ns() - started_ns_) * 1e-9;
    progress_({done_, total_, elapsed, budget_.spent_usd(), budget_.limit_usd(), spans_, reused_, retries_, errors_.total(), any_cost_});
  }

  Result<EvalRunReport> report() {
    EvalRunReport report;
    report.run = run_;
    report.run.state = stop_reason_.empty() ? RunState::kFinished : RunState::kStopped;
    report.run.stop_reason = stop_reason_;
    if (writer_) report.run.finished_ms = session_.clock().unix_ms();
    report.interrupted = stop_reason_ == "interrupted";
    report.chain_path = inputs_.chain.shown_path;
    report.suite_path = inputs_.suite.shown_path;
    report.dataset_path = inputs_.suite.dataset.shown_path;
    report.case_count = total_;
    report.cases_done = done_;
    report.cases_without_score = cases_without_score_;
    report.repeat = repeat_;
    report.spent_usd = budget_.spent_usd();
    report.spent_tokens = budget_.spent_tokens();
    report.spans = spans_;
    report.reused = reused_;
    report.retries = retries_;
    report.errors = errors_.groups();
    report.seed = options_.seed;
    report.wall_s = static_cast<double>(session_.clock().steady_ns() - started_ns_) * 1e-9;
    report.series = accumulator_->finish();
    LLMOPS_CHECK(describe_chain(*store_, inputs_.chain, report));
    LLMOPS_CHECK(fill_numbers(inputs_.chain, inputs_.suite, baseline_, options_.undecided, report));
    if (writer_) LLMOPS_CHECK(writer_->finish(report.run.state, report.run.stop_reason, dump_json(eval_run_to_json(report, false))));
    return report;
  }

  Session& session_;
  EvalRunOptions options_;
  RunInputs inputs_;
  std::function<void(const EvalProgress&)> progress_;
  BudgetMeter budget_;
  Capture capture_ = Capture::kFull;
  Store* store_ = nullptr;
  std::optional<Baseline> baseline_;
  std::unique_ptr<Transport> transport_;
  std::unique_ptr<AdaptiveLimiter> limiter_;
  std::optional<ExternalAssets> external_;
  std::unique_ptr<Executor> executor_;
  std::unique_ptr<RunWriter> writer_;
  std::unique_ptr<SeriesAccumulator> accumulator_;
  RunRecord run_;
  CancelToken stop_;
  std::mutex mutex_;
  ErrorTally errors_;
  std::string stop_reason_;
  bool is_recorded_ = false;               // the dataset is of traces
  int repeat_ = 1;
  int64_t few_shot_cases_ = 0, total_ = 0, done_ = 0, reused_cases_ = 0, cases_without_score_ = 0, spans_ = 0, reused_ = 0, retries_ = 0;
  bool any_cost_ = false;
  int64_t started_ns_ = 0;
};

}  // namespace

Result<EvalRunReport> run_suite(Session& session, const EvalRunOptions& options, RunInputs inputs, const std::optional<RunRecord>& resumed, const std::function<void(const EvalProgress&)>& progress) {
  return EvalRun(session, options, std::move(inputs), progress).run(resumed);
}

Result<EvalRunReport> report_stored_run(Session& session, const EvalRunOptions& options, RunInputs inputs, const RunRecord& run) {
  return EvalRun(session, options, std::move(inputs), {}).look_back(run);
}

Status require_scores(const EvalRunReport& report) {
  // A case may lack one score and have another: then something was measured.
  bool has_metrics = false, has_scores = false;
  for (const MetricRow& row : report.rows) {
    has_metrics = has_metrics || !row.column.empty();
    has_scores = has_scores || (!row.column.empty() && row.summary.n > 0);
  }
  if (report.cases_done == 0 || report.cases_without_score < report.cases_done || report.interrupted || !has_metrics || has_scores) return {};
  Error error(ErrorCode::kProvider, fmt::format("no case has a score: all {} ended in an error", report.cases_done), fmt::format("llmops eval show {} --errors", report.run.number));
  for (const ErrorGroup& group : report.errors) error.details.push_back(fmt::format("{} x {} in '{}': {}", group.count, group.code, group.step, group.message));
  return error;
}

Result<EvalRunReport> eval_run(Session& session, const EvalRunOptions& options, const std::function<void(const EvalProgress&)>& progress) {
  EvalRunOptions chosen = options;
  std::optional<RunRecord> resumed;
  if (!options.resume.empty()) {
    LLMOPS_ASSIGN(Store * store, session.store(false));
    LLMOPS_ASSIGN(resumed, store->find_run(options.resume));
    if (resumed->state == RunState::kFinished) return Error(ErrorCode::kUsage, fmt::format("run {} is finished", resumed->number), fmt::format("look at it: llmops eval show {}", resumed->number));
    LLMOPS_ASSIGN(chosen, options_of_run(session, *resumed, options));
  }
  LLMOPS_ASSIGN(RunInputs inputs, load_run_inputs(session, chosen));
  if (resumed) LLMOPS_CHECK(require_same(inputs, *resumed));
  note_warnings(session, inputs.chain.warnings);
  LLMOPS_ASSIGN(EvalRunReport report, run_suite(session, chosen, std::move(inputs), resumed, progress));
  LLMOPS_CHECK(require_scores(report));
  return report;
}

Status require_same(const RunInputs& inputs, const RunRecord& run) {
  if (inputs.chain.vid == run.vid && inputs.suite.id == run.suite_id) return {};
  return Error(ErrorCode::kUsage, fmt::format("run {} cannot be resumed: the {} changed since", run.number, inputs.chain.vid != run.vid ? "chain" : "suite"),
               "run the suite anew: steps that did not change are reused");
}

Result<EvalPlan> plan_eval_run(Session& session, const EvalRunOptions& options) {
  LLMOPS_ASSIGN(const RunInputs inputs, load_run_inputs(session, options));
  LLMOPS_ASSIGN(const CaseSelection selection, select_cases(inputs.suite.dataset, options, std::nullopt));
  LLMOPS_CHECK(check_columns(inputs.suite, selection));
  EvalPlan plan{inputs.chain.name, inputs.chain.vid, inputs.suite.name, inputs.suite.id, 0, options.repeat.value_or(inputs.suite.repeat), {}, {}, {}, {}};
  plan.case_count = selection.count * plan.repeat;
  for (const auto& [name, model] : inputs.chain.models) plan.models.push_back(model.model.empty() ? name : name + " = " + model.model);
  for (const MetricSpec& metric : inputs.suite.metrics) plan.metrics.push_back(metric.name + "   " + metric.signature);
  for (const SuiteGate& gate : inputs.suite.gates) plan.gates.push_back(gate.gate.text);
  if (!inputs.suite.dataset.traces) for (const TrustItem& item : trust_items(inputs.chain)) plan.needs_trust.push_back(item.what);
  return plan;
}

}  // namespace llmops
