#include "core/drift/primary.h"

#include "tests/core/drift/drift_fixture.h"

namespace llmops::test {

namespace {

Result<PrimaryTest> primary_of(const Vectors& pooled, const Memberships& memberships, size_t threads = 1) {
  auto near = nearest_neighbours(pooled.view(), 40, threads);
  REQUIRE(near);
  PrimaryOptions options;
  options.threads = threads;
  options.topics = 4;
  return primary_test(*near, pooled.view(), memberships, options);
}

}  // namespace

TEST_CASE("primary: finds a shift of the mean, and says which member did") {
  std::mt19937 random(2);
  const Vectors x = normal_vectors(random, 60, 8, 0.5), y = normal_vectors(random, 60, 8, 1.1);
  const Vectors pooled = joined(x.view(), y.view());
  const Memberships members = splits(120, 60, 199);
  const auto made = primary_of(pooled, members);
  REQUIRE(made);
  CHECK(made->joint.p_value <= 0.01);
  CHECK(made->joint.adjusted[kMeanEmbedding] <= 0.01);
  const auto again = primary_of(pooled, members, 3);
  REQUIRE(again);
  CHECK(again->joint.statistics == made->joint.statistics);
  const auto smallest = smallest_visible_shares(*made, pooled.view(), 60, 0.05);
  REQUIRE(smallest[kNovelty]);
  CHECK(*smallest[kNovelty] > 0);
  CHECK(*smallest[kNovelty] < 0.6);
}

TEST_CASE("primary: rows that are all alike show nothing, and no test breaks on them") {
  const Vectors pooled = vectors(3, std::vector<float>(3 * 60, 1.0F));
  const auto made = primary_of(pooled, splits(60, 30, 99));
  REQUIRE(made);
  CHECK(made->joint.p_value == 1);
  const auto smallest = smallest_visible_shares(*made, pooled.view(), 30, 0.05);
  CHECK_FALSE(smallest[kMeanEmbedding]);
  CHECK_FALSE(smallest[kTopicShares]);
}

TEST_CASE("primary: false alarms of the family stay at the level") {
  int alarms = 0;
  constexpr int kRuns = 400;
  for (int run = 0; run < kRuns; ++run) {
    std::mt19937 random(static_cast<unsigned>(run + 1));
    const auto made = primary_of(normal_vectors(random, 40, 4), splits(40, 20, 39, static_cast<uint64_t>(run)));
    REQUIRE(made);
    alarms += made->joint.p_value <= 0.05;
  }
  // Binomial(400, 0.05): above 34 with a probability below 0.001.
  CHECK(alarms <= 34);
  CHECK(alarms >= 8);
}

TEST_CASE("primary: one row on a side is no sample") {
  const Vectors pooled = vectors(1, {1, 2, 3});
  const auto made = primary_of(pooled, splits(3, 1, 9));
  REQUIRE_FALSE(made);
  CHECK(made.error().message == "1 and 2 items: a test needs at least two on each side");
}

}  // namespace llmops::test
