// Private to core/quant: numbers as they lie in a block, little-endian and not aligned, and rounding as ggml does it.
#pragma once

#include <bit>
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

}  // namespace llmops
