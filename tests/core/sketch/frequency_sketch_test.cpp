#include "core/sketch/frequency_sketch.h"

#include <cmath>
#include <map>

#include "core/sketch/hash64.h"
#include "tests/core/sketch/sketch_fixture.h"

namespace llmops {
namespace {

// Words by Zipf's law.
size_t zipf(std::mt19937& random, size_t words) { return static_cast<size_t>(std::pow(static_cast<double>(words), static_cast<double>(random() % 1'000'000) / 1e6)) - 1; }

}  // namespace

TEST_CASE("a count is never too low, and too high by more than e / 2048 of all with a probability of at most e^-4") {
  for (const unsigned seed : {1U, 2U, 3U, 4U}) {
    std::mt19937 random(seed);
    FrequencySketch sketch;
    std::map<size_t, int64_t> exact;
    for (int i = 0; i < 200'000; ++i) {
      // The worst case for the bound: many rare words.
      const size_t word = i % 2 == 0 ? zipf(random, 50'000) : random() % 50'000;
      ++exact[word];
      sketch.add(hash64("w" + std::to_string(word) + "-" + std::to_string(seed)));
    }
    CHECK(sketch.total() == 200'000);
    size_t over = 0;
    for (const auto& [word, count] : exact) {
      const int64_t estimate = sketch.estimate(hash64("w" + std::to_string(word) + "-" + std::to_string(seed)));
      if (estimate < count) FAIL_CHECK("too low");
      over += static_cast<double>(estimate - count) > std::exp(1) / 2048 * 200'000;
    }
    CHECK(static_cast<double>(over) <= std::exp(-4) * static_cast<double>(exact.size()));
  }
}

TEST_CASE("few words are counted exactly, in few bytes") {
  FrequencySketch sketch;
  for (int i = 0; i < 30; ++i) for (int times = 0; times <= i; ++times) sketch.add(hash64("word " + std::to_string(i)));
  for (int i = 0; i < 30; ++i) CHECK(sketch.estimate(hash64("word " + std::to_string(i))) == i + 1);
  CHECK(sketch.estimate(hash64("another")) == 0);
  CHECK(test::bytes_of(sketch).size() < 500);
}

TEST_CASE("counts over any shards are those of one pass, to the bit") {
  std::vector<uint64_t> hashes;
  std::mt19937 random(9);
  for (int i = 0; i < 5000; ++i) hashes.push_back(hash64(std::to_string(zipf(random, 3000))));
  test::check_any_sharding<FrequencySketch>(100, [&](FrequencySketch& sketch, size_t i) { sketch.add(hashes[i]); });
  test::check_any_sharding<FrequencySketch>(hashes.size(), [&](FrequencySketch& sketch, size_t i) { sketch.add(hashes[i]); });
}

TEST_CASE("bytes whose rows do not hold the same total are no sketch") {
  FrequencySketch sketch;
  sketch.add(hash64("a"), 2);
  std::string bytes = test::bytes_of(sketch);
  bytes.back() = 1;
  CHECK_FALSE(test::read_of<FrequencySketch>(bytes));
}

}  // namespace llmops
