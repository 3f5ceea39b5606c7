#include "core/stats/grouped_categories.h"

#include <algorithm>
#include <cmath>

#include "core/stats/categories.h"
#include "core/stats/random.h"

namespace llmops {
namespace {

constexpr int64_t kEnough = 50;

}  // namespace

std::optional<double> grouped_categories_p(std::span<const CategoryGroup> reference, std::span<const CategoryGroup> current, size_t categories, int64_t draws, uint64_t seed) {
  std::vector<const CategoryGroup*> groups;
  std::vector<int64_t> all(categories), drawn(categories), rest(categories);
  for (const CategoryGroup& one : reference) groups.push_back(&one);
  for (const CategoryGroup& one : current) groups.push_back(&one);
  const auto sum_of_first = [&](size_t count) {
    std::fill(drawn.begin(), drawn.end(), 0);
    for (size_t i = 0; i < count; ++i) for (const auto& [category, items] : *groups[i]) drawn[category] += items;
    for (size_t i = 0; i < categories; ++i) rest[i] = all[i] - drawn[i];
  };
  for (const CategoryGroup* one : groups) for (const auto& [category, items] : *one) all[category] += items;
  sum_of_first(reference.size());
  const auto observed = chi_squared_statistic(drawn, rest);
  if (!observed || draws < 1) return std::nullopt;
  // The smaller side is drawn.
  const size_t smaller = std::min(reference.size(), current.size());
  RandomSource random(seed);
  int64_t reached = 0;
  for (int64_t b = 1; b <= draws; ++b) {
    for (size_t i = 0; i < smaller; ++i) std::swap(groups[i], groups[i + random.below(groups.size() - i)]);
    sum_of_first(smaller);
    const auto one = chi_squared_statistic(drawn, rest);
    // Sums of the same terms in another order differ in the last digits.
    reached += !one || *one >= *observed - 1e-12 * std::fabs(*observed);
    if (reached == kEnough) return static_cast<double>(kEnough) / static_cast<double>(b);
  }
  return static_cast<double>(1 + reached) / static_cast<double>(draws + 1);
}

}  // namespace llmops
