// Signals of two periods: estimates and tests by hand, sessions as blocks, and alarms where nothing changed.
#include "commands/monitor/health_compare.h"

#include <catch2/catch.hpp>
#include <random>

#include "core/stats/rates.h"

namespace llmops {
namespace {

constexpr HealthDirection kUp = HealthDirection::kHigherIsWorse;

// `events` ones among n, each a session of its own.
HealthObservations signs(int64_t events, int64_t n) {
  HealthObservations made;
  for (int64_t i = 0; i < n; ++i) made.add(i < events ? 1 : 0, i);
  return made;
}

HealthObservations numbers(int64_t n, double shift) {
  HealthObservations made;
  for (int64_t i = 0; i < n; ++i) made.add(shift + static_cast<double>(i * 37 % 100), i);
  return made;
}

std::vector<HealthItems> items(const std::vector<std::pair<std::string, int>>& counts) {
  std::vector<HealthItems> made;
  for (const auto& [name, count] : counts) for (int i = 0; i < count; ++i) made.push_back({{name}, std::ssize(made), 1000 + std::ssize(made)});
  return made;
}

HealthSignal settled(HealthSignal signal) {
  signal.p_adjusted = signal.p_value;
  settle(signal, 0.01);
  return signal;
}

}  // namespace

TEST_CASE("a rate has Wilson's interval, Newcombe's of its difference, and Fisher's p") {
  const HealthSignal up = settled(compare_rates("errors", kUp, signs(4, 100), signs(20, 100)));
  CHECK((*up.before.value == 0.04 && *up.current.value == 0.2 && *up.difference == Approx(0.16) && up.design_effect == 1));
  // Wilson 1927 of 20 in 100 at 95 %: 0.1334 .. 0.2888.
  CHECK(up.current.interval->low == Approx(0.1334).margin(5e-5));
  CHECK(up.current.interval->high == Approx(0.2888).margin(5e-5));
  CHECK(*up.p_value == Approx(*fisher_exact_p(4, 100, 20, 100)));
  CHECK(up.change == HealthChange::kWorse);
  CHECK(settled(compare_rates("errors", kUp, signs(20, 100), signs(4, 100))).change == HealthChange::kBetter);
  CHECK(settled(compare_rates("errors", HealthDirection::kNeither, signs(20, 100), signs(4, 100))).change == HealthChange::kChanged);
  CHECK(settled(compare_rates("errors", kUp, signs(4, 100), signs(5, 100))).change == HealthChange::kNoDifference);
}

TEST_CASE("few observations, and few sessions, are shown and not tested") {
  const HealthSignal few = settled(compare_rates("errors", kUp, signs(0, 100), signs(29, 29)));
  CHECK((few.change == HealthChange::kNotEnoughData && !few.p_value && *few.current.value == 1 && few.current.interval));
  CHECK(few.reason == "29 now and 100 before: at least 30 are needed on each side");
  HealthObservations one_session;
  for (int i = 0; i < 200; ++i) one_session.add(1, 7);
  CHECK(compare_rates("errors", kUp, signs(0, 100), one_session).reason == "they come from 1 session: at least 8 are needed on each side");
  const HealthSignal nothing = compare_rates("errors", kUp, signs(3, 40), {});
  CHECK((!nothing.current.value && !nothing.difference && nothing.reason == "0 now and 40 before: at least 30 are needed on each side"));
  CHECK(compare_quantiles("latency p95", "ms", 0.95, kUp, {}, {}).change == HealthChange::kNotEnoughData);
  CHECK(compare_means("cost", "USD", kUp, {}, numbers(50, 0)).change == HealthChange::kNotEnoughData);
  CHECK(compare_categories("finish", {}, items({{"stop", 50}}), 1).change == HealthChange::kNotEnoughData);
}

TEST_CASE("one session that fails again and again is one failure") {
  HealthObservations before = signs(2, 200), current = signs(0, 180);
  for (int i = 0; i < 20; ++i) current.add(1, 500);
  const HealthSignal blocked = settled(compare_rates("errors", kUp, before, current));
  CHECK(blocked.design_effect > 15);
  CHECK(blocked.change == HealthChange::kNoDifference);
  // The same 20 of as many sessions.
  for (size_t i = 180; i < 200; ++i) current.clusters[i] = static_cast<int64_t>(500 + i);
  CHECK(settled(compare_rates("errors", kUp, before, current)).change == HealthChange::kWorse);
}

TEST_CASE("quantiles: the median by ranks, the others by what lies above that of both periods") {
  const HealthSignal median = settled(compare_quantiles("latency p50", "ms", 0.5, kUp, numbers(200, 0), numbers(200, 20)));
  CHECK((*median.before.value == 49.5 && *median.current.value == 69.5 && median.change == HealthChange::kWorse));
  // Ranks 86 and 115 of 200: the binomial's tails of at most 0.025, values 42 and 57.
  CHECK((median.before.interval->low == 42 && median.before.interval->high == 57));
  HealthObservations slow = numbers(200, 0);
  for (size_t i = 0; i < 200; i += 10) slow.values[i] = 5000;
  const HealthSignal tail = settled(compare_quantiles("latency p95", "ms", 0.95, kUp, numbers(200, 0), slow));
  CHECK((tail.change == HealthChange::kWorse && *tail.current.value == 5000));
  CHECK(settled(compare_quantiles("latency p50", "ms", 0.5, kUp, numbers(200, 0), slow)).change == HealthChange::kNoDifference);
  CHECK(settled(compare_quantiles("latency p95", "ms", 0.95, kUp, slow, numbers(200, 0))).change == HealthChange::kBetter);
}

TEST_CASE("means by Welch's t, and by ranks where nothing varies") {
  const HealthSignal more = settled(compare_means("score", "score", HealthDirection::kLowerIsWorse, numbers(100, 20), numbers(100, 0)));
  CHECK((more.test == "Welch's t" && *more.difference == -20 && more.change == HealthChange::kWorse && more.difference_interval->high < 0));
  HealthObservations ones, twos;
  for (int i = 0; i < 40; ++i) ones.add(1, i), twos.add(2, i);
  const HealthSignal fixed = settled(compare_means("cost", "USD", kUp, ones, twos));
  CHECK((fixed.test == "rank sums (Wilcoxon, Mann & Whitney)" && fixed.change == HealthChange::kWorse && !fixed.difference_interval));
  CHECK(*compare_means("cost", "USD", kUp, ones, ones).p_value == 1);
}

TEST_CASE("categories: what moved, what is new and since when") {
  const HealthSignal moved = settled(compare_categories("finish", items({{"stop", 90}, {"length", 10}}), items({{"stop", 60}, {"length", 20}, {"tool", 20}}), 1));
  CHECK((moved.change == HealthChange::kChanged && moved.test == "Pearson's chi-squared" && *moved.difference == Approx(0.3)));
  REQUIRE(moved.categories.size() == 3);
  CHECK((moved.categories[0].name == "stop" && moved.categories[0].before == 90 && moved.categories[0].current == 60 && !moved.categories[0].first_ms));
  const auto& fresh = moved.categories[2];
  CHECK((fresh.name == "tool" && fresh.before == 0 && fresh.current == 20 && fresh.first_ms == 1080));
  CHECK(*compare_categories("finish", items({{"stop", 50}}), items({{"stop", 40}}), 1).p_value == 1);
  // Rare ones are permuted; many rare ones are one, and the new are named all the same.
  std::vector<std::pair<std::string, int>> many;
  for (int i = 0; i < 60; ++i) many.emplace_back("error " + std::to_string(i), 2);
  auto more = many;
  more.emplace_back("timeout", 1);
  const HealthSignal rare = compare_categories("errors", items(many), items(more), 1);
  CHECK(rare.test == "Pearson's chi-squared over exchanges of whole sessions or requests");
  CHECK((rare.categories.size() == 11 && rare.categories.back().name == "timeout"));
}

TEST_CASE("where nothing changed, alarms stay within what the level accepts") {
  std::mt19937 random(5);
  int rates = 0, medians = 0, tails = 0, means = 0, categories = 0;
  constexpr int kRounds = 400;
  for (int round = 0; round < kRounds; ++round) {
    std::array<HealthObservations, 2> failed, times;
    std::array<std::vector<HealthItems>, 2> kinds;
    for (size_t side = 0; side < 2; ++side) {
      // Sessions of 1 to 5 requests that resemble themselves.
      for (int64_t session = 0; session < (side == 0 ? 80 : 50); ++session) {
        const bool is_bad = random() % 10 == 0;
        const double slow = static_cast<double>(random() % 1000);
        const char* kind = random() % 3 == 0 ? "a" : "b";
        for (unsigned turn = 0; turn <= random() % 5; ++turn) {
          failed[side].add(is_bad && random() % 4 != 0 ? 1 : 0, session);
          times[side].add(slow + static_cast<double>(random() % 100), session);
          kinds[side].push_back({{kind}, session, 0});
        }
      }
    }
    rates += *compare_rates("r", kUp, failed[0], failed[1]).p_value <= 0.05;
    medians += *compare_quantiles("m", "ms", 0.5, kUp, times[0], times[1]).p_value <= 0.05;
    tails += *compare_quantiles("t", "ms", 0.95, kUp, times[0], times[1]).p_value <= 0.05;
    means += *compare_means("x", "ms", kUp, times[0], times[1]).p_value <= 0.05;
    categories += *compare_categories("c", kinds[0], kinds[1], static_cast<uint64_t>(round)).p_value <= 0.05;
  }
  CAPTURE(rates, medians, tails, means, categories);
  // 400 x 0.05 = 20; 34 leaves one in a thousand. Cluster-robust errors of some fifty sessions are near their level, not exactly at it.
  for (const int alarms : {rates, medians, tails, means, categories}) CHECK(alarms <= 34);
}

}  // namespace llmops
