#include "core/drift/energy.h"

#include <algorithm>
#include <cmath>

#include "tests/core/drift/drift_fixture.h"

namespace llmops {
namespace {

using test::normal_vectors;
using test::splits;
using test::vectors;

double slow_energy(const Vectors& rows, const std::vector<bool>& is_reference) {
  double sums[3] = {0, 0, 0}, pairs[3] = {0, 0, 0};
  for (size_t i = 0; i < rows.rows; ++i) {
    for (size_t j = 0; j < rows.rows; ++j) {
      double square = 0;
      for (size_t k = 0; k < rows.dimensions; ++k) square += std::pow(static_cast<double>(rows.values[i * rows.dimensions + k]) - static_cast<double>(rows.values[j * rows.dimensions + k]), 2);
      const int kind = is_reference[i] + is_reference[j];
      sums[kind] += std::sqrt(square);
      pairs[kind] += 1;
    }
  }
  return 2 * sums[1] / pairs[1] - sums[0] / pairs[0] - sums[2] / pairs[2];
}

std::vector<bool> side(const Memberships& memberships, size_t column) {
  std::vector<bool> made;
  for (size_t i = 0; i < memberships.items(); ++i) made.push_back(memberships.is_reference(i, column));
  return made;
}

}  // namespace

TEST_CASE("the energy distance is that of an independent implementation, and p that of all splits") {
  const Vectors rows = vectors(2, {0, 0, 1, 0, 0, 1, 1, 1, 0.5F, 0.5F, 1, 1, 2, 1, 1, 2, 2, 2});
  constexpr size_t kPermutations = 20'000;
  const auto made = energy_test(rows.view(), splits(9, 5, kPermutations));
  REQUIRE(made);
  CHECK(made->statistic == Approx(1.51592407636257).epsilon(1e-13));
  CHECK(made->statistics[0] == Approx(made->statistic).epsilon(1e-6));
  std::vector<bool> is_reference{false, false, false, false, true, true, true, true, true};
  double all = 0, reached = 0;
  do {
    all += 1;
    reached += slow_energy(rows, is_reference) >= made->statistic - 1e-9;
  } while (std::next_permutation(is_reference.begin(), is_reference.end()));
  const double p = reached / all;
  CHECK(std::fabs(made->p_value - p) < 4 * std::sqrt(p * (1 - p) / kPermutations) + 1e-4);
}

TEST_CASE("every split has the distance of its own pairs, with rows that repeat, and for any number of threads") {
  std::mt19937 random(1);
  Vectors rows = normal_vectors(random, 250, 3, 2);
  for (size_t to = 100; to < 140; ++to) std::copy_n(rows.values.begin(), 3, rows.values.begin() + static_cast<std::ptrdiff_t>(to * 3));
  const Memberships memberships = splits(250, 120, 30);
  const auto made = energy_test(rows.view(), memberships, 1);
  REQUIRE(made);
  for (size_t c = 0; c < memberships.columns(); ++c) CHECK(made->statistics[c] == Approx(slow_energy(rows, side(memberships, c))).margin(1e-7));
  CHECK(made->statistics == energy_test(rows.view(), memberships, 3)->statistics);
}

TEST_CASE("a shift is found, and the level is kept") {
  std::mt19937 random(2);
  const Vectors x = normal_vectors(random, 60, 4), y = normal_vectors(random, 50, 4, 0.6);
  CHECK(energy_test(joined(x.view(), y.view()).view(), splits(110, 60, 199))->p_value <= 0.01);
  int alarms = 0;
  for (int run = 0; run < 200; ++run) alarms += energy_test(normal_vectors(random, 40, 3).view(), splits(40, 24, 99, static_cast<uint64_t>(run)), 1)->p_value <= 0.05;
  // 10 expected; the binomial exceeds 21 with a probability of 0.0006.
  CHECK(alarms <= 21);
}

TEST_CASE("rows that are all the same are at no distance, and too few are told") {
  const Vectors same{std::vector<float>(40, 0.1F), 20, 2};
  const auto made = energy_test(same.view(), splits(20, 8, 99));
  CHECK((made->p_value == 1 && made->statistic == 0));
  CHECK(energy_test(same.view(), splits(20, 1, 9)).error().message == "1 and 19 rows are too few: at least 2 are needed on each side");
  CHECK(energy_test(same.view(), splits(10, 5, 9)).error().message == "20 rows do not fit splits of 10");
}

}  // namespace llmops
