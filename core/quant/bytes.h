// Private to core/quant: numbers as they lie in a block, little-endian and not aligned.
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

}  // namespace llmops
