// Categories: values of an independent implementation, and exact tables by enumeration.
#include "core/stats/categories.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <vector>

namespace llmops {
namespace {

using Counts = std::vector<int64_t>;
const Counts kReference{50, 30, 20, 0}, kCurrent{30, 30, 20, 20};

double choose(int64_t n, int64_t k) { return std::exp(std::lgamma(n + 1.0) - std::lgamma(k + 1.0) - std::lgamma(n - k + 1.0)); }

double chi(const Counts& x, const Counts& y) {
  double n = 0, m = 0, sum = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    n += static_cast<double>(x[i]);
    m += static_cast<double>(y[i]);
  }
  for (size_t i = 0; i < x.size(); ++i) {
    const double both = static_cast<double>(x[i] + y[i]);
    if (both > 0) sum += std::pow(static_cast<double>(x[i]) - both * n / (n + m), 2) / (both * n / (n + m)) + std::pow(static_cast<double>(y[i]) - both * m / (n + m), 2) / (both * m / (n + m));
  }
  return sum;
}

}  // namespace

TEST_CASE("distances of categories are those of an independent implementation, each by its convention") {
  CHECK(*population_stability(kReference, kCurrent) == Approx(0.827023278308285).epsilon(1e-13));
  CHECK(*jensen_shannon_distance(kReference, kCurrent) == Approx(0.343840659070468).epsilon(1e-13));
  CHECK(*hellinger(kReference, kCurrent) == Approx(0.335710687019729).epsilon(1e-13));
  CHECK(*total_variation(kReference, kCurrent) == Approx(0.2).epsilon(1e-13));
  CHECK(population_stability_bias(10, 200, 200) == Approx(0.09));
}

TEST_CASE("Pearson's test, its p-value and Cramer's V are those of an independent implementation") {
  const auto made = chi_squared(kReference, kCurrent);
  REQUIRE(made);
  CHECK(made->statistic == Approx(25).epsilon(1e-13));
  CHECK(made->degrees == 3);
  CHECK(made->p_value == Approx(1.54404982911014e-05).epsilon(1e-12));
  CHECK(made->cramers_v == Approx(0.332385014673944).epsilon(1e-12));
  CHECK_FALSE(made->is_coarse);
  const auto small = chi_squared(Counts{4, 2, 0}, Counts{1, 1, 4});
  CHECK((small->statistic == Approx(6.13333333).epsilon(1e-9) && small->p_value == Approx(0.04657615).epsilon(1e-7) && small->is_coarse));
  // evidently's six categories (its p-value, 0.673, takes the reference as if it were no sample: 3.17 at 5 degrees).
  CHECK(*hellinger(Counts{16, 18, 16, 14, 12, 12}, Counts{16, 16, 16, 16, 16, 8}) == Approx(0.06812).epsilon(1e-3));
  // deepchecks' tables.
  CHECK(chi_squared(Counts{200, 800}, Counts{400, 600})->cramers_v == Approx(0.21).margin(0.01));
  CHECK(chi_squared(Counts{1000, 0}, Counts{0, 1000})->cramers_v == Approx(1).margin(1e-3));
}

TEST_CASE("the tail of the chi-squared distribution is right on both of its forms") {
  CHECK(chi_squared_survival(0, 3) == 1);
  for (const double x : {0.1, 1.0, 3.0, 10.0, 50.0}) {
    CHECK(chi_squared_survival(x, 1) == Approx(std::erfc(std::sqrt(x / 2))).epsilon(1e-12));
    CHECK(chi_squared_survival(x, 2) == Approx(std::exp(-x / 2)).epsilon(1e-12));
    CHECK(chi_squared_survival(x, 4) == Approx(std::exp(-x / 2) * (1 + x / 2)).epsilon(1e-12));
  }
  CHECK(chi_squared_survival(100, 100) == Approx(0.4811917).epsilon(1e-6));
}

TEST_CASE("the permutation p-value nears that of all tables with these margins") {
  const Counts x{4, 2, 0}, y{1, 1, 4};
  // All tables (a, b, 6 - a - b) of the margins 5, 3, 4, each with its hypergeometric probability.
  double exact = 0;
  const double observed = chi(x, y), all = choose(12, 6);
  for (int64_t a = 0; a <= 5; ++a) {
    for (int64_t b = 0; b <= 3; ++b) {
      const int64_t c = 6 - a - b;
      if (c < 0 || c > 4) continue;
      if (chi({a, b, c}, {5 - a, 3 - b, 4 - c}) >= observed - 1e-9) exact += choose(5, a) * choose(3, b) * choose(4, c) / all;
    }
  }
  const double p = *permuted_categories_p(chi_squared_statistic, x, y, 40'000, 7);
  CHECK(p == Approx(exact).margin(4 * std::sqrt(exact * (1 - exact) / 40'000)));
  CHECK(p == *permuted_categories_p(chi_squared_statistic, x, y, 40'000, 7));
  CHECK(*permuted_categories_p(chi_squared_statistic, Counts{9, 0}, Counts{0, 9}, 99, 1) == Approx(0.01));
  CHECK(*permuted_categories_p(population_stability, Counts{900, 0}, Counts{0, 9}, 99, 1) == Approx(0.01));
  CHECK(*permuted_categories_p(total_variation, Counts{5, 5}, Counts{5, 5}, 99, 1) == 1);
}

TEST_CASE("an empty side is no comparison") {
  const Counts none{0, 0}, some{1, 2};
  CHECK_FALSE(population_stability(none, some).has_value());
  CHECK_FALSE(jensen_shannon_distance(some, none).has_value());
  CHECK_FALSE(hellinger(none, none).has_value());
  CHECK_FALSE(chi_squared(none, some).has_value());
  CHECK_FALSE(chi_squared(Counts{3, 0}, Counts{5, 0}).has_value());
  CHECK_FALSE(permuted_categories_p(hellinger, none, some, 99, 1).has_value());
  CHECK_FALSE(permuted_categories_p(chi_squared_statistic, some, some, 0, 1).has_value());
}

}  // namespace llmops
