#include "core/data/hash128.h"

#include <catch2/catch.hpp>
#include <cstring>
#include <set>
#include <string>

namespace llmops {
namespace {

std::string bytes_of(const Hash128& hash) {
  std::string bytes(16, '\0');
  std::memcpy(bytes.data(), &hash.high, 8);
  std::memcpy(bytes.data() + 8, &hash.low, 8);
  return bytes;
}

}  // namespace

TEST_CASE("the 128-bit hash has SMHasher's verification value of MurmurHash3_x64_128", "[data][hash128]") {
  // SMHasher, KeysetTest.cpp: hashes of {}, {0}, {0,1}, ... with seeds 256, 255, ...; then the hash of them all.
  std::string key, hashes;
  for (int i = 0; i < 256; ++i) {
    hashes += bytes_of(hash128(key, static_cast<uint32_t>(256 - i)));
    key.push_back(static_cast<char>(i));
  }
  CHECK((hash128(hashes).high & 0xFFFFFFFFu) == 0x6384BA69u);
}

TEST_CASE("hashes of a row add up in any order", "[data][hash128]") {
  Hash128 one = hash128("a", 1), other = hash128("b", 2);
  one += hash128("b", 2);
  other += hash128("a", 1);
  CHECK(one == other);
  CHECK(one != Hash128());
  CHECK(hash128("") == Hash128());
  CHECK(hash128("", 1) != Hash128());
}

TEST_CASE("mix64 is a bijection that scatters neighbours", "[data][hash128]") {
  std::set<uint64_t> seen;
  for (uint64_t i = 0; i < 10'000; ++i) seen.insert(mix64(i) >> 32);
  CHECK(seen.size() > 9'980);
  CHECK(mix64(0) == 0);
  // splitmix64 with seed 0 gives 0xE220A8397B1DCDAF first (Steele, Lea, Flood 2014).
  CHECK(mix64(0x9E3779B97F4A7C15u) == 0xE220A8397B1DCDAFu);
}

}  // namespace llmops
