// IQ4_NL and IQ4_XS with AVX2: a lane is a block of 32 values, so that every sum adds in the order of the reference.
#include "core/quant/avx2.h"

#if LLMOPS_HAS_AVX2_KERNELS
#include "core/quant/iq4.h"
#include "core/quant/lane_search_avx2.h"
#include "core/quant/weighted.h"

namespace llmops::avx2 {
namespace {

constexpr size_t kSuper = 256, kBlock = 32;
constexpr int kTries = 7;
constexpr float entry(size_t i) { return static_cast<float>(kIq4Book[i]); }
constexpr float between(int i) { return between_iq4_entries(i); }

// Index of the nearest entry, but for its last bit, and that bit as a mask: a binary search, whose bounds are looked up.
struct Nearest { __m256i pair; __m256 is_second; };
LLMOPS_AVX2_STEP Nearest nearest_pair(__m256 value) {
  const __m256 is_upper = _mm256_cmp_ps(value, _mm256_set1_ps(between(7)), _CMP_NLT_UQ);
  const __m256 middle = _mm256_blendv_ps(_mm256_set1_ps(between(3)), _mm256_set1_ps(between(11)), is_upper);
  const __m256i half = _mm256_and_si256(_mm256_castps_si256(is_upper), _mm256_set1_epi32(2));
  const __m256i quarter = _mm256_sub_epi32(half, _mm256_castps_si256(_mm256_cmp_ps(value, middle, _CMP_NLT_UQ)));
  const __m256 thirds = _mm256_setr_ps(between(1), between(5), between(9), between(13), 0, 0, 0, 0);
  const __m256 is_upper_pair = _mm256_cmp_ps(value, _mm256_permutevar8x32_ps(thirds, quarter), _CMP_NLT_UQ);
  const __m256i pair = _mm256_sub_epi32(_mm256_add_epi32(quarter, quarter), _mm256_castps_si256(is_upper_pair));
  const __m256 lasts = _mm256_setr_ps(between(0), between(2), between(4), between(6), between(8), between(10), between(12), between(14));
  return {pair, _mm256_cmp_ps(value, _mm256_permutevar8x32_ps(lasts, pair), _CMP_NLT_UQ)};
}
LLMOPS_AVX2_STEP __m256 nearest_value(__m256 value) {
  const Nearest found = nearest_pair(value);
  const __m256 firsts = _mm256_setr_ps(entry(0), entry(2), entry(4), entry(6), entry(8), entry(10), entry(12), entry(14));
  const __m256 seconds = _mm256_setr_ps(entry(1), entry(3), entry(5), entry(7), entry(9), entry(11), entry(13), entry(15));
  return _mm256_blendv_ps(_mm256_permutevar8x32_ps(firsts, found.pair), _mm256_permutevar8x32_ps(seconds, found.pair), found.is_second);
}
LLMOPS_AVX2_STEP __m256i nearest_index(__m256 value) {
  const Nearest found = nearest_pair(value);
  return _mm256_sub_epi32(_mm256_add_epi32(found.pair, found.pair), _mm256_castps_si256(found.is_second));
}

LLMOPS_AVX2_STEP void add_up(const __m256* x, const __m256* weights, __m256 inverse, __m256& sum_qx, __m256& sum_q2) {
  sum_qx = sum_q2 = _mm256_setzero_ps();
  for (size_t i = 0; i < kBlock; ++i) {
    const __m256 q = nearest_value(_mm256_mul_ps(inverse, x[i])), weighted = _mm256_mul_ps(weights[i], q);
    sum_qx = _mm256_add_ps(sum_qx, _mm256_mul_ps(weighted, x[i]));
    sum_q2 = _mm256_add_ps(sum_q2, _mm256_mul_ps(weighted, q));
  }
}

// Scales of eight blocks, as fit_iq4().
LLMOPS_AVX2 __attribute__((noinline)) void fit_lanes(const __m256* x, const __m256* weights, float* scales) {
  __m256 sum_qx, sum_q2;
  const __m256 extreme = extreme_of_lanes<kBlock>(x), zero = _mm256_setzero_ps(), is_flat = _mm256_cmp_ps(magnitude_of(extreme), _mm256_set1_ps(1e-15F), _CMP_LT_OQ);
  const __m256 first = _mm256_div_ps(_mm256_xor_ps(extreme, _mm256_set1_ps(-0.0F)), _mm256_set1_ps(entry(0)));
  add_up(x, weights, _mm256_div_ps(_mm256_set1_ps(1), first), sum_qx, sum_q2);
  __m256 scale = _mm256_and_ps(_mm256_div_ps(sum_qx, sum_q2), _mm256_cmp_ps(sum_q2, zero, _CMP_GT_OQ)), best = _mm256_mul_ps(scale, sum_qx);
  for (int step = -kTries; step <= kTries; ++step) {
    add_up(x, weights, _mm256_div_ps(_mm256_set1_ps(static_cast<float>(step) + entry(0)), extreme), sum_qx, sum_q2);
    const __m256 is_larger = _mm256_cmp_ps(_mm256_mul_ps(sum_qx, sum_qx), _mm256_mul_ps(best, sum_q2), _CMP_GT_OQ);
    const __m256 is_better = _mm256_and_ps(_mm256_cmp_ps(sum_q2, zero, _CMP_GT_OQ), is_larger);
    scale = _mm256_blendv_ps(scale, _mm256_div_ps(sum_qx, sum_q2), is_better);
    best = _mm256_blendv_ps(best, _mm256_mul_ps(scale, sum_qx), is_better);
  }
  _mm256_storeu_ps(scales, _mm256_andnot_ps(is_flat, scale));
}

LLMOPS_AVX2_STEP void fit(const float* values, float* scales) {
  __m256 x[kBlock], squares[kBlock];
  to_lanes<kBlock>(values, x);
  for (size_t i = 0; i < kBlock; ++i) squares[i] = _mm256_mul_ps(x[i], x[i]);
  fit_lanes(x, squares, scales);
}

LLMOPS_AVX2_STEP void put_indices(const float* x, float scale, uint8_t* packed) {
  const __m256 inverse = _mm256_set1_ps(scale != 0 ? 1 / scale : 0.0F);
  __m256i index[4];
  for (int i = 0; i < 4; ++i) index[i] = nearest_index(_mm256_mul_ps(inverse, _mm256_loadu_ps(x + 8 * i)));
  store_half_bytes(packed, _mm_or_si128(bytes_of(index[0], index[1]), _mm_slli_epi16(bytes_of(index[2], index[3]), 4)));
}
LLMOPS_AVX2_STEP void get_values(const uint8_t* packed, float scale, float* out) {
  const __m128i bytes = load_half_bytes(packed), mask = _mm_set1_epi8(15), book = _mm_loadu_si128(reinterpret_cast<const __m128i*>(&kIq4Book));
  const __m128i first = _mm_shuffle_epi8(book, _mm_and_si128(bytes, mask)), second = _mm_shuffle_epi8(book, _mm_and_si128(_mm_srli_epi16(bytes, 4), mask));
  store_scaled(_mm256_inserti128_si256(_mm256_castsi128_si256(first), second, 1), _mm256_set1_ps(scale), out);
}

// Up to eight blocks, the rest of them zeros.
struct Eight {
  size_t count;
  float padded[kSuper];
  LLMOPS_AVX2_STEP const float* of(const float* x) {
    if (count == 8) return x;
    __builtin_memset(padded, 0, sizeof padded);
    __builtin_memcpy(padded, x, count * kBlock * sizeof(float));
    return padded;
  }
};
LLMOPS_AVX2_STEP void put_blocks(const float* x, const float* scales, size_t count, uint8_t* blocks) {
  for (size_t i = 0; i < count; ++i, x += kBlock, blocks += 18) {
    put_half(blocks, scales[i]);
    put_indices(x, scales[i], blocks + 2);
  }
}

}  // namespace

LLMOPS_AVX2 void to_iq4_nl(std::span<const float> values, uint8_t* blocks) {
  float scales[8];
  const float* x = values.data();
  for (size_t rest = values.size() / kBlock; rest > 0;) {
    Eight eight;
    eight.count = rest < 8 ? rest : 8;
    fit(eight.of(x), scales);
    put_blocks(x, scales, eight.count, blocks);
    rest -= eight.count;
    x += eight.count * kBlock;
    blocks += eight.count * 18;
  }
}
LLMOPS_AVX2 void weighted_iq4_nl(std::span<const float> row, std::span<const float> importance, uint8_t* blocks) {
  float scales[8];
  const float *x = row.data(), *important = importance.data();
  for (size_t rest = row.size() / kBlock; rest > 0;) {
    Eight eight, eight_importances;
    eight.count = eight_importances.count = rest < 8 ? rest : 8;
    __m256 lanes[kBlock], weights[kBlock], sum_x2 = _mm256_setzero_ps();
    to_lanes<kBlock>(eight.of(x), lanes);
    for (size_t i = 0; i < kBlock; ++i) sum_x2 = _mm256_add_ps(sum_x2, _mm256_mul_ps(lanes[i], lanes[i]));
    weigh<kBlock>(lanes, eight_importances.of(important), _mm256_mul_ps(_mm256_set1_ps(2), _mm256_div_ps(sum_x2, _mm256_set1_ps(kBlock))), weights);
    fit_lanes(lanes, weights, scales);
    put_blocks(x, scales, eight.count, blocks);
    rest -= eight.count;
    x += eight.count * kBlock;
    important += eight.count * kBlock;
    blocks += eight.count * 18;
  }
}
LLMOPS_AVX2 void from_iq4_nl(const uint8_t* blocks, std::span<float> values) {
  float* out = values.data();
  for (size_t rest = values.size(); rest >= kBlock; rest -= kBlock, out += kBlock, blocks += 18) get_values(blocks + 2, get_half(blocks), out);
}

LLMOPS_AVX2 void to_iq4_xs(std::span<const float> values, uint8_t* blocks) {
  float scales[8];
  const float* x = values.data();
  for (size_t rest = values.size(); rest >= kSuper; rest -= kSuper, x += kSuper, blocks += 136) {
    fit(x, scales);
    const Iq4Steps steps = put_iq4_xs_scales(scales, blocks);
    for (size_t j = 0; j < 8; ++j) put_indices(x + j * kBlock, steps.step[j], blocks + 8 + 16 * j);
  }
}
LLMOPS_AVX2 void weighted_iq4_xs(std::span<const float> row, std::span<const float> importance, uint8_t* blocks) {
  float scales[8];
  const float *x = row.data(), *important = importance.data();
  for (size_t rest = row.size(); rest >= kSuper; rest -= kSuper, x += kSuper, important += kSuper, blocks += 136) {
    __m256 lanes[kBlock], weights[kBlock];
    to_lanes<kBlock>(x, lanes);
    weigh<kBlock>(lanes, important, _mm256_set1_ps(2 * mean_square(x, kSuper)), weights);
    fit_lanes(lanes, weights, scales);
    const Iq4Steps steps = put_iq4_xs_scales(scales, blocks);
    for (size_t j = 0; j < 8; ++j) put_indices(x + j * kBlock, steps.step[j], blocks + 8 + 16 * j);
  }
}
LLMOPS_AVX2 void from_iq4_xs(const uint8_t* blocks, std::span<float> values) {
  float* out = values.data();
  for (size_t rest = values.size(); rest >= kSuper; rest -= kSuper, blocks += 136) {
    const Iq4Steps steps = read_iq4_xs_scales(blocks);
    for (size_t j = 0; j < 8; ++j, out += kBlock) get_values(blocks + 8 + 16 * j, steps.step[j], out);
  }
}

}  // namespace llmops::avx2
#endif
