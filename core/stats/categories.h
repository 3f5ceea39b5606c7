// Two samples of categories, or of numbers in bins: how often each was seen, by the same index. Every function names its convention, because the same data gives
// 0.67, 1.62 or 141 under the name PSI, by what is done about zeros.
// Precondition: both spans of one length, counts of at least 0. nullopt: one side is empty, or nothing is there to compare.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

namespace llmops {

// The population stability index sum (p - q) ln(p / q), with half a count added to every category of both (Jeffreys), so that zeros are finite
// and the scale does not hang on a constant. Its expectation when nothing changed is about (k - 1)(1/n + 1/m).
std::optional<double> population_stability(std::span<const int64_t> reference, std::span<const int64_t> current);
double population_stability_bias(size_t categories, int64_t n, int64_t m);
// sqrt of the Jensen-Shannon divergence in bits: a metric from 0 to 1 (Endres & Schindelin 2003). No smoothing: it needs none.
std::optional<double> jensen_shannon_distance(std::span<const int64_t> reference, std::span<const int64_t> current);
// sqrt(1 - sum sqrt(p q)), from 0 to 1.
std::optional<double> hellinger(std::span<const int64_t> reference, std::span<const int64_t> current);
// Half the sum of |p - q|, from 0 to 1.
std::optional<double> total_variation(std::span<const int64_t> reference, std::span<const int64_t> current);

struct ChiSquared { double statistic = 0; int64_t degrees = 0; double p_value = 1; double cramers_v = 0; bool is_coarse = false; };
// Pearson's test of homogeneity without Yates' correction; categories that neither side has are left out. Cramer's V with Bergsma's correction
// (2013, Journal of the Korean Statistical Society 42:323). is_coarse: an expected count is below 5, and the p-value is then a rough one (take permuted_categories_p).
// nullopt: also fewer than two categories.
std::optional<ChiSquared> chi_squared(std::span<const int64_t> reference, std::span<const int64_t> current);
// The upper tail of the chi-squared distribution: P(X >= statistic).
double chi_squared_survival(double statistic, double degrees);

// The p-value of a statistic over `permutations` random tables with both margins as they are (Patefield's problem, solved by drawing items), with the observed one
// counted: (1 + #{T >= T0}) / (permutations + 1). Cost: permutations times the smaller side. nullopt: also where the statistic is.
using CategoryStatistic = std::optional<double> (*)(std::span<const int64_t> reference, std::span<const int64_t> current);
std::optional<double> permuted_categories_p(CategoryStatistic statistic, std::span<const int64_t> reference, std::span<const int64_t> current, int64_t permutations, uint64_t seed);
// Pearson's statistic alone. nullopt: one side is empty, or fewer than two categories.
std::optional<double> chi_squared_statistic(std::span<const int64_t> reference, std::span<const int64_t> current);

}  // namespace llmops
