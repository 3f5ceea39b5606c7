#include "core/stats/intervals.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <fstream>
#include <map>
#include <random>
#include <string>

#include "core/base/json.h"

namespace llmops {
namespace {

// Rows of one kind of tests/data/stats/golden.jsonl (scipy 1.10; see make_golden.py beside it).
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

double number(const Json& row, const char* key) { return row.at(key).get<double>(); }
std::vector<double> numbers(const Json& row, const char* key) { return row.at(key).get<std::vector<double>>(); }

void check_close(double actual, double expected, double relative = 1e-10) {
  INFO("actual " << actual << " expected " << expected);
  CHECK(std::abs(actual - expected) <= relative * std::abs(expected) + 1e-300);
}

// P(B = k) for all k by repeated convolution: the obvious way.
std::vector<double> binomial_masses(int n, double p) {
  std::vector<double> mass{1};
  for (int i = 0; i < n; ++i) {
    std::vector<double> next(mass.size() + 1, 0);
    for (size_t k = 0; k < mass.size(); ++k) {
      next[k] += mass[k] * (1 - p);
      next[k + 1] += mass[k] * p;
    }
    mass = std::move(next);
  }
  return mass;
}

}  // namespace

TEST_CASE("distribution functions agree with scipy to ten digits") {
  for (const Json& row : golden("normal_cdf")) check_close(normal_cdf(number(row, "x")), number(row, "value"));
  for (const Json& row : golden("normal_quantile")) check_close(normal_quantile(number(row, "x")), number(row, "value"));
  for (const Json& row : golden("beta")) {
    INFO(row.dump());
    check_close(incomplete_beta(number(row, "a"), number(row, "b"), number(row, "x")), number(row, "value"));
  }
  for (const Json& row : golden("t_cdf")) {
    INFO(row.dump());
    check_close(student_t_cdf(number(row, "x"), number(row, "df")), number(row, "value"));
  }
  for (const Json& row : golden("t_quantile")) {
    INFO(row.dump());
    check_close(student_t_quantile(number(row, "x"), number(row, "df")), number(row, "value"));
  }
}

TEST_CASE("quantile functions undo the distribution functions") {
  std::mt19937_64 random(1);
  for (int i = 0; i < 500; ++i) {
    const double p = (static_cast<double>(random() >> 11) + 0.5) / 9007199254740992.0;
    const double degrees = 1 + static_cast<double>(random() % 2000);
    check_close(normal_cdf(normal_quantile(p)), p, 1e-12);
    check_close(student_t_cdf(student_t_quantile(p, degrees), degrees), p, 1e-11);
  }
}

TEST_CASE("the incomplete beta sums binomial tails") {
  for (const int n : {1, 2, 7, 40, 151}) {
    for (const double p : {0.05, 0.5, 0.93}) {
      const auto mass = binomial_masses(n, p);
      double sum = 0;
      for (int k = 0; k < n; ++k) {
        sum += mass[static_cast<size_t>(k)];
        check_close(incomplete_beta(n - k, k + 1, 1 - p), sum);
      }
    }
  }
}

TEST_CASE("Wilson's interval agrees with scipy") {
  for (const Json& row : golden("wilson")) {
    const auto interval = wilson_interval(row["k"].get<int64_t>(), row["n"].get<int64_t>(), number(row, "level"));
    REQUIRE(interval);
    CHECK(interval->low == Approx(number(row, "low")).margin(1e-13));
    CHECK(interval->high == Approx(number(row, "high")).epsilon(1e-12));
  }
}

TEST_CASE("Wilson's interval holds exactly the rates that the score test keeps") {
  // Obvious reference: p lies inside when |p^ - p| <= z sqrt(p (1 - p) / n).
  const double z = 1.959963984540054;
  for (int n = 1; n <= 25; ++n) {
    for (int k = 0; k <= n; ++k) {
      const auto interval = wilson_interval(k, n);
      for (int step = 1; step < 1000; ++step) {
        const double p = step / 1000.0, distance = std::abs(static_cast<double>(k) / n - p), limit = z * std::sqrt(p * (1 - p) / n);
        if (std::abs(distance - limit) < 1e-12) continue;
        CHECK((distance < limit) == (p > interval->low && p < interval->high));
      }
    }
  }
}

TEST_CASE("Wilson's interval ends exactly at 0 and 1") {
  CHECK(wilson_interval(0, 12)->low == 0);
  CHECK(wilson_interval(12, 12)->high == 1);
  CHECK(wilson_interval(12, 12)->low == Approx(12 / (12 + 1.959963984540054 * 1.959963984540054)).epsilon(1e-12));
  CHECK_FALSE(wilson_interval(0, 0));
}

TEST_CASE("means and paired differences agree with scipy") {
  for (const Json& row : golden("mean")) {
    const auto estimate = mean_interval(numbers(row, "values"), number(row, "level"));
    check_close(estimate->mean, number(row, "mean"));
    check_close(*estimate->standard_error, number(row, "se"));
    check_close(estimate->interval->low, number(row, "low"), 1e-9);
    check_close(estimate->interval->high, number(row, "high"));
  }
  for (const Json& row : golden("paired_t")) {
    const auto estimate = paired_t(numbers(row, "a"), numbers(row, "b"));
    check_close(estimate->difference, number(row, "difference"), 1e-9);
    check_close(estimate->interval->low, number(row, "low"), 1e-9);
    check_close(estimate->interval->high, number(row, "high"), 1e-9);
    check_close(*estimate->p_value, number(row, "p"), 1e-9);
    CHECK(std::string(estimate->method) == "paired t");
  }
}

TEST_CASE("the mean of none, of one and of equal values") {
  CHECK_FALSE(mean_interval({}));
  const std::vector<double> one{3.5};
  const auto single = mean_interval(one);
  CHECK(single->mean == 3.5);
  CHECK_FALSE(single->standard_error);
  CHECK_FALSE(single->interval);
  const std::vector<double> equal(7, 0.1);
  const auto same = mean_interval(equal);
  CHECK(same->mean == 0.1);
  CHECK(*same->standard_error == 0);
  CHECK(same->interval->low == 0.1);
  CHECK(same->interval->high == 0.1);
}

TEST_CASE("a mean keeps its digits beside huge values") {
  const std::vector<double> values{1e16, 1, 1, 1, 1, -1e16};
  CHECK(mean_interval(values)->mean == 4.0 / 6);
}

TEST_CASE("the clustered error follows Miller with the finite-cluster factor") {
  for (const Json& row : golden("clustered")) {
    const auto estimate = clustered_mean_interval(numbers(row, "values"), row["clusters"].get<std::vector<int64_t>>());
    CHECK(estimate->clusters == row["count"].get<int64_t>());
    check_close(*estimate->standard_error, number(row, "se"));
    CHECK(estimate->interval->low == Approx(number(row, "low")).epsilon(1e-9));
    CHECK(estimate->interval->high == Approx(number(row, "high")).epsilon(1e-9));
  }
}

TEST_CASE("clusters of one give the plain error, and one cluster gives none") {
  const std::vector<double> values{1, 4, 2, 8, 5, 7};
  const std::vector<int64_t> own{9, 4, 2, 7, 1, 3};
  check_close(*clustered_mean_interval(values, own)->standard_error, *mean_interval(values)->standard_error);
  const std::vector<int64_t> together(6, 5);
  const auto single = clustered_mean_interval(values, together);
  CHECK(single->clusters == 1);
  CHECK_FALSE(single->standard_error);
  CHECK_FALSE(single->interval);
  CHECK_FALSE(clustered_mean_interval({}, {}));
}

TEST_CASE("quantiles agree with numpy") {
  for (const Json& row : golden("quantile")) CHECK(quantile_interval(numbers(row, "values"), number(row, "p"))->value == Approx(number(row, "value")).epsilon(1e-15));
}

TEST_CASE("the interval of a quantile takes the ranks that summed binomials give") {
  for (const double level : {0.5, 0.9, 0.95}) {
    for (const double p : {0.05, 0.5, 0.9, 0.95, 0.99}) {
      for (const int n : {1, 2, 5, 6, 20, 72, 73, 150, 400}) {
        const auto mass = binomial_masses(n, p);
        const double tail = (1 - level) / 2;
        int lower = 0, upper = n + 1;
        double below = 0;  // P(B <= k)
        for (int k = 0; k <= n; ++k) {
          below += mass[static_cast<size_t>(k)];
          if (below <= tail + 1e-14) lower = k + 1;
          if (below >= 1 - tail - 1e-14 && upper == n + 1 && k < n) upper = k + 1;
        }
        std::vector<double> ranks;
        for (int i = n; i >= 1; --i) ranks.push_back(i);
        const auto estimate = quantile_interval(ranks, p, level);
        INFO("n " << n << " p " << p << " level " << level);
        REQUIRE(estimate->interval.has_value() == (lower >= 1 && upper <= n));
        if (!estimate->interval) continue;
        CHECK(estimate->interval->low == lower);
        CHECK(estimate->interval->high == upper);
      }
    }
  }
}

TEST_CASE("the interval of p95 at 95 % needs 72 cases and covers 95 %") {
  const std::vector<double> few(71, 1.0), enough(72, 1.0);
  CHECK_FALSE(quantile_interval(few, 0.95)->interval);
  CHECK(quantile_interval(enough, 0.95)->interval);
  CHECK_FALSE(quantile_interval({}, 0.5));
  const auto single = quantile_interval({4.0}, 0.95);
  CHECK(single->value == 4);
  CHECK_FALSE(single->interval);
  // Uniform values: the p-quantile is p itself.
  std::mt19937_64 random(7);
  int covered = 0;
  for (int trial = 0; trial < 2000; ++trial) {
    std::vector<double> values(200);
    for (double& v : values) v = static_cast<double>(random() >> 11) / 9007199254740992.0;
    const auto interval = quantile_interval(values, 0.9)->interval;
    covered += interval->low <= 0.9 && 0.9 <= interval->high;
  }
  CHECK(covered >= 1890);
}

}  // namespace llmops
