// Samples of vectors, one row each, as tests between two of them take them.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace llmops {

// Row-major, without gaps; does not own its values.
struct VectorsView {
  std::span<const float> values;
  size_t rows = 0, dimensions = 0;
  std::span<const float> row(size_t i) const { return values.subspan(i * dimensions, dimensions); }
  VectorsView part(size_t first, size_t count) const { return {values.subspan(first * dimensions, count * dimensions), count, dimensions}; }
};

struct Vectors {
  std::vector<float> values;
  size_t rows = 0, dimensions = 0;
  VectorsView view() const { return {values, rows, dimensions}; }
};

// One sample after the other. Precondition: equal dimensions.
Vectors joined(const VectorsView& first, const VectorsView& second);

}  // namespace llmops
