// Private to core/quant: numbers as they lie in a block, little-endian and not aligned, and rounding as ggml does it.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace llmops {

static_assert(std::endian::native == std::endian::little);

template <class Number>
void put(uint8_t* at, Number value) { std::memcpy(at, &value, sizeof value); }
template <class Number>
Number get(const uint8_t* at) {
  Number value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

// To the nearest whole number, ties to even, by the rounding of the addition. Precondition: |value| < 2^22.
inline int nearest(float value) {
  const auto bits = std::bit_cast<int32_t>(value + 12582912.0F);
  return (bits & 0x007FFFFF) - 0x00400000;
}

inline int nearest_in(float value, int least, int most) { return std::clamp(nearest(value), least, most); }

// The value of the largest magnitude with its sign; of equal ones the first; 0 where there is none.
inline float extreme_of(const float* x, size_t count) {
  float largest = 0, extreme = 0;
  for (size_t i = 0; i < count; ++i) {
    if (std::fabs(x[i]) > largest) {
      largest = std::fabs(x[i]);
      extreme = x[i];
    }
  }
  return extreme;
}

// Groups whose values are all smaller have the scale 0.
inline constexpr float kNoScale = 1e-15F;

}  // namespace llmops
