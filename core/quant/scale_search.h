// Private to core/quant: the scale (and the minimum) of a group with the least weighted error, as ggml's reference searches for them.
// All sums are in single precision and in the order of the values.
#pragma once

#include <cstdint>

namespace llmops {

struct ScaleAndMinimum { float scale = 0, minimum = 0; };

// Groups of `size` (at most 32) values; tries (first + step * i + levels) / range, i from 0 to `count`; errors squared or absolute.
struct Search {
  int size, levels;
  float first, step;
  int count;
  bool is_absolute;
};
// x = scale * q - minimum, q from 0 to levels, minimum not below zero.
ScaleAndMinimum fit_with_minimum(const float* x, const float* weights, const Search& search, uint8_t* indices);

// x = scale * (q - half), q from 0 to 2 * half - 1. At most 32 values. Where all are next to zero, 0 and indices of 0.
float fit_symmetric(const float* x, const float* weights, int size, int half, uint8_t* indices);

// Scales or minimums of a block, at most 16 and not below zero, as unit * q, q from 0 to levels. Gives the unit.
float fit_unit(const float* x, const float* weights, int size, int levels, uint8_t* indices);

}  // namespace llmops
