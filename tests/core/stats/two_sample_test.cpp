// Distances of numbers: values of an independent implementation (standard-library Python, exact fractions), slow definitions, and enumeration of all splits.
#include "core/stats/two_sample.h"

#include <catch2/catch.hpp>
#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

namespace llmops {
namespace {

const std::vector<double> kReference{1, 2, 2, 3, 5, 8, 13}, kCurrent{2, 3, 4, 6, 9, 12, 20, 21};

double below(const std::vector<double>& values, double point) { return static_cast<double>(std::count_if(values.begin(), values.end(), [&](double v) { return v <= point; })) / static_cast<double>(values.size()); }

std::vector<double> pooled(const std::vector<double>& x, const std::vector<double>& y) {
  std::vector<double> all(x);
  all.insert(all.end(), y.begin(), y.end());
  std::sort(all.begin(), all.end());
  return all;
}

double slow_ks(const std::vector<double>& x, const std::vector<double>& y) {
  double most = 0;
  for (const double point : pooled(x, y)) most = std::max(most, std::fabs(below(x, point) - below(y, point)));
  return most;
}

// Every split of the pooled values, counted.
double enumerated_p(const std::vector<double>& x, const std::vector<double>& y) {
  const std::vector<double> all = pooled(x, y);
  std::vector<bool> is_x(all.size());
  std::fill(is_x.end() - static_cast<std::ptrdiff_t>(x.size()), is_x.end(), true);
  const double observed = slow_ks(x, y);
  int at_least = 0, splits = 0;
  do {
    std::vector<double> a, b;
    for (size_t i = 0; i < all.size(); ++i) (is_x[i] ? a : b).push_back(all[i]);
    at_least += slow_ks(a, b) >= observed - 1e-12;
    ++splits;
  } while (std::next_permutation(is_x.begin(), is_x.end()));
  return static_cast<double>(at_least) / splits;
}

std::vector<double> random_values(std::mt19937& random, size_t count, int different) {
  std::vector<double> made;
  for (size_t i = 0; i < count; ++i) made.push_back(static_cast<double>(random() % static_cast<unsigned>(different)));
  return made;
}

}  // namespace

TEST_CASE("distances of a small sample are those of an independent implementation") {
  CHECK(*ks_distance(kReference, kCurrent) == Approx(0.357142857142857).epsilon(1e-14));
  CHECK(*ks_exact_p(kReference, kCurrent) == Approx(2997.0 / 6435).epsilon(1e-12));
  CHECK(kolmogorov_survival(std::sqrt(7.0 * 8 / 15) * 0.357142857142857) == Approx(0.727703558779013).epsilon(1e-13));
  CHECK(*ks_asymptotic_p(kReference, kCurrent) == Approx(0.621689990296297).epsilon(1e-13));
  CHECK(*wasserstein(kReference, kCurrent) == Approx(4.76785714285714).epsilon(1e-14));
  CHECK(*energy_distance(kReference, kCurrent) == Approx(1.55900118469408).epsilon(1e-14));
  CHECK(*cramer_von_mises(kReference, kCurrent) == Approx(0.221924603174603).epsilon(1e-13));
}

TEST_CASE("Kolmogorov's distribution is one function on both sides of its two series") {
  CHECK(kolmogorov_survival(0) == 1);
  CHECK(kolmogorov_survival(-1) == 1);
  // Smirnov 1948, table: the 5 % and 1 % points.
  CHECK(kolmogorov_survival(1.35809865) == Approx(0.05).epsilon(1e-6));
  CHECK(kolmogorov_survival(1.62762361) == Approx(0.01).epsilon(1e-6));
  CHECK(kolmogorov_survival(1 - 1e-9) == Approx(kolmogorov_survival(1 + 1e-9)).epsilon(1e-7));
  CHECK(kolmogorov_survival(0.2) == Approx(1).epsilon(1e-10));
  CHECK(kolmogorov_survival(20) == 0);
}

TEST_CASE("the exact p-value of tied values is that of all splits") {
  std::mt19937 random(5);
  for (int round = 0; round < 60; ++round) {
    const auto x = random_values(random, 1 + random() % 6, 2 + round % 7), y = random_values(random, 1 + random() % 6, 2 + round % 7);
    INFO(round);
    CHECK(*ks_exact_p(x, y) == Approx(enumerated_p(x, y)).epsilon(1e-10));
  }
}

TEST_CASE("distances are those of their definitions on random samples, and vanish between equal ones") {
  std::mt19937 random(6);
  for (int round = 0; round < 50; ++round) {
    const auto x = random_values(random, 1 + random() % 30, 3 + round), y = random_values(random, 1 + random() % 30, 3 + round);
    CHECK(*ks_distance(x, y) == Approx(slow_ks(x, y)).epsilon(1e-12));
    const auto mean = [](const std::vector<double>& a, const std::vector<double>& b) {
      double sum = 0;
      for (const double u : a) for (const double v : b) sum += std::fabs(u - v);
      return sum / static_cast<double>(a.size() * b.size());
    };
    CHECK(std::pow(*energy_distance(x, y), 2) == Approx(2 * mean(x, y) - mean(x, x) - mean(y, y)).margin(1e-9));
    double area = 0;
    const auto all = pooled(x, y);
    for (size_t i = 0; i + 1 < all.size(); ++i) area += std::fabs(below(x, all[i]) - below(y, all[i])) * (all[i + 1] - all[i]);
    CHECK(*wasserstein(x, y) == Approx(area).margin(1e-9));
    CHECK((*ks_distance(x, x) == 0 && *wasserstein(x, x) == 0 && *energy_distance(x, x) == 0 && *ks_exact_p(x, x) == 1));
  }
}

TEST_CASE("without values there is no distance") {
  const std::vector<double> none, one{1};
  CHECK_FALSE(ks_distance(none, one).has_value());
  CHECK_FALSE(ks_exact_p(one, none).has_value());
  CHECK_FALSE(wasserstein(none, none).has_value());
  CHECK_FALSE(energy_distance(one, none).has_value());
  CHECK_FALSE(cramer_von_mises(none, one).has_value());
  CHECK(*ks_exact_p(one, one) == 1);
  CHECK(*ks_exact_p(one, std::vector<double>{2}) == 1);
}

}  // namespace llmops
