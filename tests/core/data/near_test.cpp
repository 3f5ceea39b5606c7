#include "core/data/near.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <random>
#include <set>

#include "tests/support/test_data.h"

namespace llmops {
namespace {

using Bags = std::vector<std::vector<uint32_t>>;

// Families of bags: each new one is random or an older one with some shingles exchanged.
Bags random_bags(size_t count, uint64_t seed) {
  std::mt19937_64 random(seed);
  Bags bags;
  while (bags.size() < count) {
    std::set<uint32_t> bag;
    if (!bags.empty() && random() % 2 == 0) {
      const auto& old = bags[random() % bags.size()];
      for (const uint32_t x : old) bag.insert(random() % 6 == 0 ? static_cast<uint32_t>(random()) : x);
    } else {
      for (size_t left = random() % 14; left > 0; --left) bag.insert(static_cast<uint32_t>(random()));
    }
    bags.emplace_back(bag.begin(), bag.end());
  }
  return bags;
}

ShingleStore store_of(const Bags& bags, size_t memory_bytes = size_t{1} << 30, const fs::path& directory = {}) {
  ShingleStore store(memory_bytes, directory);
  for (const auto& bag : bags) REQUIRE(store.add(bag));
  REQUIRE(store.seal());
  return store;
}

std::map<std::pair<uint32_t, uint32_t>, float> edges_of(const NearPairs& pairs) {
  std::map<std::pair<uint32_t, uint32_t>, float> edges;
  for (const NearEdge& edge : pairs.edges) edges[{edge.earlier, edge.later}] = edge.similarity;
  return edges;
}

NearOptions surely(double threshold) {
  NearOptions options;
  options.threshold = threshold;
  options.recall = 0.999999;
  return options;
}

}  // namespace

TEST_CASE("near pairs are the pairs that comparing all finds", "[data][near]") {
  for (const uint64_t seed : {1u, 2u, 3u}) {
    const Bags bags = random_bags(400, seed);
    const NearPairs pairs = find_near(store_of(bags), surely(0.5));
    const auto edges = edges_of(pairs);
    for (uint32_t later = 0; later < bags.size(); ++later) {
      const auto first = std::find(bags.begin(), bags.end(), bags[later]) - bags.begin();
      CHECK(pairs.same_as[later] == (bags[later].empty() ? later : static_cast<uint32_t>(first)));
      for (uint32_t earlier = 0; earlier < later; ++earlier) {
        if (pairs.same_as[later] != later || pairs.same_as[earlier] != earlier) continue;
        const double similarity = jaccard(bags[earlier], bags[later]);
        const auto found = edges.find({earlier, later});
        INFO(earlier << " " << later << " " << similarity);
        CHECK((found != edges.end()) == (similarity >= 0.5));
        if (found != edges.end()) CHECK(found->second == Approx(similarity));
      }
    }
  }
}

TEST_CASE("pairs at the threshold are found about as often as promised", "[data][near]") {
  std::mt19937_64 random(77);
  Bags bags;
  constexpr int kPairs = 3000;
  for (int i = 0; i < kPairs; ++i) {  // 6 of 12 in common
    std::set<uint32_t> a, b;
    while (a.size() < 9) a.insert(static_cast<uint32_t>(random()));
    for (const uint32_t x : a) if (b.size() < 6) b.insert(x);
    while (b.size() < 9) b.insert(static_cast<uint32_t>(random()));
    bags.emplace_back(a.begin(), a.end());
    bags.emplace_back(b.begin(), b.end());
  }
  NearOptions options;
  options.threshold = 0.5;
  options.recall = 0.8;
  const NearPairs pairs = find_near(store_of(bags), options);
  CHECK(pairs.recall_at_threshold >= 0.8);
  CHECK(static_cast<double>(pairs.edges.size()) / kPairs == Approx(pairs.recall_at_threshold).margin(0.03));
}

TEST_CASE("near rows across two sets are found between them only", "[data][near]") {
  const Bags bags = random_bags(300, 4);
  const NearPairs pairs = find_near(store_of(bags), surely(0.5), 120);
  const auto edges = edges_of(pairs);
  for (uint32_t b = 120; b < bags.size(); ++b) {
    for (uint32_t a = 0; a < 120; ++a) {
      if (pairs.same_as[a] != a || pairs.same_as[b] != b) continue;
      CHECK(edges.contains({a, b}) == (jaccard(bags[a], bags[b]) >= 0.5));
    }
  }
  for (const auto& [pair, similarity] : edges) CHECK((pair.first < 120 && pair.second >= 120));
}

TEST_CASE("near pairs do not depend on threads or on where the bags lie", "[data][near]") {
  const Bags bags = random_bags(20'000, 5);
  NearOptions options;
  options.threads = 1;
  const auto one = edges_of(find_near(store_of(bags), options));
  options.threads = 3;
  CHECK(edges_of(find_near(store_of(bags), options)) == one);
  test::TempDir directory;
  const ShingleStore spilled = store_of(bags, 1, directory.path());
  CHECK(edges_of(find_near(spilled, options)) == one);
  options.seed = 2;
  const auto other = edges_of(find_near(spilled, options));
  CHECK(static_cast<double>(other.size()) == Approx(static_cast<double>(one.size())).epsilon(0.03));
}

TEST_CASE("bags that do not fit in memory go to a file that leaves nothing behind", "[data][near]") {
  std::mt19937_64 random(6);
  test::TempDir directory;
  Bags bags;
  ShingleStore store(size_t{32} << 20, directory.path());
  for (int i = 0; i < 30; ++i) {
    std::vector<uint32_t> bag(600'000);
    for (uint32_t& x : bag) x = static_cast<uint32_t>(random());
    std::sort(bag.begin(), bag.end());
    REQUIRE(store.add(bag));
    bags.push_back(std::move(bag));
  }
  REQUIRE(store.seal());
  CHECK(store.is_spilled());
  for (size_t i = 0; i < bags.size(); ++i) CHECK(std::equal(store[i].begin(), store[i].end(), bags[i].begin(), bags[i].end()));
  CHECK(fs::is_empty(directory.path()));
}

TEST_CASE("a row is dropped only when a kept row is near to it", "[data][near]") {
  // 0 - 1 - 2 is a chain: 1 is near to 0 and 2 is near to 1 but not to 0.
  NearPairs pairs;
  pairs.rows = 5;
  pairs.same_as = {0, 1, 2, 1, 4};
  pairs.edges = {{1, 0, 0.6f}, {2, 1, 0.9f}, {4, 0, 0.6f}, {4, 2, 0.7f}};
  const auto leaders = find_leaders(pairs);
  CHECK(leaders[0].row == 0);
  CHECK(leaders[1].row == 0);
  CHECK(leaders[2].row == 2);
  CHECK(leaders[3].row == 0);
  CHECK(leaders[3].similarity == 0.6f);
  CHECK(leaders[4].row == 2);
  CHECK(find_components(pairs) == std::vector<uint32_t>{0, 0, 0, 0, 0});
}

TEST_CASE("leaders and components agree with their definitions on random bags", "[data][near]") {
  const Bags bags = random_bags(500, 9);
  const NearPairs pairs = find_near(store_of(bags), surely(0.5));
  const auto leaders = find_leaders(pairs);
  const auto components = find_components(pairs);
  for (uint32_t row = 0; row < bags.size(); ++row) {
    double best = -1;
    for (uint32_t kept = 0; kept < row; ++kept) {
      if (leaders[kept].row == kept) best = std::max(best, jaccard(bags[kept], bags[row]));
      if (jaccard(bags[kept], bags[row]) >= 0.5) CHECK(components[kept] == components[row]);
    }
    CHECK((leaders[row].row == row) == (best < 0.5));
    if (leaders[row].row != row && pairs.same_as[row] == row) CHECK(leaders[row].similarity == Approx(best));
  }
}

TEST_CASE("a crowd of rows that are all near is joined without comparing all pairs", "[data][near]") {
  std::mt19937_64 random(10);
  Bags bags;
  for (int i = 0; i < 20'000; ++i) {
    std::set<uint32_t> bag;
    for (uint32_t x = 0; x < 20; ++x) bag.insert(random() % 10 == 0 ? static_cast<uint32_t>(random()) : x * 1'000'003u);
    bags.emplace_back(bag.begin(), bag.end());
  }
  const NearPairs pairs = find_near(store_of(bags), NearOptions());
  CHECK(pairs.cut_buckets > 0);
  CHECK(pairs.compared < 40'000'000);
  const auto components = find_components(pairs);
  CHECK(std::count(components.begin(), components.end(), 0u) > 19'500);
}

TEST_CASE("near options are checked and go by the length of texts", "[data][near]") {
  CHECK(near_options_for(9).shingling.size == 1);
  CHECK(near_options_for(200).shingling.size == 5);
  NearOptions options;
  CHECK(check_near_options(options));
  options.threshold = 1.5;
  CHECK(check_near_options(options).error().message == "threshold 1.5 is not between 0 and 1");
  options = {};
  options.recall = 1;
  CHECK(check_near_options(options).error().message == "recall 1 is not between 0 and 1");
  options = {};
  options.shingling.size = 0;
  CHECK(check_near_options(options).error().message == "shingles of 0 are too short");
  CHECK(find_near(store_of({}), NearOptions()).edges.empty());
}

}  // namespace llmops
