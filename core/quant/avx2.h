// Private to core/quant: steps that the AVX2 kernels share, and the list of those kernels.
//
// Bytes are those of the reference because every lane does the reference's operations in the reference's order. So the fma target
// is never named here: with it the compiler may contract a product and a sum into one rounding. The attribute stands on each
// function instead of a compiler flag on the file, so that inline functions of other headers keep the plain instruction set.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#if defined(__x86_64__)
#define LLMOPS_HAS_AVX2_KERNELS 1
#include <immintrin.h>
#define LLMOPS_AVX2 __attribute__((target("avx2,f16c")))
#define LLMOPS_AVX2_STEP inline __attribute__((always_inline, target("avx2,f16c")))
#else
#define LLMOPS_HAS_AVX2_KERNELS 0
#endif

namespace llmops {

// Whether this processor (and its system) runs the kernels below.
bool has_avx2();

#if LLMOPS_HAS_AVX2_KERNELS
namespace avx2 {

void to_f16(std::span<const float> values, uint8_t* blocks);
void from_f16(const uint8_t* blocks, std::span<float> values);
void to_bf16(std::span<const float> values, uint8_t* blocks);
void from_bf16(const uint8_t* blocks, std::span<float> values);
void to_q8_0(std::span<const float> values, uint8_t* blocks);
void from_q8_0(const uint8_t* blocks, std::span<float> values);
void to_q4_0(std::span<const float> values, uint8_t* blocks);
void from_q4_0(const uint8_t* blocks, std::span<float> values);
void to_q4_1(std::span<const float> values, uint8_t* blocks);
void from_q4_1(const uint8_t* blocks, std::span<float> values);
void to_q5_0(std::span<const float> values, uint8_t* blocks);
void from_q5_0(const uint8_t* blocks, std::span<float> values);
void to_q5_1(std::span<const float> values, uint8_t* blocks);
void from_q5_1(const uint8_t* blocks, std::span<float> values);
void to_iq4_nl(std::span<const float> values, uint8_t* blocks);
void from_iq4_nl(const uint8_t* blocks, std::span<float> values);
void to_iq4_xs(std::span<const float> values, uint8_t* blocks);
void from_iq4_xs(const uint8_t* blocks, std::span<float> values);
void to_q2_k(std::span<const float> values, uint8_t* blocks);
void from_q2_k(const uint8_t* blocks, std::span<float> values);
void to_q3_k(std::span<const float> values, uint8_t* blocks);
void from_q3_k(const uint8_t* blocks, std::span<float> values);
void to_q4_k(std::span<const float> values, uint8_t* blocks);
void from_q4_k(const uint8_t* blocks, std::span<float> values);
void to_q5_k(std::span<const float> values, uint8_t* blocks);
void from_q5_k(const uint8_t* blocks, std::span<float> values);
void to_q6_k(std::span<const float> values, uint8_t* blocks);
void from_q6_k(const uint8_t* blocks, std::span<float> values);
void weighted_q4_0(std::span<const float> row, std::span<const float> importance, uint8_t* blocks);
void weighted_q4_1(std::span<const float> row, std::span<const float> importance, uint8_t* blocks);
void weighted_q5_0(std::span<const float> row, std::span<const float> importance, uint8_t* blocks);
void weighted_q5_1(std::span<const float> row, std::span<const float> importance, uint8_t* blocks);
void weighted_iq4_nl(std::span<const float> row, std::span<const float> importance, uint8_t* blocks);
void weighted_iq4_xs(std::span<const float> row, std::span<const float> importance, uint8_t* blocks);
void weighted_q2_k(std::span<const float> row, std::span<const float> importance, uint8_t* blocks);
void weighted_q3_k(std::span<const float> row, std::span<const float> importance, uint8_t* blocks);
void weighted_q4_k(std::span<const float> row, std::span<const float> importance, uint8_t* blocks);
void weighted_q5_k(std::span<const float> row, std::span<const float> importance, uint8_t* blocks);
void weighted_q6_k(std::span<const float> row, std::span<const float> importance, uint8_t* blocks);

// ---- steps ----

struct Four { __m256 part[4]; };     // 32 values in their order
LLMOPS_AVX2_STEP Four load_32(const float* x) { return {{_mm256_loadu_ps(x), _mm256_loadu_ps(x + 8), _mm256_loadu_ps(x + 16), _mm256_loadu_ps(x + 24)}}; }

LLMOPS_AVX2_STEP __m256 magnitude_of(__m256 x) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0F), x); }
LLMOPS_AVX2_STEP __m256i load_bytes(const uint8_t* at) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at)); }
LLMOPS_AVX2_STEP void store_bytes(uint8_t* at, __m256i bytes) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(at), bytes); }
LLMOPS_AVX2_STEP __m128i load_half_bytes(const uint8_t* at) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at)); }
LLMOPS_AVX2_STEP void store_half_bytes(uint8_t* at, __m128i bytes) { _mm_storeu_si128(reinterpret_cast<__m128i*>(at), bytes); }

// Bits of bytes: shifts that keep what belongs to each byte.
LLMOPS_AVX2_STEP __m256i low_four(__m256i bytes) { return _mm256_and_si256(bytes, _mm256_set1_epi8(15)); }
LLMOPS_AVX2_STEP __m256i high_four(__m256i bytes) { return _mm256_and_si256(_mm256_srli_epi16(bytes, 4), _mm256_set1_epi8(15)); }
LLMOPS_AVX2_STEP __m256i two_of(__m256i bytes, int shift) { return _mm256_and_si256(_mm256_srli_epi16(bytes, shift), _mm256_set1_epi8(3)); }

// The 32 whole numbers, each within a byte, as bytes in their order.
LLMOPS_AVX2_STEP __m256i bytes_of(__m256i a, __m256i b, __m256i c, __m256i d) {
  const __m256i mixed = _mm256_packus_epi16(_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d));
  return _mm256_permutevar8x32_epi32(mixed, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}
LLMOPS_AVX2_STEP __m128i bytes_of(__m256i a, __m256i b) { return _mm256_castsi256_si128(bytes_of(a, b, a, b)); }

// As nearest_in() of numbers.h, whatever the value.
LLMOPS_AVX2_STEP __m256i nearest_in(__m256 value, int least, int most) {
  const __m256i bits = _mm256_castps_si256(_mm256_add_ps(value, _mm256_set1_ps(12582912.0F)));
  const __m256i whole = _mm256_sub_epi32(_mm256_and_si256(bits, _mm256_set1_epi32(0x007FFFFF)), _mm256_set1_epi32(0x00400000));
  return _mm256_min_epi32(_mm256_max_epi32(whole, _mm256_set1_epi32(least)), _mm256_set1_epi32(most));
}

// The same as a float, in fewer operations. Precondition: |value| < 2^22.
LLMOPS_AVX2_STEP __m256 near_level(__m256 value, __m256 least, __m256 most) {
  const __m256 magic = _mm256_set1_ps(12582912.0F);
  return _mm256_min_ps(_mm256_max_ps(_mm256_sub_ps(_mm256_add_ps(value, magic), magic), least), most);
}

LLMOPS_AVX2_STEP void transpose_8(__m256* rows) {
  __m256 pairs[8], fours[8];
  for (int i = 0; i < 4; ++i) {
    pairs[2 * i] = _mm256_unpacklo_ps(rows[2 * i], rows[2 * i + 1]);
    pairs[2 * i + 1] = _mm256_unpackhi_ps(rows[2 * i], rows[2 * i + 1]);
  }
  for (int i = 0; i < 2; ++i) {
    for (int k = 0; k < 2; ++k) {
      fours[4 * i + 2 * k] = _mm256_shuffle_ps(pairs[4 * i + k], pairs[4 * i + 2 + k], 0x44);
      fours[4 * i + 2 * k + 1] = _mm256_shuffle_ps(pairs[4 * i + k], pairs[4 * i + 2 + k], 0xEE);
    }
  }
  for (int i = 0; i < 4; ++i) {
    rows[i] = _mm256_permute2f128_ps(fours[i], fours[4 + i], 0x20);
    rows[4 + i] = _mm256_permute2f128_ps(fours[i], fours[4 + i], 0x31);
  }
}

// Eight groups of kSize values: lane g of lanes[i] is value i of group g.
template <int kSize>
LLMOPS_AVX2_STEP void to_lanes(const float* x, __m256* lanes) {
  for (int part = 0; part < kSize; part += 8) {
    for (int group = 0; group < 8; ++group) lanes[part + group] = _mm256_loadu_ps(x + group * kSize + part);
    transpose_8(lanes + part);
  }
}

// In each lane the value of the largest magnitude; of equal ones the first; 0 where there is none.
template <int kSize>
LLMOPS_AVX2_STEP __m256 extreme_of_lanes(const __m256* x) {
  __m256 largest = _mm256_setzero_ps(), extreme = _mm256_setzero_ps();
  for (int i = 0; i < kSize; ++i) {
    const __m256 magnitude = magnitude_of(x[i]), is_larger = _mm256_cmp_ps(magnitude, largest, _CMP_GT_OQ);
    largest = _mm256_blendv_ps(largest, magnitude, is_larger);
    extreme = _mm256_blendv_ps(extreme, x[i], is_larger);
  }
  return extreme;
}

LLMOPS_AVX2_STEP __m256 floats_of(__m128i signed_bytes) { return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(signed_bytes)); }
LLMOPS_AVX2_STEP Four floats_of(__m256i signed_bytes) {
  const __m128i low = _mm256_castsi256_si128(signed_bytes), high = _mm256_extracti128_si256(signed_bytes, 1);
  return {{floats_of(low), floats_of(_mm_srli_si128(low, 8)), floats_of(high), floats_of(_mm_srli_si128(high, 8))}};
}
// scale * byte.
LLMOPS_AVX2_STEP void store_scaled(__m256i signed_bytes, __m256 scale, float* out) {
  const Four values = floats_of(signed_bytes);
  for (int i = 0; i < 4; ++i) _mm256_storeu_ps(out + 8 * i, _mm256_mul_ps(values.part[i], scale));
}
// scale * byte + offset.
LLMOPS_AVX2_STEP void store_scaled(__m256i signed_bytes, __m256 scale, __m256 offset, float* out) {
  const Four values = floats_of(signed_bytes);
  for (int i = 0; i < 4; ++i) _mm256_storeu_ps(out + 8 * i, _mm256_add_ps(_mm256_mul_ps(values.part[i], scale), offset));
}

// A half as ggml stores it, at any address.
LLMOPS_AVX2_STEP void put_half(uint8_t* at, float value) {
  const uint16_t half = _cvtss_sh(value, _MM_FROUND_TO_NEAREST_INT);
  __builtin_memcpy(at, &half, sizeof half);
}
LLMOPS_AVX2_STEP float get_half(const uint8_t* at) {
  uint16_t half;
  __builtin_memcpy(&half, at, sizeof half);
  return _cvtsh_ss(half);
}

}  // namespace avx2
#endif

}  // namespace llmops
