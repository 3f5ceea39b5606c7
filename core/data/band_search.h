// Rows that agree in a band of MinHash, band by band (Leskovec, Rajaraman, Ullman: Mining of Massive Datasets, 3.4). Band
// keys are computed anew for each group of bands rather than kept: 100 keys for each of 10 million rows would take 4 GB.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <span>
#include <vector>

#include "core/base/thread_pool.h"
#include "core/data/near_rows.h"

namespace llmops {

// Runs task(0) to task(count - 1) on the pool and waits for all.
void run_numbered(ThreadPool& pool, size_t count, const std::function<void(size_t)>& task);

class BandSearch {
 public:
  // `rows` and `pool` must outlive it.
  BandSearch(const NearRows& rows, ThreadPool& pool);
  const Banding& banding() const { return banding_; }
  size_t groups() const { return (static_cast<size_t>(banding_.bands) + at_once_ - 1) / at_once_; }
  size_t bands_at_once() const { return at_once_; }

  // A bucket: numbers of `active` with one key, in the order of `active`, two at least. `slot` numbers the bands of the group from
  // 0; buckets of one slot come one after another on one thread, in an order that depends on the keys alone.
  using Visit = std::function<void(size_t slot, std::span<const uint32_t> bucket)>;
  // `chosen` (by number; nullptr: all): only buckets that hold a chosen row, and by the way some others. Cost: rows * hashes *
  // shingles / 8 instructions for the keys, and about 20 ns per row and band, 3 ns when few rows are chosen. Memory: 8 bytes per row
  // and band of the group, and 8 per row and thread.
  void run_group(size_t group, const std::vector<uint32_t>& active, const std::vector<bool>* chosen, const Visit& visit);

 private:
  void fill_keys(const MinHasher& hasher, size_t slice, const std::vector<uint32_t>& active, size_t bands);
  void visit_band(size_t slot, const std::vector<uint32_t>& active, const std::vector<bool>* chosen, const Visit& visit);
  std::vector<uint64_t> take_scratch();
  void give_back(std::vector<uint64_t> scratch);
  const NearRows& rows_;
  ThreadPool& pool_;
  Banding banding_;
  size_t at_once_;
  std::vector<std::vector<uint64_t>> entries_;   // by slot: key in the upper half, index into `active` in the lower
  std::mutex mutex_;
  std::vector<std::vector<uint64_t>> scratches_; // guarded; one per thread at most
};

// Calls `found` with the index of each of `others` that may be near to `row` (NearRows::may_be_near). Cost: some 3 ns for each of
// `others`, which lie side by side in memory.
void for_each_candidate(const NearRows& rows, std::span<const NearSketch> others, const NearSketch& row, const std::function<void(size_t index)>& found);

}  // namespace llmops
