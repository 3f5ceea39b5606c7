#include "core/sketch/heavy_terms.h"

#include <cmath>
#include <map>
#include <tuple>

#include "core/sketch/hash64.h"
#include "tests/core/sketch/sketch_fixture.h"

namespace llmops {

TEST_CASE("the kept terms are those with the least of all their keys, as a slow search finds them") {
  std::mt19937 random(4);
  HeavyTerms terms;
  std::map<std::string, uint64_t> least;
  for (uint64_t i = 0; i < 30'000; ++i) {
    const std::string word = "w" + std::to_string(random() % 3000 * (random() % 3000) / 3000);
    const uint64_t hash = hash64(word), draw = hash64(std::to_string(i));
    terms.add(word, hash, draw);
    const uint64_t key = mix_bits(hash ^ mix_bits(draw));
    const auto [place, is_new] = least.emplace(word, key);
    if (!is_new) place->second = std::min(place->second, key);
  }
  std::vector<std::pair<uint64_t, std::string>> expected;
  for (const auto& [word, key] : least) expected.emplace_back(key, word);
  std::sort(expected.begin(), expected.end());
  REQUIRE(terms.terms().size() == HeavyTerms::kKept);
  for (size_t i = 0; i < HeavyTerms::kKept; ++i) CHECK(std::pair(terms.terms()[i].key, terms.terms()[i].text) == expected[i]);
}

TEST_CASE("a term that makes a share s of all is kept with a probability of at least 1 - (1 - s)^256") {
  // 400 streams of 4000 occurrences, in which one term comes 40 or 20 times and no other comes twice.
  constexpr int kStreams = 400, kLength = 4000;
  for (const int times : {40, 20}) {
    int kept = 0;
    for (int stream = 0; stream < kStreams; ++stream) {
      HeavyTerms terms;
      for (int i = 0; i < kLength; ++i) {
        const std::string word = i < times ? "the" : "w" + std::to_string(i);
        terms.add(word, hash64(word), hash64(std::to_string(stream) + "/" + std::to_string(i)));
      }
      kept += std::any_of(terms.terms().begin(), terms.terms().end(), [](const HeavyTerms::Term& term) { return term.text == "the"; });
    }
    const double bound = 1 - std::pow(1 - static_cast<double>(times) / kLength, 256), sigma = std::sqrt(bound * (1 - bound) / kStreams);
    INFO(times << " " << kept);
    CHECK(static_cast<double>(kept) / kStreams > bound - 3 * sigma);
    CHECK(static_cast<double>(kept) / kStreams < bound + 5 * sigma);      // here the bound is nearly what happens
  }
}

TEST_CASE("up to 256 different terms are all kept") {
  HeavyTerms terms;
  for (int times = 0; times < 3; ++times) for (int i = 0; i < 256; ++i) terms.add("w" + std::to_string(i), hash64("w" + std::to_string(i)), static_cast<uint64_t>(1000 * times + i));
  CHECK(terms.terms().size() == 256);
}

TEST_CASE("kept terms over any shards are those of one pass, to the bit") {
  std::mt19937 random(8);
  std::vector<std::string> words;
  for (int i = 0; i < 8000; ++i) words.push_back("w" + std::to_string(random() % 2000 * (random() % 2000) / 2000));
  test::check_any_sharding<HeavyTerms>(words.size(), [&](HeavyTerms& terms, size_t i) { terms.add(words[i], hash64(words[i]), hash64(std::to_string(i))); });
}

}  // namespace llmops
