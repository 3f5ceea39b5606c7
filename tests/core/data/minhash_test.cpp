#include "core/data/minhash.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <map>
#include <random>
#include <string>

#include "core/data/hash128.h"

namespace llmops {
namespace {

// Two sets of `size` numbers each with the wanted similarity, as near as whole numbers allow.
std::pair<std::vector<uint32_t>, std::vector<uint32_t>> sets_with(double similarity, size_t size, std::mt19937_64& random) {
  const auto common = static_cast<size_t>(std::lround(2 * similarity * static_cast<double>(size) / (1 + similarity)));
  std::vector<uint32_t> a, b;
  for (size_t i = 0; i < size; ++i) {
    const auto x = static_cast<uint32_t>(random());
    a.push_back(x);
    b.push_back(i < common ? x : static_cast<uint32_t>(random()));
  }
  std::sort(a.begin(), a.end());
  std::sort(b.begin(), b.end());
  return {a, b};
}

double slow_jaccard(const std::vector<uint32_t>& a, const std::vector<uint32_t>& b) {
  std::vector<uint32_t> common, all;
  std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(common));
  std::set_union(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(all));
  return all.empty() ? 0 : static_cast<double>(common.size()) / static_cast<double>(all.size());
}

std::vector<uint32_t> bag_of(const std::string& normal, Shingling shingling) {
  std::vector<uint32_t> bag;
  Shingler(shingling).shingle(normal, bag);
  return bag;
}

// Jaccard similarity of bags of word runs, by maps of strings.
double slow_similarity(const std::vector<std::string>& a, const std::vector<std::string>& b, size_t size) {
  std::map<std::vector<std::string>, std::pair<int, int>> counts;
  const auto count = [&](const std::vector<std::string>& words, bool first) {
    const size_t run = std::min(size, words.size());
    for (size_t i = 0; run > 0 && i + run <= words.size(); ++i) {
      auto& entry = counts[{words.begin() + static_cast<std::ptrdiff_t>(i), words.begin() + static_cast<std::ptrdiff_t>(i + run)}];
      ++(first ? entry.first : entry.second);
    }
  };
  count(a, true);
  count(b, false);
  double common = 0, all = 0;
  for (const auto& [run, both] : counts) {
    common += std::min(both.first, both.second);
    all += std::max(both.first, both.second);
  }
  return all == 0 ? 0 : common / all;
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) (text += text.empty() ? "" : " ") += word;
  return text;
}

}  // namespace

TEST_CASE("the similarity of two sets is that of the set operations", "[data][minhash]") {
  std::mt19937_64 random(2);
  for (int round = 0; round < 500; ++round) {
    std::vector<uint32_t> a, b;
    for (size_t left = random() % 12; left > 0; --left) a.push_back(static_cast<uint32_t>(random() % 16));
    for (size_t left = random() % 12; left > 0; --left) b.push_back(static_cast<uint32_t>(random() % 16));
    for (auto* set : {&a, &b}) {
      std::sort(set->begin(), set->end());
      set->erase(std::unique(set->begin(), set->end()), set->end());
    }
    CHECK(jaccard(a, b) == slow_jaccard(a, b));
  }
}

TEST_CASE("bags of word runs have the similarity that counting strings gives", "[data][minhash]") {
  std::mt19937_64 random(6);
  for (int round = 0; round < 500; ++round) {
    std::vector<std::string> a, b;
    for (size_t left = 1 + random() % 10; left > 0; --left) a.push_back(std::string(1, static_cast<char>('a' + random() % 5)));
    for (size_t left = 1 + random() % 10; left > 0; --left) b.push_back(std::string(1, static_cast<char>('a' + random() % 5)));
    for (const size_t size : {1u, 2u, 3u}) {
      const Shingling words{ShingleUnit::kWords, static_cast<int>(size)};
      CHECK(jaccard(bag_of(joined(a), words), bag_of(joined(b), words)) == Approx(slow_similarity(a, b, size)));
    }
  }
  CHECK(bag_of("", {}).empty());
  CHECK(bag_of("a b", {ShingleUnit::kWords, 5}).size() == 1);
  CHECK(bag_of("a b", {ShingleUnit::kWords, 5}) == bag_of("a b", {ShingleUnit::kWords, 2}));
  CHECK(bag_of("h\xC3\xA9llo", {ShingleUnit::kCharacters, 3}).size() == 3);
  CHECK(bag_of("aaaa", {ShingleUnit::kCharacters, 1}).size() == 4);
}

TEST_CASE("the share of equal minima estimates the similarity within its standard error", "[data][minhash]") {
  std::mt19937_64 random(8);
  for (const size_t size : {5u, 10u, 60u}) {
    for (const double similarity : {0.2, 0.5, 0.8}) {
      double error = 0, squares = 0, expected = 0;
      constexpr int kRounds = 400;
      constexpr size_t kHashes = 128;
      for (int round = 0; round < kRounds; ++round) {
        const auto [a, b] = sets_with(similarity, size, random);
        const double exact = jaccard(a, b);
        const MinHasher hasher(kHashes, static_cast<uint64_t>(round) + 1);
        std::vector<uint32_t> x(kHashes), y(kHashes);
        hasher.minima(a, 0, kHashes, x.data());
        hasher.minima(b, 0, kHashes, y.data());
        double equal = 0;
        for (size_t i = 0; i < kHashes; ++i) equal += x[i] == y[i] ? 1 : 0;
        const double deviation = equal / kHashes - exact;
        error += deviation / kRounds;
        squares += deviation * deviation / kRounds;
        expected += exact * (1 - exact) / kHashes / kRounds;
      }
      INFO(size << " " << similarity);
      CHECK(std::abs(error) < 4 * std::sqrt(expected / kRounds) + 0.003);
      CHECK(squares == Approx(expected).epsilon(0.3));
    }
  }
}

TEST_CASE("minima are the minima of the hash functions one by one", "[data][minhash]") {
  const MinHasher hasher(20, 5);
  CHECK(hasher.hashes() == 24);
  const std::vector<uint32_t> bag{7, 1'000'000, 4'000'000'000u};
  std::vector<uint32_t> all(24), single(24), least(24, UINT32_MAX), part(8);
  hasher.minima(bag, 0, 24, all.data());
  for (const uint32_t x : bag) {
    hasher.minima(std::vector<uint32_t>{x}, 0, 24, single.data());
    for (size_t i = 0; i < 24; ++i) least[i] = std::min(least[i], single[i]);
  }
  CHECK(all == least);
  hasher.minima(bag, 8, 8, part.data());
  CHECK(std::equal(part.begin(), part.end(), all.begin() + 8));
}

TEST_CASE("pairs share a band as often as the formula says", "[data][minhash]") {
  std::mt19937_64 random(12);
  const Banding banding{10, 3};
  for (const double similarity : {0.25, 0.5, 0.75}) {
    int found = 0;
    double expected = 0;
    constexpr int kRounds = 4000;
    for (int round = 0; round < kRounds; ++round) {
      const auto [a, b] = sets_with(similarity, 12, random);
      const MinHasher hasher(30, random());
      std::vector<uint32_t> x(hasher.hashes()), y(hasher.hashes());
      hasher.minima(a, 0, hasher.hashes(), x.data());
      hasher.minima(b, 0, hasher.hashes(), y.data());
      bool shared = false;
      for (size_t band = 0; band < 10; ++band) shared = shared || std::equal(x.begin() + static_cast<std::ptrdiff_t>(band * 3), x.begin() + static_cast<std::ptrdiff_t>(band * 3 + 3), y.begin() + static_cast<std::ptrdiff_t>(band * 3));
      found += shared ? 1 : 0;
      expected += banding.found(jaccard(a, b)) / kRounds;
    }
    INFO(similarity);
    CHECK(static_cast<double>(found) / kRounds == Approx(expected).margin(4 * std::sqrt(expected * (1 - expected) / kRounds)));
  }
  // 1 - (1 - 0.5**3)**10 of Python 3.11.
  CHECK(banding.found(0.5) == Approx(0.7369244238361716).epsilon(1e-14));
  CHECK(banding.missed(0.5) == Approx(0.2630755761638284).epsilon(1e-14));
}

TEST_CASE("a banding keeps its promise at the threshold with the most rows that the hashes allow", "[data][minhash]") {
  for (const double threshold : {0.3, 0.5, 0.55, 0.7, 0.8, 0.95}) {
    for (const int most : {64, 128, 512, 2048}) {
      const Banding banding = choose_banding(threshold, 0.97, most);
      INFO(threshold << " " << most);
      CHECK(banding.hashes() <= most);
      CHECK(banding.found(threshold) >= 0.97);
      CHECK(banding.found(std::min(1.0, threshold + 0.1)) > banding.found(threshold));
      const int more = banding.rows + 1;
      CHECK(std::ceil(std::log(0.03) / std::log(1 - std::pow(threshold, more))) * more > most);
    }
  }
  CHECK(choose_banding(0.01, 0.99, 8).rows == 1);
  CHECK(choose_banding(0.01, 0.99, 8).bands == 8);
  CHECK(choose_banding(1, 0.97, 16).bands == 1);
}

}  // namespace llmops
