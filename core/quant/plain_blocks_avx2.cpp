// Blocks of 32 values with AVX2: the 32 values of a block are the lanes. A block whose scale has no finite inverse (denormal or
// overflowing values) goes to the reference.
#include "core/quant/avx2.h"

#if LLMOPS_HAS_AVX2_KERNELS
#include "core/quant/plain_blocks.h"

namespace llmops::avx2 {
namespace {

constexpr size_t kBlock = 32;

LLMOPS_AVX2_STEP bool is_usable(float scale, float inverse) { return scale > -1e30F && scale < 1e30F && inverse > -1e30F && inverse < 1e30F; }

LLMOPS_AVX2_STEP float inverse_of(float scale) { return scale != 0 ? 1.0F / scale : 0.0F; }

LLMOPS_AVX2_STEP float least_of(__m256 x) {
  __m128 low = _mm_min_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  low = _mm_min_ps(low, _mm_movehl_ps(low, low));
  return _mm_cvtss_f32(_mm_min_ss(low, _mm_movehdup_ps(low)));
}
LLMOPS_AVX2_STEP float most_of(__m256 x) {
  __m128 low = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  low = _mm_max_ps(low, _mm_movehl_ps(low, low));
  return _mm_cvtss_f32(_mm_max_ss(low, _mm_movehdup_ps(low)));
}
LLMOPS_AVX2_STEP __m256 least_of(const Four& x) { return _mm256_min_ps(_mm256_min_ps(x.part[0], x.part[1]), _mm256_min_ps(x.part[2], x.part[3])); }
LLMOPS_AVX2_STEP __m256 most_of(const Four& x) { return _mm256_max_ps(_mm256_max_ps(x.part[0], x.part[1]), _mm256_max_ps(x.part[2], x.part[3])); }
LLMOPS_AVX2_STEP Four magnitudes_of(const Four& x) { return {{magnitude_of(x.part[0]), magnitude_of(x.part[1]), magnitude_of(x.part[2]), magnitude_of(x.part[3])}}; }

// The first place of `value` among the 32; precondition: it is there.
LLMOPS_AVX2_STEP int place_of(float value, const Four& x) {
  uint32_t found = 0;
  for (int i = 3; i >= 0; --i) found = found << 8 | static_cast<uint32_t>(_mm256_movemask_ps(_mm256_cmp_ps(x.part[i], _mm256_set1_ps(value), _CMP_EQ_OQ)));
  return __builtin_ctz(found | 0x80000000U);
}
LLMOPS_AVX2_STEP float extreme_of(const float* x, const Four& values) {
  const Four magnitudes = magnitudes_of(values);
  const float largest = most_of(most_of(magnitudes));
  return largest > 0 ? x[place_of(largest, magnitudes)] : 0.0F;
}
// The first of the least: zeros have signs.
LLMOPS_AVX2_STEP float first_least_of(const float* x, const Four& values) { return x[place_of(least_of(least_of(values)), values)]; }

// The whole parts of value * inverse + half, not above `most`.
LLMOPS_AVX2_STEP __m256i indices_of(const Four& x, float inverse, float half, int most) {
  __m256i whole[4];
  for (int i = 0; i < 4; ++i) whole[i] = _mm256_cvttps_epi32(_mm256_add_ps(_mm256_mul_ps(x.part[i], _mm256_set1_ps(inverse)), _mm256_set1_ps(half)));
  return _mm256_min_epu8(bytes_of(whole[0], whole[1], whole[2], whole[3]), _mm256_set1_epi8(static_cast<char>(most)));
}
LLMOPS_AVX2_STEP Four less(const Four& x, float least) {
  const __m256 offset = _mm256_set1_ps(least);
  return {{_mm256_sub_ps(x.part[0], offset), _mm256_sub_ps(x.part[1], offset), _mm256_sub_ps(x.part[2], offset), _mm256_sub_ps(x.part[3], offset)}};
}

// Value j in the low four bits of byte j, value j + 16 in the high ones.
LLMOPS_AVX2_STEP void put_four_bits(__m256i indices, uint8_t* packed) {
  const __m256i low = low_four(indices);
  store_half_bytes(packed, _mm_or_si128(_mm256_castsi256_si128(low), _mm_slli_epi16(_mm256_extracti128_si256(low, 1), 4)));
}
LLMOPS_AVX2_STEP __m256i get_four_bits(const uint8_t* packed) {
  const __m128i bytes = load_half_bytes(packed);
  return low_four(_mm256_inserti128_si256(_mm256_castsi128_si256(bytes), _mm_srli_epi16(bytes, 4), 1));
}
LLMOPS_AVX2_STEP void put_fifth_bits(__m256i indices, uint8_t* word) {
  const int bits = _mm256_movemask_epi8(_mm256_slli_epi16(indices, 3));
  __builtin_memcpy(word, &bits, sizeof bits);
}
// 16 in every byte whose bit of the word is set.
LLMOPS_AVX2_STEP __m256i get_fifth_bits(const uint8_t* word) {
  int bits;
  __builtin_memcpy(&bits, word, sizeof bits);
  const __m256i spread = _mm256_shuffle_epi8(_mm256_set1_epi32(bits), _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303));
  const __m256i one_each = _mm256_set1_epi64x(static_cast<long long>(0x8040201008040201ULL));
  return _mm256_and_si256(_mm256_cmpeq_epi8(_mm256_and_si256(spread, one_each), one_each), _mm256_set1_epi8(16));
}

// Halves away from zero, as std::round: the float below a half makes the addition never reach the next whole number by its own rounding.
LLMOPS_AVX2_STEP __m256i round_away(__m256 value) {
  const __m256 sign = _mm256_and_ps(value, _mm256_set1_ps(-0.0F));
  return _mm256_cvttps_epi32(_mm256_add_ps(value, _mm256_or_ps(sign, _mm256_set1_ps(0x1.fffffep-2F))));
}

}  // namespace

LLMOPS_AVX2 void to_q8_0(std::span<const float> values, uint8_t* blocks) {
  const float* x = values.data();
  for (size_t rest = values.size(); rest >= kBlock; rest -= kBlock, x += kBlock, blocks += 34) {
    const Four block = load_32(x);
    const float scale = most_of(most_of(magnitudes_of(block))) / 127, inverse = inverse_of(scale);
    if (!is_usable(scale, inverse)) {
      llmops::to_q8_0({x, kBlock}, blocks);
      continue;
    }
    put_half(blocks, scale);
    __m256i whole[4];
    for (int i = 0; i < 4; ++i) whole[i] = round_away(_mm256_mul_ps(block.part[i], _mm256_set1_ps(inverse)));
    const __m256i mixed = _mm256_packs_epi16(_mm256_packs_epi32(whole[0], whole[1]), _mm256_packs_epi32(whole[2], whole[3]));
    store_bytes(blocks + 2, _mm256_permutevar8x32_epi32(mixed, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7)));
  }
}
LLMOPS_AVX2 void from_q8_0(const uint8_t* blocks, std::span<float> values) {
  float* out = values.data();
  for (size_t rest = values.size(); rest >= kBlock; rest -= kBlock, out += kBlock, blocks += 34) {
    store_scaled(load_bytes(blocks + 2), _mm256_set1_ps(get_half(blocks)), out);
  }
}

LLMOPS_AVX2 void to_q4_0(std::span<const float> values, uint8_t* blocks) {
  const float* x = values.data();
  for (size_t rest = values.size(); rest >= kBlock; rest -= kBlock, x += kBlock, blocks += 18) {
    const Four block = load_32(x);
    const float scale = extreme_of(x, block) / -8, inverse = inverse_of(scale);
    if (!is_usable(scale, inverse)) {
      llmops::to_q4_0({x, kBlock}, blocks);
      continue;
    }
    put_half(blocks, scale);
    put_four_bits(indices_of(block, inverse, 8.5F, 15), blocks + 2);
  }
}
LLMOPS_AVX2 void from_q4_0(const uint8_t* blocks, std::span<float> values) {
  float* out = values.data();
  for (size_t rest = values.size(); rest >= kBlock; rest -= kBlock, out += kBlock, blocks += 18) {
    store_scaled(_mm256_sub_epi8(get_four_bits(blocks + 2), _mm256_set1_epi8(8)), _mm256_set1_ps(get_half(blocks)), out);
  }
}

LLMOPS_AVX2 void to_q4_1(std::span<const float> values, uint8_t* blocks) {
  const float* x = values.data();
  for (size_t rest = values.size(); rest >= kBlock; rest -= kBlock, x += kBlock, blocks += 20) {
    const Four block = load_32(x);
    const float least = first_least_of(x, block), scale = (most_of(most_of(block)) - least) / 15, inverse = inverse_of(scale);
    if (!is_usable(scale, inverse)) {
      llmops::to_q4_1({x, kBlock}, blocks);
      continue;
    }
    put_half(blocks, scale != 0 ? scale : 0.0F);
    put_half(blocks + 2, least);
    put_four_bits(indices_of(less(block, least), inverse, 0.5F, 15), blocks + 4);
  }
}
LLMOPS_AVX2 void from_q4_1(const uint8_t* blocks, std::span<float> values) {
  float* out = values.data();
  for (size_t rest = values.size(); rest >= kBlock; rest -= kBlock, out += kBlock, blocks += 20) {
    store_scaled(get_four_bits(blocks + 4), _mm256_set1_ps(get_half(blocks)), _mm256_set1_ps(get_half(blocks + 2)), out);
  }
}

LLMOPS_AVX2 void to_q5_0(std::span<const float> values, uint8_t* blocks) {
  const float* x = values.data();
  for (size_t rest = values.size(); rest >= kBlock; rest -= kBlock, x += kBlock, blocks += 22) {
    const Four block = load_32(x);
    const float scale = extreme_of(x, block) / -16, inverse = inverse_of(scale);
    if (!is_usable(scale, inverse)) {
      llmops::to_q5_0({x, kBlock}, blocks);
      continue;
    }
    put_half(blocks, scale);
    const __m256i indices = indices_of(block, inverse, 16.5F, 31);
    put_fifth_bits(indices, blocks + 2);
    put_four_bits(indices, blocks + 6);
  }
}
LLMOPS_AVX2 void from_q5_0(const uint8_t* blocks, std::span<float> values) {
  float* out = values.data();
  for (size_t rest = values.size(); rest >= kBlock; rest -= kBlock, out += kBlock, blocks += 22) {
    const __m256i indices = _mm256_or_si256(get_four_bits(blocks + 6), get_fifth_bits(blocks + 2));
    store_scaled(_mm256_sub_epi8(indices, _mm256_set1_epi8(16)), _mm256_set1_ps(get_half(blocks)), out);
  }
}

LLMOPS_AVX2 void to_q5_1(std::span<const float> values, uint8_t* blocks) {
  const float* x = values.data();
  for (size_t rest = values.size(); rest >= kBlock; rest -= kBlock, x += kBlock, blocks += 24) {
    const Four block = load_32(x);
    const float least = first_least_of(x, block), scale = (most_of(most_of(block)) - least) / 31, inverse = inverse_of(scale);
    if (!is_usable(scale, inverse)) {
      llmops::to_q5_1({x, kBlock}, blocks);
      continue;
    }
    put_half(blocks, scale != 0 ? scale : 0.0F);
    put_half(blocks + 2, least);
    const __m256i indices = indices_of(less(block, least), inverse, 0.5F, 255);
    put_fifth_bits(indices, blocks + 4);
    put_four_bits(indices, blocks + 8);
  }
}
LLMOPS_AVX2 void from_q5_1(const uint8_t* blocks, std::span<float> values) {
  float* out = values.data();
  for (size_t rest = values.size(); rest >= kBlock; rest -= kBlock, out += kBlock, blocks += 24) {
    const __m256i indices = _mm256_or_si256(get_four_bits(blocks + 8), get_fifth_bits(blocks + 4));
    store_scaled(indices, _mm256_set1_ps(get_half(blocks)), _mm256_set1_ps(get_half(blocks + 2)), out);
  }
}

}  // namespace llmops::avx2
#endif
