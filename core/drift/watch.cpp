#include "core/drift/watch.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>

#include "core/stats/e_values.h"
#include "core/stats/random.h"

namespace llmops {
namespace {

constexpr int64_t kHoursOfDay = 24;
constexpr double kTolerance = 1e-12;

double rate_rise(std::span<const double> period, std::span<const double> all) {
  const double events = period[0], trials = period[1], other_events = all[0] - events, other_trials = all[1] - trials;
  if (trials <= 0 || other_trials <= 0) return 0;
  const double pooled = all[0] / all[1], variance = pooled * (1 - pooled) * (1 / trials + 1 / other_trials);
  return variance <= 0 ? 0 : (events / trials - other_events / other_trials) / std::sqrt(variance);
}

double bucket_distance(std::span<const double> period, std::span<const double> all) {
  const double count = std::accumulate(period.begin(), period.end(), 0.0), others = std::accumulate(all.begin(), all.end(), 0.0) - count;
  if (count <= 0 || others <= 0) return 0;
  double own = 0, other = 0, largest = 0;
  for (size_t i = 0; i < period.size(); ++i) {
    own += period[i];
    other += all[i] - period[i];
    largest = std::max(largest, std::fabs(own / count - other / others));
  }
  return largest;
}

double feature_distance(std::span<const double> period, std::span<const double> all) {
  const size_t features = period.size() - 2;
  const double m = period[features + 1], n = all[features + 1] - m;
  if (n < 2 || m < 2) return 0;
  double xx = 0, yy = 0, xy = 0;
  for (size_t i = 0; i < features; ++i) {
    const double y = period[i], x = all[i] - y;
    xx += x * x;
    yy += y * y;
    xy += x * y;
  }
  return (xx - (all[features] - period[features])) / (n * (n - 1)) + (yy - period[features]) / (m * (m - 1)) - 2 * xy / (n * m);
}

// P(as many events among the period's trials, or more), when the events of all fall on any trials alike. From the observed count up, each term from the one before.
double rate_tail(std::span<const double> period, std::span<const double> all) {
  const double events = period[0], trials = period[1], all_events = all[0], all_trials = all[1];
  if (trials <= 0 || all_trials <= trials || events <= 0) return 1;
  const auto log_choose = [](double n, double k) { return std::lgamma(n + 1) - std::lgamma(k + 1) - std::lgamma(n - k + 1); };
  double term = std::exp(log_choose(all_events, events) + log_choose(all_trials - all_events, trials - events) - log_choose(all_trials, trials)), sum = 0;
  for (double k = events; k <= std::min(trials, all_events); ++k) {
    sum += term;
    term *= (all_events - k) * (trials - k) / ((k + 1) * (all_trials - all_events - trials + k + 1));
  }
  return std::min(1.0, sum);
}

void add(std::vector<double>& sums, std::span<const double> more) {
  for (size_t i = 0; i < sums.size(); ++i) sums[i] += more[i];
}

}  // namespace

double watch_statistic(WatchStatistic kind, std::span<const double> period, std::span<const double> all) {
  switch (kind) {
    case WatchStatistic::kRateRise: return rate_rise(period, all);
    case WatchStatistic::kBuckets: return bucket_distance(period, all);
    case WatchStatistic::kFeatures: return feature_distance(period, all);
  }
  return 0;
}

std::optional<Look> look_at(WatchStatistic kind, std::span<const HourSums> hours, int64_t first_hour, int64_t last_hour, const LookOptions& options) {
  // Hours by their hour of the day: each of the period's may be any day's at that hour. A period longer than a day has several.
  std::map<int64_t, std::vector<size_t>> partners;
  std::map<int64_t, size_t> own;
  std::vector<double> all, period;
  bool has_partner = false;
  for (size_t i = 0; i < hours.size(); ++i) {
    if (hours[i].hour >= last_hour) continue;
    if (all.empty()) all.assign(hours[i].sums.size(), 0);
    add(all, hours[i].sums);
    const int64_t slot = hours[i].hour % kHoursOfDay;
    partners[slot].push_back(i);
    if (hours[i].hour >= first_hour) {
      ++own[slot];
      if (period.empty()) period.assign(hours[i].sums.size(), 0);
      add(period, hours[i].sums);
    }
  }
  for (const auto& [slot, count] : own) has_partner = has_partner || partners[slot].size() > count;
  if (!has_partner) return std::nullopt;
  Look look;
  look.statistic = watch_statistic(kind, period, all);
  if (kind == WatchStatistic::kRateRise) {
    look.p_value = rate_tail(period, all);
    return look;
  }
  size_t as_large = 0;
  while (look.drawn < options.permutations && as_large < options.enough) {
    RandomSource random(options.seed * 0x9E3779B97F4A7C15u + ++look.drawn);
    std::fill(period.begin(), period.end(), 0);
    for (const auto& [slot, count] : own) {
      std::vector<size_t>& of_slot = partners[slot];
      for (size_t i = 0; i < count; ++i) {
        std::swap(of_slot[i], of_slot[i + random.below(of_slot.size() - i)]);
        add(period, hours[of_slot[i]].sums);
      }
    }
    as_large += watch_statistic(kind, period, all) >= look.statistic - kTolerance;
  }
  look.p_value = as_large >= options.enough ? static_cast<double>(as_large) / static_cast<double>(look.drawn) : static_cast<double>(as_large + 1) / static_cast<double>(look.drawn + 1);
  return look;
}

double watch_threshold(double looks_per_year, size_t monitors, double alarms_per_year) { return looks_per_year * static_cast<double>(monitors) / alarms_per_year; }

WatchStep watch_step(const WatchState& before, std::span<const double> e_values, double threshold) {
  WatchStep step;
  step.after.detectors.resize(e_values.size());
  for (size_t k = 0; k < e_values.size(); ++k) step.after.detectors[k] = next_shiryaev_roberts(k < before.detectors.size() ? before.detectors[k] : 0, e_values[k]);
  std::vector<double> sorted(step.after.detectors);
  std::sort(sorted.begin(), sorted.end(), std::greater<>());
  double limit = std::numeric_limits<double>::infinity();
  for (size_t k = 0; k < sorted.size(); ++k) if (sorted[k] >= threshold / static_cast<double>(k + 1)) limit = sorted[k];
  step.alarms.resize(e_values.size());
  bool any = false;
  for (size_t k = 0; k < e_values.size(); ++k) any = (step.alarms[k] = step.after.detectors[k] >= limit) || any;
  if (any) std::fill(step.after.detectors.begin(), step.after.detectors.end(), 0.0);
  return step;
}

double running_mean_step(double before, size_t looks_before, double e_value) { return (before * static_cast<double>(looks_before) + e_value) / static_cast<double>(looks_before + 1); }

}  // namespace llmops
