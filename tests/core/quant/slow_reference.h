// A second implementation of the block formats, written value by value from their description: bytes of the types of 32 values, and
// what a value is in a block of any type. Halves are Eigen's.
#pragma once

#include <Eigen/Core>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace llmops::test {

inline double slow_half(const uint8_t* at) { return static_cast<float>(Eigen::numext::bit_cast<Eigen::half>(static_cast<uint16_t>(at[0] | at[1] << 8))); }
inline void append_half(std::string& bytes, float value) {
  const auto half = Eigen::numext::bit_cast<uint16_t>(static_cast<Eigen::half>(value));
  bytes += static_cast<char>(half & 255);
  bytes += static_cast<char>(half >> 8);
}

// ---- values of a block ----

// Whole number of `count` bits that starts at bit `first` of the bytes, bits of a byte from the low end.
inline int slow_bits(const uint8_t* bytes, size_t first, size_t count) {
  int number = 0;
  for (size_t i = 0; i < count; ++i) number |= ((bytes[(first + i) / 8] >> ((first + i) % 8)) & 1) << i;
  return number;
}

// Value i as a sum: `product` = scale * q and `offset`; kept apart to judge rounding.
struct SlowValue {
  double product = 0, offset = 0;
  double sum() const { return product + offset; }
};

inline SlowValue slow_block_of_32(std::string_view type, const uint8_t* block, size_t i) {
  static constexpr std::array<int, 16> kBook{-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
  const double d = slow_half(block);
  const size_t nibble = 8 * (i % 16) + 4 * (i / 16);
  if (type == "Q8_0") return {d * (slow_bits(block + 2, 8 * i, 8) - 256 * slow_bits(block + 2, 8 * i + 7, 1)), 0};
  if (type == "Q4_0") return {d * (slow_bits(block + 2, nibble, 4) - 8), 0};
  if (type == "Q4_1") return {d * slow_bits(block + 4, nibble, 4), slow_half(block + 2)};
  if (type == "Q5_0") return {d * (slow_bits(block + 6, nibble, 4) + 16 * slow_bits(block + 2, i, 1) - 16), 0};
  if (type == "Q5_1") return {d * (slow_bits(block + 8, nibble, 4) + 16 * slow_bits(block + 4, i, 1)), slow_half(block + 2)};
  return {d * kBook.at(static_cast<size_t>(slow_bits(block + 2, nibble, 4))), 0};   // IQ4_NL
}

// Scale j (or minimum j) of Q4_K and Q5_K, of six bits.
inline int slow_six_bits(const uint8_t* packed, size_t j, bool is_minimum) {
  if (j < 4) return slow_bits(packed + j + (is_minimum ? 4 : 0), 0, 6);
  return slow_bits(packed + 4 + j, is_minimum ? 4 : 0, 4) + 16 * slow_bits(packed + j - (is_minimum ? 0 : 4), 6, 2);
}

inline SlowValue slow_block_of_256(std::string_view type, const uint8_t* block, size_t i) {
  const size_t nibble = 8 * (i / 64 * 32 + i % 32) + 4 * (i % 64 / 32);     // of 64 values the first 32 in the low halves of 32 bytes
  const size_t pair = 8 * (i / 128 * 32 + i % 32) + 2 * (i % 128 / 32);     // of 128 values each quarter has two bits of 32 bytes
  const size_t single = 8 * (i % 32) + i / 32;                              // of 256 values each eighth has one bit of 32 bytes
  if (type == "Q2_K") {
    const size_t j = i / 16;
    return {slow_half(block + 80) * slow_bits(block + j, 0, 4) * slow_bits(block + 16, pair, 2), -slow_half(block + 82) * slow_bits(block + j, 4, 4)};
  }
  if (type == "Q3_K") {
    const size_t j = i / 16;
    const int scale = slow_bits(block + 96 + j % 8, j < 8 ? 0 : 4, 4) + 16 * slow_bits(block + 104 + j % 4, 2 * (j / 4), 2) - 32;
    return {slow_half(block + 108) * scale * (slow_bits(block + 32, pair, 2) + 4 * slow_bits(block, single, 1) - 4), 0};
  }
  if (type == "Q4_K" || type == "Q5_K") {
    const int q = type == "Q4_K" ? slow_bits(block + 16, nibble, 4) : slow_bits(block + 48, nibble, 4) + 16 * slow_bits(block + 16, single, 1);
    return {slow_half(block) * slow_six_bits(block + 4, i / 32, false) * q, -slow_half(block + 2) * slow_six_bits(block + 4, i / 32, true)};
  }
  if (type == "Q6_K") {
    const size_t low = 8 * (i / 128 * 64 + i % 64) + 4 * (i % 128 / 64);
    const int scale = slow_bits(block + 192 + i / 16, 0, 8) - 256 * slow_bits(block + 192 + i / 16, 7, 1);
    return {slow_half(block + 208) * scale * (slow_bits(block, low, 4) + 16 * slow_bits(block + 128, pair, 2) - 32), 0};
  }
  const size_t j = i / 32;   // IQ4_XS: d, high bits, low bits of the scales, and eight blocks as in IQ4_NL but for their scale
  const int scale = slow_bits(block + 4, 4 * j, 4) + 16 * slow_bits(block + 2, 2 * j, 2) - 32;
  std::array<uint8_t, 18> plain{0x00, 0x3C};   // the half 1
  std::memcpy(plain.data() + 2, block + 8 + 16 * j, 16);
  return {slow_half(block) * scale * slow_block_of_32("IQ4_NL", plain.data(), i % 32).product, 0};
}

inline SlowValue slow_value(std::string_view type, const uint8_t* block, size_t i) {
  if (type == "F32") {
    float value;
    std::memcpy(&value, block, 4);
    return {value, 0};
  }
  if (type == "F16") return {slow_half(block), 0};
  if (type == "BF16") return {static_cast<float>(Eigen::numext::bit_cast<Eigen::bfloat16>(static_cast<uint16_t>(block[0] | block[1] << 8))), 0};
  return type.ends_with("_K") || type == "IQ4_XS" ? slow_block_of_256(type, block, i) : slow_block_of_32(type, block, i);
}

// ---- bytes of the types of 32 values ----

// Places of the 32 indices: low four bits in 16 bytes; the fifth bits, if any, in four bytes before them.
inline std::string slow_indices(const std::vector<int>& indices, bool has_fifth) {
  std::string fifth(4, '\0'), low(16, '\0');
  for (size_t i = 0; i < 32; ++i) {
    if ((indices[i] & 16) != 0) fifth[i / 8] = static_cast<char>(fifth[i / 8] | 1 << (i % 8));
    low[i % 16] = static_cast<char>(low[i % 16] | (indices[i] & 15) << (i < 16 ? 0 : 4));
  }
  return has_fifth ? fifth + low : low;
}

// Scale = the extreme / -2^(bits-1), index = whole part of x / scale + 2^(bits-1) + a half, in single precision.
inline std::string slow_symmetric(const float* x, int bits) {
  float extreme = 0;
  for (int i = 0; i < 32; ++i) extreme = std::fabs(x[i]) > std::fabs(extreme) ? x[i] : extreme;
  const auto half = static_cast<float>(1 << (bits - 1));
  const float scale = extreme / -half, inverse = scale == 0 ? 0 : 1 / scale;
  std::string bytes;
  append_half(bytes, scale);
  std::vector<int> indices(32);
  for (size_t i = 0; i < 32; ++i) indices[i] = std::min((1 << bits) - 1, static_cast<int>(std::floor(x[i] * inverse + (half + 0.5F))));
  return bytes + slow_indices(indices, bits == 5);
}
inline std::string slow_with_minimum(const float* x, int bits) {
  float least = x[0], most = x[0];
  for (int i = 0; i < 32; ++i) {
    least = x[i] < least ? x[i] : least;
    most = x[i] > most ? x[i] : most;
  }
  const float scale = (most - least) / static_cast<float>((1 << bits) - 1), inverse = scale == 0 ? 0 : 1 / scale;
  std::string bytes;
  append_half(bytes, scale);
  append_half(bytes, least);
  std::vector<int> indices(32);
  for (size_t i = 0; i < 32; ++i) indices[i] = std::min((1 << bits) - 1, static_cast<int>(std::floor((x[i] - least) * inverse + 0.5F)));
  return bytes + slow_indices(indices, bits == 5);
}
inline std::string slow_q8_0(const float* x) {
  float largest = 0;
  for (int i = 0; i < 32; ++i) largest = std::fabs(x[i]) > largest ? std::fabs(x[i]) : largest;
  const float scale = largest / 127.0F, inverse = scale == 0 ? 0 : 1 / scale;
  std::string bytes;
  append_half(bytes, scale);
  for (int i = 0; i < 32; ++i) {
    const double scaled = x[i] * inverse;   // the product in single precision, the half away from zero in double
    bytes += static_cast<char>(static_cast<int>(scaled < 0 ? std::ceil(scaled - 0.5) : std::floor(scaled + 0.5)));
  }
  return bytes;
}
inline std::string slow_block(std::string_view type, const float* x) {
  if (type == "Q8_0") return slow_q8_0(x);
  return type.ends_with("_0") ? slow_symmetric(x, type[1] - '0') : slow_with_minimum(x, type[1] - '0');
}

// ---- rows to try ----

inline const std::vector<std::string> kRowKinds = {"normal", "heavy", "constant", "zero", "denormal", "huge", "enormous", "any bits",
                                                   "few levels", "ties", "negative", "sparse", "wide", "offset", "mixed"};

inline float value_of_kind(const std::string& kind, size_t i, float of_group, std::mt19937& random) {
  std::normal_distribution<float> normal;
  if (kind == "heavy") return std::student_t_distribution<float>(1.5F)(random);
  if (kind == "constant") return of_group;
  if (kind == "zero") return random() % 2 == 0 ? 0.0F : -0.0F;
  if (kind == "denormal") return normal(random) * 1e-40F;
  if (kind == "huge") return normal(random) * 1e4F;
  if (kind == "enormous") return normal(random) * 1e37F;
  if (kind == "any bits") {
    const auto value = Eigen::numext::bit_cast<float>(static_cast<uint32_t>(random()));
    return std::isfinite(value) ? value : 1.0F;
  }
  if (kind == "few levels") return static_cast<float>(static_cast<int>(random() % 9) - 4) * 0.5F;
  if (kind == "ties") {
    // Scales of one: the first of 32 values is the largest, the others lie at halves or next to them.
    static constexpr std::array<float, 5> kLargest{-8, -16, 127, 15, 31};
    const float largest = kLargest.at(i / 32 % 5);
    if (i % 32 == 0) return largest;
    const int halves = 2 * static_cast<int>(std::fabs(largest));
    const float tie = static_cast<float>(static_cast<int>(random() % static_cast<unsigned>(2 * halves)) - halves + 1) * 0.5F;
    return random() % 3 == 0 ? std::nextafter(tie, 0.0F) : tie;
  }
  if (kind == "negative") return -std::fabs(normal(random)) * 0.001F - std::fabs(of_group) * 100;
  if (kind == "sparse") return random() % 7 == 0 ? normal(random) : 0.0F;
  if (kind == "wide") return std::ldexp(normal(random), static_cast<int>(random() % 60) - 30);
  if (kind == "offset") return std::fabs(normal(random)) + 1000;
  if (kind == "mixed") return i / 16 % 3 == 0 ? normal(random) * 1e-6F : std::ldexp(normal(random), static_cast<int>(i / 16 % 100) - 70);
  return normal(random);
}
inline std::vector<float> row_of_kind(const std::string& kind, size_t count, std::mt19937& random) {
  std::vector<float> row(count);
  float of_group = 0;
  for (size_t i = 0; i < count; ++i) {
    if (i % 32 == 0) of_group = std::normal_distribution<float>()(random);
    row[i] = value_of_kind(kind, i, of_group, random);
  }
  return row;
}

}  // namespace llmops::test
