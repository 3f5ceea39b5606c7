// MMD: values of an independent implementation (standard-library Python), slow definitions, exact enumeration of all splits.
#include "core/drift/mmd.h"

#include <catch2/catch.hpp>
#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include "core/drift/matrix_product.h"
#include "tests/core/drift/drift_fixture.h"

namespace llmops {
namespace {

using test::vectors;
using test::normal_vectors;
using test::splits;

const Vectors kX = vectors(2, {0, 0, 1, 0, 0, 1, 1, 1, 0.5F, 0.5F}), kY = vectors(2, {1, 1, 2, 1, 1, 2, 2, 2});

MmdOptions with_sigma(double sigma, size_t threads = 1) {
  MmdOptions options;
  options.sigmas = {sigma};
  options.threads = threads;
  return options;
}

MmdEstimate estimate(const Vectors& x, const Vectors& y, const MmdOptions& options) {
  auto made = mmd_estimate(x.view(), y.view(), options);
  REQUIRE(made);
  return *made;
}

double squared(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += std::pow(static_cast<double>(a[i]) - static_cast<double>(b[i]), 2);
  return sum;
}

// The definition, over the rows that `is_x` names.
MmdEstimate slow(const Vectors& pooled, const std::vector<bool>& is_x, const std::vector<double>& sigmas) {
  double xx = 0, yy = 0, xy = 0, n = 0, m = 0;
  for (size_t i = 0; i < pooled.rows; ++i) (is_x[i] ? n : m) += 1;
  for (size_t i = 0; i < pooled.rows; ++i) {
    for (size_t j = 0; j < pooled.rows; ++j) {
      if (i == j) continue;
      double k = 0;
      for (const double sigma : sigmas) k += std::exp(-squared(pooled.view().row(i), pooled.view().row(j)) / (2 * sigma * sigma)) / static_cast<double>(sigmas.size());
      (is_x[i] && is_x[j] ? xx : !is_x[i] && !is_x[j] ? yy : xy) += k;
    }
  }
  xy /= 2;
  return {(xx + n) / (n * n) + (yy + m) / (m * m) - 2 * xy / (n * m), xx / (n * (n - 1)) + yy / (m * (m - 1)) - 2 * xy / (n * m), sigmas};
}

}  // namespace

TEST_CASE("both statistics of a small sample are those of an independent implementation") {
  const MmdEstimate one = estimate(kX, kY, with_sigma(1)), half = estimate(kX, kY, with_sigma(0.5));
  CHECK(one.biased == Approx(0.65018434195275).epsilon(1e-13));
  CHECK(one.unbiased == Approx(0.45747109840539).epsilon(1e-13));
  CHECK(half.biased == Approx(0.486512258274753).epsilon(1e-13));
  CHECK(half.unbiased == Approx(0.10158424556311).epsilon(1e-13));
}

TEST_CASE("the width is half the median distance of different rows, and the statistics follow") {
  CHECK(*median_sigma(kX.view()) == Approx(0.707106781186548).epsilon(1e-14));
  const MmdEstimate made = estimate(kX, kY, with_sigma(*median_sigma(kX.view())));
  CHECK(made.biased == Approx(0.615379711042376).epsilon(1e-13));
  CHECK(made.unbiased == Approx(0.321337110907525).epsilon(1e-13));
  // Of three rows the squared distances are 11, 11 and 32: the lower middle is 11.
  CHECK(*median_sigma(vectors(3, {0, 1, 4, 1, 0, 1, 4, 1, 0}).view()) == Approx(std::sqrt(11 / 2.0)).epsilon(1e-12));
  // Rows that repeat: the smallest distance that is none.
  CHECK(*median_sigma(vectors(1, {5, 5, 5, 5, 5, 5, 9}).view()) == Approx(std::sqrt(16 / 2.0)));
  CHECK_FALSE(median_sigma(vectors(1, {5, 5, 5}).view()).has_value());
  CHECK_FALSE(median_sigma(vectors(1, {5}).view()).has_value());
}

TEST_CASE("statistics are those of the definition, for several widths, sizes over the tiles, and any number of threads") {
  std::mt19937 random(3);
  for (const auto& [n, m, d] : {std::array<size_t, 3>{3, 2, 1}, {40, 31, 7}, {300, 290, 33}}) {
    const Vectors x = normal_vectors(random, n, d), y = normal_vectors(random, m, d, 0.3);
    MmdOptions options;
    options.sigmas = {0.7, 3};
    options.threads = 1;
    std::vector<bool> is_x(n + m);
    std::fill_n(is_x.begin(), n, true);
    const MmdEstimate expected = slow(joined(x.view(), y.view()), is_x, options.sigmas), made = estimate(x, y, options);
    CHECK(made.unbiased == Approx(expected.unbiased).margin(1e-12));
    CHECK(made.biased == Approx(expected.biased).margin(1e-12));
    options.threads = 3;
    CHECK(estimate(x, y, options).unbiased == made.unbiased);
  }
}

TEST_CASE("the statistic of every split is that of the definition, in doubles and in floats") {
  std::mt19937 random(4);
  for (const auto& [n, m] : {std::pair<size_t, size_t>{20, 25}, {350, 300}}) {
    const Vectors x = normal_vectors(random, n, 5), y = normal_vectors(random, m, 5, 0.2), pooled = joined(x.view(), y.view());
    const Memberships memberships = splits(n + m, n, 20);
    const auto made = mmd_test(x.view(), y.view(), memberships, with_sigma(2, 2));
    REQUIRE(made);
    CHECK(made->permutations == 20);
    for (size_t c = 0; c < memberships.columns(); ++c) {
      std::vector<bool> is_x(n + m);
      for (size_t i = 0; i < n + m; ++i) is_x[i] = memberships.is_reference(i, c);
      CHECK(std::count(is_x.begin(), is_x.end(), true) == static_cast<std::ptrdiff_t>(n));
      CHECK(made->statistics[c] == Approx(slow(pooled, is_x, {2}).unbiased).margin(n + m > 512 ? 3e-8 : 1e-13));
    }
    CHECK(made->estimate.unbiased == Approx(made->statistics[0]).margin(2e-8));
    const auto again = mmd_test(x.view(), y.view(), memberships, with_sigma(2, 1));
    CHECK(again->statistics == made->statistics);
  }
}

TEST_CASE("the permutation p-value nears that of all 126 splits, whose mean is 0") {
  const Vectors pooled = joined(kX.view(), kY.view());
  std::vector<bool> is_x(9);
  std::fill(is_x.end() - 5, is_x.end(), true);
  double sum = 0, most = 0;
  int at_least = 0, count = 0;
  do {
    const double statistic = slow(pooled, is_x, {1}).unbiased;
    sum += statistic;
    most = std::max(most, statistic);
    at_least += statistic >= 0.45747109840539 - 1e-12;
    ++count;
  } while (std::next_permutation(is_x.begin(), is_x.end()));
  CHECK((count == 126 && at_least == 3));
  CHECK(sum / count == Approx(0).margin(1e-14));
  CHECK(most == Approx(0.552075047698942).epsilon(1e-12));
  const auto made = mmd_test(kX.view(), kY.view(), splits(9, 5, 20'000), with_sigma(1));
  CHECK(made->p_value == Approx(3.0 / 126).margin(4 * std::sqrt(3.0 / 126 / 20'000)));
}

TEST_CASE("shares of rows add up to the biased statistic, and rows that are new carry most") {
  std::mt19937 random(5);
  Vectors x = normal_vectors(random, 260, 4), y = normal_vectors(random, 250, 4);
  // A group of 25 that the reference does not have.
  for (size_t i = 100; i < 125; ++i) for (size_t j = 0; j < 4; ++j) y.values[i * 4 + j] += 6;
  const auto shares = mmd_shares(x.view(), y.view(), with_sigma(2, 2));
  REQUIRE(shares);
  double sum = 0;
  for (const double share : shares->reference) sum += share;
  for (const double share : shares->current) sum += share;
  CHECK(sum == Approx(estimate(x, y, with_sigma(2)).biased).epsilon(1e-10));
  std::vector<size_t> order(250);
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return shares->current[a] > shares->current[b]; });
  for (size_t i = 0; i < 25; ++i) CHECK((order[i] >= 100 && order[i] < 125));
}

TEST_CASE("the linear statistic is that of an independent implementation, and the block one the mean of its blocks") {
  const Vectors a = vectors(2, {0, 0, 1, 0, 0, 1, 1, 1});
  CHECK(mmd_linear(a.view(), kY.view(), with_sigma(1))->statistic == Approx(0.524445661088735).epsilon(1e-13));
  std::mt19937 random(6);
  const Vectors x = normal_vectors(random, 90, 3), y = normal_vectors(random, 81, 3, 1);
  const auto block = mmd_block(x.view(), y.view(), 20, with_sigma(2));
  REQUIRE(block);
  double mean = 0;
  for (size_t b = 0; b < 4; ++b) mean += mmd_estimate(x.view().part(20 * b, 20), y.view().part(20 * b, 20), with_sigma(2))->unbiased / 4;
  CHECK(block->statistic == Approx(mean).epsilon(1e-12));
  CHECK(block->p_value < 1e-4);
  CHECK(mmd_block(x.view(), y.view(), 50, with_sigma(2)).error().message == "81 rows do not make two blocks of 50");
}

TEST_CASE("samples that say nothing are told apart from samples that differ") {
  const Vectors same = vectors(1, {3, 3, 3, 3});
  CHECK(estimate(same, same, {}).sigmas.empty());
  CHECK(mmd_test(same.view(), same.view(), splits(8, 4, 99), {})->p_value == 1);
  CHECK(mmd_estimate(kX.view().part(0, 1), kY.view()).error().message == "1 and 4 rows are too few: at least 2 are needed on each side");
  CHECK(mmd_estimate(same.view(), kY.view()).error().message == "vectors of 2 dimensions cannot be held against vectors of 1");
  MmdOptions stopped;
  stopped.cancel.cancel();
  CHECK(mmd_estimate(kX.view(), kY.view(), stopped).error().code == ErrorCode::kInterrupted);
}

TEST_CASE("false alarms stay at the level, and a shift is found") {
  std::mt19937 random(7);
  int alarms = 0, found = 0;
  constexpr int kRuns = 400;
  for (int run = 0; run < kRuns; ++run) {
    const Vectors x = normal_vectors(random, 20, 3), y = normal_vectors(random, 20, 3), moved = normal_vectors(random, 20, 3, 1);
    const Memberships memberships = splits(40, 20, 99, static_cast<uint64_t>(run));
    alarms += mmd_test(x.view(), y.view(), memberships, {})->p_value <= 0.05;
    if (run < 50) found += mmd_test(x.view(), moved.view(), memberships, {})->p_value <= 0.05;
  }
  // 20 expected; the binomial exceeds 36 with a probability of 0.0003.
  CHECK(alarms <= 36);
  CHECK(alarms >= 6);
  CHECK(found >= 45);
}

TEST_CASE("products with FMA are those of the plain loops, at every edge of the blocks") {
  std::mt19937 random(8);
  for (const auto& [m, n, k] : {std::array<size_t, 3>{1, 1, 1}, {6, 16, 4}, {7, 17, 257}, {5, 33, 3}, {13, 8, 400}, {25, 100, 520}}) {
    const Vectors a = normal_vectors(random, m, k), b = normal_vectors(random, k, n), other = normal_vectors(random, n, k);
    std::vector<float> fast(m * n, 1), plain(m * n, 1);
    add_product(m, n, k, a.values.data(), k, b.values.data(), n, fast.data(), n);
    add_product_reference(m, n, k, a.values.data(), k, b.values.data(), n, plain.data(), n);
    for (size_t i = 0; i < m * n; ++i) REQUIRE(fast[i] == Approx(plain[i]).margin(1e-5 * std::sqrt(static_cast<double>(k)) + 1e-5));
    std::vector<double> exact(m * n), slow_sums(m * n);
    inner_products(m, n, k, a.values.data(), k, other.values.data(), k, exact.data(), n);
    inner_products_reference(m, n, k, a.values.data(), k, other.values.data(), k, slow_sums.data(), n);
    for (size_t i = 0; i < m * n; ++i) REQUIRE(exact[i] == Approx(slow_sums[i]).margin(1e-12));
  }
}

}  // namespace llmops
