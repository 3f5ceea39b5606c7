// Runs of words of an evaluation set, looked up by the rows of another set.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "core/data/overlap.h"

namespace llmops {

// Each run of `size` words as one number, in order; none for fewer words. Two different runs share a number with
// probability 2^-64.
void hash_runs(const std::vector<uint64_t>& words, size_t size, std::vector<uint64_t>& runs);

struct RunMatch { uint32_t row = 0; float share = 0; };  // row of B from 0; share of its runs that the text holds

class NgramTable {
 public:
  explicit NgramTable(const NgramOptions& options) : options_(options) {}
  // False: the row is too short to be judged.
  bool add(std::string_view normal, uint32_t row);
  void seal();
  // Rows that the text hits, by row. Safe to call from several threads. Cost: two look-ups per word.
  std::vector<RunMatch> find(std::string_view normal) const;

 private:
  struct Entry { uint64_t run; uint32_t row; };
  void look_up(const std::vector<uint64_t>& runs, bool long_rows, std::vector<uint32_t>& matched) const;
  NgramOptions options_;
  std::vector<Entry> entries_;            // sorted by run
  std::vector<uint32_t> starts_;          // by the upper bits of the run
  int start_bits_ = 0;
  std::vector<uint32_t> run_counts_;      // by row
  std::vector<bool> is_long_;
};

}  // namespace llmops
