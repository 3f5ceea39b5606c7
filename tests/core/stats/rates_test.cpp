// Rates, means and clusters of two groups: published values, enumeration, and the algebra of copies.
#include "core/stats/rates.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <random>
#include <vector>

namespace llmops {
namespace {

double choose(int64_t n, int64_t k) {
  double ways = 1;
  for (int64_t i = 1; i <= k; ++i) ways = ways * static_cast<double>(n - k + i) / static_cast<double>(i);
  return std::round(ways);
}

double slow_fisher(int64_t a, int64_t n, int64_t b, int64_t m) {
  const auto ways = [&](int64_t x) { return choose(n, x) * choose(m, a + b - x); };
  double all = 0, as_rare = 0;
  for (int64_t x = std::max<int64_t>(0, a + b - m); x <= std::min(n, a + b); ++x) {
    all += ways(x);
    if (ways(x) <= ways(a)) as_rare += ways(x);
  }
  return as_rare / all;
}

}  // namespace

TEST_CASE("Fisher's exact test gives the published values") {
  // The lady and the tea (Fisher 1935): 3 of 4 against 1 of 4. Twins and convictions (R's fisher.test).
  CHECK(*fisher_exact_p(3, 4, 1, 4) == Approx(34.0 / 70).epsilon(1e-12));
  CHECK(*fisher_exact_p(2, 17, 10, 13) == Approx(0.0005367241).epsilon(1e-6));
}

TEST_CASE("Fisher's exact test is the enumeration of all tables") {
  for (int64_t n = 1; n <= 9; ++n) for (int64_t m = 1; m <= 9; ++m) for (int64_t a = 0; a <= n; ++a) for (int64_t b = 0; b <= m; ++b) {
    INFO(a << " of " << n << ", " << b << " of " << m);
    REQUIRE(*fisher_exact_p(a, n, b, m) == Approx(slow_fisher(a, n, b, m)).epsilon(1e-12));
  }
  CHECK(*fisher_exact_p(7, 40, 19, 45) == Approx(slow_fisher(7, 40, 19, 45)).epsilon(1e-12));
}

TEST_CASE("Fisher's exact test holds far out and for many") {
  CHECK(*fisher_exact_p(0, 1'000'000, 0, 1'000'000) == 1);
  CHECK(*fisher_exact_p(0, 10'000, 9'000, 10'000) > 0);
  CHECK(*fisher_exact_p(0, 10'000, 9'000, 10'000) < 1e-300);
  // With many it is the normal test with the correction for continuity: z = (0.001 - 1e-6) / sqrt(0.1005 * 0.8995 * 2e-6) = 2.34948.
  CHECK(*fisher_exact_p(101'000, 1'000'000, 100'000, 1'000'000) == Approx(2 * normal_cdf(-2.34948)).epsilon(1e-3));
  CHECK_FALSE(fisher_exact_p(0, 0, 1, 4));
}

TEST_CASE("the interval of a difference of rates is Newcombe's") {
  // Newcombe 1998, table II: 56/70 - 48/80 and 9/10 - 3/10 by method 10.
  const auto first = *rate_difference_interval(56, 70, 48, 80), second = *rate_difference_interval(9, 10, 3, 10);
  CHECK(first.low == Approx(0.0524).margin(5e-5));
  CHECK(first.high == Approx(0.3339).margin(5e-5));
  CHECK(second.low == Approx(0.1705).margin(5e-5));
  CHECK(second.high == Approx(0.8090).margin(5e-5));
  CHECK_FALSE(rate_difference_interval(0, 0, 3, 10));
}

TEST_CASE("the difference of means is Welch's") {
  // Student's sleep data, R's t.test(extra ~ group): df 17.776, p 0.07939, interval -3.3654832 .. 0.2054832.
  const std::vector<double> a{0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0}, b{1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4};
  const auto found = *mean_difference(*mean_interval(a), *mean_interval(b));
  CHECK(found.difference == Approx(-1.58));
  CHECK(found.degrees == Approx(17.776).margin(5e-4));
  CHECK(*found.p_value == Approx(0.07939).margin(5e-6));
  CHECK(found.interval->low == Approx(-3.3654832).margin(1e-7));
  CHECK(found.interval->high == Approx(0.2054832).margin(1e-7));
  const std::vector<double> ones{1, 1, 1}, twos{2, 2};
  CHECK_FALSE(mean_difference(*mean_interval(ones), *mean_interval(twos))->p_value);
  CHECK(*mean_difference(*mean_interval(ones), *mean_interval(ones))->p_value == 1);
  CHECK_FALSE(mean_difference(*mean_interval(std::vector<double>{1}), *mean_interval(ones)));
}

TEST_CASE("copies within a cluster are worth what they add, and observations of their own are worth one") {
  std::vector<double> values;
  std::vector<int64_t> cluster, own;
  for (int64_t c = 0; c < 10; ++c) for (int copy = 0; copy < 3; ++copy) {
    values.push_back(static_cast<double>(c * c % 7));
    cluster.push_back(c);
    own.push_back(static_cast<int64_t>(own.size()));
  }
  // C clusters of k copies: (C k - 1) / (C - 1).
  CHECK(*design_effect(values, cluster) == Approx(29.0 / 9).epsilon(1e-12));
  CHECK(*design_effect(values, own) == 1);
  CHECK(*design_effect(std::vector<double>{2, 2, 2}, std::vector<int64_t>{1, 1, 2}) == 1);
  CHECK_FALSE(design_effect(std::vector<double>{1, 2, 3}, std::vector<int64_t>{1, 1, 1}));
  CHECK_FALSE(design_effect({}, {}));
}

}  // namespace llmops
