// Texts of production as random Fourier features that hang on a seed alone: nothing is fitted, so that any machine and any shard of the data give the same numbers.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace llmops {

// A text's row is 1 + ln(count) for each hashed n-gram, of unit length (no idf: that would have to be fitted). Its features are cos(w . x), then sin(w . x), for features / 2 rows w ~ N(0, 1 / sigma^2), so that the mean over features of
// z(x) z(y), twice, is near exp(-|x - y|^2 / (2 sigma^2)) (Rahimi & Recht 2007; the paired map). Sine and cosine are polynomials of our own: those of C libraries differ in the last bit, and between processors.
// Rows of w are made when an n-gram is first met, by Box & Muller from a hash of seed, n-gram and place. Not thread-safe. Memory: dimensions x features / 2 x 4 bytes (8 MB for 2^14 x 256). Cost: about 3 us for 20 n-grams.
class ProfileFeatures {
 public:
  // Precondition: features a positive multiple of 8.
  ProfileFeatures(size_t dimensions, size_t features, double sigma, uint64_t seed);
  // `ngrams`: indices below dimensions, sorted, each as often as it stands there; without any, the features of the zero row: 1 and 0. out: `features` values in units of 1 / FeatureTotals::kOne.
  void compute(std::span<const uint32_t> ngrams, std::span<int32_t> out);

 private:
  const float* row(uint32_t ngram);
  size_t half_;
  double sigma_;
  uint64_t seed_;
  std::vector<float> rows_;          // dimensions x half
  std::vector<bool> made_;           // of each row
  std::vector<float> angles_;
};

}  // namespace llmops
