#include "core/sketch/feature_totals.h"

#include "tests/core/sketch/sketch_fixture.h"

namespace llmops {

TEST_CASE("sums of features over any shards are those of one pass, to the bit") {
  std::mt19937 random(6);
  std::vector<std::vector<int32_t>> rows(900, std::vector<int32_t>(16));
  for (auto& row : rows) for (int32_t& value : row) value = static_cast<int32_t>(random() % (2U * FeatureTotals::kOne + 1)) - FeatureTotals::kOne;
  test::check_any_sharding<FeatureTotals>(rows.size(), [&](FeatureTotals& totals, size_t i) { totals.add(rows[i]); });
  FeatureTotals totals;
  totals.add(std::vector<int32_t>{FeatureTotals::kOne, -FeatureTotals::kOne / 2});
  CHECK((totals.total(0) == 1 && totals.total(1) == -0.5 && totals.count == 1));
}

TEST_CASE("a total that so few items cannot have is no sketch") {
  FeatureTotals totals;
  totals.totals = {3 * int64_t{FeatureTotals::kOne}};
  totals.count = 2;
  CHECK_FALSE(test::read_of<FeatureTotals>(test::bytes_of(totals)));
}

}  // namespace llmops
