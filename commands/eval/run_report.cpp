#include "commands/eval/run_report.h"

#include <algorithm>
#include <fmt/format.h>

#include "commands/version/reference.h"

namespace llmops {

Status describe_chain(Store& store, const Chain& chain, EvalRunReport& report) {
  report.observed = chain.manifest["chain"].contains("observed");
  LLMOPS_ASSIGN(const auto head, store.head(chain.name));
  report.committed = head && head->vid == chain.vid;
  if (head && !report.committed) {
    LLMOPS_ASSIGN(const std::string text, store.read_manifest(head->vid));
    LLMOPS_ASSIGN(const Json manifest, parse_json(text, "manifest"));
    report.changed = changed_parts(manifest, chain);
  }
  for (const ModelSpec* asked : chain.asked_models()) {
    const ModelSpec& model = *asked;
    std::string shown = model.model;
    for (const std::string& adapter : model.adapters) shown += " + " + adapter;
    if (shown.empty()) {
      shown = provider_names()[static_cast<size_t>(model.provider)];
      if (!model.replay_path.empty()) shown += " " + model.replay_path;
    }
    const std::string line = fmt::format("{} = {}", model.name, shown);
    if (std::find(report.models.begin(), report.models.end(), line) == report.models.end()) report.models.push_back(line);
  }
  return {};
}

namespace {

class Numbers {
 public:
  Numbers(const Chain& chain, const Suite& suite, const std::optional<Baseline>& baseline, EvalRunReport& report)
      : chain_(chain), suite_(suite), baseline_(baseline), report_(report) {
    if (!baseline_) return;
    report_.baseline = BaselineInfo{baseline_->description, baseline_->run_uuid, pair_cases(report_.series, baseline_->series)};
  }

  void add_rows() {
    std::vector<std::string> components;
    for (const StepSpec& step : chain_.steps) {
      for (const MetricSpec& metric : suite_.metrics) {
        const bool own = metric.step == step.id;
        if (own && std::find(components.begin(), components.end(), metric.component) == components.end()) components.push_back(metric.component);
      }
    }
    for (const std::string& component : components) {
      for (const MetricSpec& metric : suite_.metrics) if (metric.component == component) add_metric(metric);
      if (counts_for_passing(component) > 1) add_column(component, "pass_rate", "steps." + component + ".pass_rate");
    }
    int passing = 0;
    for (const MetricSpec& metric : suite_.metrics) {
      if (metric.component == "end to end") add_metric(metric);
      passing += metric.pass.has_value();
    }
    if (passing > 1) add_column("end to end", "pass_rate", "pass_rate");
    add_latency();
    add_cost();
  }

 private:
  int counts_for_passing(const std::string& component) const {
    int count = 0;
    for (const MetricSpec& metric : suite_.metrics) count += metric.component == component && metric.step == component && metric.pass.has_value();
    return count;
  }

  void compare(MetricRow& row, const std::string& column) {
    if (!baseline_) return;
    row.baseline = summarize(baseline_->series, column).mean;
    row.difference = paired_difference(report_.series, baseline_->series, report_.baseline->pairing, column);
  }

  void add_metric(const MetricSpec& metric) {
    MetricRow row;
    row.component = metric.component;
    row.metric = metric.name;
    row.column = metric.name;
    row.signature = metric.signature;
    const std::string_view type = metric.kind->type;
    row.unit = type == "latency" ? "ms" : type == "cost" ? "USD" : type == "tokens" ? "tokens" : "";
    row.summary = summarize(report_.series, metric.name);
    row.lower_is_better = metric.kind->direction == MetricDirection::kLower;
    compare(row, metric.name);
    report_.rows.push_back(std::move(row));
  }

  void add_column(const std::string& component, const std::string& name, const std::string& column) {
    MetricRow row;
    row.component = component;
    row.metric = name;
    row.column = column;
    row.signature = "pass_rate|v:1";
    row.summary = summarize(report_.series, column);
    compare(row, column);
    report_.rows.push_back(std::move(row));
  }

  static std::optional<QuantileEstimate> p95(const RunSeries& series, const std::string& name) {
    const auto column = series.columns.find(name);
    if (column == series.columns.end()) return std::nullopt;
    std::vector<double> values;
    for (size_t i = 0; i < column->second.values.size(); ++i) if (column->second.states[i] == ValueState::kPresent) values.push_back(column->second.values[i]);
    return quantile_interval(std::move(values), 0.95);
  }

  void add_latency() {
    const auto estimate = p95(report_.series, "latency_ms");
    if (!estimate) return;
    MetricRow row;
    row.component = "end to end";
    row.metric = "latency p95";
    row.signature = "latency|quantile:0.95|type:7|v:1";
    row.unit = "ms";
    row.lower_is_better = true;
    row.summary.n = estimate->n;
    row.summary.mean = estimate->value;
    row.summary.interval = estimate->interval;
    row.summary.method = "order statistics";
    if (baseline_) {
      if (const auto before = p95(baseline_->series, "latency_ms")) row.baseline = before->value;
    }
    report_.rows.push_back(std::move(row));
  }

  static std::optional<double> total(const RunSeries& series, const std::string& name, int repeat) {
    const auto column = series.columns.find(name);
    if (column == series.columns.end()) return std::nullopt;
    double sum = 0;
    bool any = false;
    for (size_t i = 0; i < column->second.values.size(); ++i) {
      if (column->second.states[i] != ValueState::kPresent) continue;
      sum += column->second.values[i];
      any = true;
    }
    if (!any) return std::nullopt;
    return sum * repeat;
  }

  void add_cost() {
    report_.cost_usd = total(report_.series, "cost_usd", report_.repeat);
    const ColumnSummary summary = summarize(report_.series, "cost_usd");
    for (const ModelSpec* model : chain_.asked_models()) {
      const bool is_bought = model->provider == ProviderKind::kOpenAi || model->provider == ProviderKind::kAnthropic;
      if (is_bought && summary.absent > 0) report_.cost_is_unknown = true;
    }
    if (!report_.cost_usd && !report_.cost_is_unknown) return;
    MetricRow row;
    row.component = "end to end";
    row.metric = "cost";
    row.signature = "cost|sum|v:1";
    row.unit = "USD";
    row.lower_is_better = true;
    row.summary.n = summary.n;
    row.summary.absent = summary.absent;
    row.summary.errors = summary.errors;
    row.summary.mean = report_.cost_is_unknown ? std::nullopt : report_.cost_usd;
    row.summary.method = "sum";
    if (baseline_) row.baseline = total(baseline_->series, "cost_usd", baseline_->repeat);
    report_.rows.push_back(std::move(row));
  }

  const Chain& chain_;
  const Suite& suite_;
  const std::optional<Baseline>& baseline_;
  EvalRunReport& report_;
};

void decide(const Suite& suite, const std::string& undecided, EvalRunReport& report) {
  bool gates_errors = false;
  for (const SuiteGate& gate : suite.gates) gates_errors = gates_errors || gate.gate.name == "error_rate";
  bool any_fail = false, any_undecided = false;
  for (const GateResult& gate : report.gates) {
    any_fail = any_fail || gate.verdict == Verdict::kFail;
    any_undecided = any_undecided || gate.verdict == Verdict::kUndecided;
  }
  if (report.cases_without_score > 0 && !gates_errors) {
    any_undecided = true;
    report.verdict_reasons.push_back(fmt::format("{} of {} cases have no score, and no gate says how many may", report.cases_without_score, report.cases_done));
  }
  if (report.run.state == RunState::kStopped) {
    any_undecided = true;
    report.verdict_reasons.push_back(fmt::format("the run stopped ({}) after {} of {} cases", report.run.stop_reason, report.cases_done, report.case_count));
  }
  report.verdict = any_fail ? Verdict::kFail : any_undecided ? Verdict::kUndecided : Verdict::kPass;
  if (report.verdict == Verdict::kUndecided && !undecided.empty()) {
    report.verdict = undecided == "pass" ? Verdict::kPass : Verdict::kFail;
    report.verdict_reasons.push_back(fmt::format("undecided counts as {} here (--undecided)", undecided));
  }
}

}  // namespace

Status fill_numbers(const Chain& chain, const Suite& suite, const std::optional<Baseline>& baseline, const std::string& undecided, EvalRunReport& report) {
  Numbers(chain, suite, baseline, report).add_rows();
  for (const SuiteGate& gate : suite.gates) {
    LLMOPS_ASSIGN(GateResult result, evaluate_gate(gate.gate, report.series, baseline ? &baseline->series : nullptr));
    report.gates.push_back(std::move(result));
  }
  decide(suite, undecided, report);
  return {};
}

}  // namespace llmops
