// Bytes of a block, in their order:
//   Q2_K  16 of scale and minimum, four bits each; 64 of indices; d; dmin
//   Q3_K  32 of third bits (bit g of byte j: value j of group g of 32); 64 of low two bits; 12 of scales; d
//   Q4_K  d; dmin; 12 of scales and minimums, six bits each; 128 of indices: of 64 values the first 32 in the low four bits
//   Q5_K  d; dmin; 12 as in Q4_K; 32 of fifth bits, as third bits of Q3_K; 128 as in Q4_K
//   Q6_K  128 of low four bits; 64 of high two; 16 scales of eight bits; d. Of 128 values q and q+64 share a byte of low bits
// Two bits: of 128 values q, q+32, q+64 and q+96 share a byte.
#include "core/quant/k_layout.h"

#include <algorithm>

#include "core/base/half.h"
#include "core/quant/numbers.h"

namespace llmops {
namespace {

constexpr size_t kSuper = 256;

float half_at(const uint8_t* at) { return float_of_half(get<uint16_t>(at)); }
int six_bits_of_third_scale(const uint8_t* packed, size_t j) {
  const int low = j < 8 ? packed[j] & 15 : packed[j - 8] >> 4;
  return low | ((packed[8 + j % 4] >> (2 * (j / 4))) & 3) << 4;
}

void pack_two_bits(const uint8_t* indices, uint8_t* packed) {
  for (size_t j = 0; j < kSuper / 4; ++j) {
    const uint8_t* first = indices + j / 32 * 128 + j % 32;
    packed[j] = static_cast<uint8_t>((first[0] & 3) | (first[32] & 3) << 2 | (first[64] & 3) << 4 | (first[96] & 3) << 6);
  }
}
void pack_low_four(const uint8_t* indices, uint8_t* packed) {
  for (size_t j = 0; j < kSuper / 2; ++j) {
    const size_t first = j / 32 * 64 + j % 32;
    packed[j] = static_cast<uint8_t>((indices[first] & 15) | (indices[first + 32] & 15) << 4);
  }
}
void pack_one_bit(const uint8_t* indices, int bit, uint8_t* packed) {
  std::fill_n(packed, 32, uint8_t{0});
  for (size_t i = 0; i < kSuper; ++i) packed[i % 32] = static_cast<uint8_t>(packed[i % 32] | ((indices[i] >> bit) & 1) << (i / 32));
}
int two_bits(const uint8_t* packed, size_t i) { return (packed[i / 128 * 32 + i % 32] >> (2 * (i % 128 / 32))) & 3; }
int low_four(const uint8_t* packed, size_t i) { return (packed[i / 64 * 32 + i % 32] >> (i % 64 < 32 ? 0 : 4)) & 15; }
int one_bit(const uint8_t* packed, size_t i) { return (packed[i % 32] >> (i / 32)) & 1; }

}  // namespace

GroupScales read_q2_k_scales(const uint8_t* block) {
  const float unit = half_at(block + 80), minimum_unit = half_at(block + 82);
  GroupScales read;
  for (size_t j = 0; j < 16; ++j) {
    read.scale[j] = unit * static_cast<float>(block[j] & 15);
    read.minimum[j] = minimum_unit * static_cast<float>(block[j] >> 4);
  }
  return read;
}
GroupScales write_q2_k_scales(const uint8_t* scales, const uint8_t* minimums, float unit, float minimum_unit, uint8_t* block) {
  put(block + 80, half_of(unit));
  put(block + 82, half_of(minimum_unit));
  for (size_t j = 0; j < 16; ++j) block[j] = static_cast<uint8_t>(scales[j] | minimums[j] << 4);
  return read_q2_k_scales(block);
}
GroupScales put_q2_k_scales(const float* scales, const float* minimums, uint8_t* block) {
  float most_scale = 0, most_minimum = 0;
  for (size_t j = 0; j < 16; ++j) {
    most_scale = std::max(most_scale, scales[j]);
    most_minimum = std::max(most_minimum, minimums[j]);
  }
  const float to_scale = most_scale > 0 ? 15.0F / most_scale : 0.0F, to_minimum = most_minimum > 0 ? 15.0F / most_minimum : 0.0F;
  std::array<uint8_t, 16> whole_scales, whole_minimums;
  for (size_t j = 0; j < 16; ++j) {
    whole_scales[j] = static_cast<uint8_t>(nearest(to_scale * scales[j]));
    whole_minimums[j] = static_cast<uint8_t>(nearest(to_minimum * minimums[j]));
  }
  return write_q2_k_scales(whole_scales.data(), whole_minimums.data(), most_scale / 15.0F, most_minimum / 15.0F, block);
}

GroupScales read_q3_k_scales(const uint8_t* block) {
  const float unit = half_at(block + 108);
  GroupScales read;
  for (size_t j = 0; j < 16; ++j) read.scale[j] = unit * static_cast<float>(six_bits_of_third_scale(block + 96, j) - 32);
  return read;
}
GroupScales write_q3_k_scales(const uint8_t* scales, float unit, uint8_t* block) {
  uint8_t* packed = block + 96;
  std::fill_n(packed, 12, uint8_t{0});
  for (size_t j = 0; j < 16; ++j) {
    packed[j % 8] = static_cast<uint8_t>(packed[j % 8] | (scales[j] & 15) << (j < 8 ? 0 : 4));
    packed[8 + j % 4] = static_cast<uint8_t>(packed[8 + j % 4] | (scales[j] >> 4) << (2 * (j / 4)));
  }
  put(block + 108, half_of(unit));
  return read_q3_k_scales(block);
}
GroupScales put_q3_k_scales(const float* scales, uint8_t* block) {
  const float extreme = extreme_of(scales, 16);
  std::array<uint8_t, 16> whole{};
  if (extreme == 0) {
    std::fill_n(block + 96, 14, uint8_t{0});
    return read_q3_k_scales(block);
  }
  const float inverse = -32.0F / extreme;
  for (size_t j = 0; j < 16; ++j) whole[j] = static_cast<uint8_t>(std::clamp(nearest(inverse * scales[j]), -32, 31) + 32);
  return write_q3_k_scales(whole.data(), 1 / inverse, block);
}

GroupScales read_q4_k_scales(const uint8_t* block) {
  const float unit = half_at(block), minimum_unit = half_at(block + 2);
  const uint8_t* packed = block + 4;
  GroupScales read;
  for (size_t j = 0; j < 4; ++j) {
    read.scale[j] = unit * static_cast<float>(packed[j] & 63);
    read.minimum[j] = minimum_unit * static_cast<float>(packed[j + 4] & 63);
    read.scale[j + 4] = unit * static_cast<float>((packed[j + 8] & 15) | (packed[j] >> 6) << 4);
    read.minimum[j + 4] = minimum_unit * static_cast<float>((packed[j + 8] >> 4) | (packed[j + 4] >> 6) << 4);
  }
  return read;
}
GroupScales write_q4_k_scales(const uint8_t* scales, const uint8_t* minimums, float unit, float minimum_unit, uint8_t* block) {
  put(block, half_of(unit));
  put(block + 2, half_of(minimum_unit));
  uint8_t* packed = block + 4;
  for (size_t j = 0; j < 4; ++j) {
    packed[j] = static_cast<uint8_t>(scales[j] | (scales[j + 4] >> 4) << 6);
    packed[j + 4] = static_cast<uint8_t>(minimums[j] | (minimums[j + 4] >> 4) << 6);
    packed[j + 8] = static_cast<uint8_t>((scales[j + 4] & 15) | (minimums[j + 4] & 15) << 4);
  }
  return read_q4_k_scales(block);
}
GroupScales put_q4_k_scales(const float* scales, const float* minimums, uint8_t* block) {
  float most_scale = 0, most_minimum = 0;
  for (size_t j = 0; j < 8; ++j) {
    most_scale = std::max(most_scale, scales[j]);
    most_minimum = std::max(most_minimum, minimums[j]);
  }
  const float to_scale = most_scale > 0 ? 63.0F / most_scale : 0.0F, to_minimum = most_minimum > 0 ? 63.0F / most_minimum : 0.0F;
  std::array<uint8_t, 8> whole_scales, whole_minimums;
  for (size_t j = 0; j < 8; ++j) {
    whole_scales[j] = std::min<uint8_t>(63, static_cast<uint8_t>(nearest(to_scale * scales[j])));
    whole_minimums[j] = std::min<uint8_t>(63, static_cast<uint8_t>(nearest(to_minimum * minimums[j])));
  }
  return write_q4_k_scales(whole_scales.data(), whole_minimums.data(), most_scale / 63.0F, most_minimum / 63.0F, block);
}

GroupScales read_q6_k_scales(const uint8_t* block) {
  const float unit = half_at(block + 208);
  GroupScales read;
  for (size_t j = 0; j < 16; ++j) read.scale[j] = unit * static_cast<float>(static_cast<int8_t>(block[192 + j]));
  return read;
}
GroupScales put_q6_k_scales(const float* scales, float extreme, uint8_t* block) {
  const float inverse = -128.0F / extreme;
  put(block + 208, half_of(1 / inverse));
  for (size_t j = 0; j < 16; ++j) block[192 + j] = static_cast<uint8_t>(std::min(127, nearest(inverse * scales[j])));
  return read_q6_k_scales(block);
}

void pack_q2_k(const uint8_t* indices, uint8_t* block) { pack_two_bits(indices, block + 16); }
void pack_q3_k(const uint8_t* indices, uint8_t* block) {
  pack_one_bit(indices, 2, block);
  pack_two_bits(indices, block + 32);
}
void pack_q4_k(const uint8_t* indices, uint8_t* block) { pack_low_four(indices, block + 16); }
void pack_q5_k(const uint8_t* indices, uint8_t* block) {
  pack_one_bit(indices, 4, block + 16);
  pack_low_four(indices, block + 48);
}
void pack_q6_k(const uint8_t* indices, uint8_t* block) {
  std::fill_n(block, 192, uint8_t{0});
  for (size_t i = 0; i < kSuper; ++i) {
    const size_t half = i / 128, place = i % 128;
    uint8_t& low = block[half * 64 + place % 64];
    low = static_cast<uint8_t>(low | (indices[i] & 15) << (place < 64 ? 0 : 4));
    uint8_t& high = block[128 + half * 32 + place % 32];
    high = static_cast<uint8_t>(high | (indices[i] >> 4) << (2 * (place / 32)));
  }
}

void unpack_q2_k(const uint8_t* block, uint8_t* indices) {
  for (size_t i = 0; i < kSuper; ++i) indices[i] = static_cast<uint8_t>(two_bits(block + 16, i));
}
void unpack_q3_k(const uint8_t* block, uint8_t* indices) {
  for (size_t i = 0; i < kSuper; ++i) indices[i] = static_cast<uint8_t>(two_bits(block + 32, i) | one_bit(block, i) << 2);
}
void unpack_q4_k(const uint8_t* block, uint8_t* indices) {
  for (size_t i = 0; i < kSuper; ++i) indices[i] = static_cast<uint8_t>(low_four(block + 16, i));
}
void unpack_q5_k(const uint8_t* block, uint8_t* indices) {
  for (size_t i = 0; i < kSuper; ++i) indices[i] = static_cast<uint8_t>(low_four(block + 48, i) | one_bit(block + 16, i) << 4);
}
void unpack_q6_k(const uint8_t* block, uint8_t* indices) {
  for (size_t i = 0; i < kSuper; ++i) {
    const size_t half = i / 128, place = i % 128;
    indices[i] = static_cast<uint8_t>(((block[half * 64 + place % 64] >> (place < 64 ? 0 : 4)) & 15) | two_bits(block + 128, i) << 4);
  }
}

}  // namespace llmops
