// Okapi BM25 over an inverted index (Robertson & Zaragoza 2009, "The Probabilistic Relevance Framework", eq. 3.15).
#include "core/text/bm25.h"

#include <algorithm>
#include <cmath>

#include "core/text/unicode.h"

namespace llmops {

namespace {
constexpr double kK1 = 1.2;
constexpr double kB = 0.75;
}  // namespace

Bm25Index::Bm25Index(const std::vector<Passage>& passages) {
  lengths_.reserve(passages.size());
  double total = 0;
  for (size_t i = 0; i < passages.size(); ++i) {
    const auto passage = static_cast<uint32_t>(i);
    const std::vector<std::string> words = split_words(passages[i].text);
    for (const std::string& word : words) {
      std::vector<Posting>& list = postings_[word];
      if (list.empty() || list.back().passage != passage) list.push_back({passage, 0});
      ++list.back().count;
    }
    lengths_.push_back(static_cast<uint32_t>(words.size()));
    total += static_cast<double>(words.size());
  }
  mean_length_ = passages.empty() ? 0 : total / static_cast<double>(passages.size());
}

// A term that the query repeats counts as often as it stands there.
std::vector<Bm25Hit> Bm25Index::search(std::string_view query, size_t top_k) const {
  std::vector<double> scores(lengths_.size(), 0);
  std::vector<bool> found(lengths_.size(), false);
  const auto count = static_cast<double>(lengths_.size());
  for (const std::string& term : split_words(query)) {
    const auto entry = postings_.find(term);
    if (entry == postings_.end()) continue;
    const auto having = static_cast<double>(entry->second.size());
    const double idf = std::log(1 + (count - having + 0.5) / (having + 0.5));
    for (const Posting& posting : entry->second) {
      const double frequency = posting.count;
      const double length = lengths_[posting.passage] / mean_length_;
      scores[posting.passage] += idf * frequency * (kK1 + 1) / (frequency + kK1 * (1 - kB + kB * length));
      found[posting.passage] = true;
    }
  }
  std::vector<Bm25Hit> hits;
  for (size_t i = 0; i < scores.size(); ++i) if (found[i]) hits.push_back({i, scores[i]});
  const auto better = [](const Bm25Hit& a, const Bm25Hit& b) {
    return a.score != b.score ? a.score > b.score : a.passage < b.passage;
  };
  const size_t kept = std::min(top_k, hits.size());
  std::partial_sort(hits.begin(), hits.begin() + static_cast<std::ptrdiff_t>(kept), hits.end(), better);
  hits.resize(kept);
  return hits;
}

}  // namespace llmops
