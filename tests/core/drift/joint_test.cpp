#include "core/drift/joint.h"

#include <cmath>
#include <random>

#include "tests/core/drift/drift_fixture.h"

namespace llmops::test {

TEST_CASE("joint: one member is its own permutation test, whatever its scale") {
  const std::vector<std::vector<double>> members{{5, 1, 2, 3, 9, 0, 4, 2, 1, 3}};
  const JointTest made = joint_max_t(members);
  CHECK(made.p_value == Approx(0.2));
  CHECK(made.adjusted == std::vector<double>{made.p_value});
  const std::vector<std::vector<double>> scaled{{5e-9, 1e-9, 2e-9, 3e-9, 9e-9, 0, 4e-9, 2e-9, 1e-9, 3e-9}};
  CHECK(joint_max_t(scaled).p_value == Approx(0.2));
}

TEST_CASE("joint: step-down by hand") {
  // Both members have mean 0 and deviation 1 over the four splits. Observed 1 and -1: the largest under the splits is 1, 1, 1, 1.
  const std::vector<std::vector<double>> members{{1, 1, -1, -1}, {-1, 1, 1, -1}};
  const JointTest made = joint_max_t(members);
  CHECK(made.statistics == std::vector<double>{1, 1, 1, -1});
  CHECK(made.p_value == Approx(0.75));
  CHECK(made.adjusted == std::vector<double>{0.75, 1});
}

TEST_CASE("joint: a member that never moves takes nothing from the others") {
  const std::vector<std::vector<double>> members{std::vector<double>(20, 7.0), {9, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1}};
  const JointTest made = joint_max_t(members);
  CHECK(made.adjusted[1] == Approx(0.05));
  CHECK(made.standardised[0] == 0);
}

TEST_CASE("joint: false alarms of a family of dependent members stay at the level") {
  std::mt19937 random(11);
  std::normal_distribution<double> normal;
  int alarms = 0;
  constexpr int kRuns = 2000;
  for (int run = 0; run < kRuns; ++run) {
    std::vector<std::vector<double>> members(3, std::vector<double>(40));
    for (size_t c = 0; c < 40; ++c) {
      const double shared = normal(random);
      members[0][c] = shared;
      members[1][c] = std::exp(shared + normal(random));
      members[2][c] = normal(random) * normal(random);
    }
    alarms += joint_max_t(members).p_value <= 0.05;
  }
  // Binomial(2000, 0.05): above 131 with a probability below 0.001.
  CHECK(alarms <= 131);
  CHECK(alarms >= 69);
}

}  // namespace llmops::test
