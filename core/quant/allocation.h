// Which option each item gets so that all fit into a budget with the least error: the multiple-choice knapsack of mixed precision.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/base/result.h"

namespace llmops {

struct AllocationOption { uint64_t bytes = 0; double error = 0; };   // error: finite, >= 0; errors of items add up
using AllocationItem = std::vector<AllocationOption>;                // a tensor and its types

struct Allocation {
  std::vector<size_t> choices;        // of each item
  uint64_t bytes = 0;
  double error = 0;
  // No choice within the budget has less: from the linear relaxation; where the search was complete, the error itself.
  double lower_bound = 0;
  bool exact = false;                 // no choice has less error, but for the rounding of sums (1e-12 of them)
  double gap() const { return error - lower_bound; }
};

struct AllocationLimits { uint64_t search_nodes = 500'000; };        // of each exact search; 0: none

// Greedy along the lower convex hulls (Sinha, Zoltners 1979, "The multiple-choice knapsack problem": the linear relaxation), then options
// that use what is left, then a branch and bound over the options that the relaxation's multiplier does not rule out (Kellerer, Pferschy,
// Pisinger 2004, "Knapsack Problems", ch. 11), and where at most 100 items are open then by dynamic programming over lists; each makes at most limits.search_nodes states (24 bytes each) and those of one more step. The error of an inexact one is above the bound by at most one step
// of a hull. Of options of equal error the smaller is taken. Deterministic. Errors: kData: an item without options, an error that is negative or no
// finite number, bytes whose sum passes 2^63; kBudget: less than the smallest options need (the message says what they need).
// Cost: n log n for n options, and the search.
Result<Allocation> allocate(std::span<const AllocationItem> items, uint64_t budget_bytes, const AllocationLimits& limits = {});

struct ParetoPoint { uint64_t bytes = 0; double error = 0; };
// Sizes and errors along the hull, from all items at their smallest to all at their least error: each is an optimum for its own bytes.
// Errors: those of allocate but the budget's.
Result<std::vector<ParetoPoint>> pareto(std::span<const AllocationItem> items);

}  // namespace llmops
