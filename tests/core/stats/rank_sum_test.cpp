// Ranks: published values, the count of pairs, and enumeration of all splits.
#include "core/stats/rank_sum.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <random>
#include <vector>

namespace llmops {
namespace {

double slow_u(const std::vector<double>& x, const std::vector<double>& y) {
  double u = 0;
  for (const double a : x) for (const double b : y) u += b > a ? 1 : b == a ? 0.5 : 0;
  return u;
}

double enumerated_p(const std::vector<double>& x, const std::vector<double>& y) {
  std::vector<double> all(x);
  all.insert(all.end(), y.begin(), y.end());
  std::vector<bool> is_x(all.size());
  std::fill(is_x.end() - static_cast<std::ptrdiff_t>(x.size()), is_x.end(), true);
  const double half = static_cast<double>(x.size() * y.size()) / 2, observed = std::fabs(slow_u(x, y) - half);
  int as_far = 0, splits = 0;
  do {
    std::vector<double> a, b;
    for (size_t i = 0; i < all.size(); ++i) (is_x[i] ? a : b).push_back(all[i]);
    as_far += std::fabs(slow_u(a, b) - half) >= observed;
    ++splits;
  } while (std::next_permutation(is_x.begin(), is_x.end()));
  return static_cast<double>(as_far) / splits;
}

const std::vector<double> kSleepA{0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0}, kSleepB{1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4};

}  // namespace

TEST_CASE("tied values share the mean of their ranks") { CHECK(midranks(std::vector<double>{3, 1, 3, 2, 3}) == std::vector<double>{4, 1, 4, 2, 4}); }

TEST_CASE("the rank sum gives the published values") {
  // R's wilcox.test: depression scale "x", "y" of Hollander & Wolfe 1973, p. 69: W = 35, one-sided 0.1272; two-sided twice that. Student's sleep data: W = 25.5, p 0.06933, normal with ties.
  const std::vector<double> x{0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46}, y{1.15, 0.88, 0.90, 0.74, 1.21};
  const auto exact = *rank_sum(y, x);
  CHECK((exact.u == 35 && exact.share == 0.7 && exact.is_exact));
  CHECK(exact.p_value == Approx(2 * 0.1272).margin(1e-4));
  const auto normal = *rank_sum(kSleepB, kSleepA, 1 + 1e-12);
  CHECK((normal.u == 25.5 && !normal.is_exact));
  CHECK(normal.p_value == Approx(0.06933).margin(5e-6));
}

TEST_CASE("the exact p-value is the enumeration of all splits, ties as they are") {
  std::mt19937 random(3);
  for (int round = 0; round < 40; ++round) {
    std::vector<double> x(1 + random() % 5), y(1 + random() % 6);
    for (double& v : x) v = static_cast<double>(random() % 4);
    for (double& v : y) v = static_cast<double>(random() % 5);
    const auto found = *rank_sum(x, y);
    REQUIRE(found.u == slow_u(x, y));
    REQUIRE(found.p_value == Approx(enumerated_p(x, y)).epsilon(1e-12));
  }
}

TEST_CASE("many values meet the normal form, equal values say nothing, and a design effect widens") {
  std::vector<double> x, y;
  for (int i = 0; i < 25; ++i) x.push_back(i % 9), y.push_back(i % 9 + (i % 2));
  CHECK(rank_sum(x, y)->p_value == Approx(rank_sum(x, y, 1 + 1e-12)->p_value).margin(0.01));
  CHECK(rank_sum(x, y, 3)->p_value > rank_sum(x, y)->p_value);
  CHECK(rank_sum(std::vector<double>(40, 2.0), std::vector<double>(40, 2.0))->p_value == 1);
  std::vector<double> low(300), high(300, 1.0);
  CHECK(rank_sum(low, high)->p_value < 1e-100);
  CHECK_FALSE(rank_sum({}, high));
}

}  // namespace llmops
