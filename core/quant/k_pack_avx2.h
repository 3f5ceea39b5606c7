// Private to core/quant: the places of 256 indices in blocks (see k_layout.cpp), 32 bytes at a time.
#pragma once

#include "core/quant/avx2.h"

#if LLMOPS_HAS_AVX2_KERNELS
namespace llmops::avx2 {

LLMOPS_AVX2_STEP void pack_twos(const uint8_t* indices, uint8_t* packed) {
  const __m256i mask = _mm256_set1_epi8(3);
  for (int half = 0; half < 2; ++half, indices += 128) {
    __m256i made = _mm256_and_si256(load_bytes(indices + 96), mask);
    for (int part = 2; part >= 0; --part) made = _mm256_or_si256(_mm256_slli_epi16(made, 2), _mm256_and_si256(load_bytes(indices + 32 * part), mask));
    store_bytes(packed + 32 * half, made);
  }
}
LLMOPS_AVX2_STEP void pack_fours(const uint8_t* indices, uint8_t* packed) {
  for (int part = 0; part < 4; ++part) {
    const __m256i first = low_four(load_bytes(indices + 64 * part)), second = low_four(load_bytes(indices + 64 * part + 32));
    store_bytes(packed + 32 * part, _mm256_or_si256(first, _mm256_slli_epi16(second, 4)));
  }
}
// `mask` has the one bit of every byte.
LLMOPS_AVX2_STEP void pack_ones(const uint8_t* indices, int mask, uint8_t* packed) {
  const __m256i bit = _mm256_set1_epi8(static_cast<char>(mask));
  __m256i made = _mm256_setzero_si256();
  for (int part = 7; part >= 0; --part) {
    const __m256i is_set = _mm256_cmpeq_epi8(_mm256_and_si256(load_bytes(indices + 32 * part), bit), bit);
    made = _mm256_sub_epi8(_mm256_add_epi8(made, made), is_set);
  }
  store_bytes(packed, made);
}

LLMOPS_AVX2_STEP void pack_twos_and_fours(const uint8_t* indices, uint8_t* block) {
  for (int half = 0; half < 2; ++half, indices += 128) {
    __m256i value[4], high = _mm256_setzero_si256();
    for (int part = 3; part >= 0; --part) {
      value[part] = load_bytes(indices + 32 * part);
      high = _mm256_or_si256(_mm256_slli_epi16(high, 2), two_of(value[part], 4));
    }
    store_bytes(block + 64 * half, _mm256_or_si256(low_four(value[0]), _mm256_slli_epi16(low_four(value[2]), 4)));
    store_bytes(block + 64 * half + 32, _mm256_or_si256(low_four(value[1]), _mm256_slli_epi16(low_four(value[3]), 4)));
    store_bytes(block + 128 + 32 * half, high);
  }
}

// Into a block of the type of kBits.
template <int kBits>
LLMOPS_AVX2_STEP void pack(const uint8_t* indices, uint8_t* block) {
  if constexpr (kBits == 2) {
    pack_twos(indices, block + 16);
  } else if constexpr (kBits == 3) {
    pack_ones(indices, 4, block);
    pack_twos(indices, block + 32);
  } else if constexpr (kBits == 4) {
    pack_fours(indices, block + 16);
  } else if constexpr (kBits == 5) {
    pack_ones(indices, 16, block + 16);
    pack_fours(indices, block + 48);
  } else {
    pack_twos_and_fours(indices, block);
  }
}

}  // namespace llmops::avx2
#endif
