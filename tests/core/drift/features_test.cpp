// Features for kernels: how near they are, that samples are sums, and that the test agrees with the exact one.
#include "core/drift/features.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <random>

#include "tests/core/drift/drift_fixture.h"

namespace llmops {
namespace {

using test::normal_vectors;

double product(const FeatureMap& map, const Vectors& rows, size_t i, size_t j) {
  std::vector<float> values(map.features() * rows.rows);
  map.compute(rows.view(), 0, map.features(), values.data());
  double sum = 0;
  for (size_t f = 0; f < map.features(); ++f) sum += static_cast<double>(values[f * rows.rows + i]) * static_cast<double>(values[f * rows.rows + j]);
  return sum;
}

double kernel(const Vectors& rows, size_t i, size_t j, double sigma) {
  double distance = 0;
  for (size_t k = 0; k < rows.dimensions; ++k) distance += std::pow(static_cast<double>(rows.values[i * rows.dimensions + k]) - static_cast<double>(rows.values[j * rows.dimensions + k]), 2);
  return std::exp(-distance / (2 * sigma * sigma));
}

}  // namespace

TEST_CASE("Fourier features have length 1, are near the kernel, and are the same for a seed") {
  std::mt19937 random(1);
  const Vectors rows = normal_vectors(random, 12, 5);
  const FeatureMap map = FeatureMap::fourier(5, 4096, 2, 7);
  double error = 0;
  for (size_t i = 0; i < 12; ++i) {
    CHECK(product(map, rows, i, i) == Approx(1).epsilon(1e-5));
    for (size_t j = 0; j < i; ++j) error = std::max(error, std::fabs(product(map, rows, i, j) - kernel(rows, i, j, 2)));
  }
  CHECK(error < 4 / std::sqrt(4096.0));
  CHECK(error > 0);
  std::vector<float> first(4096 * 12), again(4096 * 12), part(100 * 12);
  map.compute(rows.view(), 0, 4096, first.data());
  FeatureMap::fourier(5, 4096, 2, 7).compute(rows.view(), 0, 4096, again.data());
  CHECK(first == again);
  map.compute(rows.view(), 2000, 100, part.data());
  CHECK(std::equal(part.begin(), part.end(), first.begin() + 2000 * 12));
}

TEST_CASE("Nystroem's features are the kernel itself on their landmarks") {
  std::mt19937 random(2);
  const Vectors rows = normal_vectors(random, 20, 3);
  const FeatureMap map = FeatureMap::nystroem(rows.view(), 1);
  for (size_t i = 0; i < 20; ++i) for (size_t j = 0; j <= i; ++j) CHECK(product(map, rows, i, j) == Approx(kernel(rows, i, j, 1)).margin(2e-5));
  // Landmarks that repeat have no inverse, and less features.
  Vectors twice = rows;
  twice.values.insert(twice.values.end(), rows.values.begin(), rows.values.end());
  twice.rows = 40;
  CHECK(FeatureMap::nystroem(twice.view(), 1).features() <= 20);
}

TEST_CASE("a sample is the sum of its parts, added and taken away, and the sums give the statistic") {
  std::mt19937 random(3);
  const Vectors x = normal_vectors(random, 700, 6), y = normal_vectors(random, 500, 6, 0.3);
  const FeatureMap map = FeatureMap::fourier(6, 256, 3, 1);
  FeatureSums whole = feature_sums(map, x.view()), parts;
  for (size_t first = 0; first < 700; first += 70) parts.add(feature_sums(map, x.view().part(first, 70)));
  CHECK(parts.count == 700);
  CHECK(parts.squares == Approx(700).epsilon(1e-6));
  for (size_t f = 0; f < 256; ++f) CHECK(parts.sums[f] == Approx(whole.sums[f]).margin(1e-9));
  parts.subtract(feature_sums(map, x.view().part(0, 70)));
  const FeatureSums rest = feature_sums(map, x.view().part(70, 630)), other = feature_sums(map, y.view());
  CHECK(*mmd_of_sums(parts, other) == Approx(*mmd_of_sums(rest, other)).margin(1e-9));
  MmdOptions options;
  options.sigmas = {3};
  CHECK(*mmd_of_sums(whole, other) == Approx(mmd_estimate(x.view(), y.view(), options)->unbiased).margin(0.01));
  CHECK_FALSE(mmd_of_sums(feature_sums(map, x.view().part(0, 1)), other).has_value());
}

TEST_CASE("the test with features finds what the exact one finds, and every split's statistic is that of its sums") {
  std::mt19937 random(4);
  const Vectors x = normal_vectors(random, 300, 5), y = normal_vectors(random, 280, 5, 0.25);
  PermutationPlan plan;
  plan.permutations = 99;
  const auto memberships = Memberships::make(580, 300, plan);
  REQUIRE(memberships);
  for (const FeatureMap& map : {FeatureMap::fourier(5, 300, 2, 1), FeatureMap::nystroem(x.view().part(0, 60), 2)}) {
    const auto made = mmd_feature_test(map, x.view(), y.view(), *memberships, 1);
    REQUIRE(made);
    CHECK(made->p_value == Approx(0.01));
    CHECK(made->statistics == mmd_feature_test(map, x.view(), y.view(), *memberships, 3)->statistics);
    CHECK(made->statistics[0] == Approx(*mmd_of_sums(feature_sums(map, x.view()), feature_sums(map, y.view()))).margin(1e-7));
    Vectors a{{}, 0, 5}, b{{}, 0, 5};
    const Vectors pooled = joined(x.view(), y.view());
    for (size_t i = 0; i < 580; ++i) {
      Vectors& side = memberships->is_reference(i, 7) ? a : b;
      side.values.insert(side.values.end(), pooled.view().row(i).begin(), pooled.view().row(i).end());
      ++side.rows;
    }
    CHECK(made->statistics[7] == Approx(*mmd_of_sums(feature_sums(map, a.view()), feature_sums(map, b.view()))).margin(1e-7));
  }
  CHECK(mmd_feature_test(FeatureMap::fourier(4, 10, 1, 1), x.view(), y.view(), *memberships).error().message == "vectors of 5 and 5 dimensions do not fit features of 4");
}

}  // namespace llmops
