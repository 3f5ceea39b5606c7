#include "core/stats/rates.h"

#include <algorithm>
#include <cfloat>
#include <cmath>

namespace llmops {
namespace {

// Tables with the margins of (a of n_a, b of n_b), told by a: their probability relative to the likeliest one. Neighbours differ by a ratio of whole numbers, so nothing is lost to large factorials.
struct Margins {
  double n_a, n_b, successes;
  double up(double a) const { return (n_a - a) / (a + 1) * (successes - a) / (n_b - successes + a + 1); }       // from a to a + 1
  double lowest() const { return std::max(0.0, successes - n_b); }
  double highest() const { return std::min(n_a, successes); }
  double likeliest() const { return std::clamp(std::floor((successes + 1) * (n_a + 1) / (n_a + n_b + 2)), lowest(), highest()); }
};

// Calls visit(a, weight) from the likeliest table to both ends, or until nothing more is to be added.
template <class Visit>
void each_table(const Margins& margins, const Visit& visit) {
  const double middle = margins.likeliest();
  double weight = 1;
  visit(middle, weight);
  for (double a = middle; a < margins.highest() && weight > 0; ++a) visit(a + 1, weight *= margins.up(a));
  weight = 1;
  for (double a = middle; a > margins.lowest() && weight > 0; --a) visit(a - 1, weight /= margins.up(a - 1));
}

}  // namespace

std::optional<double> fisher_exact_p(int64_t successes_a, int64_t n_a, int64_t successes_b, int64_t n_b) {
  if (n_a <= 0 || n_b <= 0) return std::nullopt;
  const Margins margins{static_cast<double>(n_a), static_cast<double>(n_b), static_cast<double>(successes_a + successes_b)};
  double observed = 0;
  each_table(margins, [&](double a, double weight) { if (a == static_cast<double>(successes_a)) observed = weight; });
  constexpr double kSame = 1 + 1e-7;
  double all = 0, as_rare = 0;
  each_table(margins, [&](double, double weight) {
    all += weight;
    if (weight <= observed * kSame) as_rare += weight;
  });
  // A table that is too rare for a double is rare, not impossible.
  return std::clamp(as_rare / all, DBL_MIN, 1.0);
}

std::optional<Interval> rate_difference_interval(int64_t successes_a, int64_t n_a, int64_t successes_b, int64_t n_b, double level) {
  const auto a = wilson_interval(successes_a, n_a, level), b = wilson_interval(successes_b, n_b, level);
  if (!a || !b) return std::nullopt;
  const double p = static_cast<double>(successes_a) / static_cast<double>(n_a), q = static_cast<double>(successes_b) / static_cast<double>(n_b);
  return Interval{p - q - std::hypot(p - a->low, b->high - q), p - q + std::hypot(a->high - p, q - b->low)};
}

std::optional<MeanDifference> mean_difference(const MeanEstimate& a, const MeanEstimate& b, double level) {
  if (!a.standard_error || !b.standard_error) return std::nullopt;
  MeanDifference result;
  result.difference = a.mean - b.mean;
  const double variance_a = *a.standard_error * *a.standard_error, variance_b = *b.standard_error * *b.standard_error, variance = variance_a + variance_b;
  if (variance == 0) {
    if (result.difference == 0) result.p_value = 1;
    return result;
  }
  const auto degrees_of = [](const MeanEstimate& one) { return static_cast<double>((one.clusters > 0 ? one.clusters : one.n) - 1); };
  // In shares of the variance: squares of small variances would vanish.
  const double share_a = variance_a / variance, share_b = variance_b / variance;
  result.degrees = 1 / (share_a * share_a / degrees_of(a) + share_b * share_b / degrees_of(b));
  const double error = std::sqrt(variance);
  result.p_value = std::min(1.0, 2 * student_t_cdf(-std::fabs(result.difference) / error, result.degrees));
  const double half = student_t_quantile(0.5 + level / 2, result.degrees) * error;
  result.interval = Interval{result.difference - half, result.difference + half};
  return result;
}

std::optional<double> design_effect(std::span<const double> values, std::span<const int64_t> cluster) {
  const auto plain = mean_interval(values), clustered = clustered_mean_interval(values, cluster);
  if (!plain || !clustered || !plain->standard_error || !clustered->standard_error) return std::nullopt;
  if (*plain->standard_error == 0 || clustered->clusters == clustered->n) return 1;
  const double ratio = *clustered->standard_error / *plain->standard_error;
  return std::max(1.0, ratio * ratio);
}

}  // namespace llmops
