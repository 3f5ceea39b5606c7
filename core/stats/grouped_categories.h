// Two samples of categories whose items come in groups: the steps of one request, the requests of one session. The groups are independent, their items are not.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace llmops {

// How often each group holds each category: (category, count), each category once.
using CategoryGroup = std::vector<std::pair<uint32_t, int64_t>>;

// The p-value of Pearson's statistic (chi_squared_statistic, core/stats/categories.h) of the summed items over random exchanges of whole groups between the sides, both keeping their number of groups. Drawing ends
// once 50 draws reached the observed statistic (Besag & Clifford 1991, Biometrika 78:301: p = 50 / draws), else after `draws`: p = (1 + reached) / (draws + 1). Both are exact at their level.
// A draw that leaves a side without items counts as one that reached it. nullopt: a side without groups or items, or fewer than two categories.
// Cost: at most draws times the items and `categories`.
std::optional<double> grouped_categories_p(std::span<const CategoryGroup> reference, std::span<const CategoryGroup> current, size_t categories, int64_t draws, uint64_t seed);

}  // namespace llmops
