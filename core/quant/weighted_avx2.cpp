// Rows quantized by importance, with AVX2: weights and searches in lanes of groups; bytes are those of weighted.cpp.
#include "core/quant/weighted.h"

#include "core/quant/avx2.h"

#if LLMOPS_HAS_AVX2_KERNELS
#include "core/base/half.h"
#include "core/quant/block_types.h"
#include "core/quant/k_pack_avx2.h"
#include "core/quant/lane_search_avx2.h"
#include "core/quant/numbers.h"

namespace llmops::avx2 {
namespace {

constexpr size_t kSuper = 256, kBlock = 32;
using Row = std::span<const float>;

LLMOPS_AVX2_STEP Steps finer(int levels) { return {levels, -0.9F, 0.05F, 36}; }

LLMOPS_AVX2_STEP void copy(const float* from, size_t count, std::array<float, 16>& to) { __builtin_memcpy(&to, from, count * sizeof(float)); }

// Q4_K and Q5_K: two blocks at a time; an odd one at the end is searched twice.
template <int kBits>
LLMOPS_AVX2_STEP void groups_of_32(Row row, Row importance, int levels, size_t block_bytes, QuantizeWeighted reference, uint8_t* blocks) {
  Set<32> sets[2];
  Found found;
  alignas(32) float weights[16];
  alignas(32) uint8_t indices[kSuper];
  for (size_t at = 0; at < row.size(); at += 2 * kSuper) {
    const size_t count = row.size() - at > kSuper ? 2 : 1;
    for (size_t i = 0; i < 2; ++i) {
      const size_t from = at + (i < count ? i : 0) * kSuper;
      to_lanes<32>(row.data() + from, sets[i].x);
      _mm256_store_ps(weights + 8 * i, weigh<32>(sets[i].x, importance.data() + from, _mm256_set1_ps(2 * mean_square(row.data() + from, kSuper)), sets[i].weights));
    }
    search<32, false>(sets, finer(levels));
    for (size_t i = 0; i < count; ++i, blocks += block_bytes) {
      const float* x = row.data() + at + i * kSuper;
      if (!is_sure(sets[i])) {
        reference({x, kSuper}, {importance.data() + at + i * kSuper, kSuper}, blocks);
        continue;
      }
      FoundGroups groups;
      finish(sets[i], static_cast<int>(8 * i), found);
      copy(found.scale + 8 * i, 8, groups.scales);
      copy(found.minimum + 8 * i, 8, groups.minimums);
      copy(weights + 8 * i, 8, groups.weights);
      index_groups<32>(x, write_weighted_q4_k(groups, blocks), found, 8 * i, levels, indices);
      pack<kBits>(indices, blocks);
    }
  }
}

// Sixteen blocks of 32 values; what the row lacks is zeros.
struct Sixteen {
  size_t count;
  float padded[16 * kBlock];
  LLMOPS_AVX2_STEP const float* of(const float* x) {
    if (count == 16) return x;
    __builtin_memset(padded, 0, sizeof padded);
    __builtin_memcpy(padded, x, count * kBlock * sizeof(float));
    return padded;
  }
};

// The indices of one block, from how they were found.
LLMOPS_AVX2_STEP void index_32(const float* x, float inverse, float offset, int least, int most, uint8_t* indices) {
  __m256i whole[4];
  for (int i = 0; i < 4; ++i) {
    const __m256 above = _mm256_sub_ps(_mm256_loadu_ps(x + 8 * i), _mm256_set1_ps(offset));
    whole[i] = _mm256_sub_epi32(nearest_in(_mm256_mul_ps(_mm256_set1_ps(inverse), above), least, most), _mm256_set1_epi32(least));
  }
  store_bytes(indices, bytes_of(whole[0], whole[1], whole[2], whole[3]));
}

// Q4_1 and Q5_1.
LLMOPS_AVX2_STEP void blocks_with_minimum(Row row, Row importance, bool has_fifth, uint8_t* blocks) {
  const float square = mean_square(row.data(), row.size());
  const int levels = has_fifth ? 31 : 15;
  Set<32> sets[2];
  Found found;
  alignas(32) uint8_t indices[kBlock];
  for (size_t from = 0; from < row.size(); from += 16 * kBlock) {
    Sixteen values, important;
    values.count = important.count = row.size() - from < 16 * kBlock ? (row.size() - from) / kBlock : 16;
    const float *x = values.of(row.data() + from), *weights = important.of(importance.data() + from);
    for (int i = 0; i < 2; ++i) {
      to_lanes<32>(x + 256 * i, sets[i].x);
      weigh<32>(sets[i].x, weights + 256 * i, _mm256_set1_ps(square), sets[i].weights);
    }
    search<32, false>(sets, finer(levels));
    if (!is_sure(sets[0]) || !is_sure(sets[1])) {
      weighted_plain({x, values.count * kBlock}, {weights, values.count * kBlock}, square, true, has_fifth, blocks);
      blocks += values.count * (has_fifth ? 24 : 20);
      continue;
    }
    finish(sets[0], 0, found);
    finish(sets[1], 8, found);
    for (size_t i = 0; i < values.count; ++i) {
      put(blocks, half_of(found.scale[i]));
      put(blocks + 2, half_of(-found.minimum[i]));
      index_32(x + i * kBlock, found.index_inverse[i], found.index_least[i], 0, levels, indices);
      blocks = put_plain_indices(indices, has_fifth, blocks + 4);
    }
  }
}

// Q4_0 and Q5_0.
LLMOPS_AVX2_STEP void blocks_with_scale(Row row, Row importance, bool has_fifth, uint8_t* blocks) {
  const float square = mean_square(row.data(), row.size());
  const int half = has_fifth ? 16 : 8;
  alignas(32) float scales[16], inverses[16];
  alignas(32) uint8_t indices[kBlock];
  for (size_t from = 0; from < row.size(); from += 16 * kBlock) {
    Sixteen values, important;
    values.count = important.count = row.size() - from < 16 * kBlock ? (row.size() - from) / kBlock : 16;
    const float *x = values.of(row.data() + from), *weights = important.of(importance.data() + from);
    for (int i = 0; i < 2; ++i) {
      __m256 lanes[32], lane_weights[32];
      Symmetric found;
      to_lanes<32>(x + 256 * i, lanes);
      weigh<32>(lanes, weights + 256 * i, _mm256_set1_ps(square), lane_weights);
      fit_symmetric<32>(lanes, lane_weights, half, found);
      _mm256_store_ps(scales + 8 * i, found.scale);
      _mm256_store_ps(inverses + 8 * i, found.index_inverse);
    }
    for (size_t i = 0; i < values.count; ++i) {
      put(blocks, half_of(scales[i]));
      index_32(x + i * kBlock, inverses[i], 0, -half, half - 1, indices);
      if (inverses[i] == 0) store_bytes(indices, _mm256_setzero_si256());   // as where all is next to zero
      blocks = put_plain_indices(indices, has_fifth, blocks + 2);
    }
  }
}

}  // namespace

LLMOPS_AVX2 void weighted_q4_0(Row row, Row importance, uint8_t* blocks) { blocks_with_scale(row, importance, false, blocks); }
LLMOPS_AVX2 void weighted_q4_1(Row row, Row importance, uint8_t* blocks) { blocks_with_minimum(row, importance, false, blocks); }
LLMOPS_AVX2 void weighted_q5_0(Row row, Row importance, uint8_t* blocks) { blocks_with_scale(row, importance, true, blocks); }
LLMOPS_AVX2 void weighted_q5_1(Row row, Row importance, uint8_t* blocks) { blocks_with_minimum(row, importance, true, blocks); }

LLMOPS_AVX2 void weighted_q2_k(Row row, Row importance, uint8_t* blocks) {
  Set<16> sets[2];
  Found found;
  FoundGroups groups;
  alignas(32) float weights[16];
  alignas(32) uint8_t indices[kSuper];
  const float *x = row.data(), *important = importance.data();
  for (size_t rest = row.size(); rest >= kSuper; rest -= kSuper, x += kSuper, important += kSuper, blocks += 84) {
    const __m256 square = _mm256_set1_ps(mean_square(x, kSuper));
    for (int half = 0; half < 2; ++half) {
      to_lanes<16>(x + half * 128, sets[half].x);
      _mm256_store_ps(weights + 8 * half, weigh<16>(sets[half].x, important + half * 128, square, sets[half].weights));
    }
    search<16, false>(sets, finer(3));
    if (!is_sure(sets[0]) || !is_sure(sets[1])) {
      llmops::weighted_q2_k({x, kSuper}, {important, kSuper}, blocks);
      continue;
    }
    finish(sets[0], 0, found);
    finish(sets[1], 8, found);
    copy(found.scale, 16, groups.scales);
    copy(found.minimum, 16, groups.minimums);
    copy(weights, 16, groups.weights);
    index_groups<16>(x, write_weighted_q2_k(groups, blocks), found, 0, 3, indices);
    pack<2>(indices, blocks);
  }
}

LLMOPS_AVX2 void weighted_q3_k(Row row, Row importance, uint8_t* blocks) {
  FoundGroups groups;
  alignas(32) float scales[16], weights[16];
  alignas(32) uint8_t indices[kSuper];
  const float *x = row.data(), *important = importance.data();
  for (size_t rest = row.size(); rest >= kSuper; rest -= kSuper, x += kSuper, important += kSuper, blocks += 110) {
    const __m256 square = _mm256_set1_ps(2 * mean_square(x, kSuper));
    for (int half = 0; half < 2; ++half) {
      __m256 lanes[16], lane_weights[16];
      Symmetric found;
      to_lanes<16>(x + half * 128, lanes);
      _mm256_store_ps(weights + 8 * half, weigh<16>(lanes, important + half * 128, square, lane_weights));
      fit_symmetric<16>(lanes, lane_weights, 4, found);
      _mm256_store_ps(scales + 8 * half, found.scale);
    }
    copy(scales, 16, groups.scales);
    copy(weights, 16, groups.weights);
    if (index_16_groups(x, write_weighted_q3_k(groups, blocks), -4, 3, indices)) pack<3>(indices, blocks);
    else llmops::weighted_q3_k({x, kSuper}, {important, kSuper}, blocks);
  }
}

LLMOPS_AVX2 void weighted_q4_k(Row row, Row importance, uint8_t* blocks) { groups_of_32<4>(row, importance, 15, 144, llmops::weighted_q4_k, blocks); }
LLMOPS_AVX2 void weighted_q5_k(Row row, Row importance, uint8_t* blocks) { groups_of_32<5>(row, importance, 31, 176, llmops::weighted_q5_k, blocks); }

LLMOPS_AVX2 void weighted_q6_k(Row row, Row importance, uint8_t* blocks) {
  alignas(32) float scales[16];
  alignas(32) uint8_t indices[kSuper];
  const float *x = row.data(), *important = importance.data();
  for (size_t rest = row.size(); rest >= kSuper; rest -= kSuper, x += kSuper, important += kSuper, blocks += 210) {
    for (int half = 0; half < 2; ++half) {
      __m256 lanes[16], weights[16], is_any = _mm256_setzero_ps();
      Symmetric found;
      to_lanes<16>(x + half * 128, lanes);
      to_lanes<16>(important + half * 128, weights);
      for (int i = 0; i < 16; ++i) is_any = _mm256_or_ps(is_any, _mm256_cmp_ps(weights[i], _mm256_setzero_ps(), _CMP_GT_OQ));
      for (int i = 0; i < 16; ++i) weights[i] = _mm256_blendv_ps(_mm256_set1_ps(1), weights[i], is_any);
      fit_symmetric<16>(lanes, weights, 32, found);
      _mm256_store_ps(scales + 8 * half, found.scale);
    }
    const float extreme = extreme_of(scales, 16);
    const bool has_scale = extreme >= kNoScale || extreme <= -kNoScale;
    if (has_scale && index_16_groups(x, put_q6_k_scales(scales, extreme, blocks), -32, 31, indices)) pack<6>(indices, blocks);
    else llmops::weighted_q6_k({x, kSuper}, {important, kSuper}, blocks);
  }
}

}  // namespace llmops::avx2
#endif
