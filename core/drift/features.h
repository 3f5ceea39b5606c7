// Kernels by finitely many features, so that a sample is a sum: sums of hours, shards and topics are added and taken away, and a test of 100,000 rows
// needs no matrix of all pairs. k(x, y) is near z(x) . z(y).
#pragma once

#include <cstdint>
#include <vector>

#include "core/base/result.h"
#include "core/drift/mmd.h"

namespace llmops {

// z(x), `dimensions` floats for each row. Immutable; thread-safe.
class FeatureMap {
 public:
  // Random Fourier features of the Gaussian kernel (Rahimi & Recht 2007), paired: sqrt(2 / D) (cos Wx, sin Wx) with D / 2 rows W ~ N(0, 1 / sigma^2), so that |z| = 1 exactly. The first half are
  // the cosines. Precondition: features even and positive. The same for a seed on every machine. Error of k: about 1 / sqrt(D).
  static FeatureMap fourier(size_t dimensions, size_t features, double sigma, uint64_t seed);
  // Nystroem (Williams & Seeger 2001): K_mm^(-1/2) k_m(x) for m landmarks; eigenvalues below 1e-10 of the largest are left out. |z| <= 1.
  static FeatureMap nystroem(const VectorsView& landmarks, double sigma);

  size_t input_dimensions() const { return input_dimensions_; }
  size_t features() const { return features_; }
  double sigma() const { return sigma_; }
  // out(features x rows), a feature's values of all rows side by side, for features `first` to `first` + `count`. Fourier: both bounds within one half or the whole.
  void compute(const VectorsView& rows, size_t first, size_t count, float* out) const;

 private:
  size_t input_dimensions_ = 0, features_ = 0;
  double sigma_ = 1;
  std::vector<float> weights_;       // fourier: (features / 2) x input; nystroem: features x landmarks
  Vectors landmarks_;                // nystroem
};

// Sums of z and of |z|^2 over a sample: all that the unbiased statistic needs. Adding two is the sum of both samples.
struct FeatureSums {
  std::vector<double> sums;          // of each feature
  double squares = 0;                // sum of |z|^2
  int64_t count = 0;
  void add(const FeatureSums& other);
  void subtract(const FeatureSums& other);
};
FeatureSums feature_sums(const FeatureMap& map, const VectorsView& rows);
// (|Sx|^2 - qx) / (n(n-1)) + (|Sy|^2 - qy) / (m(m-1)) - 2 Sx.Sy / (nm), the unbiased statistic of the features' kernel. nullopt: fewer than two rows on a side.
std::optional<double> mmd_of_sums(const FeatureSums& reference, const FeatureSums& current);

// The test with features for a kernel: exact at its level for any fixed map (one whose landmarks, width and seed do not hang on which item is on which side). Cost: N features (dimensions +
// splits) multiply-adds; memory: N bits for each split, a block of features. Errors: as mmd_test.
Result<MmdTest> mmd_feature_test(const FeatureMap& map, const VectorsView& reference, const VectorsView& current, const Memberships& memberships, size_t threads = 0, const CancelToken& cancel = {});

}  // namespace llmops
