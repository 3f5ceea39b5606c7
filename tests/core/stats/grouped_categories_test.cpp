// Categories in groups: enumeration of all exchanges of groups, and false alarms of groups that resemble themselves.
#include "core/stats/grouped_categories.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>

#include "core/stats/categories.h"

namespace llmops {
namespace {

double enumerated_p(const std::vector<CategoryGroup>& x, const std::vector<CategoryGroup>& y, size_t categories) {
  std::vector<CategoryGroup> all(x);
  all.insert(all.end(), y.begin(), y.end());
  std::vector<bool> is_x(all.size());
  std::fill(is_x.begin(), is_x.begin() + static_cast<std::ptrdiff_t>(x.size()), true);
  const auto statistic = [&] {
    std::vector<int64_t> a(categories), b(categories);
    for (size_t i = 0; i < all.size(); ++i) for (const auto& [category, count] : all[i]) (is_x[i] ? a : b)[category] += count;
    return *chi_squared_statistic(a, b);
  };
  const double observed = statistic();
  std::sort(is_x.begin(), is_x.end());
  int reached = 0, splits = 0;
  do {
    reached += statistic() >= observed - 1e-9;
    ++splits;
  } while (std::next_permutation(is_x.begin(), is_x.end()));
  return static_cast<double>(reached) / splits;
}

}  // namespace

TEST_CASE("the p-value of grouped categories is near the enumeration of all exchanges of groups") {
  const std::vector<CategoryGroup> x{{{0, 3}}, {{0, 2}, {1, 1}}, {{0, 4}}, {{0, 1}, {2, 1}}, {{0, 2}}}, y{{{1, 3}}, {{1, 2}, {2, 2}}, {{0, 1}, {1, 3}}, {{1, 1}}, {{2, 2}}};
  const double exact = enumerated_p(x, y, 3), found = *grouped_categories_p(x, y, 3, 9999, 7);
  CHECK(exact < 0.03);
  // 50 draws that reach it: a standard error of one seventh.
  CHECK(found == Approx(exact).epsilon(0.5));
  CHECK(*grouped_categories_p(x, x, 3, 9999, 7) == 1);
}

TEST_CASE("groups that resemble themselves raise no more alarms than the level accepts") {
  std::mt19937 random(11);
  int grouped = 0, items = 0;
  constexpr int kRounds = 300;
  for (int round = 0; round < kRounds; ++round) {
    std::vector<CategoryGroup> x, y;
    std::vector<int64_t> a(3), b(3);
    for (int i = 0; i < 30; ++i) {
      const uint32_t one = random() % 3, other = random() % 3;
      x.push_back({{one, 6}});
      y.push_back({{other, 6}});
      a[one] += 6;
      b[other] += 6;
    }
    grouped += *grouped_categories_p(x, y, 3, 499, static_cast<uint64_t>(round)) <= 0.05;
    items += chi_squared(a, b)->p_value <= 0.05;
  }
  // 300 x 0.05 = 15, and 27 leaves one in a thousand; as if items were independent, the test would be wrong more often than not.
  CHECK(grouped <= 27);
  CHECK(items > 150);
}

TEST_CASE("one side without items has no p-value") {
  const std::vector<CategoryGroup> some{{{0, 1}}, {{1, 1}}};
  CHECK_FALSE(grouped_categories_p(some, {}, 2, 99, 1));
  CHECK_FALSE(grouped_categories_p(some, std::vector<CategoryGroup>{{}}, 2, 99, 1));
  CHECK_FALSE(grouped_categories_p(std::vector<CategoryGroup>{{{0, 1}}}, std::vector<CategoryGroup>{{{0, 2}}}, 1, 99, 1));
}

}  // namespace llmops
