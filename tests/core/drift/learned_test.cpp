#include "core/drift/learned.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <random>

#include "tests/core/drift/drift_fixture.h"

namespace llmops {
namespace {

using test::vectors;

// Noise in all dimensions but the first, in which alone the samples may differ.
Vectors noisy_vectors(std::mt19937& random, size_t rows, size_t dimensions, double shift) {
  std::normal_distribution<double> normal;
  Vectors made{{}, rows, dimensions};
  for (size_t i = 0; i < rows; ++i) for (size_t j = 0; j < dimensions; ++j) made.values.push_back(static_cast<float>((j == 0 ? 0.5 : 1.0) * normal(random) + (j == 0 ? shift : 0)));
  return made;
}

LearnedOptions with(uint64_t seed, size_t permutations = 99) {
  LearnedOptions options;
  options.permutations = permutations;
  options.seed = seed;
  options.rank = 2;
  options.steps = 40;
  return options;
}

}  // namespace

TEST_CASE("the power criterion is that of an independent implementation") {
  const Vectors a = vectors(2, {0, 0, 1, 0, 0, 1, 1, 1}), y = vectors(2, {1, 1, 2, 1, 1, 2, 2, 2});
  const std::vector<double> identity{1, 0, 0, 1};
  const PowerCriterion made = power_criterion(a.view(), y.view(), identity, 2);
  CHECK(made.mmd == Approx(0.380052367279792).epsilon(1e-12));
  CHECK(made.variance == Approx(0.0349358221441993).epsilon(1e-12));
  CHECK(made.value == Approx(2.03303947309249).epsilon(1e-12));
}

TEST_CASE("the gradient of the criterion is that of small steps") {
  std::mt19937 random(1);
  const Vectors x = noisy_vectors(random, 12, 4, 0), y = noisy_vectors(random, 12, 4, 1);
  std::normal_distribution<double> normal;
  std::vector<double> projection(8);
  for (double& value : projection) value = 0.5 * normal(random);
  const PowerCriterion made = power_criterion(x.view(), y.view(), projection, 2);
  constexpr double kStep = 1e-5;
  for (size_t i = 0; i < projection.size(); ++i) {
    std::vector<double> up = projection, down = projection;
    up[i] += kStep;
    down[i] -= kStep;
    const double slope = (power_criterion(x.view(), y.view(), up, 2).value - power_criterion(x.view(), y.view(), down, 2).value) / (2 * kStep);
    CHECK(made.gradient[i] == Approx(slope).epsilon(1e-5).margin(1e-7));
  }
}

TEST_CASE("what was learnt raises the criterion and finds a difference in one direction of many") {
  std::mt19937 random(2);
  const Vectors x = noisy_vectors(random, 160, 10, 0), y = noisy_vectors(random, 150, 10, 0.8);
  const auto kernel = learned_mmd_test(x.view(), y.view(), with(1, 199));
  REQUIRE(kernel);
  CHECK(kernel->criterion_after > kernel->criterion_before);
  CHECK(kernel->p_value <= 0.01);
  CHECK((kernel->trained == 75 && kernel->tested == 155));
  const auto witness = witness_test(x.view(), y.view(), with(1, 199));
  CHECK(witness->p_value <= 0.01);
  // The direction is the one in which they differ.
  for (size_t j = 1; j < 10; ++j) CHECK(std::fabs(witness->direction[0]) > std::fabs(witness->direction[j]));
  CHECK(learned_mmd_test(x.view(), y.view(), with(1, 199))->statistics == kernel->statistics);
}

TEST_CASE("tests that learn keep their level") {
  std::mt19937 random(3);
  int kernel = 0, witness = 0;
  constexpr int kRuns = 200;
  for (int run = 0; run < kRuns; ++run) {
    const Vectors x = noisy_vectors(random, 30, 4, 0), y = noisy_vectors(random, 30, 4, 0);
    LearnedOptions options = with(static_cast<uint64_t>(run));
    options.steps = 10;
    kernel += learned_mmd_test(x.view(), y.view(), options)->p_value <= 0.05;
    witness += witness_test(x.view(), y.view(), options)->p_value <= 0.05;
  }
  // 10 expected; the binomial exceeds 21 with a probability of 0.0006.
  CHECK(kernel <= 21);
  CHECK(witness <= 21);
}

TEST_CASE("too few rows and rows without a difference are told") {
  const Vectors few = vectors(1, std::vector<float>(10, 1.0F)), same = vectors(1, std::vector<float>(40, 1.0F));
  CHECK(learned_mmd_test(few.view(), same.view()).error().message == "10 and 40 rows are too few: at least 16 are needed on each side");
  CHECK(learned_mmd_test(same.view(), same.view())->p_value == 1);
  CHECK(witness_test(same.view(), same.view())->p_value == 1);
}

}  // namespace llmops
