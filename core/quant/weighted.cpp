#include "core/quant/weighted.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "core/base/half.h"
#include "core/quant/iq4.h"
#include "core/quant/k_layout.h"
#include "core/quant/k_quants.h"
#include "core/quant/numbers.h"
#include "core/quant/scale_search.h"

namespace llmops {
namespace {

constexpr size_t kBlock = 32, kSmall = 16, kSuper = 256;
using Row = std::span<const float>;

// Weights of a group and their sum. Importances that are all zero say nothing (calibration never reached these columns): they count as
// equal, where a sum of zero would give scales of 0 / 0.
float weigh(const float* x, const float* importance, size_t count, float square, float* weights) {
  float sum = 0;
  for (size_t i = 0; i < count; ++i) sum += weights[i] = importance[i] * std::sqrt(square + x[i] * x[i]);
  if (sum > 0) return sum;
  sum = 0;
  for (size_t i = 0; i < count; ++i) sum += weights[i] = std::sqrt(square + x[i] * x[i]);
  return sum;
}

Search finer(int size, int levels) { return {size, levels, -0.9F, 0.05F, 36, false}; }

// Value j in the low four bits of byte j, value j + 16 in the high ones; the fifth bit of value i is bit i of a word.
void put_four_bits(const uint8_t* indices, uint8_t* packed) {
  for (size_t j = 0; j < kSmall; ++j) packed[j] = static_cast<uint8_t>((indices[j] & 15) | (indices[j + kSmall] & 15) << 4);
}
void put_fifth_bits(const uint8_t* indices, uint8_t* word) {
  uint32_t bits = 0;
  for (size_t i = 0; i < kBlock; ++i) bits |= static_cast<uint32_t>(indices[i] >> 4) << i;
  put(word, bits);
}

FoundGroups fit_block(const float* x, const float* importance, float square, const Search& search, uint8_t* indices) {
  FoundGroups found;
  const auto size = static_cast<size_t>(search.size);
  for (size_t j = 0; j < kSuper / size; ++j) {
    std::array<float, kBlock> weights;
    found.weights[j] = weigh(x + j * size, importance + j * size, size, square, weights.data());
    const ScaleAndMinimum one = fit_with_minimum(x + j * size, weights.data(), search, indices + j * size);
    found.scales[j] = one.scale;
    found.minimums[j] = one.minimum;
  }
  return found;
}

void row_of_32(Row row, Row importance, int levels, size_t block_bytes, void (*pack)(const uint8_t*, uint8_t*), uint8_t* blocks) {
  for (size_t at = 0; at < row.size(); at += kSuper, blocks += block_bytes) {
    const float* x = row.data() + at;
    std::array<uint8_t, kSuper> indices{};
    const FoundGroups found = fit_block(x, importance.data() + at, 2 * mean_square(x, kSuper), finer(kBlock, levels), indices.data());
    reindex(x, write_weighted_q4_k(found, blocks), kBlock, 0, levels, indices.data());
    pack(indices.data(), blocks);
  }
}

float fit_iq4_group(const float* x, const float* importance, float square) {
  std::array<float, kBlock> weights;
  weigh(x, importance, kBlock, square, weights.data());
  return fit_iq4(x, weights.data());
}

}  // namespace

float mean_square(const float* x, size_t count) {
  float sum = 0;
  for (size_t i = 0; i < count; ++i) sum += x[i] * x[i];
  return sum / static_cast<float>(count);
}

uint8_t* put_plain_indices(const uint8_t* indices, bool has_fifth, uint8_t* at) {
  if (has_fifth) {
    put_fifth_bits(indices, at);
    at += 4;
  }
  put_four_bits(indices, at);
  return at + kSmall;
}

void weighted_plain(Row values, Row importance, float square, bool has_minimum, bool has_fifth, uint8_t* blocks) {
  for (size_t from = 0; from < values.size(); from += kBlock) {
    std::array<float, kBlock> weights;
    std::array<uint8_t, kBlock> indices;
    const float* x = values.data() + from;
    weigh(x, importance.data() + from, kBlock, square, weights.data());
    if (has_minimum) {
      const ScaleAndMinimum found = fit_with_minimum(x, weights.data(), finer(kBlock, has_fifth ? 31 : 15), indices.data());
      put(blocks, half_of(found.scale));
      put(blocks + 2, half_of(-found.minimum));
      blocks += 4;
    } else {
      put(blocks, half_of(fit_symmetric(x, weights.data(), kBlock, has_fifth ? 16 : 8, indices.data())));
      blocks += 2;
    }
    blocks = put_plain_indices(indices.data(), has_fifth, blocks);
  }
}

GroupScales write_weighted_q2_k(const FoundGroups& found, uint8_t* block) {
  std::array<uint8_t, 16> scales, minimums;
  const float unit = fit_unit(found.scales.data(), found.weights.data(), 16, 15, scales.data());
  const float minimum_unit = fit_unit(found.minimums.data(), found.weights.data(), 16, 15, minimums.data());
  return write_q2_k_scales(scales.data(), minimums.data(), unit, minimum_unit, block);
}
GroupScales write_weighted_q3_k(const FoundGroups& found, uint8_t* block) {
  std::array<uint8_t, 16> scales;
  const float unit = fit_symmetric(found.scales.data(), found.weights.data(), 16, 32, scales.data());
  return write_q3_k_scales(scales.data(), unit, block);
}
GroupScales write_weighted_q4_k(const FoundGroups& found, uint8_t* block) {
  std::array<uint8_t, 8> scales, minimums;
  const float unit = fit_unit(found.scales.data(), found.weights.data(), 8, 63, scales.data());
  const float minimum_unit = fit_unit(found.minimums.data(), found.weights.data(), 8, 63, minimums.data());
  return write_q4_k_scales(scales.data(), minimums.data(), unit, minimum_unit, block);
}

void weighted_q4_0(Row row, Row importance, uint8_t* blocks) { weighted_plain(row, importance, mean_square(row.data(), row.size()), false, false, blocks); }
void weighted_q4_1(Row row, Row importance, uint8_t* blocks) { weighted_plain(row, importance, mean_square(row.data(), row.size()), true, false, blocks); }
void weighted_q5_0(Row row, Row importance, uint8_t* blocks) { weighted_plain(row, importance, mean_square(row.data(), row.size()), false, true, blocks); }
void weighted_q5_1(Row row, Row importance, uint8_t* blocks) { weighted_plain(row, importance, mean_square(row.data(), row.size()), true, true, blocks); }

void weighted_iq4_nl(Row row, Row importance, uint8_t* blocks) {
  for (size_t at = 0; at < row.size(); at += kBlock, blocks += 18) {
    const float* x = row.data() + at;
    const float scale = fit_iq4_group(x, importance.data() + at, 2 * mean_square(x, kBlock));
    put(blocks, half_of(scale));
    put_iq4_indices(x, scale, blocks + 2);
  }
}
void weighted_iq4_xs(Row row, Row importance, uint8_t* blocks) {
  for (size_t at = 0; at < row.size(); at += kSuper, blocks += 136) {
    const float* x = row.data() + at;
    const float square = 2 * mean_square(x, kSuper);
    std::array<float, 8> scales;
    for (size_t j = 0; j < 8; ++j) scales[j] = fit_iq4_group(x + j * kBlock, importance.data() + at + j * kBlock, square);
    const Iq4Steps steps = put_iq4_xs_scales(scales.data(), blocks);
    for (size_t j = 0; j < 8; ++j) put_iq4_indices(x + j * kBlock, steps.step[j], blocks + 8 + 16 * j);
  }
}

void weighted_q2_k(Row row, Row importance, uint8_t* blocks) {
  for (size_t at = 0; at < row.size(); at += kSuper, blocks += 84) {
    const float* x = row.data() + at;
    std::array<uint8_t, kSuper> indices{};
    const FoundGroups found = fit_block(x, importance.data() + at, mean_square(x, kSuper), finer(kSmall, 3), indices.data());
    reindex(x, write_weighted_q2_k(found, blocks), kSmall, 0, 3, indices.data());
    pack_q2_k(indices.data(), blocks);
  }
}

void weighted_q3_k(Row row, Row importance, uint8_t* blocks) {
  for (size_t at = 0; at < row.size(); at += kSuper, blocks += 110) {
    const float* x = row.data() + at;
    const float square = 2 * mean_square(x, kSuper);
    FoundGroups found;
    std::array<uint8_t, kSuper> indices;
    for (size_t j = 0; j < 16; ++j) {
      std::array<float, kSmall> weights;
      found.weights[j] = weigh(x + j * kSmall, importance.data() + at + j * kSmall, kSmall, square, weights.data());
      found.scales[j] = fit_symmetric(x + j * kSmall, weights.data(), kSmall, 4, indices.data() + j * kSmall);
    }
    reindex(x, write_weighted_q3_k(found, blocks), kSmall, -4, 3, indices.data());
    pack_q3_k(indices.data(), blocks);
  }
}

void weighted_q4_k(Row row, Row importance, uint8_t* blocks) { row_of_32(row, importance, 15, 144, pack_q4_k, blocks); }
void weighted_q5_k(Row row, Row importance, uint8_t* blocks) { row_of_32(row, importance, 31, 176, pack_q5_k, blocks); }

void weighted_q6_k(Row row, Row importance, uint8_t* blocks) {
  constexpr std::array<float, kSmall> kEqual{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
  for (size_t at = 0; at < row.size(); at += kSuper, blocks += 210) {
    const float* x = row.data() + at;
    std::array<float, 16> scales;
    std::array<uint8_t, kSuper> indices;
    for (size_t j = 0; j < 16; ++j) {
      const float* group = importance.data() + at + j * kSmall;
      const bool is_any = std::any_of(group, group + kSmall, [](float one) { return one > 0; });
      scales[j] = fit_symmetric(x + j * kSmall, is_any ? group : kEqual.data(), kSmall, 32, indices.data() + j * kSmall);
    }
    const float extreme = extreme_of(scales.data(), 16);
    std::fill_n(blocks, 210, uint8_t{0});
    if (std::fabs(extreme) < kNoScale) continue;
    reindex(x, put_q6_k_scales(scales.data(), extreme, blocks), kSmall, -32, 31, indices.data());
    pack_q6_k(indices.data(), blocks);
  }
}

}  // namespace llmops
