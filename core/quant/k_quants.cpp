// The search for scales follows ggml's reference for rows without an importance matrix, operation by operation in single
// precision: another order of additions gives other bytes.
#include "core/quant/k_quants.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "core/quant/k_layout.h"
#include "core/quant/numbers.h"
#include "core/quant/scale_search.h"

namespace llmops {
namespace {

constexpr int kSuper = 256, kGroup = 32, kSmall = 16;

// x = scale * (q - 4): one index after the other is moved to where it lowers the error, at most five times.
float fit_moving(const float* x, uint8_t* indices) {
  const float extreme = extreme_of(x, kSmall);
  std::fill_n(indices, kSmall, uint8_t{0});
  if (std::fabs(extreme) < kNoScale) return 0;
  const float inverse = -4.0F / extreme;
  std::array<int, kSmall> level{};
  float sum_xl = 0, sum_l2 = 0;
  for (size_t i = 0; i < kSmall; ++i) {
    level[i] = nearest_in(inverse * x[i], -4, 3);
    const float weight = x[i] * x[i], l = static_cast<float>(level[i]);
    sum_xl += weight * x[i] * l;
    sum_l2 += weight * l * l;
  }
  for (int round = 0; round < 5; ++round) {
    bool has_moved = false;
    for (size_t i = 0; i < kSmall; ++i) {
      const float weight = x[i] * x[i], l = static_cast<float>(level[i]);
      float other_xl = sum_xl - weight * x[i] * l;
      if (!(other_xl > 0)) continue;
      float other_l2 = sum_l2 - weight * l * l;
      const int moved = nearest_in(x[i] * other_l2 / other_xl, -4, 3);
      if (moved == level[i]) continue;
      const auto m = static_cast<float>(moved);
      other_xl += weight * x[i] * m;
      other_l2 += weight * m * m;
      if (!(other_l2 > 0) || !(other_xl * other_xl * sum_l2 > sum_xl * sum_xl * other_l2)) continue;
      level[i] = moved;
      sum_xl = other_xl;
      sum_l2 = other_l2;
      has_moved = true;
    }
    if (!has_moved) break;
  }
  for (size_t i = 0; i < kSmall; ++i) indices[i] = static_cast<uint8_t>(level[i] + 4);
  return sum_l2 > 0 ? sum_xl / sum_l2 : 0.0F;
}

// Of one super-block of Q4_K or Q5_K: scales into its first 16 bytes, indices into `indices`.
void quantize_groups(const float* x, const Search& search, uint8_t* block, uint8_t* indices) {
  std::array<float, 8> scales, minimums;
  for (size_t j = 0; j < 8; ++j) {
    const float* group = x + j * kGroup;
    float sum_x2 = 0;
    for (int i = 0; i < kGroup; ++i) sum_x2 += group[i] * group[i];
    const float average = std::sqrt(sum_x2 / kGroup);
    std::array<float, kGroup> weights;
    for (size_t i = 0; i < kGroup; ++i) weights[i] = average + std::fabs(group[i]);
    const ScaleAndMinimum one = fit_with_minimum(group, weights.data(), search, indices + j * kGroup);
    scales[j] = one.scale;
    minimums[j] = one.minimum;
  }
  reindex(x, put_q4_k_scales(scales.data(), minimums.data(), block), kGroup, 0, search.levels, indices);
}

template <class Unpack>
void dequantize(const GroupScales& scales, int size, int offset, const Unpack& unpack, const uint8_t* block, float* out) {
  std::array<uint8_t, kSuper> indices;
  unpack(block, indices.data());
  for (size_t i = 0; i < kSuper; ++i) {
    const size_t group = i / static_cast<size_t>(size);
    const float value = scales.scale[group] * static_cast<float>(indices[i] - offset);
    out[i] = offset == 0 ? value - scales.minimum[group] : value;
  }
}

}  // namespace

void reindex(const float* x, const GroupScales& scales, int size, int least, int most, uint8_t* indices) {
  for (int i = 0; i < kSuper; ++i) {
    const auto group = static_cast<size_t>(i / size);
    if (scales.scale[group] != 0) indices[i] = static_cast<uint8_t>(nearest_in((x[i] + scales.minimum[group]) / scales.scale[group], least, most) - least);
  }
}

void to_q2_k(std::span<const float> values, uint8_t* blocks) {
  for (size_t at = 0; at < values.size(); at += kSuper, blocks += 84) {
    const float* x = values.data() + at;
    std::array<float, 16> scales, minimums;
    std::array<uint8_t, kSuper> indices{};
    for (size_t j = 0; j < 16; ++j) {
      std::array<float, kSmall> weights;
      for (size_t i = 0; i < kSmall; ++i) weights[i] = std::fabs(x[j * kSmall + i]);
      const ScaleAndMinimum one = fit_with_minimum(x + j * kSmall, weights.data(), {kSmall, 3, -0.5F, 0.1F, 15, true}, indices.data() + j * kSmall);
      scales[j] = one.scale;
      minimums[j] = one.minimum;
    }
    reindex(x, put_q2_k_scales(scales.data(), minimums.data(), blocks), kSmall, 0, 3, indices.data());
    pack_q2_k(indices.data(), blocks);
  }
}
void from_q2_k(const uint8_t* blocks, std::span<float> values) {
  for (size_t at = 0; at < values.size(); at += kSuper, blocks += 84) dequantize(read_q2_k_scales(blocks), kSmall, 0, unpack_q2_k, blocks, values.data() + at);
}

void to_q3_k(std::span<const float> values, uint8_t* blocks) {
  for (size_t at = 0; at < values.size(); at += kSuper, blocks += 110) {
    const float* x = values.data() + at;
    std::array<float, 16> scales;
    std::array<uint8_t, kSuper> indices{};
    for (size_t j = 0; j < 16; ++j) scales[j] = fit_moving(x + j * kSmall, indices.data() + j * kSmall);
    reindex(x, put_q3_k_scales(scales.data(), blocks), kSmall, -4, 3, indices.data());
    pack_q3_k(indices.data(), blocks);
  }
}
void from_q3_k(const uint8_t* blocks, std::span<float> values) {
  for (size_t at = 0; at < values.size(); at += kSuper, blocks += 110) dequantize(read_q3_k_scales(blocks), kSmall, 4, unpack_q3_k, blocks, values.data() + at);
}

void to_q4_k(std::span<const float> values, uint8_t* blocks) {
  for (size_t at = 0; at < values.size(); at += kSuper, blocks += 144) {
    std::array<uint8_t, kSuper> indices{};
    quantize_groups(values.data() + at, {kGroup, 15, -1.0F, 0.1F, 20, false}, blocks, indices.data());
    pack_q4_k(indices.data(), blocks);
  }
}
void from_q4_k(const uint8_t* blocks, std::span<float> values) {
  for (size_t at = 0; at < values.size(); at += kSuper, blocks += 144) dequantize(read_q4_k_scales(blocks), kGroup, 0, unpack_q4_k, blocks, values.data() + at);
}

void to_q5_k(std::span<const float> values, uint8_t* blocks) {
  for (size_t at = 0; at < values.size(); at += kSuper, blocks += 176) {
    std::array<uint8_t, kSuper> indices{};
    quantize_groups(values.data() + at, {kGroup, 31, -0.5F, 0.1F, 15, false}, blocks, indices.data());
    pack_q5_k(indices.data(), blocks);
  }
}
void from_q5_k(const uint8_t* blocks, std::span<float> values) {
  for (size_t at = 0; at < values.size(); at += kSuper, blocks += 176) dequantize(read_q4_k_scales(blocks), kGroup, 0, unpack_q5_k, blocks, values.data() + at);
}

void to_q6_k(std::span<const float> values, uint8_t* blocks) {
  for (size_t at = 0; at < values.size(); at += kSuper, blocks += 210) {
    const float* x = values.data() + at;
    std::array<float, 16> scales;
    std::array<uint8_t, kSuper> indices;
    for (size_t j = 0; j < 16; ++j) {
      std::array<float, kSmall> weights;
      for (size_t i = 0; i < kSmall; ++i) weights[i] = x[j * kSmall + i] * x[j * kSmall + i];
      scales[j] = fit_symmetric(x + j * kSmall, weights.data(), kSmall, 32, indices.data() + j * kSmall);
    }
    const float extreme = extreme_of(scales.data(), 16);
    std::fill_n(blocks, 210, uint8_t{0});
    if (std::fabs(extreme) < kNoScale) continue;
    reindex(x, put_q6_k_scales(scales.data(), extreme, blocks), kSmall, -32, 31, indices.data());
    pack_q6_k(indices.data(), blocks);
  }
}
void from_q6_k(const uint8_t* blocks, std::span<float> values) {
  for (size_t at = 0; at < values.size(); at += kSuper, blocks += 210) dequantize(read_q6_k_scales(blocks), kSmall, 32, unpack_q6_k, blocks, values.data() + at);
}

}  // namespace llmops
