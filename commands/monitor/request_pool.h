// Two samples of requests, put together for tests: whose texts are known, which of them may change sides, and with whom.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/drift/permutations.h"
#include "core/store/records.h"

namespace llmops {

struct PoolOptions {
  std::vector<std::string> strata;           // fields of records
  size_t most = 2000;                        // requests of a side; of more, so many are drawn
  uint64_t seed = 0;
};

// Requests that a stratum of one side alone holds: nothing of theirs can be exchanged.
struct UnmatchedStratum { std::string name; int64_t reference = 0, current = 0; };

struct RequestPool {
  std::vector<StoredRecord> records;         // the reference first
  size_t reference = 0;
  std::vector<int64_t> blocks, strata;       // of each record; empty: none
  size_t block_count = 0;                    // conversations where sessions are told, else requests
  // What was left out, and why.
  int64_t reference_found = 0, current_found = 0;            // before anything
  int64_t reference_without_text = 0, current_without_text = 0;
  int64_t continued = 0;                     // requests of a conversation that began in the reference
  std::vector<UnmatchedStratum> unmatched;
  bool is_drawn = false;                     // more than `most` were there
  size_t current() const { return records.size() - reference; }
};
// Empty texts count as texts; unknown ones do not. A conversation is one block, on the side on which it began; when more than `most` requests are there, whole conversations are drawn. The stratum of a
// conversation is all that its requests lie in. Deterministic for a seed. Cost: the records.
RequestPool pool_requests(std::vector<StoredRecord> reference, std::vector<StoredRecord> current, const PoolOptions& options);

PermutationPlan plan_of(const RequestPool& pool, size_t permutations, uint64_t seed);
// Natural logarithm of the number of splits: no permutation test has a p-value below one over it.
double log_splits(const RequestPool& pool);

}  // namespace llmops
