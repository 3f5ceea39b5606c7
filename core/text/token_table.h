// Look-ups that tokenizers do for each word: ids by bytes, merges by pair, and the tokens that begin at a place.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace llmops::text {

// The hashes are known, so that a file can hold texts that share one. What is further than this from its place is not added, and not looked
// for: real vocabularies stay below a tenth of it.
inline constexpr size_t kMostProbes = 512;
inline constexpr size_t kNoSlot = SIZE_MAX;

inline uint64_t mixed(uint64_t value) {
  value *= 0x9E3779B97F4A7C15ULL;
  return value ^ (value >> 29);
}

inline uint64_t hash_of(std::string_view bytes) {
  uint64_t hash = bytes.size() * 0xA0761D6478BD642FULL;
  while (bytes.size() >= 8) {
    uint64_t part = 0;
    std::memcpy(&part, bytes.data(), 8);
    hash = mixed(hash ^ part);
    bytes.remove_prefix(8);
  }
  uint64_t rest = 0;
  std::memcpy(&rest, bytes.data(), bytes.size());
  return mixed(hash ^ rest);
}

// Ids by text, open addressing. Texts are copied.
class TokenTable {
 public:
  // Before the first add().
  void reserve(size_t count) { grow(std::bit_ceil(2 * count + 16)); }
  // The first id of a text stays. False: too many texts share its place.
  bool add(std::string_view text, int32_t id) {
    if (2 * (entries_.size() + 1) > slots_.size() && !grow(std::max<size_t>(64, 2 * slots_.size()))) return false;
    const size_t slot = slot_of(text);
    if (slot == kNoSlot) return false;
    if (slots_[slot] != 0) return true;
    entries_.push_back({bytes_.size(), static_cast<uint32_t>(text.size()), id});
    bytes_ += text;
    slots_[slot] = static_cast<uint32_t>(entries_.size());
    return true;
  }
  // -1: none
  int32_t find(std::string_view text) const {
    if (slots_.empty()) return -1;
    const size_t slot = slot_of(text);
    return slot == kNoSlot || slots_[slot] == 0 ? -1 : entries_[slots_[slot] - 1].id;
  }

 private:
  struct Entry { size_t offset; uint32_t size; int32_t id; };
  size_t slot_of(std::string_view text) const {
    const size_t mask = slots_.size() - 1;
    size_t slot = (hash_of(text) >> 20) & mask;
    for (size_t probes = 0; slots_[slot] != 0; ++probes) {
      const Entry& entry = entries_[slots_[slot] - 1];
      if (entry.size == text.size() && std::memcmp(bytes_.data() + entry.offset, text.data(), text.size()) == 0) break;
      if (probes == kMostProbes) return kNoSlot;
      slot = (slot + 1) & mask;
    }
    return slot;
  }
  bool grow(size_t size) {
    slots_.assign(std::max(size, slots_.size()), 0);
    for (size_t i = 0; i < entries_.size(); ++i) {
      const size_t slot = slot_of(std::string_view(bytes_).substr(entries_[i].offset, entries_[i].size));
      if (slot == kNoSlot) return false;
      slots_[slot] = static_cast<uint32_t>(i + 1);
    }
    return true;
  }
  std::string bytes_;
  std::vector<Entry> entries_;
  std::vector<uint32_t> slots_;   // number of the entry, from 1; 0: empty
};

// What two neighbours become and how early, open addressing.
class MergeTable {
 public:
  struct Merge { uint64_t pair = UINT64_MAX; uint32_t rank = UINT32_MAX; int32_t made = -1; };
  void reserve(size_t count) {
    slots_.assign(std::bit_ceil(2 * count + 16), Merge());
    shift_ = 64 - static_cast<unsigned>(std::countr_zero(slots_.size()));
  }
  // Precondition: reserve() for as many. False: too many pairs share its place.
  bool add(int32_t left, int32_t right, uint32_t rank, int32_t made, bool replace) {
    const size_t slot = slot_of(pair_of(left, right));
    if (slot == kNoSlot) return false;
    if (slots_[slot].pair == UINT64_MAX || replace) slots_[slot] = {pair_of(left, right), rank, made};
    return true;
  }
  // Of rank UINT32_MAX: they do not merge. Ids may be negative, for characters that are no tokens.
  const Merge& find(int32_t left, int32_t right) const {
    static constexpr Merge kNone;
    if ((left | right) < 0) return kNone;
    const size_t slot = slot_of(pair_of(left, right));
    return slot == kNoSlot || slots_[slot].pair == UINT64_MAX ? kNone : slots_[slot];
  }

 private:
  static uint64_t pair_of(int32_t left, int32_t right) { return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right); }
  size_t slot_of(uint64_t pair) const {
    const size_t mask = slots_.size() - 1;
    size_t slot = (pair * 0x9E3779B97F4A7C15ULL) >> shift_;
    for (size_t probes = 0; slots_[slot].pair != pair && slots_[slot].pair != UINT64_MAX; ++probes) {
      if (probes == kMostProbes) return kNoSlot;
      slot = (slot + 1) & mask;
    }
    return slot;
  }
  std::vector<Merge> slots_ = std::vector<Merge>(2);
  unsigned shift_ = 63;
};

// Tokens by their bytes, one step for each byte; the edges lie in one hash table.
class TokenTrie {
 public:
  static constexpr uint32_t kRoot = 0, kNone = UINT32_MAX;
  static constexpr size_t kMostNodes = 64 << 20;
  // False: there would be too many nodes, or too many edges share a place; the trie is not to be used then.
  bool add(std::string_view text, int32_t id) {
    uint32_t node = kRoot;
    for (const char c : text) {
      const uint32_t next = step(node, c);
      if (next != kNone) { node = next; continue; }
      if (ids_.size() >= kMostNodes) return false;
      if (2 * ids_.size() + 2 > edges_.size() && !grow()) return false;
      const size_t slot = slot_of(key_of(node, c));
      if (slot == kNoSlot) return false;
      edges_[slot] = {key_of(node, c), static_cast<uint32_t>(ids_.size())};
      node = static_cast<uint32_t>(ids_.size());
      ids_.push_back(-1);
    }
    if (ids_[node] < 0) ids_[node] = id;
    return true;
  }
  uint32_t step(uint32_t node, char byte) const {
    const size_t slot = slot_of(key_of(node, byte));
    return slot == kNoSlot || edges_[slot].key == UINT64_MAX ? kNone : edges_[slot].node;
  }
  // The token that ends at a node; -1: none.
  int32_t id(uint32_t node) const { return ids_[node]; }

 private:
  struct Edge { uint64_t key = UINT64_MAX; uint32_t node = 0; };
  static uint64_t key_of(uint32_t node, char byte) { return static_cast<uint64_t>(node) << 8 | static_cast<unsigned char>(byte); }
  size_t slot_of(uint64_t key) const {
    const size_t mask = edges_.size() - 1;
    size_t slot = (mixed(key) >> 16) & mask;
    for (size_t probes = 0; edges_[slot].key != key && edges_[slot].key != UINT64_MAX; ++probes) {
      if (probes == kMostProbes) return kNoSlot;
      slot = (slot + 1) & mask;
    }
    return slot;
  }
  bool grow() {
    const std::vector<Edge> old = std::move(edges_);
    edges_.assign(2 * old.size(), Edge());
    for (const Edge& edge : old) {
      if (edge.key == UINT64_MAX) continue;
      const size_t slot = slot_of(edge.key);
      if (slot == kNoSlot) return false;
      edges_[slot] = edge;
    }
    return true;
  }
  std::vector<Edge> edges_ = std::vector<Edge>(64);
  std::vector<int32_t> ids_ = {-1};
};

}  // namespace llmops::text
