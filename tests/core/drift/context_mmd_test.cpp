#include "core/drift/context_mmd.h"

#include <catch2/catch.hpp>
#include <random>

#include "tests/core/drift/drift_fixture.h"

namespace llmops {
namespace {

using test::vectors;

// Rows whose place follows a context, and the contexts; `shift` moves the rows beyond that.
struct Sample { Vectors rows, contexts; std::vector<int64_t> strata; };
Sample sample(std::mt19937& random, size_t count, double share_of_one, double shift) {
  std::normal_distribution<double> normal;
  Sample made{{{}, count, 2}, {{}, count, 1}, {}};
  for (size_t i = 0; i < count; ++i) {
    const bool is_one = std::uniform_real_distribution<double>()(random) < share_of_one;
    const double context = (is_one ? 2.0 : 0.0) + 0.3 * normal(random);
    made.contexts.values.push_back(static_cast<float>(context));
    made.strata.push_back(is_one);
    for (int d = 0; d < 2; ++d) made.rows.values.push_back(static_cast<float>(2 * context + 0.5 * normal(random) + shift));
  }
  return made;
}

StratifiedTest stratified(const Sample& a, const Sample& b, uint64_t seed) {
  std::vector<int64_t> strata(a.strata);
  strata.insert(strata.end(), b.strata.begin(), b.strata.end());
  auto made = stratified_mmd_test(a.rows.view(), b.rows.view(), strata, 99, seed);
  REQUIRE(made);
  return *made;
}

}  // namespace

TEST_CASE("the coupled statistic is that of an independent implementation") {
  const Vectors x = vectors(2, {0, 0, 1, 0, 0, 1, 1, 1, 0.5F, 0.5F}), y = vectors(2, {1, 1, 2, 1, 1, 2, 2, 2}), cx = vectors(1, {0, 0.2F, 0.4F, 0.6F, 0.8F}), cy = vectors(1, {0.5F, 0.7F, 0.9F, 1.1F}), held = vectors(1, {0.6F, 1});
  const auto made = coupled_mmd(x.view(), cx.view(), y.view(), cy.view(), held.view(), 1, 0.5, 0.1);
  REQUIRE(made);
  // Contexts like 0.2 are not exact in 32 bits.
  CHECK(made->xx == Approx(0.519723337022).epsilon(1e-6));
  CHECK(made->yy == Approx(0.577259200541).epsilon(1e-6));
  CHECK(made->xy == Approx(0.321657256479).epsilon(1e-6));
  CHECK(made->statistic == Approx(0.453668024605).epsilon(1e-6));
}

TEST_CASE("within strata a new mix is no drift, and a change within them is one") {
  std::mt19937 random(1);
  int alarms = 0, found = 0;
  for (int run = 0; run < 200; ++run) {
    const Sample a = sample(random, 40, 0.5, 0), b = sample(random, 40, 0.9, 0), moved = sample(random, 40, 0.9, 0.6);
    alarms += stratified(a, b, static_cast<uint64_t>(run)).p_value <= 0.05;
    if (run < 40) found += stratified(a, moved, static_cast<uint64_t>(run)).p_value <= 0.05;
  }
  // 10 expected; the binomial exceeds 21 with a probability of 0.0006. A test that ignores the context would alarm nearly always.
  CHECK(alarms <= 21);
  CHECK(found >= 30);
}

TEST_CASE("strata that one side lacks are left out and counted") {
  std::mt19937 random(2);
  Sample a = sample(random, 30, 0, 0), b = sample(random, 30, 0, 0);
  b.strata[0] = 7;
  const StratifiedTest made = stratified(a, b, 1);
  CHECK(made.left_out == 1);
  REQUIRE(made.strata.size() == 1);
  CHECK((made.strata[0].reference == 30 && made.strata[0].current == 29 && made.strata[0].weight == 1));
  for (int64_t& stratum : b.strata) stratum = 9;
  std::vector<int64_t> strata(a.strata);
  strata.insert(strata.end(), b.strata.begin(), b.strata.end());
  CHECK(stratified_mmd_test(a.rows.view(), b.rows.view(), strata, 99, 1).error().message == "no context has two rows on each side");
}

TEST_CASE("with contexts that are numbers a new mix alarms at most now and then, and a change beyond it is found") {
  std::mt19937 random(3);
  ContextOptions options;
  options.permutations = 99;
  int alarms = 0, found = 0;
  constexpr int kRuns = 100;
  for (int run = 0; run < kRuns; ++run) {
    options.seed = static_cast<uint64_t>(run);
    const Sample a = sample(random, 60, 0.5, 0), b = sample(random, 60, 0.7, 0), moved = sample(random, 60, 0.7, 0.8);
    alarms += context_mmd_test(a.rows.view(), a.contexts.view(), b.rows.view(), b.contexts.view(), options)->p_value <= 0.05;
    if (run < 20) found += context_mmd_test(a.rows.view(), a.contexts.view(), moved.rows.view(), moved.contexts.view(), options)->p_value <= 0.05;
  }
  // 5 expected; the binomial exceeds 13 with a probability of 0.0006.
  CHECK(alarms <= 13);
  CHECK(found >= 15);
}

}  // namespace llmops
