// The tokens of words that came lately: a text is mostly words that it has had before. Two places for each hash and a fixed size, so that
// a text of ever new words only loses the look-up.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include "core/text/token_table.h"

namespace llmops::text {

class WordCache {
 public:
  static constexpr size_t kMostBytes = 31, kMostIds = 7, kEntries = 1 << 14;   // 64 bytes each, 1 MB

  struct Entry {
    uint64_t key[4] = {};   // the word, zeros, and its size in the last byte; size 0: empty
    int32_t ids[kMostIds] = {};
    uint32_t count = 0;
    std::span<const int32_t> tokens() const { return {ids, count}; }
  };
  struct Place { uint64_t key[4]; Entry* entry; bool hit; };

  // Precondition: 0 < word.size() <= kMostBytes. `entry`: the word's own, or of a miss the first of the two where it belongs.
  Place find(std::string_view word) {
    Place place{};
    load(word, place.key);
    const uint64_t hash = mixed(place.key[0] + 0xA0761D6478BD642FULL * place.key[1] + 0xE7037ED1A0B428DBULL * place.key[2] + 0x8EBC6AF09C88C6E3ULL * place.key[3]);
    place.entry = &entries_[(hash >> 32 << 1) & (kEntries - 1)];
    const auto same = [&](const Entry& entry) { return std::memcmp(entry.key, place.key, sizeof place.key) == 0; };
    place.hit = same(*place.entry);
    if (!place.hit && same(place.entry[1])) {
      ++place.entry;
      place.hit = true;
    }
    return place;
  }
  // Of a miss: the word that came later stays with it, the other goes.
  static void keep(const Place& place, std::span<const int32_t> ids) {
    if (ids.size() > kMostIds) return;
    place.entry[1] = place.entry[0];
    std::memcpy(place.entry->key, place.key, sizeof place.key);
    place.entry->count = static_cast<uint32_t>(ids.size());
    if (!ids.empty()) std::memcpy(place.entry->ids, ids.data(), ids.size_bytes());
  }

 private:
  template <class Number>
  static uint64_t number(const char* bytes) {
    Number value;
    std::memcpy(&value, bytes, sizeof value);
    return value;
  }
  // 1 to 8 bytes by two loads that may overlap: a copy of unknown size would be a call.
  static uint64_t few(const char* bytes, size_t size) {
    if (size == 8) return number<uint64_t>(bytes);
    if (size >= 4) return number<uint32_t>(bytes) | number<uint32_t>(bytes + size - 4) << (8 * (size - 4));
    if (size >= 2) return number<uint16_t>(bytes) | number<uint16_t>(bytes + size - 2) << (8 * (size - 2));
    return number<uint8_t>(bytes);
  }
  static void load(std::string_view word, uint64_t (&key)[4]) {
    const char* bytes = word.data();
    size_t left = word.size();
    for (uint64_t& part : key) {
      if (left == 0) break;
      const size_t size = left < 8 ? left : 8;
      part = few(bytes, size);
      bytes += size;
      left -= size;
    }
    key[3] |= static_cast<uint64_t>(word.size()) << 56;
  }
  std::vector<Entry> entries_ = std::vector<Entry>(kEntries);
};

}  // namespace llmops::text
