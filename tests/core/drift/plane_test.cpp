// The plane of a picture: directions by hand, signs, and rows that have none.
#include "core/drift/plane.h"

#include <catch2/catch.hpp>
#include <vector>

namespace llmops {
namespace {

Vectors rows_of(std::vector<float> values, size_t dimensions) {
  const size_t rows = values.size() / dimensions;
  return {std::move(values), rows, dimensions};
}

}  // namespace

TEST_CASE("the first axis is the direction in which rows differ most, the second the next one at a right angle") {
  // Around (7, -2, 1): 5 along (0.6, 0.8, 0), 2 along (-0.8, 0.6, 0), nothing along the third.
  const Vectors rows = rows_of({10.0F, 2.0F, 1, 4.0F, -6.0F, 1, 5.4F, -0.8F, 1, 8.6F, -3.2F, 1}, 3);
  const Vectors plane = principal_plane(rows.view());
  REQUIRE((plane.rows == 4 && plane.dimensions == 2));
  const std::vector<float> expected{5, 0, -5, 0, 0, -2, 0, 2};       // the largest entry of (0.8, -0.6, 0) is positive
  for (size_t i = 0; i < expected.size(); ++i) CHECK(plane.values[i] == Approx(expected[i]).margin(1e-5));
}

TEST_CASE("rows of one dimension lie on the first axis, equal rows in one point, no rows nowhere") {
  const Vectors line = principal_plane(rows_of({1, 3}, 1).view());
  CHECK(line.values == std::vector<float>{-1, 0, 1, 0});
  const Vectors same = principal_plane(rows_of({2, 5, 2, 5, 2, 5}, 2).view());
  for (const float value : same.values) CHECK(value == Approx(0).margin(1e-6));
  CHECK(principal_plane({}).values.empty());
}

}  // namespace llmops
