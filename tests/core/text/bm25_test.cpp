#include "core/text/bm25.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "core/text/unicode.h"

namespace llmops {
namespace {

Passage passage(std::string text) { return {"x#1", std::move(text), "x"}; }

// The formula of the header, term by term over all passages.
std::vector<Bm25Hit> slow_search(const std::vector<Passage>& passages, const std::string& query, size_t top_k) {
  double total = 0;
  for (const Passage& p : passages) total += static_cast<double>(split_words(p.text).size());
  const double mean = total / static_cast<double>(passages.size());
  std::vector<Bm25Hit> hits;
  for (size_t i = 0; i < passages.size(); ++i) {
    const auto words = split_words(passages[i].text);
    double score = 0;
    for (const std::string& term : split_words(query)) {
      double having = 0;
      for (const Passage& p : passages) {
        const auto other = split_words(p.text);
        having += std::count(other.begin(), other.end(), term) > 0 ? 1 : 0;
      }
      const auto tf = static_cast<double>(std::count(words.begin(), words.end(), term));
      const double idf = std::log(1 + (static_cast<double>(passages.size()) - having + 0.5) / (having + 0.5));
      score += idf * tf * 2.2 / (tf + 1.2 * (0.25 + 0.75 * static_cast<double>(words.size()) / mean));
    }
    if (score > 0) hits.push_back({i, score});
  }
  std::stable_sort(hits.begin(), hits.end(), [](const Bm25Hit& a, const Bm25Hit& b) { return a.score > b.score; });
  hits.resize(std::min(top_k, hits.size()));
  return hits;
}

}  // namespace

TEST_CASE("BM25 scores agree with numbers of an independent implementation", "[bm25]") {
  // Numbers of Python 3.11: the formula of the header over words split at white space.
  const Bm25Index index({passage("the cat sat on the mat"), passage("the dog"), passage("cat and dog and cat")});
  const auto hits = index.search("Cat dog", 10);
  REQUIRE(hits.size() == 3);
  CHECK(hits[0].passage == 2);
  CHECK(hits[0].score == Approx(1.0616262548415913).epsilon(1e-12));
  CHECK(hits[1].passage == 1);
  CHECK(hits[1].score == Approx(0.6027849236066385).epsilon(1e-12));
  CHECK(hits[2].passage == 0);
  CHECK(hits[2].score == Approx(0.4061058548769801).epsilon(1e-12));
}

TEST_CASE("passages without a term of the query are left out and ties go by index", "[bm25]") {
  const Bm25Index index({passage("apple"), passage("pear"), passage("apple"), passage("")});
  const auto hits = index.search("apple", 10);
  REQUIRE(hits.size() == 2);
  CHECK(hits[0].passage == 0);
  CHECK(hits[1].passage == 2);
  CHECK(hits[0].score == hits[1].score);
  CHECK(index.search("plum", 10).empty());
  CHECK(index.search("", 10).empty());
  CHECK(index.search("apple", 1).size() == 1);
  CHECK(index.search("apple", 0).empty());
  CHECK(index.size() == 4);
}

TEST_CASE("an index of nothing finds nothing", "[bm25]") {
  CHECK(Bm25Index({}).search("a", 5).empty());
  CHECK(Bm25Index({passage(""), passage("...")}).search("a", 5).empty());
}

TEST_CASE("BM25 agrees with the slow formula on random passages", "[bm25]") {
  std::mt19937_64 random(11);
  for (int round = 0; round < 60; ++round) {
    std::vector<Passage> passages;
    for (size_t i = 1 + random() % 12; i > 0; --i) {
      std::string text;
      for (size_t k = random() % 20; k > 0; --k) text += std::string(1, static_cast<char>('a' + random() % 6)) + " ";
      passages.push_back(passage(text));
    }
    const std::string query = std::string(1, static_cast<char>('a' + random() % 7)) + " " + std::string(1, static_cast<char>('a' + random() % 7)) + " a";
    const auto fast = Bm25Index(passages).search(query, 5);
    const auto slow = slow_search(passages, query, 5);
    REQUIRE(fast.size() == slow.size());
    for (size_t i = 0; i < fast.size(); ++i) {
      CHECK(fast[i].passage == slow[i].passage);
      CHECK(fast[i].score == Approx(slow[i].score).epsilon(1e-12));
    }
  }
}

}  // namespace llmops
