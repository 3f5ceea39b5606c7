// Requests that nothing in the reference is near to, gathered by what they ask: candidates for new intents.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "core/drift/novelty.h"

namespace llmops {

struct NewIntent {
  std::vector<size_t> rows;              // of the current sample, the exemplar first, then by their similarity to it
};
struct NewIntents {
  std::vector<double> p_values;          // of each current row: (1 + #{reference distances >= its own}) / (n + 1), a conformal p-value (Bates et al. 2023, Annals of Statistics 51:149)
  std::vector<bool> is_new;              // rejected by Benjamini & Hochberg 1995 (p <= q i / m): of those called new, at most a share q is expected not to be
  std::vector<NewIntent> intents;        // groups of new rows, the largest first
};
struct NewIntentOptions {
  double false_discovery_rate = 0.1;
  double similarity = 0.35;              // two groups are joined while the mean cosine between their rows is at least so much (average linkage)
  size_t most_grouped = 1000;            // rows past it, the least new of them, are called new and not grouped
};
// `current`: the dense rows of the current sample, as novelty.current counts them. Cost: the square of the grouped rows times dimensions, and its logarithm.
NewIntents new_intents(const NoveltyTest& novelty, const VectorsView& current, const NewIntentOptions& options = {});

}  // namespace llmops
