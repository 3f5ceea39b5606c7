#include "core/drift/permutations.h"

#include <catch2/catch.hpp>
#include <array>
#include <cmath>
#include <map>
#include <numeric>

namespace llmops {
namespace {

Memberships made(size_t items, size_t reference, const PermutationPlan& plan) {
  auto result = Memberships::make(items, reference, plan);
  REQUIRE(result);
  return std::move(*result);
}

std::string column(const Memberships& memberships, size_t c) {
  std::string text;
  for (size_t i = 0; i < memberships.items(); ++i) text += memberships.is_reference(i, c) ? 'x' : '.';
  return text;
}

}  // namespace

TEST_CASE("the first column is the observed split, the others are all splits equally often") {
  PermutationPlan plan;
  plan.permutations = 20'000;
  plan.seed = 3;
  const Memberships memberships = made(5, 2, plan);
  CHECK(column(memberships, 0) == "xx...");
  std::map<std::string, int> seen;
  for (size_t c = 1; c < memberships.columns(); ++c) ++seen[column(memberships, c)];
  CHECK(seen.size() == 10);
  for (const auto& [split, count] : seen) {
    INFO(split);
    CHECK(std::abs(count - 2000) < 4 * std::sqrt(2000.0));
  }
  std::vector<float> expanded(3 * memberships.columns());
  memberships.expand(1, 3, expanded.data());
  for (size_t i = 0; i < 3; ++i) for (const size_t c : {size_t{0}, size_t{1}, size_t{63}, size_t{64}, size_t{20'000}}) CHECK((expanded[i * memberships.columns() + c] == 1.0F) == memberships.is_reference(1 + i, c));
}

TEST_CASE("a seed gives the same splits, and another one others") {
  PermutationPlan plan;
  plan.permutations = 50;
  plan.seed = 1;
  const Memberships first = made(40, 20, plan), again = made(40, 20, plan);
  plan.permutations = 10;
  const Memberships fewer = made(40, 20, plan);
  plan.seed = 2;
  const Memberships other = made(40, 20, plan);
  int different = 0;
  for (size_t c = 1; c <= 10; ++c) {
    CHECK(column(first, c) == column(again, c));
    CHECK(column(first, c) == column(fewer, c));
    different += column(first, c) != column(other, c);
  }
  CHECK(different == 10);
}

TEST_CASE("items of a block stay together, and items of a stratum change places within it") {
  const std::array<int64_t, 8> blocks{1, 1, 1, 2, 7, 7, 8, 9}, strata{0, 0, 1, 1, 0, 0, 1, 1};
  PermutationPlan plan;
  plan.permutations = 300;
  plan.blocks = blocks;
  const Memberships together = made(8, 4, plan);
  bool varies = false;
  for (size_t c = 0; c < together.columns(); ++c) {
    const std::string split = column(together, c);
    CHECK((split[0] == split[1] && split[1] == split[2] && split[4] == split[5]));
    const auto size = static_cast<size_t>(std::count(split.begin(), split.end(), 'x'));
    CHECK(together.reference_size(c) == size);
    // Two of the five blocks.
    CHECK((size >= 2 && size <= 5));
    varies = varies || size != 4;
  }
  CHECK(varies);
  plan.blocks = {};
  plan.strata = strata;
  const Memberships within = made(8, 4, plan);
  for (size_t c = 0; c < within.columns(); ++c) {
    const std::string split = column(within, c);
    CHECK((split[0] == 'x') + (split[1] == 'x') + (split[4] == 'x') + (split[5] == 'x') == 2);
  }
}

TEST_CASE("blocks that cannot change sides are refused, and so is a test without permutations") {
  const std::array<int64_t, 4> blocks{1, 2, 2, 3}, strata{0, 0, 1, 1}, pairs{1, 2, 3, 3};
  PermutationPlan plan;
  plan.blocks = blocks;
  CHECK(Memberships::make(4, 2, plan).error().message == "a block of items lies in the reference and in what is tested");
  plan.blocks = pairs;
  const std::array<int64_t, 4> split{0, 0, 0, 1};
  plan.strata = split;
  CHECK(Memberships::make(4, 2, plan).error().message == "a block of items lies in two strata");
  plan = {};
  plan.permutations = 0;
  CHECK(Memberships::make(4, 2, plan).error().code == ErrorCode::kUsage);
}

TEST_CASE("the observed statistic counts among the permutations, and ties count against it") {
  CHECK(permutation_p(std::array{5.0, 1.0, 2.0, 3.0}, 0) == 0.25);
  CHECK(permutation_p(std::array{5.0, 5.0, 2.0, 9.0}, 0) == 0.75);
  CHECK(permutation_p(std::array{5.0, 5.0 - 1e-12, 2.0, 3.0}, 1e-9) == 0.5);
}

}  // namespace llmops
