// Tables of tokens: what was added is found, and texts that were made to share a place are refused instead of slowing every look-up.
#include "core/text/token_table.h"

#include <catch2/catch.hpp>

#include <fmt/format.h>

using namespace llmops::text;

namespace {

constexpr uint64_t kFactor = 0x9E3779B97F4A7C15ULL;

uint64_t inverse(uint64_t odd) {
  uint64_t made = odd;
  for (int i = 0; i < 6; ++i) made *= 2 - odd * made;   // Newton's, which doubles the bits that are right
  return made;
}

uint64_t unmixed(uint64_t value) { return (value ^ (value >> 29) ^ (value >> 58)) * inverse(kFactor); }

}  // namespace

TEST_CASE("two hundred thousand texts and pairs are all found") {
  TokenTable table;
  MergeTable merges;
  TokenTrie trie;
  merges.reserve(200'000);
  for (int32_t i = 0; i < 200'000; ++i) {
    if (!table.add(fmt::format("token {}", i), i) || !merges.add(i / 450, i % 450, static_cast<uint32_t>(i), i, false) || !trie.add(fmt::format("{}", i), i)) FAIL(i);
  }
  for (int32_t i = 0; i < 200'000; ++i) {
    if (table.find(fmt::format("token {}", i)) != i || merges.find(i / 450, i % 450).made != i) FAIL(i);
  }
  CHECK(table.find("token") == -1);
  CHECK(table.add("token 7", 1));
  CHECK(table.find("token 7") == 7);   // the first stays
  CHECK(MergeTable().find(3, 4).made == -1);
}

TEST_CASE("texts that share one place are refused at the five hundred and thirteenth") {
  TokenTable table;
  table.reserve(5000);
  size_t count = 0;
  for (uint64_t i = 0; i < 2000; ++i) {
    const uint64_t part = unmixed(unmixed(i)) ^ (8 * 0xA0761D6478BD642FULL);   // all of a hash below 2^20, of which the table uses no bit
    const std::string text(reinterpret_cast<const char*>(&part), sizeof part);
    REQUIRE(hash_of(text) == i);
    if (!table.add(text, static_cast<int32_t>(i))) break;
    ++count;
  }
  CHECK(count == kMostProbes + 1);
}

TEST_CASE("merges that share one place are refused, and others still looked up") {
  MergeTable merges;
  merges.reserve(5000);
  size_t count = 0;
  for (uint64_t i = 0; count < 2000; ++i) {
    const uint64_t pair = i * inverse(kFactor);   // of a hash that begins with zeros
    if (pair >> 63 != 0 || (pair & 0x80000000U) != 0) continue;
    if (!merges.add(static_cast<int32_t>(pair >> 32), static_cast<int32_t>(pair & 0x7FFFFFFF), 0, 1, false)) break;
    ++count;
  }
  CHECK(count == kMostProbes + 1);
  CHECK(merges.find(0, 1).made == -1);
}
