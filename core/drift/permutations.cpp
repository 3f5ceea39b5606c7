#include "core/drift/permutations.h"

#include <algorithm>
#include <map>
#include <numeric>

#include "core/stats/random.h"

namespace llmops {
namespace {

// A block of items that change sides together.
struct Block { std::vector<size_t> items; int64_t stratum = 0; bool is_reference = false; };

Result<std::vector<Block>> blocks_of(size_t items, size_t reference, const PermutationPlan& plan) {
  std::vector<Block> blocks;
  std::map<int64_t, size_t> index;
  for (size_t i = 0; i < items; ++i) {
    const bool is_reference = i < reference;
    const int64_t stratum = plan.strata.empty() ? 0 : plan.strata[i];
    size_t at = blocks.size();
    if (!plan.blocks.empty()) at = index.emplace(plan.blocks[i], blocks.size()).first->second;
    if (at == blocks.size()) blocks.push_back({{}, stratum, is_reference});
    if (blocks[at].is_reference != is_reference) return Error(ErrorCode::kData, "a block of items lies in the reference and in what is tested", "cut the samples between conversations, not within one");
    if (blocks[at].stratum != stratum) return Error(ErrorCode::kData, "a block of items lies in two strata", "leave out the strata, or the blocks");
    blocks[at].items.push_back(i);
  }
  return blocks;
}

}  // namespace

Result<Memberships> Memberships::make(size_t items, size_t reference, const PermutationPlan& plan) {
  if (plan.permutations < 1) return Error(ErrorCode::kUsage, "a permutation test needs permutations", "give --permutations 999");
  LLMOPS_ASSIGN(const std::vector<Block> blocks, blocks_of(items, reference, plan));
  Memberships made;
  made.items_ = items;
  made.columns_ = plan.permutations + 1;
  made.words_ = (made.columns_ + 63) / 64;
  made.bits_.assign(items * made.words_, 0);
  made.sizes_.assign(made.columns_, 0);
  // The blocks of each stratum, and how many of them are the reference.
  std::map<int64_t, std::vector<size_t>> strata;
  for (size_t b = 0; b < blocks.size(); ++b) strata[blocks[b].stratum].push_back(b);
  const auto put = [&](size_t column, const Block& block) {
    for (const size_t item : block.items) made.bits_[item * made.words_ + column / 64] |= uint64_t{1} << (column % 64);
    made.sizes_[column] += block.items.size();
  };
  for (const Block& block : blocks) if (block.is_reference) put(0, block);
  for (size_t column = 1; column < made.columns_; ++column) {
    // Each column by a generator of its own: what one column holds does not hang on the others.
    RandomSource random(plan.seed * 0x9E3779B97F4A7C15u + column);
    for (auto& [stratum, members] : strata) {
      std::vector<size_t> order(members);
      const auto chosen = static_cast<size_t>(std::count_if(members.begin(), members.end(), [&](size_t b) { return blocks[b].is_reference; }));
      for (size_t i = 0; i < chosen; ++i) {
        std::swap(order[i], order[i + random.below(order.size() - i)]);
        put(column, blocks[order[i]]);
      }
    }
  }
  return made;
}

void Memberships::expand(size_t first, size_t count, float* out) const {
  for (size_t i = 0; i < count; ++i, out += columns_) {
    const uint64_t* bits = bits_.data() + (first + i) * words_;
    for (size_t c = 0; c < columns_; ++c) out[c] = static_cast<float>(bits[c / 64] >> (c % 64) & 1);
  }
}

double permutation_p(std::span<const double> statistics, double tolerance) {
  const auto at_least = std::count_if(statistics.begin(), statistics.end(), [&](double t) { return t >= statistics[0] - tolerance; });
  return static_cast<double>(at_least) / static_cast<double>(statistics.size());
}

}  // namespace llmops
