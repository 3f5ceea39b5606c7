#include "core/sketch/distinct_sketch.h"

#include <cmath>

#include "core/sketch/hash64.h"
#include "tests/core/sketch/sketch_fixture.h"

namespace llmops {
namespace {

std::string thing(uint64_t seed, uint64_t i) { return "prompt " + std::to_string(seed) + "/" + std::to_string(i); }

}  // namespace

TEST_CASE("the number of different things has a standard error of 1.04 / sqrt(4096)") {
  constexpr double kStandardError = 1.04 / 64;
  constexpr int kSeeds = 60;
  for (const uint64_t n : {100U, 2'000U, 9'000U, 20'000U, 60'000U}) {
    double squares = 0, sum = 0;
    for (uint64_t seed = 0; seed < kSeeds; ++seed) {
      DistinctSketch sketch;
      for (uint64_t i = 0; i < n; ++i) sketch.add(hash64(thing(seed, i)));
      const double error = sketch.estimate() / static_cast<double>(n) - 1;
      CHECK(std::fabs(error) < 5 * kStandardError);
      squares += error * error;
      sum += error;
    }
    INFO(n);
    // The root of a mean of 60 squares is within 30 % of the standard error (3 sigma); the mean shows no bias.
    CHECK(std::sqrt(squares / kSeeds) < 1.3 * kStandardError);
    CHECK(std::fabs(sum / kSeeds) < 4 * kStandardError / std::sqrt(kSeeds));
  }
}

TEST_CASE("a few things are counted, and one that comes again is not") {
  DistinctSketch sketch;
  CHECK(sketch.estimate() == 0);
  for (int times = 0; times < 50; ++times) for (uint64_t i = 0; i < 10; ++i) sketch.add(hash64(thing(1, i)));
  CHECK(sketch.estimate() == Approx(10).margin(0.5));
  CHECK(test::bytes_of(sketch).size() < 32);
  DistinctSketch zeros;
  zeros.add(0);                      // the longest run of zeros
  CHECK(zeros.estimate() == Approx(1).margin(0.01));
  CHECK(test::read_of<DistinctSketch>(test::bytes_of(zeros)) == std::optional(zeros));
}

TEST_CASE("different things over any shards are those of one pass, to the bit") {
  test::check_any_sharding<DistinctSketch>(500, [](DistinctSketch& sketch, size_t i) { sketch.add(hash64(thing(2, i % 300))); });
  test::check_any_sharding<DistinctSketch>(20'000, [](DistinctSketch& sketch, size_t i) { sketch.add(hash64(thing(3, i))); });
}

TEST_CASE("the hash of texts is spread over all bits") {
  // 64,000 texts: each of the 64 bits is set in half of them, within 5 sigma.
  std::vector<int> set(64);
  constexpr int kTexts = 64'000;
  for (int i = 0; i < kTexts; ++i) for (unsigned bit = 0; bit < 64; ++bit) set[bit] += static_cast<int>(hash64(std::to_string(i)) >> bit & 1);
  for (const int count : set) CHECK(std::abs(count - kTexts / 2) < 5 * std::sqrt(kTexts) / 2);
  CHECK(hash64("a") != hash64(std::string_view("a\0", 2)));
  CHECK(hash64("") != hash64(std::string_view("\0", 1)));
}

}  // namespace llmops
