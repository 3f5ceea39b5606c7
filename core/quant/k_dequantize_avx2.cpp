// Values of the types of 256 with AVX2: 32 indices at a time, as bytes, then as floats.
#include "core/quant/avx2.h"

#if LLMOPS_HAS_AVX2_KERNELS
#include "core/quant/k_layout.h"

namespace llmops::avx2 {
namespace {

constexpr size_t kSuper = 256;

LLMOPS_AVX2_STEP __m256i part_of_fours(const uint8_t* packed, size_t part) {
  const __m256i bytes = load_bytes(packed + part / 2 * 32);
  return part % 2 == 0 ? low_four(bytes) : high_four(bytes);
}
LLMOPS_AVX2_STEP __m256i part_of_twos(const uint8_t* packed, size_t part) { return two_of(load_bytes(packed + part / 4 * 32), static_cast<int>(part % 4 * 2)); }
// `value` in every byte whose bit `part` is set.
LLMOPS_AVX2_STEP __m256i part_of_ones(const uint8_t* packed, size_t part, int value) {
  const __m256i bit = _mm256_set1_epi8(static_cast<char>(1U << part));
  return _mm256_and_si256(_mm256_cmpeq_epi8(_mm256_and_si256(load_bytes(packed), bit), bit), _mm256_set1_epi8(static_cast<char>(value)));
}

// scale * byte - minimum, of two groups of 16.
LLMOPS_AVX2_STEP void store_two_groups(__m256i signed_bytes, const float* scale, const float* minimum, float* out) {
  const Four values = floats_of(signed_bytes);
  for (int i = 0; i < 4; ++i) {
    const __m256 scaled = _mm256_mul_ps(values.part[i], _mm256_set1_ps(scale[i / 2]));
    _mm256_storeu_ps(out + 8 * i, minimum == nullptr ? scaled : _mm256_sub_ps(scaled, _mm256_set1_ps(minimum[i / 2])));
  }
}
LLMOPS_AVX2_STEP void store_group(__m256i bytes, float scale, float minimum, float* out) {
  const Four values = floats_of(bytes);
  for (int i = 0; i < 4; ++i) _mm256_storeu_ps(out + 8 * i, _mm256_sub_ps(_mm256_mul_ps(values.part[i], _mm256_set1_ps(scale)), _mm256_set1_ps(minimum)));
}

}  // namespace

LLMOPS_AVX2 void from_q2_k(const uint8_t* blocks, std::span<float> values) {
  float* out = values.data();
  for (size_t rest = values.size(); rest >= kSuper; rest -= kSuper, blocks += 84) {
    const GroupScales scales = read_q2_k_scales(blocks);
    for (size_t part = 0; part < 8; ++part, out += 32) store_two_groups(part_of_twos(blocks + 16, part), &scales.scale[2 * part], &scales.minimum[2 * part], out);
  }
}
LLMOPS_AVX2 void from_q3_k(const uint8_t* blocks, std::span<float> values) {
  float* out = values.data();
  for (size_t rest = values.size(); rest >= kSuper; rest -= kSuper, blocks += 110) {
    const GroupScales scales = read_q3_k_scales(blocks);
    for (size_t part = 0; part < 8; ++part, out += 32) {
      const __m256i index = _mm256_add_epi8(part_of_twos(blocks + 32, part), part_of_ones(blocks, part, 4));
      store_two_groups(_mm256_sub_epi8(index, _mm256_set1_epi8(4)), &scales.scale[2 * part], nullptr, out);
    }
  }
}
LLMOPS_AVX2 void from_q4_k(const uint8_t* blocks, std::span<float> values) {
  float* out = values.data();
  for (size_t rest = values.size(); rest >= kSuper; rest -= kSuper, blocks += 144) {
    const GroupScales scales = read_q4_k_scales(blocks);
    for (size_t part = 0; part < 8; ++part, out += 32) store_group(part_of_fours(blocks + 16, part), scales.scale[part], scales.minimum[part], out);
  }
}
LLMOPS_AVX2 void from_q5_k(const uint8_t* blocks, std::span<float> values) {
  float* out = values.data();
  for (size_t rest = values.size(); rest >= kSuper; rest -= kSuper, blocks += 176) {
    const GroupScales scales = read_q4_k_scales(blocks);
    for (size_t part = 0; part < 8; ++part, out += 32) {
      store_group(_mm256_or_si256(part_of_fours(blocks + 48, part), part_of_ones(blocks + 16, part, 16)), scales.scale[part], scales.minimum[part], out);
    }
  }
}
LLMOPS_AVX2 void from_q6_k(const uint8_t* blocks, std::span<float> values) {
  float* out = values.data();
  for (size_t rest = values.size(); rest >= kSuper; rest -= kSuper, blocks += 210) {
    const GroupScales scales = read_q6_k_scales(blocks);
    for (size_t part = 0; part < 8; ++part, out += 32) {
      const __m256i bytes = load_bytes(blocks + part / 4 * 64 + part % 2 * 32), low = part % 4 < 2 ? low_four(bytes) : high_four(bytes);
      const __m256i index = _mm256_or_si256(low, _mm256_slli_epi16(part_of_twos(blocks + 128, part), 4));
      store_two_groups(_mm256_sub_epi8(index, _mm256_set1_epi8(32)), &scales.scale[2 * part], nullptr, out);
    }
  }
}

}  // namespace llmops::avx2
#endif
