#include "core/drift/joint.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "core/drift/permutations.h"

namespace llmops {
namespace {

constexpr double kTolerance = 1e-9;

std::vector<double> standardised(const std::vector<double>& values) {
  const auto count = static_cast<double>(values.size());
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / count;
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  const double deviation = std::sqrt(squares / count);
  std::vector<double> made;
  made.reserve(values.size());
  for (const double value : values) made.push_back(deviation > 0 ? (value - mean) / deviation : 0);
  return made;
}

std::vector<double> largest(std::span<const std::vector<double>> members, std::span<const size_t> of) {
  std::vector<double> made(members.front().size(), -std::numeric_limits<double>::infinity());
  for (const size_t member : of) for (size_t c = 0; c < made.size(); ++c) made[c] = std::max(made[c], members[member][c]);
  return made;
}

}  // namespace

JointTest joint_max_t(std::span<const std::vector<double>> members) {
  JointTest made;
  if (members.empty()) return made;
  std::vector<std::vector<double>> scaled;
  for (const std::vector<double>& member : members) scaled.push_back(standardised(member));
  for (const std::vector<double>& member : scaled) made.standardised.push_back(member[0]);
  // From the largest observed one on: each is held against the largest of those that are not above it.
  std::vector<size_t> order(members.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return made.standardised[a] > made.standardised[b]; });
  made.adjusted.assign(members.size(), 1);
  double before = 0;
  for (size_t rank = 0; rank < order.size(); ++rank) {
    std::vector<double> rest = largest(scaled, std::span(order).subspan(rank));
    before = std::max(before, permutation_p(rest, kTolerance));
    made.adjusted[order[rank]] = before;
    if (rank == 0) made.statistics = std::move(rest);
  }
  made.statistic = made.statistics[0];
  made.p_value = made.adjusted[order.front()];
  return made;
}

}  // namespace llmops
