// Looking at production again and again without losing the level: evidence that may be looked at every day, by every monitor, for years.
//
// A look tests one period (a day) against all earlier ones by sums of hours: hours change places within their hour of the day, so that a day that is busy at noon is held against days that were, and what goes on within an hour
// (conversations, bursts) stays together. Tested against the pool of all that came before, such p-values are independent while nothing changes (the argument of conformal martingales: Vovk, Gammerman & Shafer 2005, chapter 7), so each becomes an
// e-value and each monitor a Shiryaev-Roberts e-detector (Shin, Ramdas & Rinaldo 2024).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace llmops {

// What one monitor knows of one hour, as numbers that add up.
struct HourSums {
  int64_t hour = 0;                  // hours since 1970, UTC
  std::vector<double> sums;          // of one length for a monitor
};

enum class WatchStatistic {
  kRateRise,                         // sums: events, trials. The standardised difference of the rates, one-sided: more events. p: the exact upper tail of the hypergeometric distribution (Fisher 1935), requests changing places one by one: a burst within an hour is what is looked for
  kBuckets,                          // sums: counts of ordered buckets. Kolmogorov-Smirnov's distance
  kFeatures,                         // sums: of features, then of their squares, then the count. Unbiased squared MMD
};
// Of a period against the rest of `all`; 0 where a side is empty.
double watch_statistic(WatchStatistic kind, std::span<const double> period, std::span<const double> all);

struct LookOptions {
  size_t permutations = 99'999;      // at most; stopped at `enough` as large ones (Besag & Clifford 1991), when p = enough / drawn
  size_t enough = 20;
  uint64_t seed = 0;
};
struct Look { double statistic = 0, p_value = 1; size_t drawn = 0; };                         // drawn: 0 where p is exact
// `hours`: of the period [first_hour, last_hour) and of everything before, by hour, each at most once. nullopt: the period has no hour, or no hour of the period has a partner before. Cost: draws x hours of the period x length.
std::optional<Look> look_at(WatchStatistic kind, std::span<const HourSums> hours, int64_t first_hour, int64_t last_hour, const LookOptions& options = {});

// The evidence of all monitors after a look.
struct WatchState { std::vector<double> detectors; };      // Shiryaev-Roberts, of each monitor, from 0
struct WatchStep { std::vector<bool> alarms; WatchState after; };
// The value at which one monitor alone raises an alarm: looks_per_year monitors / alarms_per_year.
double watch_threshold(double looks_per_year, size_t monitors, double alarms_per_year);
// e_values: of this look, 1 where there was not enough data. Alarms by e-BH at the threshold c (Wang & Ramdas 2022): the k largest when each of them is at least c / k. Then their sum is at least c, and the sum less monitors times looks is a
// supermartingale while nothing changes, so that the mean time to a false alarm is at least c / monitors looks = 1 / alarms_per_year years, whatever the dependence between monitors; after an alarm all begin anew, so that this holds for each next one.
WatchStep watch_step(const WatchState& before, std::span<const double> e_values, double threshold);

// Against one fixed reference the looks hang together through it, and products are not evidence: the running mean of e-values is an e-value at each look, whatever the dependence (Vovk & Wang 2021), and an alarm at c costs at most 1 / c a look.
double running_mean_step(double before, size_t looks_before, double e_value);

}  // namespace llmops
