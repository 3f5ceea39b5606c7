// Halves and brain floats with AVX2 and F16C, eight at a time; the rest goes to the reference.
#include "core/quant/avx2.h"

#if LLMOPS_HAS_AVX2_KERNELS
#include "core/quant/plain_blocks.h"

namespace llmops::avx2 {
namespace {

// NaN becomes the one that half_of() makes: vcvtps2ph keeps its payload.
LLMOPS_AVX2_STEP __m128i halves_of(__m256 x) {
  const __m128i made = _mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT);
  const __m128i magnitude = _mm_and_si128(made, _mm_set1_epi16(0x7FFF)), is_nan = _mm_cmpgt_epi16(magnitude, _mm_set1_epi16(0x7C00));
  const __m128i quiet = _mm_or_si128(_mm_andnot_si128(_mm_set1_epi16(0x7FFF), made), _mm_set1_epi16(0x7E00));
  return _mm_blendv_epi8(made, quiet, is_nan);
}

LLMOPS_AVX2_STEP __m256i brains_of(__m256 x) {
  const __m256i bits = _mm256_castps_si256(x), upper = _mm256_srli_epi32(bits, 16), is_odd = _mm256_and_si256(upper, _mm256_set1_epi32(1));
  const __m256i rounded = _mm256_srli_epi32(_mm256_add_epi32(bits, _mm256_add_epi32(is_odd, _mm256_set1_epi32(0x7FFF))), 16);
  const __m256i is_nan = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q));
  return _mm256_blendv_epi8(rounded, _mm256_or_si256(upper, _mm256_set1_epi32(64)), is_nan);
}

}  // namespace

LLMOPS_AVX2 void to_f16(std::span<const float> values, uint8_t* blocks) {
  size_t i = 0;
  for (; i + 8 <= values.size(); i += 8) store_half_bytes(blocks + 2 * i, halves_of(_mm256_loadu_ps(values.data() + i)));
  llmops::to_f16(values.subspan(i), blocks + 2 * i);
}
LLMOPS_AVX2 void from_f16(const uint8_t* blocks, std::span<float> values) {
  size_t i = 0;
  for (; i + 8 <= values.size(); i += 8) _mm256_storeu_ps(values.data() + i, _mm256_cvtph_ps(load_half_bytes(blocks + 2 * i)));
  llmops::from_f16(blocks + 2 * i, values.subspan(i));
}
LLMOPS_AVX2 void to_bf16(std::span<const float> values, uint8_t* blocks) {
  size_t i = 0;
  for (; i + 16 <= values.size(); i += 16) {
    const __m256i packed = _mm256_packus_epi32(brains_of(_mm256_loadu_ps(values.data() + i)), brains_of(_mm256_loadu_ps(values.data() + i + 8)));
    store_bytes(blocks + 2 * i, _mm256_permute4x64_epi64(packed, 0xD8));
  }
  llmops::to_bf16(values.subspan(i), blocks + 2 * i);
}
LLMOPS_AVX2 void from_bf16(const uint8_t* blocks, std::span<float> values) {
  size_t i = 0;
  for (; i + 8 <= values.size(); i += 8) {
    _mm256_storeu_ps(values.data() + i, _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(load_half_bytes(blocks + 2 * i)), 16)));
  }
  llmops::from_bf16(blocks + 2 * i, values.subspan(i));
}

}  // namespace llmops::avx2
#endif
