// Whether the nearest neighbours of a row are of its own sample more often than chance has it (Schilling 1986, JASA 81:799; Henze 1988, Annals of Statistics 16:772): sees what is local, such as one new subject far from all others.
#pragma once

#include <cstdint>
#include <vector>

#include "core/base/cancel.h"
#include "core/base/result.h"
#include "core/drift/permutations.h"
#include "core/drift/vectors.h"

namespace llmops {

struct KnnGraphOptions {
  size_t nearest = 5;                // edges from each row
  size_t threads = 0;
  CancelToken cancel;
};
struct KnnGraphTest {
  double statistic = 0, expected = 0, p_value = 1;      // share of edges within a sample, and its mean over all splits of these sizes: (n(n-1) + m(m-1)) / ((n+m)(n+m-1)); one-sided
  size_t permutations = 0, distinct = 0;                // distinct: rows that differ
  std::vector<double> statistics;
};
// Edges go from each pooled row (reference first) to its `nearest` others by cosine distance. Where rows repeat, those that equal the last one reached share the edges that are left, and among different rows at one distance the values decide:
// the graph does not hang on the order of the rows, without which a file that puts the reference first would make it the neighbour of every tie. Errors: kData: no more than `nearest` rows on a side, rows that do not fit the splits; kInterrupted.
// Cost: as nearest_neighbours, and rows times neighbours times splits.
Result<KnnGraphTest> knn_graph_test(const VectorsView& pooled, const Memberships& memberships, const KnnGraphOptions& options = {});

}  // namespace llmops
