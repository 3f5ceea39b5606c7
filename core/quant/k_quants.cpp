// The search for scales follows ggml's reference for rows without an importance matrix, operation by operation in single
// precision: another order of additions gives other bytes.
#include "core/quant/k_quants.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "core/quant/half.h"
#include "core/quant/numbers.h"

namespace llmops {
namespace {

constexpr int kSuper = 256, kGroup = 32, kGroups = 8, kSmall = 16;

int nearest_in(float value, int least, int most) { return std::clamp(nearest(value), least, most); }

// ---- groups with a scale and a minimum: x = scale * q - minimum ----

struct ScaleAndMinimum { float scale = 0, minimum = 0; };

// How the search for the scale goes: groups of `size` values, steps from (first + 0.1 * i + levels) / range, errors squared or absolute.
struct Search { int size, levels; float first; int steps; bool is_absolute; };

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

// The scale and the minimum (not above zero) of least weighted error among those that the steps try; the indices that belong to it.
ScaleAndMinimum fit(const float* x, const float* weights, const Search& search, uint8_t* indices) {
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
  std::array<uint8_t, kGroup> tried{};
  for (int step = 0; step <= search.steps; ++step) {
    inverse = (search.first + 0.1F * static_cast<float>(step) + levels) / (most - least);
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
    if (error >= best) continue;
    std::copy_n(tried.begin(), search.size, indices);
    best = error;
    scale = this_scale;
    least = this_least;
  }
  return {scale, -least};
}

// Eight scales and eight minimums of six bits in 12 bytes.
void pack_six_bits(const uint8_t* scales, const uint8_t* minimums, uint8_t* packed) {
  for (int j = 0; j < 4; ++j) {
    packed[j] = static_cast<uint8_t>(scales[j] | (scales[j + 4] >> 4) << 6);
    packed[j + 4] = static_cast<uint8_t>(minimums[j] | (minimums[j + 4] >> 4) << 6);
    packed[j + 8] = static_cast<uint8_t>((scales[j + 4] & 15) | (minimums[j + 4] & 15) << 4);
  }
}
void unpack_six_bits(const uint8_t* packed, uint8_t* scales, uint8_t* minimums) {
  for (int j = 0; j < 4; ++j) {
    scales[j] = packed[j] & 63;
    minimums[j] = packed[j + 4] & 63;
    scales[j + 4] = static_cast<uint8_t>((packed[j + 8] & 15) | (packed[j] >> 6) << 4);
    minimums[j + 4] = static_cast<uint8_t>((packed[j + 8] >> 4) | (packed[j + 4] >> 6) << 4);
  }
}

// Of one super-block: scales into its first 16 bytes, indices into `indices`.
void quantize_groups(const float* x, const Search& search, uint8_t* block, uint8_t* indices) {
  std::array<ScaleAndMinimum, kGroups> fitted;
  float most_scale = 0, most_minimum = 0;
  for (int j = 0; j < kGroups; ++j) {
    const float* group = x + j * kGroup;
    float sum_x2 = 0;
    for (int i = 0; i < kGroup; ++i) sum_x2 += group[i] * group[i];
    const float average = std::sqrt(sum_x2 / kGroup);
    std::array<float, kGroup> weights;
    for (int i = 0; i < kGroup; ++i) weights[static_cast<size_t>(i)] = average + std::fabs(group[i]);
    ScaleAndMinimum& one = fitted[static_cast<size_t>(j)];
    one = fit(group, weights.data(), search, indices + j * kGroup);
    most_scale = std::max(most_scale, one.scale);
    most_minimum = std::max(most_minimum, one.minimum);
  }
  const float to_scale = most_scale > 0 ? 63.0F / most_scale : 0.0F, to_minimum = most_minimum > 0 ? 63.0F / most_minimum : 0.0F;
  std::array<uint8_t, kGroups> scales, minimums;
  for (size_t j = 0; j < kGroups; ++j) {
    scales[j] = static_cast<uint8_t>(std::min<uint8_t>(63, static_cast<uint8_t>(nearest(to_scale * fitted[j].scale))));
    minimums[j] = static_cast<uint8_t>(std::min<uint8_t>(63, static_cast<uint8_t>(nearest(to_minimum * fitted[j].minimum))));
  }
  put(block, half_of(most_scale / 63.0F));
  put(block + 2, half_of(most_minimum / 63.0F));
  pack_six_bits(scales.data(), minimums.data(), block + 4);
  // Once more, with the scales as they are stored.
  const float unit = float_of_half(get<uint16_t>(block)), minimum_unit = float_of_half(get<uint16_t>(block + 2));
  for (int j = 0; j < kGroups; ++j) {
    const float scale = unit * static_cast<float>(scales[static_cast<size_t>(j)]), minimum = minimum_unit * static_cast<float>(minimums[static_cast<size_t>(j)]);
    if (scale == 0) continue;
    for (int i = j * kGroup; i < (j + 1) * kGroup; ++i) indices[i] = static_cast<uint8_t>(nearest_in((x[i] + minimum) / scale, 0, search.levels));
  }
}

struct GroupScales { std::array<float, kGroups> scale, minimum; };
GroupScales scales_of_groups(const uint8_t* block) {
  std::array<uint8_t, kGroups> scales, minimums;
  unpack_six_bits(block + 4, scales.data(), minimums.data());
  const float unit = float_of_half(get<uint16_t>(block)), minimum_unit = float_of_half(get<uint16_t>(block + 2));
  GroupScales made;
  for (size_t j = 0; j < kGroups; ++j) {
    made.scale[j] = unit * static_cast<float>(scales[j]);
    made.minimum[j] = minimum_unit * static_cast<float>(minimums[j]);
  }
  return made;
}

// ---- groups of 16 with a scale: x = scale * (q - 32) ----

struct Fit16 { float sum_xl = 0, sum_l2 = 0; };
Fit16 sums_of(const float* x, float inverse) {
  Fit16 sums;
  for (int i = 0; i < 16; ++i) {
    const auto l = static_cast<float>(nearest_in(inverse * x[i], -32, 31));
    const float weight = x[i] * x[i];
    sums.sum_xl += weight * x[i] * l;
    sums.sum_l2 += weight * l * l;
  }
  return sums;
}

// The scale of least squared error, each value weighted by its square, and the indices that belong to it.
float fit_symmetric(const float* x, uint8_t* indices) {
  const float extreme = extreme_of(x, kSmall);
  std::fill_n(indices, kSmall, uint8_t{0});
  if (std::fabs(extreme) < kNoScale) return 0;
  const auto take = [&](float inverse) { for (int i = 0; i < 16; ++i) indices[i] = static_cast<uint8_t>(32 + nearest_in(inverse * x[i], -32, 31)); };
  take(-32.0F / extreme);
  Fit16 sums = sums_of(x, -32.0F / extreme);
  float scale = sums.sum_l2 != 0 ? sums.sum_xl / sums.sum_l2 : 0.0F, best = scale * sums.sum_xl;
  for (int step = -9; step <= 9; ++step) {
    if (step == 0) continue;
    const float inverse = -(32.0F + 0.1F * static_cast<float>(step)) / extreme;
    sums = sums_of(x, inverse);
    if (sums.sum_l2 > 0 && sums.sum_xl * sums.sum_xl > best * sums.sum_l2) {
      take(inverse);
      scale = sums.sum_xl / sums.sum_l2;
      best = scale * sums.sum_xl;
    }
  }
  return scale;
}

// The same for eight levels, one index after the other moved to where it lowers the error, at most five times.
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

// Of 128 values q, q+32, q+64 and q+96 share a byte, two bits each.
void pack_two_bits(const uint8_t* indices, uint8_t* packed) {
  for (size_t j = 0; j < kSuper / 4; ++j) {
    const uint8_t* first = indices + j / 32 * 128 + j % 32;
    packed[j] = static_cast<uint8_t>(first[0] | first[32] << 2 | first[64] << 4 | first[96] << 6);
  }
}
int two_bits(const uint8_t* packed, size_t i) { return (packed[i / 128 * 32 + i % 32] >> (2 * (i % 128 / 32))) & 3; }

// Q3_K: 16 scales of six bits, less 32, in 12 bytes.
int third_scale(const uint8_t* packed, size_t j) {
  const int low = j < 8 ? packed[j] & 15 : packed[j - 8] >> 4;
  return (low | ((packed[8 + j % 4] >> (2 * (j / 4))) & 3) << 4) - 32;
}

}  // namespace

// 16 bytes of scale and minimum, four bits each, 64 of indices, d, dmin.
void to_q2_k(std::span<const float> values, uint8_t* blocks) {
  for (size_t at = 0; at < values.size(); at += kSuper, blocks += 84) {
    const float* x = values.data() + at;
    std::array<ScaleAndMinimum, 16> fitted;
    std::array<uint8_t, kSuper> indices{};
    float most_scale = 0, most_minimum = 0;
    for (size_t j = 0; j < 16; ++j) {
      std::array<float, kSmall> weights;
      for (size_t i = 0; i < kSmall; ++i) weights[i] = std::fabs(x[j * kSmall + i]);
      fitted[j] = fit(x + j * kSmall, weights.data(), {kSmall, 3, -0.5F, 15, true}, indices.data() + j * kSmall);
      most_scale = std::max(most_scale, fitted[j].scale);
      most_minimum = std::max(most_minimum, fitted[j].minimum);
    }
    const float to_scale = most_scale > 0 ? 15.0F / most_scale : 0.0F, to_minimum = most_minimum > 0 ? 15.0F / most_minimum : 0.0F;
    put(blocks + 80, half_of(most_scale > 0 ? most_scale / 15.0F : 0.0F));
    put(blocks + 82, half_of(most_minimum > 0 ? most_minimum / 15.0F : 0.0F));
    const float unit = float_of_half(get<uint16_t>(blocks + 80)), minimum_unit = float_of_half(get<uint16_t>(blocks + 82));
    for (size_t j = 0; j < 16; ++j) {
      blocks[j] = static_cast<uint8_t>(nearest(to_scale * fitted[j].scale) | nearest(to_minimum * fitted[j].minimum) << 4);
      const float scale = unit * static_cast<float>(blocks[j] & 15), minimum = minimum_unit * static_cast<float>(blocks[j] >> 4);
      if (scale == 0) continue;
      for (size_t i = j * kSmall; i < (j + 1) * kSmall; ++i) indices[i] = static_cast<uint8_t>(nearest_in((x[i] + minimum) / scale, 0, 3));
    }
    pack_two_bits(indices.data(), blocks + 16);
  }
}
void from_q2_k(const uint8_t* blocks, std::span<float> values) {
  for (size_t at = 0; at < values.size(); at += kSuper, blocks += 84) {
    const float unit = float_of_half(get<uint16_t>(blocks + 80)), minimum_unit = float_of_half(get<uint16_t>(blocks + 82));
    for (size_t i = 0; i < kSuper; ++i) {
      const uint8_t scales = blocks[i / kSmall];
      values[at + i] = unit * static_cast<float>(scales & 15) * static_cast<float>(two_bits(blocks + 16, i)) - minimum_unit * static_cast<float>(scales >> 4);
    }
  }
}

// 32 bytes of third bits (bit g of byte j: value j of group g), 64 of low two, 12 of scales, d.
void to_q3_k(std::span<const float> values, uint8_t* blocks) {
  for (size_t at = 0; at < values.size(); at += kSuper, blocks += 110) {
    const float* x = values.data() + at;
    std::array<float, 16> fitted;
    std::array<uint8_t, kSuper> indices{};
    for (size_t j = 0; j < 16; ++j) fitted[j] = fit_moving(x + j * kSmall, indices.data() + j * kSmall);
    const float extreme = extreme_of(fitted.data(), 16);
    std::fill_n(blocks, 110, uint8_t{0});
    uint8_t* scales = blocks + 96;
    if (extreme != 0) {
      const float inverse = -32.0F / extreme;
      for (size_t j = 0; j < 16; ++j) {
        const int scale = nearest_in(inverse * fitted[j], -32, 31) + 32;
        scales[j % 8] = static_cast<uint8_t>(scales[j % 8] | (scale & 15) << (j < 8 ? 0 : 4));
        scales[8 + j % 4] = static_cast<uint8_t>(scales[8 + j % 4] | (scale >> 4) << (2 * (j / 4)));
      }
      put(blocks + 108, half_of(1 / inverse));
    }
    const float unit = float_of_half(get<uint16_t>(blocks + 108));
    for (size_t j = 0; j < 16; ++j) {
      const float scale = unit * static_cast<float>(third_scale(scales, j));
      if (scale == 0) continue;
      for (size_t i = j * kSmall; i < (j + 1) * kSmall; ++i) indices[i] = static_cast<uint8_t>(nearest_in(x[i] / scale, -4, 3) + 4);
    }
    for (size_t i = 0; i < kSuper; ++i) {
      if (indices[i] < 4) continue;
      blocks[i % 32] = static_cast<uint8_t>(blocks[i % 32] | 1 << (i / 32));
      indices[i] = static_cast<uint8_t>(indices[i] - 4);
    }
    pack_two_bits(indices.data(), blocks + 32);
  }
}
void from_q3_k(const uint8_t* blocks, std::span<float> values) {
  for (size_t at = 0; at < values.size(); at += kSuper, blocks += 110) {
    const float unit = float_of_half(get<uint16_t>(blocks + 108));
    for (size_t i = 0; i < kSuper; ++i) {
      const int third = (blocks[i % 32] >> (i / 32)) & 1;
      values[at + i] = unit * static_cast<float>(third_scale(blocks + 96, i / kSmall)) * static_cast<float>(two_bits(blocks + 32, i) + 4 * third - 4);
    }
  }
}

// d, dmin, 12 bytes of scales, 128 of indices: of 64 values the first 32 in the low four bits.
void to_q4_k(std::span<const float> values, uint8_t* blocks) {
  for (size_t at = 0; at < values.size(); at += kSuper, blocks += 144) {
    std::array<uint8_t, kSuper> indices{};
    quantize_groups(values.data() + at, {kGroup, 15, -1.0F, 20, false}, blocks, indices.data());
    for (size_t j = 0; j < kSuper / 2; ++j) {
      const size_t first = j / 32 * 64 + j % 32;
      blocks[16 + j] = static_cast<uint8_t>(indices[first] | indices[first + 32] << 4);
    }
  }
}
void from_q4_k(const uint8_t* blocks, std::span<float> values) {
  for (size_t at = 0; at < values.size(); at += kSuper, blocks += 144) {
    const GroupScales scales = scales_of_groups(blocks);
    for (size_t i = 0; i < kSuper; ++i) {
      const uint8_t byte = blocks[16 + i / 64 * 32 + i % 32];
      const int index = i % 64 < 32 ? byte & 15 : byte >> 4;
      values[at + i] = scales.scale[i / 32] * static_cast<float>(index) - scales.minimum[i / 32];
    }
  }
}

// d, dmin, 12 bytes of scales, 32 of fifth bits (bit g of byte j: value j of group g), 128 as in Q4_K.
void to_q5_k(std::span<const float> values, uint8_t* blocks) {
  for (size_t at = 0; at < values.size(); at += kSuper, blocks += 176) {
    std::array<uint8_t, kSuper> indices{};
    quantize_groups(values.data() + at, {kGroup, 31, -0.5F, 15, false}, blocks, indices.data());
    std::fill_n(blocks + 16, 32, uint8_t{0});
    for (size_t i = 0; i < kSuper; ++i) blocks[16 + i % 32] = static_cast<uint8_t>(blocks[16 + i % 32] | (indices[i] >> 4) << (i / 32));
    for (size_t j = 0; j < kSuper / 2; ++j) {
      const size_t first = j / 32 * 64 + j % 32;
      blocks[48 + j] = static_cast<uint8_t>((indices[first] & 15) | (indices[first + 32] & 15) << 4);
    }
  }
}
void from_q5_k(const uint8_t* blocks, std::span<float> values) {
  for (size_t at = 0; at < values.size(); at += kSuper, blocks += 176) {
    const GroupScales scales = scales_of_groups(blocks);
    for (size_t i = 0; i < kSuper; ++i) {
      const uint8_t byte = blocks[48 + i / 64 * 32 + i % 32];
      const int index = (i % 64 < 32 ? byte & 15 : byte >> 4) | ((blocks[16 + i % 32] >> (i / 32)) & 1) << 4;
      values[at + i] = scales.scale[i / 32] * static_cast<float>(index) - scales.minimum[i / 32];
    }
  }
}

// 128 bytes of low four bits, 64 of high two, 16 scales of eight bits, d. Of 128 values: q, q+64 share a byte of low bits; q, q+32, q+64, q+96 one of high ones.
void to_q6_k(std::span<const float> values, uint8_t* blocks) {
  for (size_t at = 0; at < values.size(); at += kSuper, blocks += 210) {
    const float* x = values.data() + at;
    std::array<float, 16> scales;
    std::array<uint8_t, kSuper> indices;
    for (size_t j = 0; j < 16; ++j) scales[j] = fit_symmetric(x + j * 16, indices.data() + j * 16);
    const float extreme = extreme_of(scales.data(), 16);
    std::fill_n(blocks, 210, uint8_t{0});
    if (std::fabs(extreme) < kNoScale) continue;
    const float inverse = -128.0F / extreme;
    put(blocks + 208, half_of(1 / inverse));
    const float unit = float_of_half(get<uint16_t>(blocks + 208));
    for (size_t j = 0; j < 16; ++j) {
      const int scale = std::min(127, nearest(inverse * scales[j]));
      blocks[192 + j] = static_cast<uint8_t>(static_cast<int8_t>(scale));
      const float step = unit * static_cast<float>(static_cast<int8_t>(scale));
      for (size_t i = j * 16; i < (j + 1) * 16; ++i) {
        const int index = step == 0 ? indices[i] : 32 + nearest_in(x[i] / step, -32, 31);
        const size_t half = i / 128, place = i % 128;
        uint8_t& low = blocks[half * 64 + place % 64];
        low = static_cast<uint8_t>(low | (index & 15) << (place < 64 ? 0 : 4));
        uint8_t& high = blocks[128 + half * 32 + place % 32];
        high = static_cast<uint8_t>(high | (index >> 4) << (2 * (place / 32)));
      }
    }
  }
}
void from_q6_k(const uint8_t* blocks, std::span<float> values) {
  for (size_t at = 0; at < values.size(); at += kSuper, blocks += 210) {
    const float unit = float_of_half(get<uint16_t>(blocks + 208));
    for (size_t i = 0; i < kSuper; ++i) {
      const size_t half = i / 128, place = i % 128;
      const int low = (blocks[half * 64 + place % 64] >> (place < 64 ? 0 : 4)) & 15, high = (blocks[128 + half * 32 + place % 32] >> (2 * (place / 32))) & 3;
      values[at + i] = unit * static_cast<float>(static_cast<int8_t>(blocks[192 + i / 16])) * static_cast<float>((low | high << 4) - 32);
    }
  }
}

}  // namespace llmops
