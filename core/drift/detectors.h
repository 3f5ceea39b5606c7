// Tests of difference between two samples, one row each: what they take, what they say, by which convention and whose.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/cancel.h"
#include "core/base/result.h"
#include "core/drift/vectors.h"

namespace llmops {

enum class SampleKind { kVectors, kNumbers, kCategories, kTexts };
std::string_view sample_kind_name(SampleKind kind);      // "vectors", "numbers", "categories", "texts"

struct Sample {
  SampleKind kind = SampleKind::kTexts;
  Vectors vectors;
  std::vector<double> numbers;
  std::vector<std::string> texts;                        // of categories too
  std::vector<std::string> contexts;                     // of each item, for methods that take them; empty: none
  size_t size() const;
};

struct DetectorOptions {
  size_t permutations = 999;
  uint64_t seed = 0;
  size_t dimensions = 64;                                // of texts made into vectors
  size_t threads = 0;
  CancelToken cancel;
};

struct DetectorResult {
  double statistic = 0;
  std::optional<double> p_value;                         // absent: a distance without a test
  std::string p_kind;                                    // "permutation", "exact", "asymptotic", "normal"
  size_t permutations = 0;
  std::vector<std::pair<std::string, double>> details;   // widths, shares, ...
  // Items of the current sample that carry most of the difference: index and share of the statistic (or distance), the largest first.
  std::vector<std::pair<size_t, double>> carriers;
};

struct Detector {
  std::string_view name;
  SampleKind kind;                                       // vectors: texts as well, made into vectors by the pool of both samples
  std::string_view statistic, convention, source;
  bool takes_contexts;
  Result<DetectorResult> (*run)(const Sample& reference, const Sample& current, const DetectorOptions& options);
};
std::span<const Detector> detectors();
const Detector* find_detector(std::string_view name);
// The default for what a sample holds.
std::string_view default_detector(SampleKind kind);

// Texts as vectors of `dimensions` latent dimensions of weighted n-grams (words, pairs of words, runs of characters), fitted on both samples at once and so blind to which is which.
// Reference rows first.
Vectors latent_text_vectors(std::span<const std::string> reference, std::span<const std::string> current, size_t dimensions, uint64_t seed);

// Errors: kUsage: a method for another kind; those of the methods (kData: too few, other dimensions), kInterrupted.
Result<DetectorResult> run_detector(const Detector& detector, const Sample& reference, const Sample& current, const DetectorOptions& options);

}  // namespace llmops
