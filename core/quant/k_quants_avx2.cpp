// Types of 256 values with AVX2. Rare blocks go to the reference: those with values so extreme that the fast rounding would differ.
#include "core/quant/avx2.h"

#if LLMOPS_HAS_AVX2_KERNELS
#include "core/quant/block_types.h"
#include "core/quant/k_layout.h"
#include "core/quant/k_pack_avx2.h"
#include "core/quant/k_quants.h"
#include "core/quant/lane_search_avx2.h"
#include "core/quant/numbers.h"

namespace llmops::avx2 {
namespace {

constexpr size_t kSuper = 256;

LLMOPS_AVX2_STEP void load_groups_of_32(const float* x, Set<32>& set) {
  to_lanes<32>(x, set.x);
  __m256 sum_x2 = _mm256_setzero_ps();
  for (int i = 0; i < 32; ++i) sum_x2 = _mm256_add_ps(sum_x2, _mm256_mul_ps(set.x[i], set.x[i]));
  const __m256 average = _mm256_sqrt_ps(_mm256_div_ps(sum_x2, _mm256_set1_ps(32)));
  for (int i = 0; i < 32; ++i) set.weights[i] = _mm256_add_ps(average, magnitude_of(set.x[i]));
}

// Q4_K and Q5_K: two blocks at a time; an odd one at the end is searched twice.
template <int kBits>
LLMOPS_AVX2_STEP void quantize_groups_of_32(std::span<const float> values, const Steps& steps, size_t block_bytes, Quantize reference, uint8_t* blocks) {
  Set<32> sets[2];
  Found found;
  alignas(32) uint8_t indices[kSuper];
  for (size_t at = 0; at < values.size(); at += 2 * kSuper) {
    const size_t count = values.size() - at > kSuper ? 2 : 1;
    for (size_t i = 0; i < 2; ++i) load_groups_of_32(values.data() + at + (i < count ? i : 0) * kSuper, sets[i]);
    search<32, false>(sets, steps);
    for (size_t i = 0; i < count; ++i, blocks += block_bytes) {
      const float* x = values.data() + at + i * kSuper;
      if (!is_sure(sets[i])) {
        reference({x, kSuper}, blocks);
        continue;
      }
      finish(sets[i], static_cast<int>(8 * i), found);
      const GroupScales scales = put_q4_k_scales(found.scale + 8 * i, found.minimum + 8 * i, blocks);
      index_groups<32>(x, scales, found, 8 * i, steps.levels, indices);
      pack<kBits>(indices, blocks);
    }
  }
}

// ---- groups with a scale of eight levels, moved one by one ----

struct Moving { __m256 x[16], squares[16], cubes[16], level[16], sum_xl, sum_l2, is_flat; };

LLMOPS_AVX2_STEP void start_moving(Moving& set) {
  const __m256 extreme = extreme_of_lanes<16>(set.x), inverse = _mm256_div_ps(_mm256_set1_ps(-4), extreme);
  set.is_flat = _mm256_cmp_ps(magnitude_of(extreme), _mm256_set1_ps(1e-15F), _CMP_LT_OQ);
  set.sum_xl = set.sum_l2 = _mm256_setzero_ps();
  for (int i = 0; i < 16; ++i) {
    set.squares[i] = _mm256_mul_ps(set.x[i], set.x[i]);
    set.cubes[i] = _mm256_mul_ps(set.squares[i], set.x[i]);
    set.level[i] = near_level(_mm256_mul_ps(inverse, set.x[i]), _mm256_set1_ps(-4), _mm256_set1_ps(3));
    set.sum_xl = _mm256_add_ps(set.sum_xl, _mm256_mul_ps(set.cubes[i], set.level[i]));
    set.sum_l2 = _mm256_add_ps(set.sum_l2, _mm256_mul_ps(_mm256_mul_ps(set.squares[i], set.level[i]), set.level[i]));
  }
}

// Lanes that moved. A lane where a whole round moved nothing moves nothing in the next one either: it need not be left out.
LLMOPS_AVX2_STEP __m256 move(Moving& set, int i) {
  const __m256 zero = _mm256_setzero_ps(), level = set.level[i];
  __m256 other_xl = _mm256_sub_ps(set.sum_xl, _mm256_mul_ps(set.cubes[i], level));
  __m256 other_l2 = _mm256_sub_ps(set.sum_l2, _mm256_mul_ps(_mm256_mul_ps(set.squares[i], level), level));
  const __m256 moved = _mm256_cvtepi32_ps(nearest_in(_mm256_div_ps(_mm256_mul_ps(set.x[i], other_l2), other_xl), -4, 3));
  __m256 is_moved = _mm256_and_ps(_mm256_cmp_ps(other_xl, zero, _CMP_GT_OQ), _mm256_cmp_ps(moved, level, _CMP_NEQ_UQ));
  other_xl = _mm256_add_ps(other_xl, _mm256_mul_ps(set.cubes[i], moved));
  other_l2 = _mm256_add_ps(other_l2, _mm256_mul_ps(_mm256_mul_ps(set.squares[i], moved), moved));
  const __m256 gain = _mm256_mul_ps(_mm256_mul_ps(other_xl, other_xl), set.sum_l2), loss = _mm256_mul_ps(_mm256_mul_ps(set.sum_xl, set.sum_xl), other_l2);
  is_moved = _mm256_and_ps(is_moved, _mm256_and_ps(_mm256_cmp_ps(other_l2, zero, _CMP_GT_OQ), _mm256_cmp_ps(gain, loss, _CMP_GT_OQ)));
  set.level[i] = _mm256_blendv_ps(level, moved, is_moved);
  set.sum_xl = _mm256_blendv_ps(set.sum_xl, other_xl, is_moved);
  set.sum_l2 = _mm256_blendv_ps(set.sum_l2, other_l2, is_moved);
  return is_moved;
}

LLMOPS_AVX2 __attribute__((noinline)) void fit_moving(Moving* sets) {
  start_moving(sets[0]);
  start_moving(sets[1]);
  for (int round = 0; round < 5; ++round) {
    __m256 has_moved = _mm256_setzero_ps();
    for (int i = 0; i < 16; ++i) has_moved = _mm256_or_ps(has_moved, _mm256_or_ps(move(sets[0], i), move(sets[1], i)));
    if (_mm256_movemask_ps(_mm256_andnot_ps(_mm256_and_ps(sets[0].is_flat, sets[1].is_flat), has_moved)) == 0) break;
  }
}

}  // namespace

LLMOPS_AVX2 void to_q2_k(std::span<const float> values, uint8_t* blocks) {
  Set<16> sets[2];
  Found found;
  alignas(32) uint8_t indices[kSuper];
  const float* x = values.data();
  for (size_t rest = values.size(); rest >= kSuper; rest -= kSuper, x += kSuper, blocks += 84) {
    for (int half = 0; half < 2; ++half) {
      to_lanes<16>(x + half * 128, sets[half].x);
      for (int i = 0; i < 16; ++i) sets[half].weights[i] = magnitude_of(sets[half].x[i]);
    }
    search<16, true>(sets, {3, -0.5F, 0.1F, 15});
    if (!is_sure(sets[0]) || !is_sure(sets[1])) {
      llmops::to_q2_k({x, kSuper}, blocks);
      continue;
    }
    finish(sets[0], 0, found);
    finish(sets[1], 8, found);
    index_groups<16>(x, put_q2_k_scales(found.scale, found.minimum, blocks), found, 0, 3, indices);
    pack<2>(indices, blocks);
  }
}

LLMOPS_AVX2 void to_q3_k(std::span<const float> values, uint8_t* blocks) {
  Moving sets[2];
  alignas(32) float scales[16], levels[8];
  alignas(32) uint8_t indices[kSuper];
  const float* x = values.data();
  for (size_t rest = values.size(); rest >= kSuper; rest -= kSuper, x += kSuper, blocks += 110) {
    for (int half = 0; half < 2; ++half) to_lanes<16>(x + half * 128, sets[half].x);
    fit_moving(sets);
    for (int half = 0; half < 2; ++half) {
      const Moving& set = sets[half];
      const __m256 scale = _mm256_and_ps(_mm256_div_ps(set.sum_xl, set.sum_l2), _mm256_cmp_ps(set.sum_l2, _mm256_setzero_ps(), _CMP_GT_OQ));
      _mm256_store_ps(scales + 8 * half, _mm256_andnot_ps(set.is_flat, scale));
    }
    const GroupScales stored = put_q3_k_scales(scales, blocks);
    for (size_t group = 0; group < 16; ++group) {
      if (stored.scale[group] != 0) {
        index_16(x + group * 16, stored.scale[group], -4, 3, indices + group * 16);
        continue;
      }
      const Moving& set = sets[group / 8];
      for (size_t i = 0; i < 16; ++i) {
        _mm256_store_ps(levels, _mm256_andnot_ps(set.is_flat, _mm256_add_ps(set.level[i], _mm256_set1_ps(4))));
        indices[group * 16 + i] = static_cast<uint8_t>(levels[group % 8]);
      }
    }
    pack<3>(indices, blocks);
  }
}

LLMOPS_AVX2 void to_q4_k(std::span<const float> values, uint8_t* blocks) { quantize_groups_of_32<4>(values, {15, -1.0F, 0.1F, 20}, 144, llmops::to_q4_k, blocks); }
LLMOPS_AVX2 void to_q5_k(std::span<const float> values, uint8_t* blocks) { quantize_groups_of_32<5>(values, {31, -0.5F, 0.1F, 15}, 176, llmops::to_q5_k, blocks); }

LLMOPS_AVX2 void to_q6_k(std::span<const float> values, uint8_t* blocks) {
  alignas(32) float scales[16];
  alignas(32) uint8_t indices[kSuper];
  const float* x = values.data();
  for (size_t rest = values.size(); rest >= kSuper; rest -= kSuper, x += kSuper, blocks += 210) {
    for (int half = 0; half < 2; ++half) {
      __m256 lanes[16], squares[16];
      Symmetric found;
      to_lanes<16>(x + half * 128, lanes);
      for (int i = 0; i < 16; ++i) squares[i] = _mm256_mul_ps(lanes[i], lanes[i]);
      fit_symmetric<16>(lanes, squares, 32, found);
      _mm256_store_ps(scales + 8 * half, found.scale);
    }
    const float extreme = extreme_of(scales, 16);
    const bool has_scale = extreme >= kNoScale || extreme <= -kNoScale;
    if (has_scale && index_16_groups(x, put_q6_k_scales(scales, extreme, blocks), -32, 31, indices)) pack<6>(indices, blocks);
    else llmops::to_q6_k({x, kSuper}, blocks);
  }
}

}  // namespace llmops::avx2
#endif
