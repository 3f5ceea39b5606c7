#include "core/drift/watch.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <random>

#include "core/drift/features.h"
#include "core/stats/e_values.h"
#include "core/stats/two_sample.h"
#include "tests/core/drift/drift_fixture.h"

namespace llmops::test {

namespace {

// Hours 8 to 19 of each day: events of 20 to 40 trials; the last `changed` days at another rate.
std::vector<HourSums> rate_days(std::mt19937& random, int days, double rate, int changed = 0, double changed_rate = 0) {
  std::vector<HourSums> hours;
  for (int day = 0; day < days; ++day) {
    for (int hour = 8; hour < 20; ++hour) {
      const int trials = 20 + static_cast<int>(random() % 21);
      std::binomial_distribution<int> events(trials, day >= days - changed ? changed_rate : rate);
      hours.push_back({day * 24 + hour, {static_cast<double>(events(random)), static_cast<double>(trials)}});
    }
  }
  return hours;
}

}  // namespace

TEST_CASE("watch: the statistic of features is the unbiased MMD of their sums") {
  std::mt19937 random(4);
  const FeatureMap map = FeatureMap::fourier(5, 16, 1.0, 3);
  const FeatureSums x = feature_sums(map, normal_vectors(random, 30, 5).view()), y = feature_sums(map, normal_vectors(random, 20, 5, 0.4).view());
  const auto flat = [](const FeatureSums& sums) {
    std::vector<double> made(sums.sums);
    made.push_back(sums.squares);
    made.push_back(static_cast<double>(sums.count));
    return made;
  };
  FeatureSums all = x;
  all.add(y);
  CHECK(watch_statistic(WatchStatistic::kFeatures, flat(y), flat(all)) == Approx(*mmd_of_sums(x, y)).epsilon(1e-10));
}

TEST_CASE("watch: the statistic of buckets is Kolmogorov and Smirnov's") {
  const std::vector<double> reference{1, 1, 2, 3, 3, 3}, current{2, 3, 4, 4};
  // Buckets of the values 1 to 4: the period's, and all.
  CHECK(watch_statistic(WatchStatistic::kBuckets, std::vector<double>{0, 1, 1, 2}, std::vector<double>{2, 2, 4, 2}) == Approx(*ks_distance(reference, current)));
  CHECK(watch_statistic(WatchStatistic::kBuckets, std::vector<double>{0, 0}, std::vector<double>{3, 1}) == 0);
}

TEST_CASE("watch: a rise of a rate by hand") {
  // 8 of 20 against 10 of 80: pooled 0.18, (0.4 - 0.125) / sqrt(0.18 0.82 (1/20 + 1/80)).
  CHECK(watch_statistic(WatchStatistic::kRateRise, std::vector<double>{8, 20}, std::vector<double>{18, 100}) == Approx(0.275 / std::sqrt(0.18 * 0.82 * 0.0625)));
  CHECK(watch_statistic(WatchStatistic::kRateRise, std::vector<double>{0, 20}, std::vector<double>{0, 100}) == 0);
}

TEST_CASE("watch: a look is exact: its p-value counts the days that each hour could have been") {
  // One hour a day on four days: today's is the largest of the four, so that p is 1/4.
  std::vector<HourSums> hours;
  for (int day = 0; day < 4; ++day) hours.push_back({day * 24 + 9, {day == 3 ? 9.0 : 1.0, 10.0}});
  LookOptions options;
  options.permutations = 20'000;
  options.enough = 20'001;
  const auto look = look_at(WatchStatistic::kBuckets, hours, 72, 96, options);
  REQUIRE(look);
  CHECK(look->p_value == Approx(0.25).margin(0.01));
  CHECK_FALSE(look_at(WatchStatistic::kBuckets, hours, 0, 24, options));
  CHECK_FALSE(look_at(WatchStatistic::kBuckets, hours, 96, 120, options));
}

TEST_CASE("watch: the p-value of a rate is the tail of Fisher's exact test") {
  // 3 events of 4 trials against 1 of 6: C(4,3) C(6,1) + C(4,4) C(6,0) of C(10,4): 25 of 210.
  const std::vector<HourSums> hours{{9, {1, 6}}, {33, {3, 4}}};
  const auto look = look_at(WatchStatistic::kRateRise, hours, 24, 48);
  REQUIRE(look);
  CHECK(look->p_value == Approx(25.0 / 210.0));
  // None of 4 against 4 of 6: certain.
  CHECK(look_at(WatchStatistic::kRateRise, std::vector<HourSums>{{9, {4, 6}}, {33, {0, 4}}}, 24, 48)->p_value == 1);
}

TEST_CASE("watch: a look that is clear soon is stopped soon, and its p-value is still one") {
  std::mt19937 random(9);
  const std::vector<HourSums> hours = rate_days(random, 30, 0.1);
  const auto look = look_at(WatchStatistic::kBuckets, hours, 29 * 24, 30 * 24);
  REQUIRE(look);
  CHECK(look->drawn < 99'999);
  CHECK(look->p_value == Approx(20.0 / static_cast<double>(look->drawn)));
}

TEST_CASE("watch: p-values of days that do not differ are no smaller than they say") {
  std::mt19937 random(12);
  for (const WatchStatistic kind : {WatchStatistic::kRateRise, WatchStatistic::kBuckets}) {
  int at_ten = 0, looks = 0;
  for (int run = 0; run < 40; ++run) {
    const std::vector<HourSums> hours = rate_days(random, 14, 0.2);
    for (int day = 4; day < 14; ++day) {
      LookOptions options;
      options.seed = static_cast<uint64_t>(run * 100 + day);
      options.permutations = 199;
      const auto look = look_at(kind, hours, day * 24, day * 24 + 24, options);
      REQUIRE(look);
      at_ten += look->p_value <= 0.1;
      ++looks;
    }
  }
  // Binomial(400, 0.1): above 60 with a probability below 0.001.
  CHECK(looks == 400);
  CHECK(at_ten <= 60);
  }
}

TEST_CASE("watch: an error rate that triples is an alarm within a few days, and of the monitor that saw it") {
  std::mt19937 random(20);
  const std::vector<HourSums> hours = rate_days(random, 40, 0.03, 8, 0.09), calm = rate_days(random, 40, 0.1);
  const double threshold = watch_threshold(365, 2, 1);
  WatchState state;
  int alarm_day = -1;
  for (int day = 2; day < 40 && alarm_day < 0; ++day) {
    LookOptions options;
    options.seed = static_cast<uint64_t>(day);
    const auto errors = look_at(WatchStatistic::kRateRise, hours, day * 24, day * 24 + 24, options), other = look_at(WatchStatistic::kRateRise, calm, day * 24, day * 24 + 24, options);
    const WatchStep step = watch_step(state, std::vector<double>{e_of_p(errors->p_value), e_of_p(other->p_value)}, threshold);
    if (step.alarms[0]) alarm_day = day;
    CHECK_FALSE(step.alarms[1]);
    state = step.after;
  }
  CHECK(alarm_day >= 32);
  CHECK(alarm_day <= 36);
}

TEST_CASE("watch: two monitors that agree need half the evidence each, and after an alarm all begin anew") {
  const WatchStep one = watch_step({{99, 0}}, std::vector<double>{1, 1}, 150);
  CHECK(one.alarms == std::vector<bool>{false, false});
  CHECK(one.after.detectors == std::vector<double>{100, 1});
  const WatchStep both = watch_step({{99, 79}}, std::vector<double>{1, 1}, 150);
  CHECK(both.alarms == std::vector<bool>{true, true});
  CHECK(both.after.detectors == std::vector<double>{0, 0});
  CHECK(watch_threshold(365, 12, 1) == 4380);
}

TEST_CASE("watch: over years of evidence that is none, alarms come no more often than promised") {
  std::mt19937 random(31);
  std::uniform_real_distribution<double> uniform;
  // Twelve monitors of which six share one p-value: what the promise must hold for.
  const double threshold = watch_threshold(365, 12, 1);
  int alarms = 0;
  constexpr int kYears = 400;
  WatchState state;
  for (int look = 0; look < 365 * kYears; ++look) {
    const double shared = uniform(random);
    std::vector<double> e_values;
    for (int k = 0; k < 12; ++k) e_values.push_back(e_of_p(k < 6 ? shared : uniform(random)));
    const WatchStep step = watch_step(state, e_values, threshold);
    alarms += std::any_of(step.alarms.begin(), step.alarms.end(), [](bool one) { return one; });
    state = step.after;
  }
  CHECK(alarms <= kYears);
  CHECK(alarms > 0);
}

TEST_CASE("watch: over simulated years of daily looks by twelve monitors, at most the promised false alarms", "[prompts]") {
  if (getenv("LLMOPS_SLOW") == nullptr) return;
  constexpr int kYears = 10, kDays = 365;
  constexpr size_t kMonitors = 12;
  const double threshold = watch_threshold(kDays, kMonitors, 1);
  int alarms = 0;
  for (int year = 0; year < kYears; ++year) {
    std::mt19937 random(static_cast<unsigned>(900 + year));
    std::vector<std::vector<HourSums>> hours(kMonitors);
    std::vector<int64_t> begun(kMonitors, 0);
    WatchState state;
    for (int day = 0; day < kDays; ++day) {
      for (int hour = 0; hour < 24; ++hour) {
        // Busy at noon, and other answers then: a cycle that is no change. Monitors share the traffic.
        const int trials = 2 + static_cast<int>(8 * (1 - std::fabs(hour - 12) / 12.0)) + static_cast<int>(random() % 4);
        for (size_t k = 0; k < kMonitors; ++k) {
          std::vector<double> sums(k < 4 ? 2 : 8);
          for (int i = 0; i < trials; ++i) {
            if (k < 4) sums[0] += random() % 1000 < 5 + 10 * k;
            else ++sums[std::min<size_t>(7, static_cast<size_t>(std::geometric_distribution<int>(0.25 + 0.1 * (hour > 8 && hour < 18))(random)))];
          }
          if (k < 4) sums[1] = trials;
          hours[k].push_back({day * 24 + hour, sums});
        }
      }
      std::vector<double> e_values(kMonitors, 1);
      for (size_t k = 0; k < kMonitors; ++k) {
        if (day - begun[k] < 2) continue;
        LookOptions options;
        options.seed = static_cast<uint64_t>(year * 1000 + day);
        const auto look = look_at(k < 4 ? WatchStatistic::kRateRise : WatchStatistic::kBuckets, std::span(hours[k]).subspan(static_cast<size_t>(begun[k] * 24)), day * 24, day * 24 + 24, options);
        if (look) e_values[k] = e_of_p(look->p_value);
      }
      const WatchStep step = watch_step(state, e_values, threshold);
      state = step.after;
      bool any = false;
      for (size_t k = 0; k < kMonitors; ++k) {
        if (step.alarms[k]) begun[k] = day;
        any = any || step.alarms[k];
      }
      alarms += any;
    }
  }
  std::printf("%d false alarms in %d simulated years of 12 monitors, 1 a year promised\n", alarms, kYears);
  CHECK(alarms <= kYears);
}

TEST_CASE("watch: against one reference, the mean of the evidence so far") {
  CHECK(running_mean_step(0, 0, 3) == 3);
  CHECK(running_mean_step(3, 1, 1) == 2);
}

}  // namespace llmops::test
