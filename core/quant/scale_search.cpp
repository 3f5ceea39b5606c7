// Another order of additions would give other bytes than ggml's.
#include "core/quant/scale_search.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "core/quant/numbers.h"

namespace llmops {
namespace {

// Weighted sum of the errors of `scale * indices + least`.
float error_of(const float* x, const float* weights, const uint8_t* indices, float scale, float least, const Search& search) {
  float sum = 0;
  for (int i = 0; i < search.size; ++i) {
    float difference = scale * static_cast<float>(indices[i]) + least - x[i];
    difference = search.is_absolute ? std::fabs(difference) : difference * difference;
    sum += weights[i] * difference;
  }
  return sum;
}

struct Sums { float xl = 0, l2 = 0; };
Sums sums_of(const float* x, const float* weights, int size, int half, float inverse) {
  Sums sums;
  for (int i = 0; i < size; ++i) {
    const auto l = static_cast<float>(nearest_in(inverse * x[i], -half, half - 1));
    sums.xl += weights[i] * x[i] * l;
    sums.l2 += weights[i] * l * l;
  }
  return sums;
}

float squared_error(const float* x, const float* weights, int size, int levels, float inverse) {
  const float unit = 1 / inverse;
  float sum = 0;
  for (int i = 0; i < size; ++i) {
    const float difference = x[i] - unit * static_cast<float>(std::min(levels, nearest(inverse * x[i])));
    sum += weights[i] * difference * difference;
  }
  return sum;
}

// Moves one index after the other to where it lowers the error, at most five times.
Sums move_indices(const float* x, const float* weights, int size, int levels, Sums sums, uint8_t* indices) {
  for (int round = 0; round < 5; ++round) {
    bool has_moved = false;
    for (int i = 0; i < size; ++i) {
      const auto l = static_cast<float>(indices[i]);
      Sums other{sums.xl - weights[i] * x[i] * l, sums.l2 - weights[i] * l * l};
      if (!(other.xl > 0) || !(other.l2 > 0)) continue;
      const int moved = std::clamp(nearest(std::min(x[i] * other.l2 / other.xl, 1e6F)), 0, levels);
      if (moved == indices[i]) continue;
      const auto m = static_cast<float>(moved);
      other.xl += weights[i] * x[i] * m;
      other.l2 += weights[i] * m * m;
      if (!(other.xl * other.xl * sums.l2 > sums.xl * sums.xl * other.l2)) continue;
      indices[i] = static_cast<uint8_t>(moved);
      sums = other;
      has_moved = true;
    }
    if (!has_moved) break;
  }
  return sums;
}

}  // namespace

ScaleAndMinimum fit_with_minimum(const float* x, const float* weights, const Search& search, uint8_t* indices) {
  float least = x[0], most = x[0], sum_w = weights[0], sum_x = sum_w * x[0];
  for (int i = 1; i < search.size; ++i) {
    least = std::min(least, x[i]);
    most = std::max(most, x[i]);
    sum_w += weights[i];
    sum_x += weights[i] * x[i];
  }
  least = std::min(least, 0.0F);
  if (most == least) {
    std::fill_n(indices, search.size, uint8_t{0});
    return {0, -least};
  }
  const auto levels = static_cast<float>(search.levels);
  float inverse = levels / (most - least), scale = 1 / inverse;
  for (int i = 0; i < search.size; ++i) indices[i] = static_cast<uint8_t>(nearest_in(inverse * (x[i] - least), 0, search.levels));
  float best = error_of(x, weights, indices, scale, least, search);
  std::array<uint8_t, 32> tried{};
  for (int step = 0; step <= search.count; ++step) {
    inverse = (search.first + search.step * static_cast<float>(step) + levels) / (most - least);
    float sum_l = 0, sum_l2 = 0, sum_xl = 0;
    for (int i = 0; i < search.size; ++i) {
      const int index = nearest_in(inverse * (x[i] - least), 0, search.levels);
      tried[static_cast<size_t>(i)] = static_cast<uint8_t>(index);
      const auto l = static_cast<float>(index);
      sum_l += weights[i] * l;
      sum_l2 += weights[i] * l * l;
      sum_xl += weights[i] * l * x[i];
    }
    const float determinant = sum_w * sum_l2 - sum_l * sum_l;
    if (!(determinant > 0)) continue;
    float this_scale = (sum_w * sum_xl - sum_x * sum_l) / determinant, this_least = (sum_l2 * sum_x - sum_l * sum_xl) / determinant;
    if (this_least > 0) {
      this_least = 0;
      this_scale = sum_xl / sum_l2;
    }
    const float error = error_of(x, weights, tried.data(), this_scale, this_least, search);
    if (!(error < best)) continue;
    std::copy_n(tried.begin(), search.size, indices);
    best = error;
    scale = this_scale;
    least = this_least;
  }
  return {scale, -least};
}

float fit_symmetric(const float* x, const float* weights, int size, int half, uint8_t* indices) {
  const float extreme = extreme_of(x, static_cast<size_t>(size)), levels = static_cast<float>(half);
  std::fill_n(indices, size, uint8_t{0});
  if (std::fabs(extreme) < kNoScale) return 0;
  const auto take = [&](float inverse) { for (int i = 0; i < size; ++i) indices[i] = static_cast<uint8_t>(half + nearest_in(inverse * x[i], -half, half - 1)); };
  take(-levels / extreme);
  Sums sums = sums_of(x, weights, size, half, -levels / extreme);
  float scale = sums.l2 != 0 ? sums.xl / sums.l2 : 0.0F, best = scale * sums.xl;
  for (int step = -9; step <= 9; ++step) {
    if (step == 0) continue;
    const float inverse = -(levels + 0.1F * static_cast<float>(step)) / extreme;
    sums = sums_of(x, weights, size, half, inverse);
    if (sums.l2 > 0 && sums.xl * sums.xl > best * sums.l2) {
      take(inverse);
      scale = sums.xl / sums.l2;
      best = scale * sums.xl;
    }
  }
  return scale;
}

float fit_unit(const float* x, const float* weights, int size, int levels, uint8_t* indices) {
  std::fill_n(indices, size, uint8_t{0});
  const float most = std::max(0.0F, *std::max_element(x, x + size));
  if (most < kNoScale) return 0;
  float inverse = static_cast<float>(levels) / most, best = squared_error(x, weights, size, levels, inverse);
  for (int step = -4; step <= 4; ++step) {
    if (step == 0) continue;
    const float tried = (0.1F * static_cast<float>(step) + static_cast<float>(levels)) / most, error = squared_error(x, weights, size, levels, tried);
    if (!(error < best)) continue;
    best = error;
    inverse = tried;
  }
  Sums sums;
  for (int i = 0; i < size; ++i) {
    indices[i] = static_cast<uint8_t>(std::clamp(nearest(inverse * x[i]), 0, levels));
    const auto l = static_cast<float>(indices[i]);
    sums.xl += weights[i] * x[i] * l;
    sums.l2 += weights[i] * l * l;
  }
  sums = move_indices(x, weights, size, levels, sums, indices);
  return sums.l2 > 0 ? sums.xl / sums.l2 : 0.0F;
}

}  // namespace llmops
