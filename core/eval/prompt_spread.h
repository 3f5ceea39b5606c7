// How far a metric moves over variants of a prompt that mean the same.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "core/eval/series.h"

namespace llmops {

// Spread is the best mean minus the worst (FormatSpread: Sclar et al. 2023, arXiv:2310.11324). It is above 0 by chance alone, so
// that beside it stands what chance would give: the values of each case dealt to the variants at random.
struct PromptSpread {
  int64_t n = 0;                             // cases with a value in every variant; all numbers are over these
  std::vector<double> means;                 // by variant
  double spread = 0;
  Interval interval;                         // percentiles of 2,000 bootstrap draws of cases (of whole clusters)
  double by_chance = 0;                      // mean spread of 2,000 deals within cases
  double p_value = 1;                        // (1 + deals with at least this spread) / 2,001: variants do not matter to any case
  size_t worst = 0;                          // variant
  std::optional<Interval> worst_interval;    // of its mean, simultaneous over the variants (Bonferroni): it was chosen for being low
};
// nullopt: fewer than two variants with data, or fewer than two cases that all have. Deterministic for a seed. Cost: 4,000 *
// cases * variants additions.
std::optional<PromptSpread> measure_spread(std::span<const RunSeries* const> variants, std::string_view column, bool lower_is_better, uint64_t seed, double level = 0.95);

}  // namespace llmops
