// MMD-FUSE (Biggs, Schrab & Gretton 2023, "MMD-FUSE: learning and combining kernels for two-sample testing without data splitting"): many kernels and widths at once, none chosen, nothing held out.
#pragma once

#include "core/drift/mmd.h"

namespace llmops {

struct FuseKernels { std::vector<double> gaussian, laplace; };     // widths
// Ten of each from half the 5 % point to twice the 95 % point of the pooled distances (upper triangle with its diagonal, zeros as the median): Euclidean for exp(-(d/b)^2 / 2), city-block for exp(-sqrt(2) d / b).
// They do not change when items change sides. No two rows differ: empty.
FuseKernels fuse_kernels(const Vectors& pooled);

struct FuseTest { double statistic = 0, p_value = 1; FuseKernels kernels; size_t permutations = 0; std::vector<double> statistics; };
// log mean over kernels of exp(M_k) with M_k = n (n - 1) MMD_u^2 / |K|_F * sqrt(n (n - 1)), n the smaller side and |K|_F over pairs of different rows: near the largest of the studentised statistics. The observed
// split counts among the permutations. Memory: both distances of all pairs (8 bytes each pair); cost: 20 N^2 splits multiply-adds, so take at most some 2,000 rows in all.
// Errors: as mmd_test; kData: more than 8,192 rows in all.
Result<FuseTest> fuse_test(const VectorsView& reference, const VectorsView& current, const Memberships& memberships, size_t threads = 0, const CancelToken& cancel = {});

}  // namespace llmops
