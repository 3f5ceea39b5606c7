// The numbers of a run by column: what tables, gates and comparisons read. One entry per case (repeats already averaged).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/base/json.h"
#include "core/stats/intervals.h"

namespace llmops {

enum class ValueState : uint8_t { kAbsent, kPresent, kError };  // absent: not applicable (skipped, unknown); error: no score

struct Column {
  std::vector<double> values;          // one per case; meaningful where present
  std::vector<ValueState> states;
  bool is_rate = false;                // 0/1 only
  bool lower_is_better = false;
  void push(std::optional<double> value, bool error);
};

class RunSeries {
 public:
  std::vector<std::string> case_ids;   // in dataset order
  std::vector<std::string> case_hashes;
  std::vector<int64_t> clusters;       // empty: not clustered
  // Metric names; reserved names ("latency_ms", "cost_usd", "steps.answer.latency_ms", "steps.answer.pass_rate",
  // "pass_rate", "error_rate").
  std::map<std::string, Column, std::less<>> columns;
  // Dataset fields that gates slice by: field -> text value per case.
  std::map<std::string, std::vector<std::string>, std::less<>> slices;
  size_t size() const { return case_ids.size(); }
};

// Indices of the cases that both runs hold with the same id and the same row, in a's order.
struct Pairing { std::vector<std::pair<size_t, size_t>> pairs; int64_t changed_rows = 0, only_in_a = 0, only_in_b = 0; };
Pairing pair_cases(const RunSeries& a, const RunSeries& b);

// Mean with interval: Wilson for rates, t otherwise, clustered when the series has clusters. errors: cases without a score.
struct ColumnSummary {
  int64_t n = 0, errors = 0, absent = 0;
  std::optional<double> mean;
  std::optional<Interval> interval;
  const char* method = "";             // "Wilson", "t", "clustered t"
};
ColumnSummary summarize(const RunSeries& series, std::string_view column, double level = 0.95);
// Paired difference a - b on the cases where both are present. nullopt: no pairs.
std::optional<PairedEstimate> paired_difference(const RunSeries& a, const RunSeries& b, const Pairing& pairing, std::string_view column, double level = 0.95);

}  // namespace llmops
