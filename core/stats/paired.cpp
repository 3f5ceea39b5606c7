// Two systems on the same cases.
// Tango 1998 (Statistics in Medicine 17:891): the score interval of a difference of paired rates, which stays sensible
// for few discordant pairs and none at all, where Wald's interval collapses. McNemar's exact test is the binomial test
// of the discordant pairs (McNemar 1947; two-sided by doubling the smaller tail). Means: Student's paired t.
#include <algorithm>
#include <cmath>
#include <limits>

#include "core/stats/intervals.h"
#include "core/stats/sums.h"

namespace llmops {
namespace {

// The score statistic of the hypothesis that the rates differ by `delta`, falling in delta.
// only_a, only_b: pairs that only the first, only the second system solved.
double tango_score(double only_a, double only_b, double n, double delta) {
  const double distance = only_a - only_b - n * delta;
  if (distance == 0) return 0;
  // Constrained maximum-likelihood estimate of P(only b): the larger root of A q^2 + B q + C, without cancellation.
  const double qa = 2 * n, qb = -only_a - only_b + (2 * n - only_a + only_b) * delta, qc = -only_b * delta * (1 - delta);
  const double root = std::sqrt(std::max(0.0, qb * qb - 4 * qa * qc));
  const double q = qb > 0 ? (qc == 0 ? 0 : -2 * qc / (qb + root)) : (root - qb) / (2 * qa);
  const double variance = n * (2 * q + delta * (1 - delta));
  if (variance <= 0) return distance > 0 ? std::numeric_limits<double>::infinity() : -std::numeric_limits<double>::infinity();
  return distance / std::sqrt(variance);
}

// Where the falling statistic crosses `z` between low and high.
double tango_limit(double only_a, double only_b, double n, double z, double low, double high) {
  for (int i = 0; i < 200 && low < high; ++i) {
    const double middle = (low + high) / 2;
    if (middle == low || middle == high) break;
    if (tango_score(only_a, only_b, n, middle) > z) low = middle; else high = middle;
  }
  return (low + high) / 2;
}

Interval tango_interval(double only_a, double only_b, double n, double level) {
  const double z = normal_quantile(0.5 + level / 2), difference = (only_a - only_b) / n;
  Interval result{-1, 1};
  if (difference > -1) result.low = tango_limit(only_a, only_b, n, z, -1, difference);
  if (difference < 1) result.high = tango_limit(only_a, only_b, n, -z, difference, 1);
  return result;
}

double exact_mcnemar(int64_t only_a, int64_t only_b) {
  const int64_t discordant = only_a + only_b, fewer = std::min(only_a, only_b);
  if (2 * fewer >= discordant - 1) return 1;  // the doubled tail already holds more than half
  // P(Binomial(discordant, 1/2) <= fewer).
  const double tail = incomplete_beta(static_cast<double>(discordant - fewer), static_cast<double>(fewer + 1), 0.5);
  return std::min(1.0, 2 * tail);
}

}  // namespace

std::optional<PairedEstimate> paired_t(std::span<const double> a, std::span<const double> b, double level) {
  if (a.empty() || a.size() != b.size()) return std::nullopt;
  std::vector<double> differences(a.size());
  for (size_t i = 0; i < a.size(); ++i) differences[i] = a[i] - b[i];
  PairedEstimate result;
  result.n = std::ssize(differences);
  result.method = "paired t";
  result.difference = exact_mean(differences);
  if (result.n < 2) return result;
  const bool constant = std::all_of(differences.begin(), differences.end(), [&](double d) { return d == differences.front(); });
  if (constant) {
    if (result.difference == 0) result.p_value = 1;
    return result;
  }
  const auto mean = mean_interval(differences, level);
  result.interval = mean->interval;
  result.p_value = 2 * student_t_cdf(-std::abs(result.difference / *mean->standard_error), static_cast<double>(result.n - 1));
  return result;
}

std::optional<PairedEstimate> paired_rates(std::span<const double> a, std::span<const double> b, double level) {
  if (a.empty() || a.size() != b.size()) return std::nullopt;
  int64_t only_a = 0, only_b = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    only_a += a[i] > b[i];
    only_b += a[i] < b[i];
  }
  PairedEstimate result;
  result.n = std::ssize(a);
  result.method = "Tango score + exact McNemar";
  const double n = static_cast<double>(result.n);
  result.difference = static_cast<double>(only_a - only_b) / n;
  result.interval = tango_interval(static_cast<double>(only_a), static_cast<double>(only_b), n, level);
  result.p_value = exact_mcnemar(only_a, only_b);
  return result;
}

}  // namespace llmops
