// A 128-bit hash of bytes, for telling rows apart without holding them.
#pragma once

#include <compare>
#include <cstdint>
#include <string_view>

namespace llmops {

struct Hash128 {
  uint64_t high = 0, low = 0;
  friend auto operator<=>(const Hash128&, const Hash128&) = default;
  // Sums of hashes do not depend on the order of what was hashed: a row's hash is the sum over its fields.
  Hash128& operator+=(const Hash128& other) {
    high += other.high;
    low += other.low;
    return *this;
  }
};

// MurmurHash3_x64_128. Two of n different texts share a hash with probability about n^2 / 2^129 (1e-25 for 10 million),
// unless somebody built them to: it is no cryptographic hash. Cost: about 3 GB/s.
Hash128 hash128(std::string_view bytes, uint32_t seed = 0);

// A bijection of 64 bits in which every input bit changes about half of the output bits (splitmix64's finaliser).
constexpr uint64_t mix64(uint64_t x) {
  x ^= x >> 30;
  x *= 0xBF58476D1CE4E5B9u;
  x ^= x >> 27;
  x *= 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

}  // namespace llmops
