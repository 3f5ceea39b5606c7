#include "core/drift/new_intents.h"

#include "tests/core/drift/drift_fixture.h"

namespace llmops::test {

TEST_CASE("new intents: what lies farther than all of the reference is called new, and grouped by what it is like") {
  NoveltyTest novelty;
  for (int i = 0; i < 99; ++i) novelty.reference.push_back(0.3 + 0.001 * i);
  novelty.current = {0.31, 0.9, 0.95, 0.32, 0.91, 0.33, 0.92, 0.9};
  // Rows 1, 2, 4 point one way (2 in the middle), 6 and 7 another.
  const Vectors rows = vectors(2, {1, 0, 1, 0.1F, 1, 0, 0.7F, 0.7F, 1, -0.1F, 0.5F, 0.5F, 0, 1, 0.05F, 1});
  const NewIntents made = new_intents(novelty, rows.view());
  CHECK(made.p_values[1] == Approx(0.01));
  // 10 of the 99 lie below 0.31, the 11th at it: 1 + 89 of 100.
  CHECK(made.p_values[0] == Approx(0.9));
  CHECK(made.is_new == std::vector<bool>{false, true, true, false, true, false, true, true});
  REQUIRE(made.intents.size() == 2);
  CHECK(made.intents[0].rows == std::vector<size_t>{2, 1, 4});
  CHECK(made.intents[1].rows.size() == 2);
}

TEST_CASE("new intents: of requests like the reference none is new but for a share of mistakes") {
  std::mt19937 random(8);
  std::uniform_real_distribution<double> uniform;
  int with_any = 0;
  for (int run = 0; run < 300; ++run) {
    NoveltyTest novelty;
    for (int i = 0; i < 100; ++i) novelty.reference.push_back(uniform(random));
    Vectors rows{{}, 50, 2};
    for (int i = 0; i < 50; ++i) {
      novelty.current.push_back(uniform(random));
      rows.values.insert(rows.values.end(), {1, 0});
    }
    with_any += !new_intents(novelty, rows.view()).intents.empty();
  }
  // When nothing is new, a false discovery rate of 0.1 is a chance of 0.1 of any: Binomial(300, 0.1) passes 48 with a probability below 0.001.
  CHECK(with_any <= 48);
}

TEST_CASE("new intents: nothing to look at is nothing new") {
  CHECK(new_intents({}, vectors(2, {}).view()).intents.empty());
}

}  // namespace llmops::test
