// Rows of many dimensions as points of a plane, for pictures: the two directions in which they differ most (principal components, Pearson 1901). No test looks at them.
#pragma once

#include "core/drift/vectors.h"

namespace llmops {

// The rows less their mean, on the two leading eigenvectors of their covariance: rows x 2. Signs are fixed (the largest entry of each eigenvector, the first of equals, is positive). Fewer than two dimensions: what is missing is 0.
// Precondition: finite values. Deterministic. Cost: rows x dimensions^2 + dimensions^3; memory: dimensions^2 doubles.
Vectors principal_plane(const VectorsView& rows);

}  // namespace llmops
