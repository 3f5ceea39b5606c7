// Private to core/quant: the searches of scale_search.h with AVX2. A lane is a group, so that every sum adds in the order of the
// reference. Two sets of eight groups are searched at a time: one alone waits for its own additions.
#pragma once

#include "core/quant/avx2.h"

#if LLMOPS_HAS_AVX2_KERNELS
#include "core/quant/k_layout.h"

namespace llmops::avx2 {

// ---- groups with a scale and a minimum ----

// Eight groups of kSize values. What indices come from, `index_inverse * (x - index_least)`, is kept instead of them.
template <int kSize>
struct Set {
  __m256 x[kSize], weights[kSize], levels[kSize];
  __m256 low, high, sum_w, sum_x, least, scale, best, index_inverse, index_least, is_flat, is_sure;
};

struct Steps { int levels; float first, step; int count; };

// Whether all of the set's values, less `least`, times `inverse` round as near_level() does: the outermost two tell.
template <int kSize>
LLMOPS_AVX2_STEP void check(Set<kSize>& set, __m256 inverse) {
  const __m256 first = magnitude_of(_mm256_mul_ps(inverse, _mm256_sub_ps(set.low, set.least)));
  const __m256 last = magnitude_of(_mm256_mul_ps(inverse, _mm256_sub_ps(set.high, set.least)));
  const __m256 bound = _mm256_set1_ps(0x1p21F);
  const __m256 is_near = _mm256_and_ps(_mm256_cmp_ps(first, bound, _CMP_LT_OQ), _mm256_cmp_ps(last, bound, _CMP_LT_OQ));
  set.is_sure = _mm256_and_ps(set.is_sure, _mm256_or_ps(is_near, set.is_flat));
}

template <int kSize>
LLMOPS_AVX2_STEP void start(Set<kSize>& set) {
  set.low = set.high = set.x[0];
  set.sum_w = set.weights[0];
  set.sum_x = _mm256_mul_ps(set.sum_w, set.x[0]);
  for (int i = 1; i < kSize; ++i) {
    set.low = _mm256_min_ps(set.x[i], set.low);
    set.high = _mm256_max_ps(set.x[i], set.high);
    set.sum_w = _mm256_add_ps(set.sum_w, set.weights[i]);
    set.sum_x = _mm256_add_ps(set.sum_x, _mm256_mul_ps(set.weights[i], set.x[i]));
  }
  set.least = _mm256_min_ps(_mm256_setzero_ps(), set.low);
  set.is_flat = _mm256_cmp_ps(set.high, set.least, _CMP_EQ_OQ);
  set.is_sure = _mm256_castsi256_ps(_mm256_set1_epi32(-1));
}

// One value's part of a weighted sum of errors.
template <bool kIsAbsolute>
LLMOPS_AVX2_STEP __m256 plus_error(__m256 sum, __m256 x, __m256 weight, __m256 level, __m256 scale, __m256 least) {
  __m256 difference = _mm256_sub_ps(_mm256_add_ps(_mm256_mul_ps(scale, level), least), x);
  difference = kIsAbsolute ? magnitude_of(difference) : _mm256_mul_ps(difference, difference);
  return _mm256_add_ps(sum, _mm256_mul_ps(weight, difference));
}

template <int kSize, bool kIsAbsolute>
LLMOPS_AVX2_STEP void take_first(Set<kSize>& set, __m256 levels) {
  const __m256 zero = _mm256_setzero_ps(), inverse = _mm256_div_ps(levels, _mm256_sub_ps(set.high, set.least));
  check(set, inverse);
  set.scale = _mm256_div_ps(_mm256_set1_ps(1), inverse);
  set.index_inverse = inverse;
  set.index_least = set.least;
  set.best = zero;
  for (int i = 0; i < kSize; ++i) {
    const __m256 level = near_level(_mm256_mul_ps(inverse, _mm256_sub_ps(set.x[i], set.least)), zero, levels);
    set.best = plus_error<kIsAbsolute>(set.best, set.x[i], set.weights[i], level, set.scale, set.least);
  }
}

struct Sums { __m256 inverse, l, l2, xl, scale, least, determinant, error; };

template <int kSize>
LLMOPS_AVX2_STEP void add_up(Set<kSize>& set, Sums& sums, int i, __m256 levels) {
  const __m256 level = near_level(_mm256_mul_ps(sums.inverse, _mm256_sub_ps(set.x[i], set.least)), _mm256_setzero_ps(), levels);
  const __m256 weighted = _mm256_mul_ps(set.weights[i], level);
  set.levels[i] = level;
  sums.l = _mm256_add_ps(sums.l, weighted);
  sums.l2 = _mm256_add_ps(sums.l2, _mm256_mul_ps(weighted, level));
  sums.xl = _mm256_add_ps(sums.xl, _mm256_mul_ps(weighted, set.x[i]));
}

template <int kSize>
LLMOPS_AVX2_STEP Sums begin_step(Set<kSize>& set, float numerator) {
  const __m256 zero = _mm256_setzero_ps(), inverse = _mm256_div_ps(_mm256_set1_ps(numerator), _mm256_sub_ps(set.high, set.least));
  check(set, inverse);
  return {inverse, zero, zero, zero, zero, zero, zero, zero};
}

template <int kSize>
LLMOPS_AVX2_STEP void solve(const Set<kSize>& set, Sums& sums) {
  const __m256 zero = _mm256_setzero_ps();
  sums.determinant = _mm256_sub_ps(_mm256_mul_ps(set.sum_w, sums.l2), _mm256_mul_ps(sums.l, sums.l));
  sums.scale = _mm256_div_ps(_mm256_sub_ps(_mm256_mul_ps(set.sum_w, sums.xl), _mm256_mul_ps(set.sum_x, sums.l)), sums.determinant);
  sums.least = _mm256_div_ps(_mm256_sub_ps(_mm256_mul_ps(sums.l2, set.sum_x), _mm256_mul_ps(sums.l, sums.xl)), sums.determinant);
  const __m256 is_above = _mm256_cmp_ps(sums.least, zero, _CMP_GT_OQ);
  sums.scale = _mm256_blendv_ps(sums.scale, _mm256_div_ps(sums.xl, sums.l2), is_above);
  sums.least = _mm256_blendv_ps(sums.least, zero, is_above);
}

// As the reference: where the determinant is not above zero or the error is no number nothing is taken.
template <int kSize>
LLMOPS_AVX2_STEP void keep_if_better(Set<kSize>& set, const Sums& sums) {
  const __m256 is_better = _mm256_and_ps(_mm256_cmp_ps(sums.determinant, _mm256_setzero_ps(), _CMP_GT_OQ), _mm256_cmp_ps(sums.error, set.best, _CMP_LT_OQ));
  set.index_inverse = _mm256_blendv_ps(set.index_inverse, sums.inverse, is_better);
  set.index_least = _mm256_blendv_ps(set.index_least, set.least, is_better);
  set.best = _mm256_blendv_ps(set.best, sums.error, is_better);
  set.scale = _mm256_blendv_ps(set.scale, sums.scale, is_better);
  set.least = _mm256_blendv_ps(set.least, sums.least, is_better);
}

// What the search found for the groups, 8 of each set, and how their indices come about.
struct Found {
  alignas(32) float scale[16], minimum[16], index_inverse[16], index_least[16];
};

template <int kSize>
LLMOPS_AVX2_STEP void finish(const Set<kSize>& set, int first_group, Found& found) {
  const __m256 minus = _mm256_set1_ps(-0.0F);
  _mm256_store_ps(found.scale + first_group, _mm256_andnot_ps(set.is_flat, set.scale));
  _mm256_store_ps(found.minimum + first_group, _mm256_xor_ps(set.least, minus));
  _mm256_store_ps(found.index_inverse + first_group, _mm256_andnot_ps(set.is_flat, set.index_inverse));
  _mm256_store_ps(found.index_least + first_group, set.index_least);
}

// A set is not sure afterwards where some value left the range in which the fast rounding is the reference's.
template <int kSize, bool kIsAbsolute>
LLMOPS_AVX2 __attribute__((noinline)) void search(Set<kSize>* sets, const Steps& steps) {
  const __m256 levels = _mm256_set1_ps(static_cast<float>(steps.levels));
  Set<kSize>&one = sets[0], &other = sets[1];
  start(one);
  start(other);
  take_first<kSize, kIsAbsolute>(one, levels);
  take_first<kSize, kIsAbsolute>(other, levels);
  for (int step = 0; step <= steps.count; ++step) {
    const float numerator = steps.first + steps.step * static_cast<float>(step) + static_cast<float>(steps.levels);
    Sums a = begin_step(one, numerator), b = begin_step(other, numerator);
    for (int i = 0; i < kSize; ++i) {
      add_up(one, a, i, levels);
      add_up(other, b, i, levels);
    }
    solve(one, a);
    solve(other, b);
    for (int i = 0; i < kSize; ++i) {
      a.error = plus_error<kIsAbsolute>(a.error, one.x[i], one.weights[i], one.levels[i], a.scale, a.least);
      b.error = plus_error<kIsAbsolute>(b.error, other.x[i], other.weights[i], other.levels[i], b.scale, b.least);
    }
    keep_if_better(one, a);
    keep_if_better(other, b);
  }
}

template <int kSize>
LLMOPS_AVX2_STEP bool is_sure(const Set<kSize>& set) { return _mm256_movemask_ps(set.is_sure) == 0xFF; }

// Indices with the scales as they are stored; groups without one keep what the search found.
template <int kSize>
LLMOPS_AVX2_STEP void index_groups(const float* x, const GroupScales& scales, const Found& found, size_t first, int levels, uint8_t* indices) {
  for (size_t group = 0; group < 256 / kSize; ++group) {
    const float scale = scales.scale[group];
    const __m256 offset = _mm256_set1_ps(scale != 0 ? scales.minimum[group] : -found.index_least[first + group]);
    __m256i whole[kSize / 8];
    for (size_t i = 0; i < kSize / 8; ++i) {
      const __m256 above = _mm256_add_ps(_mm256_loadu_ps(x + group * kSize + 8 * i), offset);
      const __m256 scaled = scale != 0 ? _mm256_div_ps(above, _mm256_set1_ps(scale)) : _mm256_mul_ps(_mm256_set1_ps(found.index_inverse[first + group]), above);
      whole[i] = nearest_in(scaled, 0, levels);
    }
    if constexpr (kSize == 32) store_bytes(indices + group * kSize, bytes_of(whole[0], whole[1], whole[2], whole[3]));
    else store_half_bytes(indices + group * kSize, bytes_of(whole[0], whole[1]));
  }
}

// ---- groups with a scale: x = scale * (q - half) ----

// As fit_symmetric() of scale_search.h. |x * inverse| < half + 2: near_level() may round.
template <int kSize>
LLMOPS_AVX2_STEP void add_symmetric(const __m256* x, const __m256* weights, const __m256* weighted, __m256 inverse, __m256 half, __m256& sum_xl, __m256& sum_l2) {
  const __m256 least = _mm256_sub_ps(_mm256_setzero_ps(), half), most = _mm256_sub_ps(half, _mm256_set1_ps(1));
  sum_xl = sum_l2 = _mm256_setzero_ps();
  for (int i = 0; i < kSize; ++i) {
    const __m256 level = near_level(_mm256_mul_ps(inverse, x[i]), least, most);
    sum_xl = _mm256_add_ps(sum_xl, _mm256_mul_ps(weighted[i], level));
    sum_l2 = _mm256_add_ps(sum_l2, _mm256_mul_ps(_mm256_mul_ps(weights[i], level), level));
  }
}

// Where all values of a lane are next to zero both are zero.
struct Symmetric { __m256 scale, index_inverse; };

template <int kSize>
LLMOPS_AVX2 __attribute__((noinline)) void fit_symmetric(const __m256* x, const __m256* weights, int half, Symmetric& found) {
  const __m256 zero = _mm256_setzero_ps(), extreme = extreme_of_lanes<kSize>(x), is_flat = _mm256_cmp_ps(magnitude_of(extreme), _mm256_set1_ps(1e-15F), _CMP_LT_OQ);
  const auto levels = static_cast<float>(half);
  const __m256 half_lanes = _mm256_set1_ps(levels);
  __m256 weighted[kSize];
  for (int i = 0; i < kSize; ++i) weighted[i] = _mm256_mul_ps(weights[i], x[i]);
  __m256 sum_xl, sum_l2, index_inverse = _mm256_div_ps(_mm256_set1_ps(-levels), extreme);
  add_symmetric<kSize>(x, weights, weighted, index_inverse, half_lanes, sum_xl, sum_l2);
  __m256 scale = _mm256_and_ps(_mm256_div_ps(sum_xl, sum_l2), _mm256_cmp_ps(sum_l2, zero, _CMP_NEQ_UQ));
  __m256 best = _mm256_mul_ps(scale, sum_xl);
  for (int step = -9; step <= 9; ++step) {
    if (step == 0) continue;
    const __m256 inverse = _mm256_div_ps(_mm256_set1_ps(-(levels + 0.1F * static_cast<float>(step))), extreme);
    add_symmetric<kSize>(x, weights, weighted, inverse, half_lanes, sum_xl, sum_l2);
    const __m256 is_larger = _mm256_cmp_ps(_mm256_mul_ps(sum_xl, sum_xl), _mm256_mul_ps(best, sum_l2), _CMP_GT_OQ);
    const __m256 is_better = _mm256_and_ps(_mm256_cmp_ps(sum_l2, zero, _CMP_GT_OQ), is_larger);
    scale = _mm256_blendv_ps(scale, _mm256_div_ps(sum_xl, sum_l2), is_better);
    best = _mm256_blendv_ps(best, _mm256_mul_ps(scale, sum_xl), is_better);
    index_inverse = _mm256_blendv_ps(index_inverse, inverse, is_better);
  }
  found = {_mm256_andnot_ps(is_flat, scale), _mm256_andnot_ps(is_flat, index_inverse)};
}

// Indices x / scale of a group of 16, less `least`.
LLMOPS_AVX2_STEP void index_16(const float* x, float scale, int least, int most, uint8_t* indices) {
  const __m256 divisor = _mm256_set1_ps(scale);
  const __m256i offset = _mm256_set1_epi32(least);
  const __m256i low = _mm256_sub_epi32(nearest_in(_mm256_div_ps(_mm256_loadu_ps(x), divisor), least, most), offset);
  const __m256i high = _mm256_sub_epi32(nearest_in(_mm256_div_ps(_mm256_loadu_ps(x + 8), divisor), least, most), offset);
  store_half_bytes(indices, bytes_of(low, high));
}

// Indices of 16 groups of 16. False: a stored scale is zero, which is rare; then the reference has to say what the indices are.
LLMOPS_AVX2_STEP bool index_16_groups(const float* x, const GroupScales& stored, int least, int most, uint8_t* indices) {
  bool is_whole = true;
  for (size_t group = 0; group < 16; ++group) {
    is_whole = is_whole && stored.scale[group] != 0;
    index_16(x + group * 16, stored.scale[group], least, most, indices + group * 16);
  }
  return is_whole;
}

// ---- weights by importance ----

// As weigh() of weighted.cpp, for groups at `importance`: weights, and their sum.
template <int kSize>
LLMOPS_AVX2_STEP __m256 weigh(const __m256* x, const float* importance, __m256 square, __m256* weights) {
  to_lanes<kSize>(importance, weights);
  __m256 sum = _mm256_setzero_ps(), sum_of_equal = sum;
  for (int i = 0; i < kSize; ++i) {
    weights[i] = _mm256_mul_ps(weights[i], _mm256_sqrt_ps(_mm256_add_ps(square, _mm256_mul_ps(x[i], x[i]))));
    sum = _mm256_add_ps(sum, weights[i]);
  }
  const __m256 is_none = _mm256_cmp_ps(sum, _mm256_setzero_ps(), _CMP_NGT_UQ);
  if (_mm256_movemask_ps(is_none) == 0) return sum;
  for (int i = 0; i < kSize; ++i) {
    const __m256 equal = _mm256_sqrt_ps(_mm256_add_ps(square, _mm256_mul_ps(x[i], x[i])));
    weights[i] = _mm256_blendv_ps(weights[i], equal, is_none);
    sum_of_equal = _mm256_add_ps(sum_of_equal, equal);
  }
  return _mm256_blendv_ps(sum, sum_of_equal, is_none);
}

}  // namespace llmops::avx2
#endif
