// Whether one sample of numbers lies above another, by ranks: what a few extreme values do not decide.
#pragma once

#include <optional>
#include <span>
#include <vector>

namespace llmops {

// The rank of each value from 1, those that are tied with the mean of theirs, in the order given. Precondition: finite.
std::vector<double> midranks(std::span<const double> values);

// Wilcoxon 1945, Mann & Whitney 1947 with ties, two-sided.
// u: pairs in which the current value is the larger one, plus half of those that are tied; share = u / (n m): 0.5 where neither lies above.
// p_value: up to 50 values in all, exact: over all splits of the pooled values, ties as they are, those whose rank sum lies at least as far from its mean. Else, or with a design
// effect (core/stats/rates.h) above 1, normal with the variance corrected for ties, times the effect, and with a correction for continuity of 1/2. All values equal: 1.
struct RankSum { double u = 0, share = 0.5, p_value = 1; bool is_exact = false; };
// nullopt: a side is empty. Cost: sorting both.
std::optional<RankSum> rank_sum(std::span<const double> reference, std::span<const double> current, double effect = 1);

}  // namespace llmops
