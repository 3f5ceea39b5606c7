// Several statistics under the same splits, as one test.
#pragma once

#include <span>
#include <vector>

namespace llmops {

// max-T over a family (Westfall & Young 1993, "Resampling-based multiple testing"; step-down as in Ge, Dudoit & Speed 2003): each statistic is measured in its own standard deviations from its own mean over all splits, the observed one among
// them, which does not change when items change sides, so that the family's level is exact. Large values speak against "no change".
struct JointTest {
  double statistic = 0, p_value = 1;           // the largest of the observed ones; of the whole family
  std::vector<double> standardised;            // observed, of each member
  std::vector<double> adjusted;                // p-values that hold for all members at once: step-down
  std::vector<double> statistics;              // the largest under each split, the observed first
};
// `members`: statistics under each split, the observed first, all of one length of at least 1. A member that never moves counts 0 throughout. Cost: members x splits.
JointTest joint_max_t(std::span<const std::vector<double>> members);

}  // namespace llmops
