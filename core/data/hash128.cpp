// MurmurHash3_x64_128 by Austin Appleby (SMHasher, public domain), read in little-endian order. SMHasher's verification
// value for it is 0x6384BA69.
#include "core/data/hash128.h"

#include <bit>
#include <cstring>

namespace llmops {
namespace {

constexpr uint64_t kFirst = 0x87C37B91114253D5u, kSecond = 0x4CF5AD432745937Fu;

uint64_t load64(const char* at) {
  uint64_t word = 0;
  std::memcpy(&word, at, sizeof word);
  if constexpr (std::endian::native == std::endian::big) word = __builtin_bswap64(word);
  return word;
}

uint64_t finish(uint64_t k) {
  k ^= k >> 33;
  k *= 0xFF51AFD7ED558CCDu;
  k ^= k >> 33;
  k *= 0xC4CEB9FE1A85EC53u;
  return k ^ (k >> 33);
}

uint64_t mix_first(uint64_t k) { return std::rotl(k * kFirst, 31) * kSecond; }
uint64_t mix_second(uint64_t k) { return std::rotl(k * kSecond, 33) * kFirst; }

}  // namespace

Hash128 hash128(std::string_view bytes, uint32_t seed) {
  uint64_t a = seed, b = seed;
  const size_t size = bytes.size();
  const char* at = bytes.data();
  for (size_t blocks = size / 16; blocks > 0; --blocks, at += 16) {
    a ^= mix_first(load64(at));
    a = (std::rotl(a, 27) + b) * 5 + 0x52DCE729;
    b ^= mix_second(load64(at + 8));
    b = (std::rotl(b, 31) + a) * 5 + 0x38495AB5;
  }
  if (const size_t rest = size % 16; rest > 0) {
    char tail[16] = {};
    std::memcpy(tail, at, rest);
    if (rest > 8) b ^= mix_second(load64(tail + 8));
    a ^= mix_first(load64(tail));
  }
  a ^= size;
  b ^= size;
  a += b;
  b += a;
  a = finish(a);
  b = finish(b);
  a += b;
  b += a;
  return {a, b};
}

}  // namespace llmops
