#include "core/eval/cell_comparison.h"

#include <algorithm>

#include "core/stats/multiple.h"

namespace llmops {
namespace {

bool has_data(const RunSeries* cell, std::string_view column) {
  if (cell == nullptr) return false;
  const auto found = cell->columns.find(column);
  return found != cell->columns.end() && std::find(found->second.states.begin(), found->second.states.end(), ValueState::kPresent) != found->second.states.end();
}

// P that a - b would come out so far above 0 (below, for lower_is_better) if there were no difference.
double one_sided_p(const PairedEstimate& estimate, bool lower_is_better) {
  const double difference = lower_is_better ? -estimate.difference : estimate.difference;
  return difference > 0 && estimate.p_value ? *estimate.p_value / 2 : 1;
}

}  // namespace

std::vector<CellDifference> differences_to_first(std::span<const RunSeries* const> cells, std::string_view column, double level) {
  std::vector<CellDifference> differences(cells.size());
  if (cells.empty() || cells[0] == nullptr) return differences;
  std::vector<size_t> tested;
  std::vector<std::optional<double>> p_values;
  for (size_t i = 1; i < cells.size(); ++i) {
    if (cells[i] == nullptr) continue;
    differences[i].estimate = paired_difference(*cells[i], *cells[0], pair_cases(*cells[i], *cells[0]), column, level);
    if (!differences[i].estimate) continue;
    tested.push_back(i);
    p_values.push_back(differences[i].estimate->p_value);
  }
  const auto adjusted = holm_adjust(p_values);
  for (size_t k = 0; k < tested.size(); ++k) differences[tested[k]].p_adjusted = adjusted[k];
  return differences;
}

BestCells find_best_cells(std::span<const RunSeries* const> cells, std::string_view column, bool lower_is_better, double level) {
  BestCells best;
  std::vector<size_t> there;
  for (size_t i = 0; i < cells.size(); ++i) if (has_data(cells[i], column)) there.push_back(i);
  best.compared = there.size();
  if (there.empty()) return best;
  std::vector<double> means(cells.size());
  for (const size_t i : there) means[i] = *summarize(*cells[i], column).mean * (lower_is_better ? -1 : 1);
  best.top = *std::max_element(there.begin(), there.end(), [&](size_t a, size_t b) { return means[a] < means[b]; });
  best.n = summarize(*cells[*best.top], column).n;
  const double alpha = (1 - level) / std::max<double>(1, static_cast<double>(there.size()) - 1);
  const auto beats = [&](size_t one, size_t other) {
    const auto estimate = paired_difference(*cells[one], *cells[other], pair_cases(*cells[one], *cells[other]), column, level);
    return estimate && one_sided_p(*estimate, lower_is_better) <= alpha;
  };
  for (const size_t i : there) {
    // The top is asked first: it beats most of what is beaten.
    const bool is_beaten = i != *best.top && (beats(*best.top, i) || std::any_of(there.begin(), there.end(), [&](size_t other) { return other != i && other != *best.top && beats(other, i); }));
    if (!is_beaten) best.cells.push_back(i);
  }
  if (best.cells.size() < 2) return best;
  size_t second = best.cells[0] == *best.top ? best.cells[1] : best.cells[0];
  for (const size_t i : best.cells) if (i != *best.top && means[i] > means[second]) second = i;
  const auto estimate = paired_difference(*cells[*best.top], *cells[second], pair_cases(*cells[*best.top], *cells[second]), column, level);
  if (estimate && estimate->interval) best.cases_needed = cases_to_decide(estimate->n, (estimate->interval->high - estimate->interval->low) / 2, std::abs(estimate->difference));
  return best;
}

}  // namespace llmops
