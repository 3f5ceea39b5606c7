// What near-duplicate rows are compared by: the words of a text as numbers, how similar two texts are, and a sketch that
// tells most pairs apart without looking at their words.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "core/data/minhash.h"
#include "core/data/shingle_store.h"

namespace llmops {

// kWordEdits: 1 - d / n for a word edit distance d (word_edits.h) and n words in the longer text: at 0.6 two of five words may
// have been inserted, deleted or replaced. kJaccard: shingles in common over all shingles, whatever their order.
enum class NearMeasure { kWordEdits, kJaccard };
std::string_view near_measure_name(NearMeasure measure);   // "word_edits", "jaccard"

struct NearOptions {
  Shingling shingling;                   // words, one by one; kWordEdits allows nothing else
  NearMeasure measure = NearMeasure::kWordEdits;
  double threshold = 0.6;
  double recall = 0.97;                  // of the least similar pairs that the threshold admits; others are found more often
  int most_hashes = 512;                 // per row; 512 allow bands of 4 at a Jaccard similarity of 0.43, of 8 at 0.7
  uint64_t seed = 1;
  size_t threads = 2;
};
// For texts of fewer than about 50 words (prompts, utterances): the options above. For longer ones: the Jaccard similarity of runs
// of 5 words, 0.7 (Lee et al. 2022, arXiv:2107.06499, use runs of 5 and 0.8, and verify by edit similarity).
NearOptions near_options_for(uint64_t median_words);
// Errors (kUsage): a threshold outside (0, 1], a recall outside (0, 1), a size below 1, word edits of other shingles than words.
Status check_near_options(const NearOptions& options);
// The least Jaccard similarity that a pair at the threshold can have: the threshold t itself, or t / (2 - t) for word edits
// (a share 1 - t of the words replaced). Bands are chosen for it.
double candidate_similarity(const NearOptions& options);

// A text in normal form as numbers: its bag, and for kWordEdits, up to kMostEditedWords words, their order. Longer texts are
// compared by the Jaccard similarity of their words.
constexpr size_t kMostEditedWords = 512;
class NearEncoder {
 public:
  explicit NearEncoder(const NearOptions& options) : shingler_(options.shingling), with_order_(options.measure == NearMeasure::kWordEdits) {}
  void encode(std::string_view normal, std::vector<uint32_t>& row);

 private:
  Shingler shingler_;
  bool with_order_;
  std::vector<uint32_t> sequence_;
};

// 128 bits of which each shingle sets one. A bit that only one side has is at least one shingle that only it has, so that
// shingles in common are bounded from above (a Bloom filter read backwards: it never says "far" of a near pair).
struct NearSketch {
  uint64_t bits[2] = {0, 0};
  uint32_t size = 0;                     // shingles
  uint32_t mark = 0;                     // of the search that uses it
};
[[gnu::always_inline]] inline int most_in_common(const NearSketch& a, const NearSketch& b) {
  const int only_a = std::popcount(a.bits[0] & ~b.bits[0]) + std::popcount(a.bits[1] & ~b.bits[1]);
  const int only_b = std::popcount(b.bits[0] & ~a.bits[0]) + std::popcount(b.bits[1] & ~a.bits[1]);
  return std::min(static_cast<int>(a.size) - only_a, static_cast<int>(b.size) - only_b);
}

// Some rows of a store, encoded by `options`, under numbers of their own: 0 for rows[0], and so on. The store must outlive it.
// Thread-safe.
class NearRows {
 public:
  // Precondition: none of `rows` is empty.
  NearRows(const ShingleStore& store, const NearOptions& options, std::vector<uint32_t> rows) : store_(store), options_(options), rows_(std::move(rows)) {}
  size_t size() const { return rows_.size(); }
  const NearOptions& options() const { return options_; }
  uint32_t row_of(uint32_t number) const { return rows_[number]; }
  std::span<const uint32_t> bag(uint32_t number) const { return decode(number).bag; }
  NearSketch sketch(uint32_t number) const;
  // False: the pair is below the threshold for certain. Cost: some 3 ns.
  [[gnu::always_inline]] bool may_be_near(const NearSketch& a, const NearSketch& b) const {
    const auto smaller = static_cast<float>(std::min(a.size, b.size)), larger = static_cast<float>(std::max(a.size, b.size));
    const float least = static_cast<float>(options_.threshold) * larger - kSlack;
    if (smaller < least) return false;
    const auto common = static_cast<float>(most_in_common(a, b));
    if (options_.measure == NearMeasure::kWordEdits) return common >= least;
    return common * (1 + static_cast<float>(options_.threshold)) >= static_cast<float>(options_.threshold) * (smaller + larger) - kSlack;
  }
  // The similarity by the measure; 0 when it is below the threshold.
  float similarity(uint32_t a, uint32_t b) const;

 private:
  static constexpr float kSlack = 1e-3f;  // of single-precision sums; what passes is compared exactly
  struct Parts { std::span<const uint32_t> bag, words; };
  Parts decode(uint32_t number) const;
  const ShingleStore& store_;
  NearOptions options_;
  std::vector<uint32_t> rows_;
};

}  // namespace llmops
