// What a gate says about a run. Without '@' the estimate decides. With '@' the interval does: wholly on the good side it
// passes, wholly on the bad side it fails, and across the threshold nothing is claimed. Against a baseline the interval is
// that of the paired difference, on the cases that both runs hold with the same row.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

#include "core/eval/gates.h"
#include "core/stats/sums.h"

namespace llmops {
namespace {

// Sums of decimal fractions differ from the fraction by their last bits: 0.88 - 0.02 counts as 0.86.
bool nearly_equal(double a, double b) { return std::abs(a - b) <= 8 * std::numeric_limits<double>::epsilon() * std::max(std::abs(a), std::abs(b)); }

bool holds(double value, GateOperator op, double threshold) {
  const bool equal = nearly_equal(value, threshold);
  switch (op) {
    case GateOperator::kAtLeast: return equal || value > threshold;
    case GateOperator::kAtMost: return equal || value < threshold;
    case GateOperator::kAbove: return !equal && value > threshold;
    case GateOperator::kBelow: return !equal && value < threshold;
    case GateOperator::kEqual: break;
  }
  return equal;
}

Verdict interval_verdict(const Interval& interval, GateOperator op, double threshold) {
  const bool low = holds(interval.low, op, threshold), high = holds(interval.high, op, threshold);
  if (op == GateOperator::kEqual) {
    // Equality cannot be shown by an interval, only excluded.
    const bool excluded = holds(interval.low, GateOperator::kAbove, threshold) || holds(interval.high, GateOperator::kBelow, threshold);
    return excluded ? Verdict::kFail : Verdict::kUndecided;
  }
  if (low && high) return Verdict::kPass;
  return low || high ? Verdict::kUndecided : Verdict::kFail;
}

std::optional<double> quantile_of(GateFunction function) {
  switch (function) {
    case GateFunction::kP50: return 0.5;
    case GateFunction::kP90: return 0.9;
    case GateFunction::kP95: return 0.95;
    case GateFunction::kP99: return 0.99;
    default: return std::nullopt;
  }
}

const char* function_word(GateFunction function) {
  switch (function) {
    case GateFunction::kSum: return "sum";
    case GateFunction::kMin: return "min";
    case GateFunction::kMax: return "max";
    case GateFunction::kP50: return "p50";
    case GateFunction::kP90: return "p90";
    case GateFunction::kP95: return "p95";
    case GateFunction::kP99: return "p99";
    case GateFunction::kNone:
    case GateFunction::kMean: break;
  }
  return "mean";
}

// Precondition: values is not empty.
double statistic(GateFunction function, const std::vector<double>& values) {
  if (const auto p = quantile_of(function)) return quantile_interval(values, *p)->value;
  if (function == GateFunction::kMin) return *std::min_element(values.begin(), values.end());
  if (function == GateFunction::kMax) return *std::max_element(values.begin(), values.end());
  if (function == GateFunction::kSum) {
    Sum sum;
    for (const double v : values) sum.add(v);
    return sum.value();
  }
  return exact_mean(values);
}

bool is_mean(const Gate& gate) { return gate.function == GateFunction::kNone || gate.function == GateFunction::kMean; }

// Four digits, more where two different numbers would look the same.
std::string shown(double value, int digits = 4) {
  if (value == 0) return "0";
  const double size = std::abs(value);
  if (digits == 4 && size >= 1000 && size < 1e15) return fmt::format("{:.0f}", value);
  return fmt::format("{:.{}g}", value, digits);
}

struct ShownInterval { std::string low, high, threshold; };
ShownInterval shown_apart(const Interval& interval, double threshold) {
  ShownInterval text;
  for (int digits = 4; digits <= 17; ++digits) {
    text = {shown(interval.low, digits), shown(interval.high, digits), shown(threshold, digits)};
    const bool low_apart = text.low != text.threshold || interval.low == threshold;
    if (low_apart && (text.high != text.threshold || interval.high == threshold)) break;
  }
  return text;
}

// Two significant digits, rounded up: it is an estimate.
std::string about(int64_t cases) {
  int64_t unit = 1;
  while (cases / unit >= 100) unit *= 10;
  return fmt::format("{}", (cases + unit - 1) / unit * unit);
}

// One column of the cases that the gate is about, restricted to those with values; against a baseline, of the pairs.
struct Sample {
  RunSeries run, baseline;
  int64_t cases = 0, missing = 0;
  std::string nothing;  // why there is no value
  const std::vector<double>& values() const { return run.columns.begin()->second.values; }
  const std::vector<double>& baseline_values() const { return baseline.columns.begin()->second.values; }
};

bool in_slice(const Gate& gate, const RunSeries& run, size_t i) {
  if (!gate.slice) return true;
  const auto found = run.slices.find(gate.slice->field);
  return found != run.slices.end() && found->second[i] == gate.slice->value;
}

void append_case(RunSeries& to, Column& to_column, const RunSeries& from, const Column& column, size_t i) {
  to.case_ids.push_back(from.case_ids[i]);
  to.case_hashes.push_back(from.case_hashes[i]);
  if (!from.clusters.empty()) to.clusters.push_back(from.clusters[i]);
  to_column.push(column.values[i], false);
}

Sample take_sample(const Gate& gate, const RunSeries& run, const RunSeries* baseline) {
  Sample sample;
  const auto column = run.columns.find(gate.name);
  const auto base_column = baseline == nullptr ? run.columns.end() : baseline->columns.find(gate.name);
  const bool has_column = column != run.columns.end(), has_base = baseline == nullptr || base_column != baseline->columns.end();
  Column& values = sample.run.columns[gate.name];
  Column& base_values = sample.baseline.columns[gate.name];
  if (has_column) values.is_rate = column->second.is_rate;
  if (has_base && baseline != nullptr) base_values.is_rate = base_column->second.is_rate;
  const auto present = [](const Column& c, size_t i) { return c.states[i] == ValueState::kPresent; };
  int64_t sliced = 0;
  const auto add = [&](size_t i, const size_t* j) {
    if (!in_slice(gate, run, i)) return;
    ++sample.cases;
    if (!has_column || !has_base || !present(column->second, i) || (j != nullptr && !present(base_column->second, *j))) { ++sample.missing; return; }
    append_case(sample.run, values, run, column->second, i);
    if (j != nullptr) append_case(sample.baseline, base_values, *baseline, base_column->second, *j);
  };
  for (size_t i = 0; i < run.size(); ++i) sliced += in_slice(gate, run, i);
  if (baseline == nullptr) {
    for (size_t i = 0; i < run.size(); ++i) add(i, nullptr);
  } else {
    for (const auto& [i, j] : pair_cases(run, *baseline).pairs) add(i, &j);
  }
  if (run.size() == 0) sample.nothing = "the run has no cases";
  else if (sliced == 0) sample.nothing = fmt::format("no case has {} = {}", gate.slice->field, gate.slice->value);
  else if (sample.cases == 0) sample.nothing = "no case is in both runs with the same row";
  else if (sample.missing == sample.cases) sample.nothing = fmt::format("no case has a value of '{}'{}", gate.name, baseline == nullptr ? "" : " in both runs");
  // Cases of the run that have no partner are left out of the comparison: that is said.
  if (baseline != nullptr) sample.missing += sliced - sample.cases;
  return sample;
}

std::string crossing(const Interval& interval, double estimate, double threshold, int64_t n, std::string_view what, GateOperator op, double level) {
  const ShownInterval text = shown_apart(interval, threshold);
  if (op == GateOperator::kEqual) {
    return fmt::format("{} {} .. {} holds {}; '==' at {} % can fail but never pass", what, text.low, text.high, text.threshold, shown(100 * level));
  }
  std::string sentence = fmt::format("{} {} .. {} crosses {}", what, text.low, text.high, text.threshold);
  const double margin = threshold - estimate, half = margin > 0 ? interval.high - estimate : estimate - interval.low;
  constexpr int64_t kWorthSaying = 100'000'000;
  const auto needed = cases_to_decide(n, half, margin);
  if (needed && *needed > n && *needed <= kWorthSaying) sentence += fmt::format("; about {} cases would decide", about(*needed));
  return sentence;
}

// Decides by an interval of `estimate`, which is compared with `threshold`.
void decide_by_interval(const Gate& gate, const Interval& interval, double estimate, double threshold, std::string_view what, GateResult& result) {
  result.interval = interval;
  result.verdict = interval_verdict(interval, gate.op, threshold);
  if (result.verdict == Verdict::kUndecided) {
    result.explanation = crossing(interval, estimate, threshold, result.n, what, gate.op, *gate.level);
    return;
  }
  const ShownInterval text = shown_apart(interval, threshold);
  const bool above = interval.low > threshold || nearly_equal(interval.low, threshold);
  result.explanation = fmt::format("{} {} .. {} is {} {}", what, text.low, text.high, above ? "above" : "below", text.threshold);
}

// "worst plausible loss 0.018", from the end of the interval that hurts.
std::string worst_case(const Gate& gate, const Interval& difference) {
  const bool higher_is_good = gate.op == GateOperator::kAtLeast || gate.op == GateOperator::kAbove;
  const double end = higher_is_good ? difference.low : difference.high;
  if (higher_is_good) return end < 0 ? "worst plausible loss " + shown(-end) : "plausible gain at least " + shown(end);
  return end > 0 ? "worst plausible rise " + shown(end) : "plausible drop at least " + shown(-end);
}

void decide_paired(const Gate& gate, Sample& sample, GateResult& result) {
  Column& base = sample.baseline.columns.begin()->second;
  const bool scaled = gate.term == Gate::BaselineTerm::kTimes && gate.number != 1;
  if (scaled) {
    base.is_rate = false;
    for (double& v : base.values) v *= gate.number;
  }
  const double offset = gate.term == Gate::BaselineTerm::kPlus ? gate.number : 0;
  const std::string what = scaled ? fmt::format("difference to {} x baseline", shown(gate.number)) : "difference";
  Pairing pairing;
  for (size_t i = 0; i < sample.run.size(); ++i) pairing.pairs.emplace_back(i, i);
  const auto difference = paired_difference(sample.run, sample.baseline, pairing, gate.name, *gate.level);
  const bool all_equal = sample.values() == base.values && difference->n > 1;
  if (!difference->interval && all_equal) {
    // No spread, so no interval from it; but a run that repeats its baseline case by case has no difference to show.
    decide_by_interval(gate, Interval{0, 0}, 0, offset, what, result);
    result.explanation = fmt::format("all {} pairs are equal", result.n);
    return;
  }
  if (!difference->interval) {
    result.explanation = result.n == 1 ? "one pair gives no interval" : fmt::format("{} pairs without spread give no interval", result.n);
    return;
  }
  decide_by_interval(gate, *difference->interval, difference->difference, offset, what, result);
  if (result.verdict == Verdict::kPass) result.explanation = worst_case(gate, *difference->interval);
}

void decide_quantile(const Gate& gate, const Sample& sample, double p, GateResult& result) {
  const auto estimate = quantile_interval(sample.values(), p, *gate.level);
  if (estimate->interval) return decide_by_interval(gate, *estimate->interval, estimate->value, *result.threshold, "interval", result);
  // The largest value bounds the quantile only when p^n has fallen to half of what the level leaves.
  const double needed = std::ceil(std::log((1 - *gate.level) / 2) / std::log(std::max(p, 1 - p)));
  result.explanation = fmt::format("an interval of {} at {} % needs {:.0f} cases", function_word(gate.function), shown(100 * *gate.level), needed);
}

void decide_mean(const Gate& gate, const Sample& sample, GateResult& result) {
  const ColumnSummary summary = summarize(sample.run, gate.name, *gate.level);
  if (summary.interval) return decide_by_interval(gate, *summary.interval, *summary.mean, *result.threshold, "interval", result);
  result.explanation = sample.run.clusters.empty() ? "one case gives no interval" : "one cluster gives no interval";
}

void decide_by_level(const Gate& gate, Sample& sample, GateResult& result) {
  if (gate.against_baseline && is_mean(gate)) return decide_paired(gate, sample, result);
  if (gate.against_baseline) {
    result.explanation = fmt::format("{} has no paired interval; without '@' the estimates are compared", function_word(gate.function));
    return;
  }
  if (is_mean(gate)) return decide_mean(gate, sample, result);
  if (const auto p = quantile_of(gate.function)) return decide_quantile(gate, sample, *p, result);
  result.verdict = holds(*result.value, gate.op, *result.threshold) ? Verdict::kPass : Verdict::kFail;
  result.explanation = fmt::format("{} is exact over the cases", function_word(gate.function));
}

}  // namespace

Result<GateResult> evaluate_gate(const Gate& gate, const RunSeries& run, const RunSeries* baseline) {
  if (gate.against_baseline && baseline == nullptr) {
    return Error(ErrorCode::kUsage, fmt::format("gate '{}' needs a baseline run", gate.text), "name one with --baseline");
  }
  GateResult result;
  result.text = gate.text;
  Sample sample = take_sample(gate, run, gate.against_baseline ? baseline : nullptr);
  result.n = static_cast<int64_t>(sample.run.size());
  if (!sample.nothing.empty()) {
    result.explanation = sample.nothing;
    return result;
  }
  result.value = statistic(gate.function, sample.values());
  result.threshold = gate.number;
  if (gate.against_baseline) {
    const double base = statistic(gate.function, sample.baseline_values());
    result.threshold = gate.term == Gate::BaselineTerm::kTimes ? base * gate.number : base + gate.number;
  }
  if (gate.function == GateFunction::kSum && sample.missing > 0) {
    result.explanation = fmt::format("sum needs every case: {} of {} have no value", sample.missing, sample.missing + result.n);
    return result;
  }
  if (gate.level) {
    decide_by_level(gate, sample, result);
  } else {
    result.verdict = holds(*result.value, gate.op, *result.threshold) ? Verdict::kPass : Verdict::kFail;
  }
  if (gate.against_baseline && sample.missing > 0) {
    result.explanation += fmt::format("{}over {} of {} cases", result.explanation.empty() ? "" : "; ", result.n, result.n + sample.missing);
  }
  return result;
}

}  // namespace llmops
