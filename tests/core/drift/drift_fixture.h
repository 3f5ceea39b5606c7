// Samples and splits for tests of difference.
#pragma once

#include <catch2/catch.hpp>
#include <random>
#include <vector>

#include "core/drift/permutations.h"
#include "core/drift/vectors.h"

namespace llmops::test {

inline Vectors vectors(size_t dimensions, std::vector<float> values) {
  Vectors made{std::move(values), 0, dimensions};
  made.rows = made.values.size() / dimensions;
  return made;
}

// Independent normal values around `shift`.
inline Vectors normal_vectors(std::mt19937& random, size_t rows, size_t dimensions, double shift = 0) {
  std::normal_distribution<double> normal;
  Vectors made{{}, rows, dimensions};
  for (size_t i = 0; i < rows * dimensions; ++i) made.values.push_back(static_cast<float>(normal(random) + shift));
  return made;
}

inline Memberships splits(size_t items, size_t reference, size_t permutations, uint64_t seed = 1) {
  PermutationPlan plan;
  plan.permutations = permutations;
  plan.seed = seed;
  auto made = Memberships::make(items, reference, plan);
  REQUIRE(made);
  return std::move(*made);
}

}  // namespace llmops::test
