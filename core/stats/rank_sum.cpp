#include "core/stats/rank_sum.h"

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <cstdint>
#include <numeric>

#include "core/stats/intervals.h"

namespace llmops {
namespace {

constexpr size_t kMostExact = 50;

// Over all subsets of `chosen` of the doubled ranks, the share whose sum lies at least as far from the mean as `observed`: counted by size and sum. Counts stay below C(50, 25) < 2^53.
double exact_p(const std::vector<int64_t>& doubled, size_t chosen, int64_t observed) {
  const int64_t all = std::accumulate(doubled.begin(), doubled.end(), int64_t{0});
  const auto width = static_cast<size_t>(all) + 1;
  std::vector<double> ways((chosen + 1) * width);
  ways[0] = 1;
  for (const int64_t rank : doubled) {
    const auto step = static_cast<size_t>(rank);
    for (size_t size = chosen; size > 0; --size) {
      double* into = ways.data() + size * width;
      const double* from = ways.data() + (size - 1) * width;
      for (size_t sum = width; sum-- > step;) into[sum] += from[sum - step];
    }
  }
  // Distances from the mean all * chosen / N, times N, so that they are whole.
  const auto n = static_cast<int64_t>(doubled.size()), centre = all * static_cast<int64_t>(chosen);
  const auto distance = [&](int64_t sum) { return std::llabs(sum * n - centre); };
  double total = 0, as_far = 0;
  for (size_t sum = 0; sum < width; ++sum) {
    const double count = ways[chosen * width + sum];
    total += count;
    if (distance(static_cast<int64_t>(sum)) >= distance(observed)) as_far += count;
  }
  return as_far / total;
}

}  // namespace

std::vector<double> midranks(std::span<const double> values) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return values[a] < values[b]; });
  std::vector<double> ranks(values.size());
  for (size_t i = 0; i < order.size();) {
    size_t end = i;
    while (end < order.size() && values[order[end]] == values[order[i]]) ++end;
    for (size_t k = i; k < end; ++k) ranks[order[k]] = static_cast<double>(i + 1 + end) / 2;
    i = end;
  }
  return ranks;
}

std::optional<RankSum> rank_sum(std::span<const double> reference, std::span<const double> current, double effect) {
  if (reference.empty() || current.empty()) return std::nullopt;
  std::vector<double> pooled(reference.begin(), reference.end());
  pooled.insert(pooled.end(), current.begin(), current.end());
  const std::vector<double> ranks = midranks(pooled);
  const double n = static_cast<double>(reference.size()), m = static_cast<double>(current.size()), all = n + m;
  double sum = 0;
  for (size_t i = reference.size(); i < ranks.size(); ++i) sum += ranks[i];
  RankSum result;
  result.u = sum - m * (m + 1) / 2;
  result.share = result.u / (n * m);
  if (ranks.size() <= kMostExact && effect <= 1) {
    std::vector<int64_t> doubled;
    for (const double rank : ranks) doubled.push_back(std::llround(2 * rank));
    result.p_value = exact_p(doubled, current.size(), std::llround(2 * sum));
    result.is_exact = true;
    return result;
  }
  // nm/12 (N + 1 - sum(t^3 - t) / (N (N - 1))), which is nm / (N (N - 1)) times the squared deviations of the midranks.
  double squares = 0;
  for (const double rank : ranks) squares += (rank - (all + 1) / 2) * (rank - (all + 1) / 2);
  const double variance = n * m / (all * (all - 1)) * squares * std::max(1.0, effect);
  if (variance == 0) return result;
  const double distance = std::max(0.0, std::fabs(result.u - n * m / 2) - 0.5);
  result.p_value = std::clamp(2 * normal_cdf(-distance / std::sqrt(variance)), DBL_MIN, 1.0);
  return result;
}

}  // namespace llmops
