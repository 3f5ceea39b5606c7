// Energy distance between two samples of vectors (Szekely & Rizzo 2004, "Testing for equal distributions in high dimension"): as the MMD, with the distance in place of a kernel and so without a width to choose.
#pragma once

#include <cstdint>
#include <vector>

#include "core/base/cancel.h"
#include "core/base/result.h"
#include "core/drift/permutations.h"
#include "core/drift/vectors.h"

namespace llmops {

struct EnergyTest {
  double statistic = 0, p_value = 1;                    // squared: 2 E|X - Y| - E|X - X'| - E|Y - Y'| over all pairs, a row with itself too; never negative, 0 when both samples hold the same rows in the same shares
  size_t permutations = 0;
  std::vector<double> statistics;
};
// Euclidean distances of all pooled rows (reference first), then the statistic under every split by sums, as in mmd_test: with a the 0/1 column of a split, D the distances, t = a'D1, s = a'Da, S = 1'D1:
//   2 (t - s) / (nm) - s / n^2 - (S - 2t + s) / m^2
// Distances are rounded to floats for the splits (one and the same matrix, so ties stay ties), and are of doubles in `statistic`. Errors: kData: fewer than two rows on a side, rows that do not fit the splits; kInterrupted.
// Cost: N^2 (dimensions + splits) multiply-adds; memory N floats for each split.
Result<EnergyTest> energy_test(const VectorsView& pooled, const Memberships& memberships, size_t threads = 0, const CancelToken& cancel = {});

}  // namespace llmops
