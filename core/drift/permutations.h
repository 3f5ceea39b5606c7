// Which items of a pooled sample are called the reference, many times over: the observed split and random ones. Shared by all tests of a family, so that their
// statistics can be held against each other under the same splits (max-T).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/base/result.h"

namespace llmops {

struct PermutationPlan {
  size_t permutations = 999;
  uint64_t seed = 0;
  // Of each pooled item, both optional: items of one block change sides together (a conversation); only items of one stratum change places (a route, a language).
  std::span<const int64_t> blocks, strata;
};

class Memberships {
 public:
  // The first `reference` of `items` pooled items are the observed reference. Column 0 is the observed split. Errors: kData, a block that lies on both sides or in two
  // strata (then nothing is exchangeable); kUsage, no permutations.
  // Each random split keeps the number of items in the reference; with blocks, the number of blocks, so that the sizes vary. Cost: items times permutations; memory a bit for each.
  static Result<Memberships> make(size_t items, size_t reference, const PermutationPlan& plan);

  size_t items() const { return items_; }
  size_t columns() const { return columns_; }          // permutations + 1
  bool is_reference(size_t item, size_t column) const { return (bits_[item * words_ + column / 64] >> (column % 64) & 1) != 0; }
  // Items in the reference of a column.
  size_t reference_size(size_t column) const { return sizes_[column]; }
  // 1 or 0 for `count` items from `first` on, all columns of an item side by side.
  void expand(size_t first, size_t count, float* out) const;

 private:
  size_t items_ = 0, columns_ = 0, words_ = 0;
  std::vector<uint64_t> bits_;     // an item after the other
  std::vector<size_t> sizes_;
};

// (1 + #{T_b >= T_0}) / (B + 1) over the permutations, the observed statistic in front (Phipson & Smyth 2010). Those below it by less than `tolerance` count as equal:
// sums in another order differ in the last digits. Precondition: at least one statistic.
double permutation_p(std::span<const double> statistics, double tolerance);

}  // namespace llmops
