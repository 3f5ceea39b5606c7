#include "core/text/ngram_vectors.h"

#include <algorithm>
#include <cmath>

#include "core/text/codepoint.h"
#include "core/text/unicode.h"

namespace llmops {
namespace {

// FNV-1a with a finaliser (splitmix64's), which spreads short strings over all bits.
uint64_t hash_of(std::string_view bytes, uint64_t kind) {
  uint64_t x = 0xCBF29CE484222325u ^ kind;
  for (const char c : bytes) x = (x ^ static_cast<unsigned char>(c)) * 0x100000001B3u;
  x ^= x >> 30;
  x *= 0xBF58476D1CE4E5B9u;
  x ^= x >> 27;
  x *= 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

constexpr uint64_t kWord = 1, kPair = 2, kCharacters = 3;

class Counter {
 public:
  explicit Counter(const NgramOptions& options) : options_(options), mask_(options.dimensions - 1) {}

  // The indices of the n-grams, one for each time that it stands there.
  void find(std::span<const std::string> words, std::vector<uint32_t>& found) {
    found.clear();
    for (size_t i = 0; i < words.size(); ++i) {
      if (options_.words) {
        add(words[i], kWord, found);
        if (i > 0) {
          pair_ = words[i - 1];
          pair_ += ' ';
          pair_ += words[i];
          add(pair_, kPair, found);
        }
      }
      if (options_.characters) add_characters(words[i], found);
    }
    std::sort(found.begin(), found.end());
  }

 private:
  void add(std::string_view gram, uint64_t kind, std::vector<uint32_t>& found) { found.push_back(static_cast<uint32_t>(hash_of(gram, kind) & mask_)); }

  void add_characters(const std::string& word, std::vector<uint32_t>& found) {
    const std::string padded = " " + word + " ";
    starts_.clear();
    for (size_t at = 0; at < padded.size(); at += text::decode_at(padded, at).size) starts_.push_back(at);
    starts_.push_back(padded.size());
    const size_t count = starts_.size() - 1;
    for (size_t length = 3; length <= 5; ++length) for (size_t i = 0; i + length <= count; ++i) add(std::string_view(padded).substr(starts_[i], starts_[i + length] - starts_[i]), kCharacters, found);
  }

  const NgramOptions& options_;
  uint64_t mask_;
  std::string pair_;
  std::vector<size_t> starts_;
};

}  // namespace

double SparseRows::dot(size_t a, size_t b) const {
  double sum = 0;
  size_t i = offsets[a], j = offsets[b];
  while (i < offsets[a + 1] && j < offsets[b + 1]) {
    if (indices[i] < indices[j]) ++i;
    else if (indices[i] > indices[j]) ++j;
    else sum += static_cast<double>(values[i++]) * static_cast<double>(values[j++]);
  }
  return sum;
}

SparseRows ngram_counts(std::span<const std::string_view> texts, const NgramOptions& options) {
  SparseRows made;
  made.dimensions = options.dimensions;
  Counter counter(options);
  std::vector<uint32_t> found;
  for (const std::string_view text : texts) {
    counter.find(split_words(text), found);
    for (size_t i = 0; i < found.size();) {
      size_t end = i;
      while (end < found.size() && found[end] == found[i]) ++end;
      made.indices.push_back(found[i]);
      made.values.push_back(static_cast<float>(end - i));
      i = end;
    }
    made.offsets.push_back(made.indices.size());
  }
  return made;
}

void ngram_indices(std::span<const std::string> words, const NgramOptions& options, std::vector<uint32_t>& found) { Counter(options).find(words, found); }

std::vector<float> inverse_document_frequencies(const SparseRows& counts) {
  std::vector<uint32_t> documents(counts.dimensions);
  for (const uint32_t index : counts.indices) ++documents[index];
  std::vector<float> idf(counts.dimensions);
  const double all = static_cast<double>(counts.rows());
  for (size_t i = 0; i < idf.size(); ++i) idf[i] = static_cast<float>(std::log((1 + all) / (1 + static_cast<double>(documents[i]))) + 1);
  return idf;
}

void weigh(SparseRows& counts, std::span<const float> idf) {
  for (size_t row = 0; row < counts.rows(); ++row) {
    double squares = 0;
    for (size_t k = counts.offsets[row]; k < counts.offsets[row + 1]; ++k) {
      float& value = counts.values[k];
      value = (1 + std::log(value)) * idf[counts.indices[k]];
      squares += static_cast<double>(value) * static_cast<double>(value);
    }
    if (squares == 0) continue;
    const float scale = static_cast<float>(1 / std::sqrt(squares));
    for (size_t k = counts.offsets[row]; k < counts.offsets[row + 1]; ++k) counts.values[k] *= scale;
  }
}

}  // namespace llmops
