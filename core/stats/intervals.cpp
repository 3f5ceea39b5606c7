// Intervals of rates, means and quantiles.
// Wilson 1927 (JASA 22:209), Student's t, the cluster-robust error of Miller 2024 (arXiv:2411.00640, with C / (C - 1)),
// and the distribution-free interval of a quantile from order statistics (Conover 1999, Practical Nonparametric
// Statistics, 3.2).
#include "core/stats/intervals.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "core/stats/sums.h"

namespace llmops {

std::optional<Interval> wilson_interval(int64_t successes, int64_t n, double level) {
  if (n <= 0) return std::nullopt;
  const double z = normal_quantile(0.5 + level / 2), count = static_cast<double>(n);
  const double p = static_cast<double>(successes) / count;
  const double scale = 1 + z * z / count;
  const double centre = (p + z * z / (2 * count)) / scale;
  const double half = z / scale * std::sqrt(p * (1 - p) / count + z * z / (4 * count * count));
  // Exact at the ends, where rounding would leave 1e-17.
  return Interval{successes == 0 ? 0.0 : std::max(0.0, centre - half), successes == n ? 1.0 : std::min(1.0, centre + half)};
}

namespace {

Interval around(double mean, double standard_error, double degrees, double level) {
  const double half = student_t_quantile(0.5 + level / 2, degrees) * standard_error;
  return {mean - half, mean + half};
}

}  // namespace

std::optional<MeanEstimate> mean_interval(std::span<const double> values, double level) {
  if (values.empty()) return std::nullopt;
  MeanEstimate result;
  result.n = std::ssize(values);
  result.mean = exact_mean(values);
  if (result.n < 2) return result;
  const double n = static_cast<double>(result.n);
  result.standard_error = std::sqrt(squared_deviations(values, result.mean) / (n - 1) / n);
  result.interval = around(result.mean, *result.standard_error, n - 1, level);
  return result;
}

std::optional<MeanEstimate> clustered_mean_interval(std::span<const double> values, std::span<const int64_t> cluster, double level) {
  if (values.empty()) return std::nullopt;
  MeanEstimate result;
  result.n = std::ssize(values);
  result.mean = exact_mean(values);
  std::map<int64_t, Sum> deviations;  // ordered: the sum over clusters does not depend on hashing
  for (size_t i = 0; i < values.size(); ++i) deviations[cluster[i]].add(values[i] - result.mean);
  result.clusters = std::ssize(deviations);
  if (result.clusters < 2) return result;
  Sum squares;
  for (const auto& [id, deviation] : deviations) squares.add(deviation.value() * deviation.value());
  const double c = static_cast<double>(result.clusters);
  result.standard_error = std::sqrt(squares.value() * c / (c - 1)) / static_cast<double>(result.n);
  result.interval = around(result.mean, *result.standard_error, c - 1, level);
  return result;
}

namespace {

// P(Binomial(n, p) <= k).
double binomial_cdf(int64_t k, int64_t n, double p) {
  if (k < 0) return 0;
  if (k >= n) return 1;
  return incomplete_beta(static_cast<double>(n - k), static_cast<double>(k + 1), 1 - p);
}

// The smallest k of 0 .. n with P(Binomial(n, p) <= k) above `bound`.
int64_t first_above(int64_t n, double p, double bound) {
  int64_t low = 0, high = n;
  while (low < high) {
    const int64_t middle = low + (high - low) / 2;
    if (binomial_cdf(middle, n, p) > bound) high = middle; else low = middle + 1;
  }
  return low;
}

// numpy's "linear": position (n - 1) p between the neighbours, taken from the nearer one as numpy does.
double sorted_quantile(const std::vector<double>& sorted, double p) {
  const double position = static_cast<double>(sorted.size() - 1) * p;
  const size_t below = std::min(static_cast<size_t>(position), sorted.size() - 1);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  const double t = position - static_cast<double>(below), step = sorted[above] - sorted[below];
  return t < 0.5 ? sorted[below] + step * t : sorted[above] - step * (1 - t);
}

}  // namespace

std::optional<QuantileEstimate> quantile_interval(std::vector<double> values, double p, double level) {
  if (values.empty()) return std::nullopt;
  std::sort(values.begin(), values.end());
  QuantileEstimate result;
  result.n = std::ssize(values);
  result.value = sorted_quantile(values, p);
  // Ranks from 1: lower is the largest r with P(B <= r - 1) <= alpha/2, upper the smallest s with P(B <= s - 1) >= 1 - alpha/2.
  // A tail that equals alpha/2 but for rounding counts as equal.
  constexpr double kSlack = 1e-12;
  const double tail = (1 - level) / 2;
  const int64_t lower = first_above(result.n, p, tail * (1 + kSlack));
  const int64_t upper = first_above(result.n, p, 1 - tail * (1 + kSlack)) + 1;
  if (lower < 1 || upper > result.n) return result;
  result.interval = Interval{values[static_cast<size_t>(lower - 1)], values[static_cast<size_t>(upper - 1)]};
  return result;
}

std::optional<int64_t> cases_to_decide(int64_t n, double half_width, double margin) {
  if (margin == 0) return std::nullopt;
  const double ratio = half_width / margin, needed = std::ceil(static_cast<double>(n) * ratio * ratio);
  if (!(needed < 9e18)) return std::nullopt;  // as good as margin 0
  return static_cast<int64_t>(needed);
}

}  // namespace llmops
