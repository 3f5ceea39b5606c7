// Random numbers that are the same for a seed on every machine: the distributions of the standard library are not.
#pragma once

#include <cstdint>

namespace llmops {

// SplitMix64 (Steele, Lea, Flood 2014, "Fast splittable pseudorandom number generators"). Period 2^64.
class RandomSource {
 public:
  explicit RandomSource(uint64_t seed) : state_(seed) {}
  uint64_t next() {
    uint64_t x = state_ += 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
  }
  // 0 to n - 1, each with probability 1/n but for a bias below n / 2^64. Precondition: n > 0.
  uint64_t below(uint64_t n) {
    __extension__ using Wide = unsigned __int128;
    return static_cast<uint64_t>((Wide{next()} * n) >> 64);
  }

 private:
  uint64_t state_;
};

}  // namespace llmops
