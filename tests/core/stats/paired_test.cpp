#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <fstream>
#include <string>

#include "core/base/json.h"
#include "core/stats/intervals.h"

namespace llmops {
namespace {

struct Pairs { std::vector<double> a, b; };

// n pairs of which `only_a` were solved by a alone, `only_b` by b alone; the rest agree.
Pairs make_pairs(int only_a, int only_b, int n) {
  Pairs pairs;
  for (int i = 0; i < n; ++i) {
    const bool first = i < only_a, second = i >= only_a && i < only_a + only_b, both = !first && !second && i % 2 == 0;
    pairs.a.push_back(first || both);
    pairs.b.push_back(second || both);
  }
  return pairs;
}

PairedEstimate rates(int only_a, int only_b, int n, double level = 0.95) {
  const Pairs pairs = make_pairs(only_a, only_b, n);
  return *paired_rates(pairs.a, pairs.b, level);
}

double multinomial_log_likelihood(int b, int c, int n, double q, double delta) {
  const auto term = [](int k, double p) { return k == 0 ? 0.0 : p <= 0 ? -1e300 : k * std::log(p); };
  return term(b, q + delta) + term(c, q) + term(n - b - c, 1 - 2 * q - delta);
}

// Tango's statistic with the constrained likelihood maximised over a grid that is refined around its best point.
double grid_score(int b, int c, int n, double delta) {
  double low = std::max(0.0, -delta), high = (1 - delta) / 2, best = low;
  for (int round = 0; round < 12; ++round) {
    const double width = (high - low) / 50;
    double best_value = -1e308;
    for (int i = 0; i <= 50; ++i) {
      const double q = low + width * i, value = multinomial_log_likelihood(b, c, n, q, delta);
      if (value > best_value) { best_value = value; best = q; }
    }
    low = std::max(low, best - 2 * width);
    high = std::min(high, best + 2 * width);
  }
  return (b - c - n * delta) / std::sqrt(n * (2 * best + delta - delta * delta));
}

std::vector<Json> golden(const std::string& kind) {
  std::ifstream file(LLMOPS_TEST_SOURCE_DIR "/data/stats/golden.jsonl");
  std::vector<Json> rows;
  for (std::string line; std::getline(file, line);) {
    Json row = parse_json(line, "golden.jsonl").value();
    if (row["kind"] == kind) rows.push_back(std::move(row));
  }
  REQUIRE_FALSE(rows.empty());
  return rows;
}

}  // namespace

TEST_CASE("Tango's interval agrees with a maximised likelihood and root finding in scipy") {
  for (const Json& row : golden("tango")) {
    INFO(row.dump());
    const auto estimate = rates(row["b"].get<int>(), row["c"].get<int>(), row["n"].get<int>());
    CHECK(estimate.interval->low == Approx(row["low"].get<double>()).margin(1e-6));
    CHECK(estimate.interval->high == Approx(row["high"].get<double>()).margin(1e-6));
  }
}

TEST_CASE("Tango's interval holds exactly the differences that a brute-force score test keeps") {
  const double z = 1.959963984540054;
  for (const int n : {1, 2, 5, 12}) {
    for (int b = 0; b <= n; ++b) {
      for (int c = 0; b + c <= n; ++c) {
        const auto interval = *rates(b, c, n).interval;
        for (int step = -99; step <= 99; step += 2) {
          const double delta = step / 100.0, score = grid_score(b, c, n, delta);
          if (std::abs(std::abs(score) - z) < 1e-4) continue;
          INFO("b " << b << " c " << c << " n " << n << " delta " << delta << " score " << score);
          CHECK((std::abs(score) < z) == (delta > interval.low && delta < interval.high));
        }
      }
    }
  }
}

TEST_CASE("without discordant pairs Tango's interval is z^2 / (n + z^2) on both sides") {
  const double z2 = 1.959963984540054 * 1.959963984540054;
  const auto estimate = rates(0, 0, 400);
  CHECK(estimate.difference == 0);
  CHECK(estimate.interval->high == Approx(z2 / (400 + z2)).epsilon(1e-12));
  CHECK(estimate.interval->low == Approx(-z2 / (400 + z2)).epsilon(1e-12));
  CHECK(*estimate.p_value == 1);
}

TEST_CASE("Tango's interval is symmetric in the two systems and stays within -1 and 1") {
  for (const auto& [b, c, n] : {std::tuple{9, 2, 30}, {5, 0, 5}, {0, 1, 1}, {40, 60, 100}}) {
    const auto forward = rates(b, c, n), backward = rates(c, b, n);
    CHECK(forward.interval->low == Approx(-backward.interval->high).margin(1e-14));
    CHECK(forward.interval->high == Approx(-backward.interval->low).margin(1e-14));
    CHECK(forward.interval->low >= -1);
    CHECK(forward.interval->high <= 1);
  }
  CHECK(rates(5, 0, 5).interval->high == 1);
}

TEST_CASE("McNemar's exact test agrees with scipy") {
  for (const Json& row : golden("mcnemar")) {
    const int b = row["b"].get<int>(), c = row["c"].get<int>();
    CHECK(*rates(b, c, b + c + 10).p_value == Approx(row["p"].get<double>()).epsilon(1e-11));
  }
}

TEST_CASE("McNemar's exact test counts the sign patterns at least as uneven") {
  for (int discordant = 1; discordant <= 14; ++discordant) {
    for (int b = 0; b <= discordant; ++b) {
      int at_least = 0;
      for (int pattern = 0; pattern < 1 << discordant; ++pattern) {
        const int heads = __builtin_popcount(static_cast<unsigned>(pattern));
        at_least += std::abs(2 * heads - discordant) >= std::abs(2 * b - discordant);
      }
      CHECK(*rates(b, discordant - b, discordant + 3).p_value == Approx(static_cast<double>(at_least) / (1 << discordant)).epsilon(1e-12));
    }
  }
}

TEST_CASE("paired rates name their method and refuse no pairs") {
  CHECK(std::string(rates(1, 2, 9).method) == "Tango score + exact McNemar");
  CHECK(rates(3, 1, 8).difference == 0.25);
  CHECK(rates(3, 1, 8).n == 8);
  CHECK_FALSE(paired_rates({}, {}));
}

TEST_CASE("paired differences that are all equal have no interval") {
  const std::vector<double> a{1, 2, 3}, shifted{0, 1, 2};
  const auto constant = paired_t(a, shifted);
  CHECK(constant->difference == 1);
  CHECK_FALSE(constant->interval);
  CHECK_FALSE(constant->p_value);
  const auto same = paired_t(a, a);
  CHECK(same->difference == 0);
  CHECK_FALSE(same->interval);
  CHECK(*same->p_value == 1);
  const std::vector<double> one{2}, other{5};
  const auto single = paired_t(one, other);
  CHECK(single->difference == -3);
  CHECK(single->n == 1);
  CHECK_FALSE(single->interval);
  CHECK_FALSE(single->p_value);
  CHECK_FALSE(paired_t({}, {}));
}

TEST_CASE("the number of cases that would decide grows with the square of the ratio") {
  CHECK(*cases_to_decide(400, 0.03, 0.02) == 900);
  CHECK(*cases_to_decide(400, 0.03, -0.02) == 900);
  CHECK(*cases_to_decide(100, 1, 3) == 12);
  CHECK_FALSE(cases_to_decide(400, 0.03, 0));
  CHECK_FALSE(cases_to_decide(400, 1, 1e-300));
}

}  // namespace llmops
