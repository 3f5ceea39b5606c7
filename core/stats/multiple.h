// Several tests at once: p-values that hold for all of them together.
#pragma once

#include <optional>
#include <span>
#include <vector>

namespace llmops {

// Holm 1979 (Scandinavian Journal of Statistics 6:65), step-down: rejecting where an adjusted value is at most alpha keeps
// the probability of any false rejection at alpha, whatever the dependence. In the order given. A test without a p-value counts as
// one that was made (as 1) and stays without.
std::vector<std::optional<double>> holm_adjust(std::span<const std::optional<double>> p_values);

}  // namespace llmops
