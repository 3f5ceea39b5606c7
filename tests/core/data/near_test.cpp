#include "core/data/near.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>
#include <set>

#include "core/data/word_edits.h"
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

NearOptions surely(double threshold) {
  NearOptions options;
  options.measure = NearMeasure::kJaccard;
  options.threshold = threshold;
  options.recall = 0.999999;
  return options;
}

NearOptions by_jaccard() {
  NearOptions options;
  options.measure = NearMeasure::kJaccard;
  options.threshold = 0.55;
  return options;
}

// Word edit distance by the full table.
size_t slow_edits(const std::vector<uint32_t>& a, const std::vector<uint32_t>& b) {
  std::vector<std::vector<size_t>> table(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) {
    for (size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) table[i][j] = i + j;
      else table[i][j] = std::min({table[i - 1][j] + 1, table[i][j - 1] + 1, table[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0u : 1u)});
    }
  }
  return table[a.size()][b.size()];
}

}  // namespace

TEST_CASE("leaders are those of going through the rows in order and comparing all pairs", "[data][near]") {
  for (const uint64_t seed : {1u, 2u, 3u, 4u}) {
    const Bags bags = random_bags(500, seed);
    const NearLeaders found = find_near_leaders(store_of(bags), surely(0.5));
    std::vector<uint32_t> kept;
    for (uint32_t row = 0; row < bags.size(); ++row) {
      INFO("seed " << seed << " row " << row);
      const bool follows = std::any_of(kept.begin(), kept.end(), [&](uint32_t other) { return jaccard(bags[other], bags[row]) >= 0.5; });
      CHECK((found.leaders[row].row != row) == follows);
      if (follows) CHECK(found.leaders[row].similarity == Approx(jaccard(bags[found.leaders[row].row], bags[row])));
      if (follows) CHECK(std::find(kept.begin(), kept.end(), found.leaders[row].row) != kept.end());
      else kept.push_back(row);
    }
  }
}

TEST_CASE("components are those of all near pairs", "[data][near]") {
  for (const uint64_t seed : {5u, 6u}) {
    const Bags bags = random_bags(400, seed);
    const auto found = find_near_components(store_of(bags), surely(0.5)).first_rows;
    std::vector<uint32_t> slow(bags.size());
    for (uint32_t row = 0; row < bags.size(); ++row) {
      slow[row] = row;
      for (uint32_t other = 0; other < row; ++other) {
        if (jaccard(bags[other], bags[row]) < 0.5) continue;
        const uint32_t low = std::min(slow[other], slow[row]), high = std::max(slow[other], slow[row]);
        std::replace(slow.begin(), slow.begin() + row + 1, high, low);
      }
    }
    CHECK(found == slow);
  }
}

TEST_CASE("matches across two sets tell every row that has one", "[data][near]") {
  const Bags bags = random_bags(400, 7);
  const NearMatches found = find_near_matches(store_of(bags), surely(0.5), 150);
  std::set<uint32_t> told_a, told_b;
  for (const NearMatch& match : found.matches) {
    CHECK(match.a < 150);
    CHECK(match.b >= 150);
    CHECK(match.similarity == Approx(jaccard(bags[match.a], bags[match.b])));
    told_a.insert(match.a);
    told_b.insert(match.b);
  }
  for (uint32_t b = 150; b < bags.size(); ++b) {
    size_t near = 0;
    for (uint32_t a = 0; a < 150; ++a) {
      if (jaccard(bags[a], bags[b]) < 0.5) continue;
      ++near;
      CHECK(told_a.contains(found.same_as[a]));
    }
    CHECK(told_b.contains(found.same_as[b]) == (near > 0));
  }
  CHECK(find_near_matches(store_of(bags), surely(0.5), 400).matches.empty());
}

TEST_CASE("pairs at the threshold are found about as often as promised", "[data][near]") {
  // 15 of 30 shingles in common: similarity 0.5 exactly.
  std::mt19937_64 random(4);
  Bags bags;
  for (int pair = 0; pair < 3000; ++pair) {
    std::set<uint32_t> shared, a, b;
    while (shared.size() < 15) shared.insert(static_cast<uint32_t>(random()));
    a = b = shared;
    while (a.size() < 22) a.insert(static_cast<uint32_t>(random()));
    while (b.size() < 23) b.insert(static_cast<uint32_t>(random()));
    bags.emplace_back(a.begin(), a.end());
    bags.emplace_back(b.begin(), b.end());
  }
  NearOptions options = by_jaccard();
  options.threshold = 0.5;
  options.recall = 0.8;
  const NearLeaders found = find_near_leaders(store_of(bags), options);
  CHECK(found.facts.recall_at_threshold >= 0.8);
  double dropped = 0;
  for (uint32_t row = 0; row < bags.size(); ++row) dropped += found.leaders[row].row != row;
  CHECK(dropped / 3000 == Approx(found.facts.recall_at_threshold).margin(0.03));
}

TEST_CASE("near rows do not depend on threads or on where the bags lie", "[data][near]") {
  const Bags bags = random_bags(20'000, 5);
  const auto leaders_of = [](const ShingleStore& store, const NearOptions& options) {
    std::vector<uint32_t> rows;
    for (const Leader& leader : find_near_leaders(store, options).leaders) rows.push_back(leader.row);
    return rows;
  };
  NearOptions options = by_jaccard();
  options.threads = 1;
  const auto one = leaders_of(store_of(bags), options);
  options.threads = 3;
  CHECK(leaders_of(store_of(bags), options) == one);
  test::TempDir directory;
  const ShingleStore spilled = store_of(bags, 1, directory.path());
  CHECK(leaders_of(spilled, options) == one);
  options.seed = 2;
  const auto other = leaders_of(spilled, options);
  size_t differs = 0;
  for (size_t row = 0; row < one.size(); ++row) differs += (one[row] == row) != (other[row] == row);
  CHECK(differs < one.size() / 50);
}

TEST_CASE("a sketch never calls a near pair far", "[data][near]") {
  std::mt19937_64 random(23);
  for (const NearMeasure measure : {NearMeasure::kJaccard, NearMeasure::kWordEdits}) {
    NearOptions options;
    options.measure = measure;
    NearEncoder encoder(options);
    ShingleStore store;
    std::vector<uint32_t> row, all;
    std::vector<std::string> texts;
    for (uint32_t i = 0; i < 600; ++i) {
      std::string text;
      if (i % 2 == 1) text = texts[random() % texts.size()] + " " + std::to_string(random() % 30);
      else for (size_t left = 1 + random() % 40; left > 0; --left) text += (text.empty() ? "" : " ") + std::to_string(random() % 30);
      texts.push_back(text);
      encoder.encode(text, row);
      REQUIRE(store.add(row));
      all.push_back(i);
    }
    REQUIRE(store.seal());
    const NearRows rows(store, options, all);
    size_t near = 0, passed = 0;
    for (uint32_t a = 0; a < 600; ++a) {
      for (uint32_t b = 0; b < a; ++b) {
        const bool is_near = rows.similarity(a, b) > 0, may_be = rows.may_be_near(rows.sketch(a), rows.sketch(b));
        near += is_near ? 1 : 0;
        passed += may_be ? 1 : 0;
        if (is_near) CHECK(may_be);
      }
    }
    CHECK(near > 0);
    CHECK(passed < 600 * 599 / 4);
  }
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
  // A chain: 1 is near to 0, and 2 is near to 1 but not to 0. Row 3 repeats row 1, and row 4 is empty.
  const Bags bags{{1, 2, 3, 4}, {2, 3, 4, 5}, {3, 4, 5, 6}, {2, 3, 4, 5}, {}};
  const auto leaders = find_near_leaders(store_of(bags), surely(0.6)).leaders;
  std::vector<uint32_t> rows;
  for (const Leader& leader : leaders) rows.push_back(leader.row);
  CHECK(rows == std::vector<uint32_t>{0, 0, 2, 0, 4});
  CHECK(leaders[3].similarity == Approx(0.6));
  CHECK(find_near_components(store_of(bags), surely(0.6)).first_rows == std::vector<uint32_t>{0, 0, 0, 0, 4});
}

TEST_CASE("a crowd of rows that are all near is joined without comparing all pairs", "[data][near]") {
  std::mt19937_64 random(10);
  Bags bags;
  for (int i = 0; i < 20'000; ++i) {
    std::set<uint32_t> bag;
    for (uint32_t x = 0; x < 20; ++x) bag.insert(random() % 10 == 0 ? static_cast<uint32_t>(random()) : x * 1'000'003u);
    bags.emplace_back(bag.begin(), bag.end());
  }
  const NearComponents joined = find_near_components(store_of(bags), by_jaccard());
  CHECK(joined.facts.cut_buckets > 0);
  CHECK(joined.facts.compared < 10'000'000);
  CHECK(std::count(joined.first_rows.begin(), joined.first_rows.end(), 0u) > 19'500);
  const NearLeaders led = find_near_leaders(store_of(bags), by_jaccard());
  CHECK(led.facts.compared < 10'000'000);
}

TEST_CASE("word edits are those of the full table", "[data][near]") {
  std::mt19937_64 random(21);
  for (int round = 0; round < 4000; ++round) {
    std::vector<uint32_t> a, b;
    for (size_t left = random() % 12; left > 0; --left) a.push_back(static_cast<uint32_t>(random() % 4));
    for (size_t left = random() % 12; left > 0; --left) b.push_back(static_cast<uint32_t>(random() % 4));
    const size_t exact = slow_edits(a, b);
    for (const size_t limit : {0u, 1u, 2u, 3u, 5u, 12u}) CHECK(word_edits(a, b, limit) == std::min(exact, limit + 1));
  }
  std::vector<uint32_t> long_one(5000), other(5000);
  for (size_t i = 0; i < 5000; ++i) long_one[i] = other[i] = static_cast<uint32_t>(random());
  for (size_t i = 0; i < 512; ++i) other[i * 9] ^= 1;
  CHECK(word_edits(long_one, other, 512) == 512);
  CHECK(word_edits(long_one, other, 511) == 512);
}

TEST_CASE("near texts are those of which at most two words in five were edited", "[data][near]") {
  std::mt19937_64 random(22);
  std::vector<std::vector<uint32_t>> texts;
  ShingleStore store;
  NearOptions options;
  options.recall = 0.999999;
  NearEncoder encoder(options);
  std::vector<uint32_t> row;
  for (int i = 0; i < 500; ++i) {
    std::vector<uint32_t> text;
    if (i % 2 == 1) {
      text = texts[random() % texts.size()];
      for (size_t left = random() % 4; left > 0 && !text.empty(); --left) text[random() % text.size()] = static_cast<uint32_t>(random() % 50);
      if (random() % 4 == 0) std::reverse(text.begin(), text.end());
    } else {
      for (size_t left = random() % 12; left > 0; --left) text.push_back(static_cast<uint32_t>(random() % 50));
    }
    std::string shown;
    for (const uint32_t word : text) shown += (shown.empty() ? "" : " ") + std::to_string(word);
    encoder.encode(shown, row);
    REQUIRE(store.add(row));
    texts.push_back(std::move(text));
  }
  REQUIRE(store.seal());
  const auto leaders = find_near_leaders(store, options).leaders;
  std::vector<uint32_t> kept;
  for (uint32_t number = 0; number < texts.size(); ++number) {
    const auto similarity_to = [&](uint32_t other) {
      const auto longer = static_cast<double>(std::max(texts[other].size(), texts[number].size()));
      return 1 - static_cast<double>(slow_edits(texts[other], texts[number])) / longer;
    };
    const bool follows = !texts[number].empty() && std::any_of(kept.begin(), kept.end(), [&](uint32_t other) { return similarity_to(other) >= 0.6 - 1e-9; });
    CHECK((leaders[number].row != number) == follows);
    if (follows) CHECK(leaders[number].similarity == Approx(similarity_to(leaders[number].row)));
    if (!follows && !texts[number].empty()) kept.push_back(number);
  }
  CHECK(candidate_similarity(options) == Approx(0.6 / 1.4));
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
  options = {};
  options.shingling.size = 5;
  CHECK(check_near_options(options).error().message == "word edits are counted over single words");
  CHECK(check_near_options(near_options_for(200)));
  CHECK(find_near_leaders(store_of({}), NearOptions()).leaders.empty());
}

}  // namespace llmops
