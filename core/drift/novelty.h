// How far rows lie from their nearest neighbours in a reference: what is new shows there first, before it moves a mean.
#pragma once

#include <cstdint>
#include <vector>

#include "core/base/cancel.h"
#include "core/base/result.h"
#include "core/drift/permutations.h"
#include "core/drift/vectors.h"
#include "core/text/ngram_vectors.h"

namespace llmops {

// The `neighbours` nearest others of every pooled row by cosine distance (1 - cosine; a zero row is at distance 1 from all), nearest first; ties by index.
struct Neighbours { std::vector<uint32_t> items; std::vector<float> distances; size_t rows = 0, each = 0; };
Result<Neighbours> nearest_neighbours(const SparseRows& pooled, size_t neighbours, size_t threads = 0, const CancelToken& cancel = {});
Result<Neighbours> nearest_neighbours(const VectorsView& pooled, size_t neighbours, size_t threads = 0, const CancelToken& cancel = {});

struct NoveltyOptions {
  size_t nearest = 3;                // distances of a row are the mean to so many reference rows
  double edge = 0.95;                // of the reference's own distances: what lies beyond is new
};
// mean: how much farther current rows lie from the reference than its rows from each other, in standard deviations of these; tail: the share of current rows beyond the edge, less 1 - edge.
struct NoveltyTest {
  double mean_distance = 0, reference_distance = 0, beyond_edge = 0;   // beyond_edge: share of the current rows
  double statistic = 0, p_value = 1;                                   // of the tail, one-sided; ties are broken by the mean
  size_t permutations = 0;
  std::vector<double> statistics;
  std::vector<double> current;                                         // each current row's distance
  std::vector<double> reference;                                       // of each reference row, to the others of the reference
};
// Each row's distance is to the `nearest` reference rows but itself, under every split anew, so that both sides are measured by one rule and the test is exact at its level. Where a row's listed neighbours hold too few of the
// reference, the farthest listed distance stands for the missing ones. Cost: rows times splits times the neighbours looked at.
Result<NoveltyTest> novelty_test(const Neighbours& neighbours, const Memberships& memberships, const NoveltyOptions& options = {}, size_t threads = 0, const CancelToken& cancel = {});

}  // namespace llmops
