// Near-duplicate rows within a set or between two sets: MinHash finds candidates, their exact Jaccard similarity decides.
// What is reported is therefore always as similar as the threshold asks; only the share of pairs found is a probability.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/data/minhash.h"
#include "core/data/shingle_store.h"

namespace llmops {

struct NearOptions {
  Shingling shingling;                   // words, one by one
  double threshold = 0.55;               // Jaccard similarity of the bags
  double recall = 0.97;                  // of pairs at the threshold; more similar ones are found more often
  int most_hashes = 0;                   // 0: by the mean size of the bags, so that hashing stays under about 20 microseconds a row
  uint64_t seed = 1;
  size_t threads = 2;
};
// For texts of fewer than about 50 words (prompts, utterances): single words, 0.55, at which texts of n words of which
// up to about n/4 were replaced are still near. For longer ones: runs of 5 words, 0.7 (Lee et al. 2022, arXiv:2107.06499, use runs of 5 and 0.8).
NearOptions near_options_for(uint64_t median_words);
// Errors (kUsage): a threshold outside (0, 1], a recall outside (0, 1), a size below 1.
Status check_near_options(const NearOptions& options);

struct NearEdge {
  uint32_t later = 0, earlier = 0;       // rows from 0, in the order in which they were added
  float similarity = 0;
};

struct NearPairs {
  size_t rows = 0;
  std::vector<uint32_t> same_as;         // the first row (of the same side) with an equal bag; the row itself when none
  std::vector<NearEdge> edges;           // between rows that are first of their bag; by later, then earlier
  Banding banding;
  double recall_at_threshold = 0;        // banding.found(threshold)
  uint64_t compared = 0;                 // candidate pairs whose similarity was computed
  uint64_t cut_buckets = 0;              // buckets too full to compare all pairs; see find_near
};

// All pairs within the store (`boundary` 0), or between its first `boundary` rows and the others. Rows without shingles are
// near to none. Rows with equal bags are joined first. A bucket of more than 64 rows compares each of its rows with 64
// others of the bucket, and a row that is joined to another row's cluster and has 16 near rows already is not compared again:
// what is lost is the completeness of pairs among rows that have many near ones, and `cut_buckets` tells.
// The result depends on the rows and the seed, not on the threads.
// Memory: the store; 40 bytes per row; 16 bytes per row for each of up to 8 bands at a time; 12 bytes per pair. Band keys
// are computed anew for each group of bands rather than kept, so that 10 million rows of 10 words take about 1.5 GB at most, of
// which the store may lie in a file. Cost: about hashes * shingles / 8 instructions a row, and 5 to 10 ns per row and band.
NearPairs find_near(const ShingleStore& store, const NearOptions& options, size_t boundary = 0);

// For each row the kept row it is near to, itself when it is kept: in the order of rows, a row is dropped when a KEPT earlier row
// is near to it (the most similar one; ties go to the earlier; a row with the bag of an earlier row follows that one). Members are
// near to their leader, not only to each other.
struct Leader { uint32_t row = 0; float similarity = 1; };
std::vector<Leader> find_leaders(const NearPairs& pairs);
// For each row the first row of its connected component: no near pair that was found crosses two components.
std::vector<uint32_t> find_components(const NearPairs& pairs);

}  // namespace llmops
