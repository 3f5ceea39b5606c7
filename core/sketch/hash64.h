// A 64-bit hash of bytes for sketches, the same on every machine.
#pragma once

#include <cstdint>
#include <string_view>

namespace llmops {

// A bijection of 64 bits in which every input bit changes about half of the output bits (the finaliser of SplitMix64: Steele, Lea & Flood 2014).
constexpr uint64_t mix_bits(uint64_t x) {
  x ^= x >> 30;
  x *= 0xBF58476D1CE4E5B9u;
  x ^= x >> 27;
  x *= 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

// Eight bytes at a time through mix_bits, the length first. Two of n different texts share a hash with probability about n^2 / 2^65, unless somebody built them to: it is no cryptographic hash. Cost: about 2 GB/s.
constexpr uint64_t hash64(std::string_view bytes, uint64_t seed = 0) {
  uint64_t state = mix_bits(seed ^ (0x9E3779B97F4A7C15u * (bytes.size() + 1)));
  const auto byte = [&](size_t at) { return uint64_t{static_cast<unsigned char>(bytes[at])}; };
  size_t at = 0;
  for (; at + 8 <= bytes.size(); at += 8) {
    const uint64_t word = byte(at) | byte(at + 1) << 8 | byte(at + 2) << 16 | byte(at + 3) << 24 | byte(at + 4) << 32 | byte(at + 5) << 40 | byte(at + 6) << 48 | byte(at + 7) << 56;
    state = mix_bits((state ^ word) + 0x9E3779B97F4A7C15u);
  }
  uint64_t rest = 0;
  for (unsigned shift = 0; at < bytes.size(); ++at, shift += 8) rest |= byte(at) << shift;
  return mix_bits((state ^ rest) + 0xD1B54A32D192ED03u);
}

}  // namespace llmops
