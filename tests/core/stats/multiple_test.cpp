#include "core/stats/multiple.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "core/stats/random.h"

namespace llmops {
namespace {

using Values = std::vector<std::optional<double>>;

// Straight from the definition: the largest of (m - j + 1) p(j) over all p(j) that are not above p.
std::vector<double> slow_holm(const std::vector<double>& p_values) {
  std::vector<double> sorted = p_values, adjusted;
  std::sort(sorted.begin(), sorted.end());
  for (const double p : p_values) {
    double largest = 0;
    for (size_t j = 0; j < sorted.size() && sorted[j] <= p; ++j) largest = std::max(largest, static_cast<double>(sorted.size() - j) * sorted[j]);
    adjusted.push_back(std::min(1.0, largest));
  }
  return adjusted;
}

}  // namespace

TEST_CASE("Holm's adjustment gives what R's p.adjust gives") {
  const auto close = [](const Values& found, const std::vector<double>& wanted) {
    REQUIRE(found.size() == wanted.size());
    for (size_t i = 0; i < wanted.size(); ++i) CHECK(*found[i] == Approx(wanted[i]).epsilon(1e-12));
  };
  close(holm_adjust(Values{0.01, 0.04, 0.03, 0.005}), {0.03, 0.06, 0.06, 0.02});
  close(holm_adjust(Values{0.01, 0.02, 0.03, 0.04, 0.05}), {0.05, 0.08, 0.09, 0.09, 0.09});
  close(holm_adjust(Values{0.9, 0.8}), {1, 1});
  CHECK(holm_adjust({}).empty());
}

TEST_CASE("Holm's adjustment is its definition on random values") {
  RandomSource random(5);
  for (int round = 0; round < 200; ++round) {
    std::vector<double> p_values;
    for (uint64_t left = 1 + random.below(12); left > 0; --left) p_values.push_back(static_cast<double>(random.below(50)) / 200);
    const auto found = holm_adjust(Values(p_values.begin(), p_values.end()));
    const auto wanted = slow_holm(p_values);
    for (size_t i = 0; i < wanted.size(); ++i) CHECK(*found[i] == Approx(wanted[i]));
  }
}

TEST_CASE("a test without a p-value counts as made and stays without") {
  const auto found = holm_adjust(Values{0.02, std::nullopt, 0.01});
  CHECK(*found[0] == Approx(0.04));
  CHECK_FALSE(found[1].has_value());
  CHECK(*found[2] == Approx(0.03));
}

TEST_CASE("the random source is SplitMix64") {
  // The first outputs for the seed 1234567 in the published reference implementation.
  RandomSource random(1234567);
  CHECK(random.next() == 6457827717110365317u);
  CHECK(random.next() == 3203168211198807973u);
  CHECK(random.next() == 9817491932198370423u);
  int counts[3] = {};
  for (int i = 0; i < 30'000; ++i) ++counts[random.below(3)];
  for (const int count : counts) CHECK(count == Approx(10'000).margin(400));
}

}  // namespace llmops
