// Maximum mean discrepancy between two samples of vectors (Gretton, Borgwardt, Rasch, Schoelkopf & Smola 2012, JMLR 13:723), squared, by Gaussian kernels.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/base/cancel.h"
#include "core/base/result.h"
#include "core/drift/kernel.h"
#include "core/drift/permutations.h"

namespace llmops {

struct MmdOptions {
  std::vector<double> sigmas;        // empty: median_sigma of the pooled sample
  size_t threads = 0;                // 0: as many as the machine has; the result is the same
  CancelToken cancel;
};

// biased: V-statistic, never negative; unbiased: U-statistic, mean 0 while nothing changed.
struct MmdEstimate { double biased = 0, unbiased = 0; std::vector<double> sigmas; };
// Errors: kData: fewer than two rows on a side, other dimensions. Where no two rows differ the statistics are 0, and sigmas is empty.
Result<MmdEstimate> mmd_estimate(const VectorsView& reference, const VectorsView& current, const MmdOptions& options = {});

struct MmdTest {
  MmdEstimate estimate;
  double p_value = 1;
  size_t permutations = 0;
  std::vector<double> statistics;    // unbiased, the observed one first: for a family that is tested jointly
};
// The unbiased statistic under `memberships` (of the pooled sample, reference first), by one product of the kernel matrix with all of them at once, in tiles:
//   with a the 0/1 column of a split, K without its diagonal, t = a'K1, s = a'Ka, S = 1'K1:   s/(n(n-1)) + (S - 2t + s)/(m(m-1)) - 2(t - s)/(nm)
// Memory: tiles, and a bit for each item and split. Cost: N^2 (dimensions + splits) multiply-adds. Errors: those of mmd_estimate; kInterrupted.
Result<MmdTest> mmd_test(const VectorsView& reference, const VectorsView& current, const Memberships& memberships, const MmdOptions& options = {});

// How much of the biased statistic each row carries: f(x_i)/n and -f(y_j)/m of the witness f(v) = mean_i k(x_i, v) - mean_j k(y_j, v). Their sum is the biased statistic, exactly.
struct MmdShares { std::vector<double> reference, current; };
Result<MmdShares> mmd_shares(const VectorsView& reference, const VectorsView& current, const MmdOptions& options = {});

struct NormalTest { double statistic = 0, standard_error = 0, p_value = 1; };
// The mean of h(x1,y1,x2,y2) over disjoint pairs of rows in their order (lemma 14): n/2 terms, normal in the limit, far less power; rows past the shorter sample are left
// out. Errors: kData: fewer than four rows on a side.
Result<NormalTest> mmd_linear(const VectorsView& reference, const VectorsView& current, const MmdOptions& options = {});
// The mean of the unbiased statistic over blocks of `block` rows (0: the root of the shorter sample) in their order (Zaremba, Gretton & Blaschko 2013). Errors: kData: fewer
// than two blocks.
Result<NormalTest> mmd_block(const VectorsView& reference, const VectorsView& current, size_t block = 0, const MmdOptions& options = {});

}  // namespace llmops
