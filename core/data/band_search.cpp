#include "core/data/band_search.h"

#include <algorithm>
#include <array>
#include <utility>

#include "core/data/hash128.h"

namespace llmops {
namespace {

constexpr size_t kSlice = 8192;                    // rows a task hashes
constexpr size_t kEntriesAtOnce = size_t{64} << 20; // of all bands of a group

// Sorts by the upper 32 bits, keeping the order of equal ones: the lower 32 bits ascend already.
void sort_by_key(std::vector<uint64_t>& entries, std::vector<uint64_t>& scratch) {
  scratch.resize(entries.size());
  for (const int shift : {32, 43, 54}) {
    std::array<uint32_t, 2048> starts{};
    for (const uint64_t entry : entries) ++starts[entry >> shift & 2047];
    uint32_t sum = 0;
    for (uint32_t& start : starts) start = std::exchange(sum, sum + start);
    for (const uint64_t entry : entries) scratch[starts[entry >> shift & 2047]++] = entry;
    std::swap(entries, scratch);
  }
}

// Leaves the entries whose key, as far as a table of bits tells, is one of a chosen row's.
void keep_keys_of(const std::vector<bool>& chosen, const std::vector<uint32_t>& active, std::vector<uint64_t>& entries) {
  constexpr int kTableBits = 20;
  std::vector<bool> keys(size_t{1} << kTableBits);
  for (const uint64_t entry : entries) if (chosen[active[static_cast<uint32_t>(entry)]]) keys[entry >> (64 - kTableBits)] = true;
  std::erase_if(entries, [&](uint64_t entry) { return !keys[entry >> (64 - kTableBits)]; });
}

using Found = std::function<void(size_t)>;

// Inlined into a function for processors that count bits in one instruction and into one for all others.
[[gnu::always_inline]] inline void visit_candidates(const NearRows& rows, std::span<const NearSketch> others, const NearSketch& row, const Found& found) {
  for (size_t i = 0; i < others.size(); ++i) if (rows.may_be_near(others[i], row)) found(i);
}

#if defined(__x86_64__)
[[gnu::target("popcnt")]] void visit_candidates_popcnt(const NearRows& rows, std::span<const NearSketch> others, const NearSketch& row, const Found& found) {
  visit_candidates(rows, others, row, found);
}
#endif

}  // namespace

void run_numbered(ThreadPool& pool, size_t count, const std::function<void(size_t)>& task) {
  for (size_t i = 0; i < count; ++i) pool.submit([&task, i] { task(i); });
  pool.wait_idle();
}

BandSearch::BandSearch(const NearRows& rows, ThreadPool& pool)
    : rows_(rows), pool_(pool), banding_(choose_banding(candidate_similarity(rows.options()), rows.options().recall, rows.options().most_hashes)),
      at_once_(std::clamp<size_t>(kEntriesAtOnce / std::max<size_t>(rows.size(), 1), 1, 8)) {}

void BandSearch::run_group(size_t group, const std::vector<uint32_t>& active, const std::vector<bool>* chosen, const Visit& visit) {
  const size_t first = group * at_once_, bands = std::min(at_once_, static_cast<size_t>(banding_.bands) - first);
  entries_.resize(at_once_);
  for (size_t slot = 0; slot < bands; ++slot) entries_[slot].resize(active.size());
  // Each group has functions of its own, from a seed of its own: no table of all of them is needed.
  const MinHasher hasher(bands * static_cast<size_t>(banding_.rows), mix64(rows_.options().seed * 0x9E3779B97F4A7C15u + first + 1));
  run_numbered(pool_, (active.size() + kSlice - 1) / kSlice, [&](size_t slice) { fill_keys(hasher, slice, active, bands); });
  run_numbered(pool_, bands, [&](size_t slot) { visit_band(slot, active, chosen, visit); });
}

void BandSearch::fill_keys(const MinHasher& hasher, size_t slice, const std::vector<uint32_t>& active, size_t bands) {
  const auto hashes = static_cast<size_t>(banding_.rows);
  std::vector<uint32_t> minima(hasher.hashes());
  const size_t stop = std::min((slice + 1) * kSlice, active.size());
  for (size_t i = slice * kSlice; i < stop; ++i) {
    hasher.minima(rows_.bag(active[i]), 0, hasher.hashes(), minima.data());
    for (size_t slot = 0; slot < bands; ++slot) {
      uint64_t key = 0;
      for (size_t k = 0; k < hashes; ++k) key = mix64(key + minima[slot * hashes + k]) * 3;
      entries_[slot][i] = (key >> 32 << 32) | i;
    }
  }
}

void BandSearch::visit_band(size_t slot, const std::vector<uint32_t>& active, const std::vector<bool>* chosen, const Visit& visit) {
  std::vector<uint64_t>& entries = entries_[slot];
  if (chosen != nullptr) keep_keys_of(*chosen, active, entries);
  std::vector<uint64_t> scratch = take_scratch();
  sort_by_key(entries, scratch);
  give_back(std::move(scratch));
  std::vector<uint32_t> bucket;
  for (size_t start = 0; start < entries.size();) {
    size_t stop = start + 1;
    while (stop < entries.size() && entries[stop] >> 32 == entries[start] >> 32) ++stop;
    if (stop - start > 1) {
      bucket.clear();
      for (size_t i = start; i < stop; ++i) bucket.push_back(active[static_cast<uint32_t>(entries[i])]);
      visit(slot, bucket);
    }
    start = stop;
  }
}

std::vector<uint64_t> BandSearch::take_scratch() {
  const std::lock_guard lock(mutex_);
  if (scratches_.empty()) return {};
  std::vector<uint64_t> scratch = std::move(scratches_.back());
  scratches_.pop_back();
  return scratch;
}

void BandSearch::give_back(std::vector<uint64_t> scratch) {
  const std::lock_guard lock(mutex_);
  scratches_.push_back(std::move(scratch));
}

void for_each_candidate(const NearRows& rows, std::span<const NearSketch> others, const NearSketch& row, const Found& found) {
#if defined(__x86_64__)
  static const bool has_popcnt = __builtin_cpu_supports("popcnt") != 0;
  if (has_popcnt) return visit_candidates_popcnt(rows, others, row, found);
#endif
  visit_candidates(rows, others, row, found);
}

}  // namespace llmops
