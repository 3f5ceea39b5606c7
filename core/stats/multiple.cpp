#include "core/stats/multiple.h"

#include <algorithm>
#include <numeric>

namespace llmops {

std::vector<std::optional<double>> holm_adjust(std::span<const std::optional<double>> p_values) {
  std::vector<size_t> order(p_values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return p_values[a].value_or(1) < p_values[b].value_or(1); });
  std::vector<std::optional<double>> adjusted(p_values.size());
  double so_far = 0;
  for (size_t rank = 0; rank < order.size(); ++rank) {
    const std::optional<double>& p = p_values[order[rank]];
    so_far = std::max(so_far, std::min(1.0, p.value_or(1) * static_cast<double>(order.size() - rank)));
    if (p) adjusted[order[rank]] = so_far;
  }
  return adjusted;
}

}  // namespace llmops
