// One signal of health in two periods: its estimates with intervals, and whether it changed.
// Observations of one session are not independent. Where sessions are told, counts are divided by the design effect (core/stats/rates.h) of the period in which it is larger, before they
// go into an interval or a test of independent ones; means have cluster-robust errors; categories are exchanged by whole sessions. A request without a session stands for itself.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/stats/intervals.h"

namespace llmops {

// Below these on either side a signal is shown and not tested.
inline constexpr int64_t kLeastObservations = 30, kLeastClusters = 8;

enum class HealthDirection { kHigherIsWorse, kLowerIsWorse, kNeither };
enum class HealthChange { kNotEnoughData, kNoDifference, kWorse, kBetter, kChanged };
std::string_view health_change_name(HealthChange change);   // "not enough data", "no difference", "worse", "better", "changed"

struct HealthEstimate {
  std::optional<double> value;               // absent: nothing was told, or a distribution, which has no one value
  std::optional<Interval> interval;          // 95 %
  int64_t n = 0;
  std::optional<double> total;               // of tokens and costs
};

// first_ms: when a category was first seen in the period, where the one before had none of it.
struct HealthCategory { std::string name; int64_t before = 0, current = 0; std::optional<int64_t> first_ms; };

struct HealthSignal {
  std::string name, unit;                    // unit: "share", "ms", "tokens", "USD", "calls", "score", "distribution"
  HealthDirection direction = HealthDirection::kNeither;
  HealthEstimate current, before;
  std::optional<double> difference;          // current - before; of distributions the total variation distance
  std::optional<Interval> difference_interval;
  std::string test;                          // which one, with its convention; empty: none
  std::optional<double> p_value, p_adjusted; // p_adjusted: Holm's, over all signals of the report
  double design_effect = 1;
  int sign = 0;                              // 1: higher than before by the test, -1: lower
  std::vector<HealthCategory> categories;    // the most common of both periods, and all that are new
  std::vector<HealthCategory> sequences;     // of steps and tools: whole ones, the most common
  std::string reason;                        // of not enough data
  HealthChange change = HealthChange::kNotEnoughData;
};

// Numbers of requests, with the session of each.
struct HealthObservations {
  std::vector<double> values;
  std::vector<int64_t> clusters;
  int64_t left_out = 0;                      // what was told and is no number, or cannot be
  void add(double value, int64_t cluster) { values.push_back(value); clusters.push_back(cluster); }
};
// Signs of 0 and 1. Interval: Wilson's; of the difference Newcombe's; test: Fisher's exact.
HealthSignal compare_rates(std::string name, HealthDirection direction, const HealthObservations& before, const HealthObservations& current);
// The interval is distribution-free, from order statistics. The median is tested by rank sums (Wilcoxon, Mann & Whitney), another quantile by Fisher's exact test of what lies above that of both periods
// together (the quantile test of Johnson, Verrill & Moore 1987, Technometrics 29:77), so that few extreme values do not decide. `sign` is that of the test.
HealthSignal compare_quantiles(std::string name, std::string unit, double p, HealthDirection direction, const HealthObservations& before, const HealthObservations& current);
// Welch's t; of values that do not vary on either side rank sums.
HealthSignal compare_means(std::string name, std::string unit, HealthDirection direction, const HealthObservations& before, const HealthObservations& current);

// What each request did: categories, some more than once.
struct HealthItems { std::vector<std::string> names; int64_t cluster = 0; std::optional<int64_t> start_ms; };
// Pearson's chi-squared of the 30 most common categories and the rest together; p from exchanges of whole sessions or requests (core/stats/grouped_categories.h), or asymptotic where each stands for one item
// and no expected count is below 5. n: requests.
HealthSignal compare_categories(std::string name, const std::vector<HealthItems>& before, const std::vector<HealthItems>& current, uint64_t seed);
// The counts alone, the most common `most` first; what is new in the current period is always there.
std::vector<HealthCategory> count_categories(const std::vector<HealthItems>& before, const std::vector<HealthItems>& current, size_t most);

// From p_adjusted, the direction and the sign. Precondition: p_adjusted is set where p_value is.
void settle(HealthSignal& signal, double alpha);

}  // namespace llmops
