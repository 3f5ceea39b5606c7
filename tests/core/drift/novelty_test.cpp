#include "core/drift/novelty.h"

#include <catch2/catch.hpp>
#include <random>

#include "tests/core/drift/drift_fixture.h"

namespace llmops {
namespace {

using test::splits;

Vectors normal_vectors(std::mt19937& random, size_t rows, size_t dimensions, double centre = 0) {
  std::normal_distribution<double> normal;
  Vectors made{{}, rows, dimensions};
  for (size_t i = 0; i < rows * dimensions; ++i) made.values.push_back(static_cast<float>(normal(random) + (i % dimensions == 0 ? centre : 0)));
  return made;
}

}  // namespace

TEST_CASE("neighbours of dense and of sparse rows are the same, nearest first") {
  Vectors rows{{1, 0, 0, 0.9F, 0.1F, 0, 0, 1, 0, 0, 0, 0}, 4, 3};
  SparseRows sparse;
  sparse.dimensions = 3;
  for (size_t i = 0; i < 4; ++i) {
    double squares = 0;
    for (size_t j = 0; j < 3; ++j) squares += std::pow(static_cast<double>(rows.values[i * 3 + j]), 2);
    for (uint32_t j = 0; j < 3; ++j) {
      if (rows.values[i * 3 + j] == 0) continue;
      sparse.indices.push_back(j);
      sparse.values.push_back(rows.values[i * 3 + j] / static_cast<float>(std::sqrt(squares)));
    }
    sparse.offsets.push_back(sparse.indices.size());
  }
  const auto dense = nearest_neighbours(rows.view(), 2), other = nearest_neighbours(sparse, 2);
  REQUIRE((dense && other));
  CHECK(dense->items == other->items);
  for (size_t i = 0; i < dense->distances.size(); ++i) CHECK(dense->distances[i] == Approx(other->distances[i]).margin(1e-6));
  CHECK((dense->items[0] == 1 && dense->items[1] == 2));
  CHECK(dense->distances[0] == Approx(1 - 0.9 / std::sqrt(0.82)).margin(1e-6));
  // A row of zeros is at distance 1 from all.
  CHECK((dense->distances[6] == 1 && dense->distances[7] == 1));
}

TEST_CASE("a few rows that are far from the reference are found, a change of mix that stays near is not, and the level is kept") {
  std::mt19937 random(3);
  Vectors x = normal_vectors(random, 150, 4, 6), y = normal_vectors(random, 135, 4, 6), far = normal_vectors(random, 15, 4, -6);
  y.values.insert(y.values.end(), far.values.begin(), far.values.end());
  y.rows = 150;
  const auto neighbours = nearest_neighbours(joined(x.view(), y.view()).view(), 64);
  const Memberships memberships = splits(300, 150, 199, 1);
  const auto made = novelty_test(*neighbours, memberships, {}, 1);
  REQUIRE(made);
  CHECK(made->p_value <= 0.02);
  CHECK(made->beyond_edge > 0.1);
  CHECK(made->current.size() == 150);
  CHECK(made->statistics == novelty_test(*neighbours, memberships, {}, 3)->statistics);
  int alarms = 0;
  for (int run = 0; run < 300; ++run) {
    const Vectors a = normal_vectors(random, 30, 3), b = normal_vectors(random, 30, 3);
    alarms += novelty_test(*nearest_neighbours(joined(a.view(), b.view()).view(), 32), splits(60, 30, 99, static_cast<uint64_t>(run)), {}, 1)->p_value <= 0.05;
  }
  // 15 expected; the binomial exceeds 28 with a probability of 0.0008.
  CHECK(alarms <= 28);
}

TEST_CASE("rows that are all the same are not new") {
  const Vectors same{std::vector<float>(40, 1.0F), 20, 2};
  const auto made = novelty_test(*nearest_neighbours(same.view(), 10), splits(20, 10, 99, 1));
  CHECK((made->p_value == 1 && made->beyond_edge == 0));
}

}  // namespace llmops
