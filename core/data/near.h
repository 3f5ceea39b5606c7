// Near-duplicate rows within a set or between two sets: MinHash finds candidates, an exact comparison decides. What is
// reported is therefore always as similar as the threshold asks; only the share of pairs found is a probability.
#pragma once

#include <cstdint>
#include <vector>

#include "core/data/near_rows.h"

namespace llmops {

struct NearSearchFacts {
  Banding banding;
  double recall_at_threshold = 0;        // banding.found(candidate_similarity): of a pair as unlike as the threshold admits
  uint64_t compared = 0;                 // candidate pairs whose similarity was computed
  uint64_t cut_buckets = 0;              // buckets too full to look at all of their pairs: of more than 128 rows
};

// All three searches take encoded rows (NearEncoder). Empty rows are near to none; equal rows count as one. Results depend on
// the rows and the seed, not on the threads. Memory: the store (84 bytes for a row of 10 words; it may lie in a file) and some 130
// bytes per row. Cost: about 30 microseconds per row of 10 words and processor core, half of it when most rows repeat others.

// For each row the kept row it is near to, itself when it is kept. In the order of rows, a row is kept unless a KEPT earlier
// row was found near to it: kept rows are near to none of each other, and members are near to their leader, not only to
// one another. Rows that are dropped take no part any longer, so that a set full of repeats costs less than one without.
struct Leader { uint32_t row = 0; float similarity = 1; };
struct NearLeaders { std::vector<Leader> leaders; NearSearchFacts facts; };
NearLeaders find_near_leaders(const ShingleStore& store, const NearOptions& options);

// For each row the first row of its connected component: no near pair that was found crosses two components.
struct NearComponents { std::vector<uint32_t> first_rows; NearSearchFacts facts; };
NearComponents find_near_components(const ShingleStore& store, const NearOptions& options);

// Pairs of a row of the first `boundary` rows (A) and one behind them (B), by b, then a. A row of B that has 8 is not
// compared any longer with rows of A that have one, so that every row that has a near one is told, but not every pair.
struct NearMatch { uint32_t b = 0, a = 0; float similarity = 0; };   // rows of the store
struct NearMatches {
  std::vector<uint32_t> same_as;         // by row: the first row of its side with an equal encoding; matches speak of those alone
  std::vector<NearMatch> matches;
  NearSearchFacts facts;
};
NearMatches find_near_matches(const ShingleStore& store, const NearOptions& options, size_t boundary);

}  // namespace llmops
