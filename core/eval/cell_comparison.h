// The cells of an experiment on the same cases: each against the first, and which of them may be the best.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/eval/series.h"

namespace llmops {

struct CellDifference {
  std::optional<PairedEstimate> estimate;    // cell - first cell, on the cases where both have a value
  std::optional<double> p_adjusted;          // Holm over the cells that differ from the first one
};
// One entry per cell, the first without an estimate. nullptr: a cell without data; it is no test.
std::vector<CellDifference> differences_to_first(std::span<const RunSeries* const> cells, std::string_view column, double level = 0.95);

// A set that holds the best cell with probability `level`: a cell is left out when some other cell beats it in a one-sided
// paired test at (1 - level) / (cells - 1). The best cell is wrongly left out only if one of the tests against it is false, so
// that Bonferroni over its own comparisons is enough (subset selection: Gupta 1965, Technometrics 7:225). The set is never empty.
struct BestCells {
  std::vector<size_t> cells;                 // ascending; empty: no cell has data
  std::optional<size_t> top;                 // the best mean; ties go to the earlier cell
  size_t compared = 0;                       // cells with data
  int64_t n = 0;                             // of the top cell
  std::optional<int64_t> cases_needed;       // to tell the top from the second of the set at this variance; absent: unknown
  bool is_decided() const { return cells.size() < compared || compared == 1; }   // some cell could be left out
};
BestCells find_best_cells(std::span<const RunSeries* const> cells, std::string_view column, bool lower_is_better, double level = 0.95);

}  // namespace llmops
