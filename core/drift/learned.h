// Tests that learn on one part of the rows what tells the samples apart, and test on the other part: exact at their level whatever was learnt.
#pragma once

#include <cstdint>
#include <vector>

#include "core/drift/mmd.h"

namespace llmops {

// The power criterion of Liu, Xu, Lu, Zhang, Gretton & Sutherland 2020 ("Learning deep kernels for non-parametric two-sample tests") for samples of one size n:
//   H_ij = k(xi,xj) + k(yi,yj) - k(xi,yj) - k(xj,yi),   mmd = sum_{i != j} H_ij / (n (n-1)),   var = 4/n^3 sum_i (sum_j H_ij)^2 - 4/n^4 (sum_ij H_ij)^2,   J = mmd / sqrt(var + 1e-5)
// with k(a, b) = exp(-|P(a - b)|^2 / 2) for a projection P (rank x dimensions, row-major), and its gradient by P.
struct PowerCriterion { double mmd = 0, variance = 0, value = 0; std::vector<double> gradient; };
PowerCriterion power_criterion(const VectorsView& x, const VectorsView& y, std::span<const double> projection, size_t rank);

struct LearnedOptions {
  size_t permutations = 999;
  uint64_t seed = 0;
  double trained_share = 0.5;        // of each sample, drawn at random
  size_t rank = 8;                   // of the projection
  size_t steps = 60;                 // of Adam, on at most 500 rows of each sample
  size_t threads = 0;
  CancelToken cancel;
};
struct LearnedTest { double statistic = 0, p_value = 1, criterion_before = 0, criterion_after = 0; size_t trained = 0, tested = 0, permutations = 0; std::vector<double> statistics; };
// The kernel's projection begins as the principal directions of the training rows of both samples, scaled by median_sigma, and climbs the criterion; then mmd_test of the projected other rows. Errors: kData: fewer than 16 rows on a
// side, other dimensions; kInterrupted. No two rows differ: p 1.
Result<LearnedTest> learned_mmd_test(const VectorsView& reference, const VectorsView& current, const LearnedOptions& options = {});

struct WitnessTest { double statistic = 0, p_value = 1; size_t trained = 0, tested = 0, permutations = 0; std::vector<double> statistics, direction; };
// The learned witness (Kuebler, Stimper, Buchholz, Muandet & Schoelkopf 2022, "AutoML two-sample test"): h(v) = direction . v by ridge regression of -1 and +1 on the training rows, then the difference of its means over the other
// rows, current less reference, one-sided, by permutation of scores. Where directions have names (terms), so has the difference. Errors as learned_mmd_test.
Result<WitnessTest> witness_test(const VectorsView& reference, const VectorsView& current, const LearnedOptions& options = {});

}  // namespace llmops
