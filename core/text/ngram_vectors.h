// Texts as sparse vectors of hashed n-grams, weighted by how rare they are in the pool (Weinberger et al. 2009, "Feature hashing"; Salton & Buckley 1988 for the weights). No model, no download.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace llmops {

// Rows of (index, value), by index; does not repeat an index within a row.
struct SparseRows {
  std::vector<size_t> offsets{0};            // rows + 1
  std::vector<uint32_t> indices;
  std::vector<float> values;
  size_t dimensions = 0;
  size_t rows() const { return offsets.size() - 1; }
  std::span<const uint32_t> row_indices(size_t i) const { return std::span(indices).subspan(offsets[i], offsets[i + 1] - offsets[i]); }
  std::span<const float> row_values(size_t i) const { return std::span(values).subspan(offsets[i], offsets[i + 1] - offsets[i]); }
  double dot(size_t a, size_t b) const;      // cost: the length of both rows
};

struct NgramOptions {
  bool words = true;                         // words and pairs of neighbouring words, case folded (split_words)
  bool characters = false;                   // runs of 3 to 5 characters of each word with a space on both sides, case folded
  size_t dimensions = size_t{1} << 20;       // a power of two, at least 2048; two n-grams of a vocabulary of v share an index with probability v / dimensions
};

// Counts of n-grams: values are whole. Deterministic on every machine. Cost: linear in the text.
SparseRows ngram_counts(std::span<const std::string_view> texts, const NgramOptions& options = {});
// The same of one text that split_words() divided: the indices of its n-grams, sorted, each as often as it stands there. `found` is overwritten.
void ngram_indices(std::span<const std::string> words, const NgramOptions& options, std::vector<uint32_t>& found);

// value = (1 + ln count) * (ln((1 + N) / (1 + df)) + 1), each row then of length 1 (a row without n-grams stays zero). `idf` is taken from all rows given: fit it on the pool of what is compared, because
// rows that were fitted on look nearer to each other than rows that were not (the exchangeability trap).
std::vector<float> inverse_document_frequencies(const SparseRows& counts);
void weigh(SparseRows& counts, std::span<const float> idf);

}  // namespace llmops
