// Latent semantic analysis: sparse rows as a few dense dimensions (Deerwester et al. 1990), by a randomised singular value decomposition (Halko, Martinsson & Tropp 2011).
#pragma once

#include <cstdint>

#include "core/drift/vectors.h"
#include "core/text/ngram_vectors.h"

namespace llmops {

// The rows' projections on the `dimensions` leading right singular vectors (U S), each then of length 1 where `normalise` (a zero row stays zero). Two power iterations with an orthogonal basis in between, 10 extra
// columns. Fit it on the pool. Deterministic for a seed; signs are fixed (the largest entry of each right vector is positive). Fewer dimensions when there are fewer rows. Cost: 6 passes over the values times dimensions.
Vectors latent_vectors(const SparseRows& rows, size_t dimensions, uint64_t seed = 0, bool normalise = true);

}  // namespace llmops
