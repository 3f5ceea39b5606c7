// Okapi BM25 over chunks of documents (Robertson & Zaragoza 2009, "The Probabilistic Relevance Framework"), in memory.
//   score(q, d) = sum over terms t of q: idf(t) * tf * (k1 + 1) / (tf + k1 * (1 - b + b * |d| / avg|d|))
//   idf(t) = ln(1 + (N - n_t + 0.5) / (n_t + 0.5))        (never negative; as Lucene before 8 with the k1 + 1 factor)
// k1 = 1.2, b = 0.75. Terms by split_words (unicode.h).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace llmops {

struct Passage {
  std::string id;      // path#n, or the row's id
  std::string text;
  std::string source;  // path of the file
};

struct Bm25Hit {
  size_t passage = 0;  // index into the passages given
  double score = 0;
};

class Bm25Index {
 public:
  // Cost: linear in the text. The index keeps no reference to the passages.
  explicit Bm25Index(const std::vector<Passage>& passages);
  // The `top_k` best, score descending; ties by index. Passages without any term of the query are left out.
  std::vector<Bm25Hit> search(std::string_view query, size_t top_k) const;
  size_t size() const { return lengths_.size(); }

 private:
  struct Posting { uint32_t passage, count; };
  std::unordered_map<std::string, std::vector<Posting>> postings_;
  std::vector<uint32_t> lengths_;  // in words
  double mean_length_ = 0;
};

}  // namespace llmops
