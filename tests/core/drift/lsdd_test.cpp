// LSDD: values of an independent implementation (standard-library Python), and the behaviour of the test.
#include "core/drift/lsdd.h"

#include <catch2/catch.hpp>
#include <random>

#include "tests/core/drift/drift_fixture.h"

namespace llmops {
namespace {

using test::vectors;
using test::normal_vectors;

const Vectors kX = vectors(2, {0, 0, 1, 0, 0, 1, 1, 1, 0.5F, 0.5F}), kY = vectors(2, {1, 1, 2, 1, 1, 2, 2, 2}), kCentres = vectors(2, {0, 0, 1, 1, 2, 2});

LsddOptions with(size_t permutations, uint64_t seed = 1, size_t threads = 1) {
  LsddOptions options;
  options.permutations = permutations;
  options.seed = seed;
  options.threads = threads;
  return options;
}

}  // namespace

TEST_CASE("the density difference is that of an independent implementation at every ridge") {
  struct Row { double lambda, statistic, hw, whw, rd; };
  for (const Row& row : {Row{1, 0.453347841377369, 0.295112897456615, 0.136877953535861, 0.536184440885089}, Row{0.25, 0.604413441106474, 0.493665226383996, 0.382917011661518, 0.224338699190315},
           Row{0.0625, 0.63362019190935, 0.593563504342682, 0.553506816776015, 0.0674850917780513}, Row{0.015625, 0.636331714276362, 0.625215379133113, 0.614099043989863, 0.0177800091204771}}) {
    const auto made = lsdd_estimate(kX.view(), kY.view(), kCentres.view(), 1, row.lambda);
    REQUIRE(made);
    CHECK(made->statistic == Approx(row.statistic).epsilon(1e-12));
    CHECK(made->hw == Approx(row.hw).epsilon(1e-12));
    CHECK(made->whw == Approx(row.whw).epsilon(1e-12));
    CHECK(made->relative_difference == Approx(row.rd).epsilon(1e-11));
    CHECK(made->h[0] == Approx(0.534357039406629).epsilon(1e-13));
    CHECK(made->h[1] == Approx(0.0267131185844456).epsilon(1e-12));
    CHECK(made->h[2] == Approx(-0.51408232977521).epsilon(1e-13));
  }
}

TEST_CASE("the test finds a shift, gives the same for any number of threads, and keeps its level") {
  std::mt19937 random(2);
  const Vectors x = normal_vectors(random, 600, 4), y = normal_vectors(random, 500, 4, 0.5);
  const auto one = lsdd_test(x.view(), y.view(), with(199)), three = lsdd_test(x.view(), y.view(), with(199, 1, 3));
  REQUIRE(one);
  CHECK(one->p_value == Approx(0.005));
  CHECK(one->centres == 30);
  CHECK(one->statistics == three->statistics);
  int alarms = 0;
  constexpr int kRuns = 300;
  for (int run = 0; run < kRuns; ++run) {
    const Vectors a = normal_vectors(random, 40, 3), b = normal_vectors(random, 40, 3);
    alarms += lsdd_test(a.view(), b.view(), with(99, static_cast<uint64_t>(run)))->p_value <= 0.05;
  }
  // 15 expected; the binomial exceeds 28 with a probability of 0.0008.
  CHECK(alarms <= 28);
}

TEST_CASE("rows that repeat do not end it") {
  // Nearly all prompts the same, as templates make them.
  Vectors x{std::vector<float>(200, 1.0F), 100, 2}, y = x;
  for (size_t i = 0; i < 10; ++i) x.values[2 * i] = y.values[2 * i] = static_cast<float>(i);
  const auto same = lsdd_test(x.view(), y.view(), with(99));
  REQUIRE(same);
  CHECK(same->p_value > 0.05);
  for (size_t i = 50; i < 100; ++i) y.values[2 * i] = 7;
  CHECK(lsdd_test(x.view(), y.view(), with(99))->p_value == Approx(0.01));
  const Vectors one{std::vector<float>(20, 3.0F), 10, 2};
  const auto nothing = lsdd_test(one.view(), one.view(), with(99));
  CHECK((nothing->p_value == 1 && nothing->statistic == 0));
  CHECK(lsdd_test(x.view().part(0, 3), y.view()).error().message == "3 and 100 rows are too few: at least 4 are needed on each side");
}

}  // namespace llmops
