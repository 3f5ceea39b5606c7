// Two groups held against each other: rates, means, and what observations of one session are worth. Every function names its source; "not enough data" is nullopt.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "core/stats/intervals.h"

namespace llmops {

// Fisher's exact test of two rates, two-sided: the probability, with both margins as they are, of all tables that are at most as likely as this one (Fisher 1935; the convention
// of R's fisher.test, ties within a relative 1e-7). Precondition: 0 <= successes <= n. nullopt: a side is empty. Cost: the smaller margin at most, in practice its spread.
std::optional<double> fisher_exact_p(int64_t successes_a, int64_t n_a, int64_t successes_b, int64_t n_b);

// The interval of the difference a - b of two independent rates, made of their Wilson intervals (Newcombe 1998, Statistics in Medicine 17:873, method 10). nullopt: a side is empty.
std::optional<Interval> rate_difference_interval(int64_t successes_a, int64_t n_a, int64_t successes_b, int64_t n_b, double level = 0.95);

// The difference a - b of two independent means: Welch's t with the degrees of Welch and Satterthwaite (1947), each side with its own standard error and clusters where it has them.
// nullopt: a side without a standard error. Both errors 0: no p-value and no interval, unless the means are equal (p 1).
struct MeanDifference { double difference = 0; std::optional<Interval> interval; std::optional<double> p_value; double degrees = 0; };
std::optional<MeanDifference> mean_difference(const MeanEstimate& a, const MeanEstimate& b, double level = 0.95);

// How much wider the variance of a mean is because observations of one cluster resemble each other (Kish 1965), at least 1: n observations are worth n / effect independent ones, and
// counts divided by it may go where independent counts are asked (Rao & Scott 1992, Biometrics 48:577). 1 where every observation is its own cluster, or all values are equal.
// nullopt: fewer than two clusters.
std::optional<double> design_effect(std::span<const double> values, std::span<const int64_t> cluster);

}  // namespace llmops
