// Columns of a run: their means with intervals, and the same column of two runs on the same cases.
// Cases pair by id and by the hash of their row: a case whose row changed is another question, and comparing its two
// answers would compare questions.
#include "core/eval/series.h"

#include <algorithm>
#include <cmath>

namespace llmops {

void Column::push(std::optional<double> value, bool error) {
  values.push_back(value.value_or(0));
  states.push_back(value ? ValueState::kPresent : error ? ValueState::kError : ValueState::kAbsent);
}

Pairing pair_cases(const RunSeries& a, const RunSeries& b) {
  if (a.case_ids == b.case_ids && a.case_hashes == b.case_hashes) {
    // Runs of one suite, one after the other: no need to look anything up.
    Pairing same;
    for (size_t i = 0; i < a.size(); ++i) same.pairs.emplace_back(i, i);
    return same;
  }
  std::unordered_map<std::string_view, size_t> rows_of_b;  // looked up only, never walked
  for (size_t i = 0; i < b.size(); ++i) rows_of_b.emplace(b.case_ids[i], i);
  Pairing pairing;
  int64_t shared = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const auto found = rows_of_b.find(a.case_ids[i]);
    if (found == rows_of_b.end()) { ++pairing.only_in_a; continue; }
    ++shared;
    if (a.case_hashes[i] == b.case_hashes[found->second]) pairing.pairs.emplace_back(i, found->second);
    else ++pairing.changed_rows;
  }
  pairing.only_in_b = static_cast<int64_t>(b.size()) - shared;
  return pairing;
}

namespace {

// Repeats are averaged: a rate over them is no longer 0 or 1, and Wilson's interval would be wrong.
bool all_zero_or_one(const std::vector<double>& values) {
  return std::all_of(values.begin(), values.end(), [](double v) { return v == 0 || v == 1; });
}

}  // namespace

ColumnSummary summarize(const RunSeries& series, std::string_view column, double level) {
  ColumnSummary summary;
  const auto found = series.columns.find(column);
  if (found == series.columns.end()) {
    summary.absent = static_cast<int64_t>(series.size());
    return summary;
  }
  const Column& data = found->second;
  std::vector<double> values;
  std::vector<int64_t> clusters;
  for (size_t i = 0; i < data.values.size(); ++i) {
    if (data.states[i] == ValueState::kError) ++summary.errors;
    if (data.states[i] == ValueState::kAbsent) ++summary.absent;
    if (data.states[i] != ValueState::kPresent) continue;
    values.push_back(data.values[i]);
    if (!series.clusters.empty()) clusters.push_back(series.clusters[i]);
  }
  summary.n = std::ssize(values);
  if (values.empty()) return summary;
  const bool clustered = !series.clusters.empty();
  const auto estimate = clustered ? clustered_mean_interval(values, clusters, level) : mean_interval(values, level);
  summary.mean = estimate->mean;
  summary.interval = estimate->interval;
  summary.method = clustered ? "clustered t" : "t";
  if (!clustered && data.is_rate && all_zero_or_one(values)) {
    summary.interval = wilson_interval(std::count(values.begin(), values.end(), 1.0), summary.n, level);
    summary.method = "Wilson";
  }
  return summary;
}

namespace {

// The difference with the clustered error; p from Student's t with C - 1 degrees.
PairedEstimate clustered_difference(const std::vector<double>& a, const std::vector<double>& b, const std::vector<int64_t>& clusters, double level) {
  std::vector<double> differences(a.size());
  for (size_t i = 0; i < a.size(); ++i) differences[i] = a[i] - b[i];
  const auto mean = clustered_mean_interval(differences, clusters, level);
  PairedEstimate result;
  result.n = mean->n;
  result.difference = mean->mean;
  result.method = "clustered paired t";
  if (!mean->standard_error) return result;
  if (*mean->standard_error > 0) {
    result.interval = mean->interval;
    result.p_value = 2 * student_t_cdf(-std::abs(mean->mean / *mean->standard_error), static_cast<double>(mean->clusters - 1));
  } else if (mean->mean == 0) {
    result.p_value = 1;
  }
  return result;
}

}  // namespace

std::optional<PairedEstimate> paired_difference(const RunSeries& a, const RunSeries& b, const Pairing& pairing, std::string_view column, double level) {
  const auto in_a = a.columns.find(column), in_b = b.columns.find(column);
  if (in_a == a.columns.end() || in_b == b.columns.end()) return std::nullopt;
  std::vector<double> of_a, of_b;
  std::vector<int64_t> clusters;
  for (const auto& [i, j] : pairing.pairs) {
    if (in_a->second.states[i] != ValueState::kPresent || in_b->second.states[j] != ValueState::kPresent) continue;
    of_a.push_back(in_a->second.values[i]);
    of_b.push_back(in_b->second.values[j]);
    if (!a.clusters.empty()) clusters.push_back(a.clusters[i]);
  }
  if (of_a.empty()) return std::nullopt;
  if (!clusters.empty()) return clustered_difference(of_a, of_b, clusters, level);
  const bool rates = in_a->second.is_rate && in_b->second.is_rate && all_zero_or_one(of_a) && all_zero_or_one(of_b);
  return rates ? paired_rates(of_a, of_b, level) : paired_t(of_a, of_b, level);
}

}  // namespace llmops
