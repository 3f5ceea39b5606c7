// Least-squares density difference (Sugiyama, Kanamori, Suzuki, du Plessis, Liu & Takeuchi 2013, Neural Computation 25:2734; as a test, Bu, Alippi & Zhao 2018, IEEE TNNLS 29:5).
// The difference of two densities is fitted as g(x) = sum_c w_c exp(-|x - c|^2 / (2 sigma^2)) over a few centres, and the statistic is an estimate of the integral of its square.
#pragma once

#include <cstdint>
#include <vector>

#include "core/base/cancel.h"
#include "core/base/result.h"
#include "core/drift/mmd.h"
#include "core/drift/permutations.h"
#include "core/drift/vectors.h"

namespace llmops {

// With h_c = mean_x k(x, c) - mean_y k(y, c), H_cc' = exp(-|c - c'|^2 / (4 sigma^2)) without its factor (pi sigma^2)^(d/2) (alibi-detect's convention: in many dimensions the factor is no number any
// more, and p-values do not change), w = (H + lambda I)^-1 h:   statistic = 2 h'w - w'Hw,   relative difference RD = 1 - w'Hw / h'w.
struct LsddEstimate { double statistic = 0, hw = 0, whw = 0, relative_difference = 0; std::vector<double> h; };
// Errors: kData: other dimensions, no centres, no rows on a side.
Result<LsddEstimate> lsdd_estimate(const VectorsView& reference, const VectorsView& current, const VectorsView& centres, double sigma, double lambda);

struct LsddOptions {
  size_t permutations = 999;
  uint64_t seed = 0;
  size_t centres = 0;                // 0: a 20th of the reference, 500 at most
  size_t threads = 0;
  CancelToken cancel;
};
struct LsddTest { double statistic = 0, p_value = 1, sigma = 0, lambda = 0; size_t centres = 0, permutations = 0; std::vector<double> statistics; };
// Both samples standardised by the mean and deviation (n - 1) of all rows, which does not tell the sides apart; centres are drawn by the seed from the different rows of the reference and
// taken out of it, so that what is left of it and the current rows stay exchangeable; sigma = median_sigma of all rows; lambda is the largest of 4^0 .. 4^-9 whose mean RD over all splits is below 0.2, else
// the smallest (rows that repeat). High dimensions of noise hide a difference: reduce to some 32 before. Cost: N L (dimensions + splits) + L^3.
// Errors: kData: fewer than 4 rows on a side, other dimensions; kInterrupted. No two rows differ: statistic 0, p 1.
Result<LsddTest> lsdd_test(const VectorsView& reference, const VectorsView& current, const LsddOptions& options = {});

}  // namespace llmops
