#include "core/stats/categories.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "core/stats/random.h"
#include "core/stats/sums.h"

namespace llmops {
namespace {

int64_t total(std::span<const int64_t> counts) { return std::accumulate(counts.begin(), counts.end(), int64_t{0}); }

// Calls visit(p, q) with the shares of each category. False: one side is empty.
template <class Visit>
bool each_share(std::span<const int64_t> reference, std::span<const int64_t> current, double added, const Visit& visit) {
  const int64_t n = total(reference), m = total(current);
  if (n <= 0 || m <= 0) return false;
  const double k = static_cast<double>(reference.size()), of_n = static_cast<double>(n) + added * k, of_m = static_cast<double>(m) + added * k;
  for (size_t i = 0; i < reference.size(); ++i) visit((static_cast<double>(reference[i]) + added) / of_n, (static_cast<double>(current[i]) + added) / of_m);
  return true;
}

double times_log(double p, double q) { return p > 0 ? p * std::log2(p / q) : 0; }

// The statistic of a 2 x k table, and its degrees; `least`: the smallest expected count.
struct Table { double statistic = 0, least = 0; int64_t degrees = 0; };
Table table_of(std::span<const int64_t> x, std::span<const int64_t> y) {
  const double n = static_cast<double>(total(x)), m = static_cast<double>(total(y));
  Sum sum;
  Table table{0, INFINITY, -1};
  for (size_t i = 0; i < x.size(); ++i) {
    const double both = static_cast<double>(x[i] + y[i]);
    if (both == 0) continue;
    ++table.degrees;
    const double expected_x = both * n / (n + m), expected_y = both * m / (n + m);
    const double dx = static_cast<double>(x[i]) - expected_x, dy = static_cast<double>(y[i]) - expected_y;
    sum.add(dx * dx / expected_x);
    sum.add(dy * dy / expected_y);
    table.least = std::min({table.least, expected_x, expected_y});
  }
  table.statistic = sum.value();
  return table;
}

// Q(a, x), the regularised upper incomplete gamma function (Abramowitz & Stegun 6.5): its series below a + 1, else Lentz's continued fraction.
double upper_gamma(double a, double x) {
  if (x <= 0) return 1;
  const double front = std::exp(-x + a * std::log(x) - std::lgamma(a));
  constexpr int kTerms = 10'000;
  if (x < a + 1) {
    double term = 1 / a, sum = term;
    for (int k = 1; k < kTerms && std::fabs(term) > std::fabs(sum) * 1e-17; ++k) sum += term *= x / (a + k);
    return std::clamp(1 - front * sum, 0.0, 1.0);
  }
  constexpr double kTiny = 1e-300;
  double b = x + 1 - a, c = 1 / kTiny, d = 1 / b, h = d;
  for (int k = 1; k < kTerms; ++k) {
    const double an = -k * (k - a);
    b += 2;
    d = an * d + b;
    if (std::fabs(d) < kTiny) d = kTiny;
    c = b + an / c;
    if (std::fabs(c) < kTiny) c = kTiny;
    d = 1 / d;
    const double change = d * c;
    h *= change;
    if (std::fabs(change - 1) < 1e-16) break;
  }
  return std::clamp(front * h, 0.0, 1.0);
}

}  // namespace

std::optional<double> population_stability(std::span<const int64_t> reference, std::span<const int64_t> current) {
  Sum sum;
  const bool filled = each_share(reference, current, 0.5, [&](double p, double q) { sum.add((p - q) * std::log(p / q)); });
  return filled ? std::optional(sum.value()) : std::nullopt;
}

double population_stability_bias(size_t categories, int64_t n, int64_t m) {
  return categories == 0 || n <= 0 || m <= 0 ? 0 : static_cast<double>(categories - 1) * (1 / static_cast<double>(n) + 1 / static_cast<double>(m));
}

std::optional<double> jensen_shannon_distance(std::span<const int64_t> reference, std::span<const int64_t> current) {
  Sum sum;
  const bool filled = each_share(reference, current, 0, [&](double p, double q) { sum.add((times_log(p, (p + q) / 2) + times_log(q, (p + q) / 2)) / 2); });
  return filled ? std::optional(std::sqrt(std::clamp(sum.value(), 0.0, 1.0))) : std::nullopt;
}

std::optional<double> hellinger(std::span<const int64_t> reference, std::span<const int64_t> current) {
  Sum sum;
  const bool filled = each_share(reference, current, 0, [&](double p, double q) { sum.add(std::sqrt(p * q)); });
  return filled ? std::optional(std::sqrt(std::clamp(1 - sum.value(), 0.0, 1.0))) : std::nullopt;
}

std::optional<double> total_variation(std::span<const int64_t> reference, std::span<const int64_t> current) {
  Sum sum;
  const bool filled = each_share(reference, current, 0, [&](double p, double q) { sum.add(std::fabs(p - q)); });
  return filled ? std::optional(sum.value() / 2) : std::nullopt;
}

double chi_squared_survival(double statistic, double degrees) { return upper_gamma(degrees / 2, statistic / 2); }

std::optional<ChiSquared> chi_squared(std::span<const int64_t> reference, std::span<const int64_t> current) {
  if (total(reference) <= 0 || total(current) <= 0) return std::nullopt;
  const Table table = table_of(reference, current);
  if (table.degrees < 1) return std::nullopt;
  constexpr double kLeastExpected = 5;
  ChiSquared made{table.statistic, table.degrees, chi_squared_survival(table.statistic, static_cast<double>(table.degrees)), 0, table.least < kLeastExpected};
  const double all = static_cast<double>(total(reference) + total(current)), rows = 2, columns = static_cast<double>(table.degrees) + 1;
  const double corrected = std::max(0.0, table.statistic / all - (columns - 1) * (rows - 1) / (all - 1));
  const double few = std::min(columns - (columns - 1) * (columns - 1) / (all - 1), rows - (rows - 1) * (rows - 1) / (all - 1)) - 1;
  made.cramers_v = few > 0 ? std::sqrt(corrected / few) : 0;
  return made;
}

std::optional<double> chi_squared_statistic(std::span<const int64_t> reference, std::span<const int64_t> current) {
  if (total(reference) <= 0 || total(current) <= 0) return std::nullopt;
  const Table table = table_of(reference, current);
  return table.degrees < 1 ? std::nullopt : std::optional(table.statistic);
}

std::optional<double> permuted_categories_p(CategoryStatistic statistic, std::span<const int64_t> reference, std::span<const int64_t> current, int64_t permutations, uint64_t seed) {
  const auto observed = statistic(reference, current);
  if (!observed || permutations < 1) return std::nullopt;
  std::vector<uint32_t> items;
  std::vector<int64_t> all(reference.size()), drawn(reference.size()), rest(reference.size());
  for (size_t i = 0; i < reference.size(); ++i) {
    all[i] = reference[i] + current[i];
    items.insert(items.end(), static_cast<size_t>(all[i]), static_cast<uint32_t>(i));
  }
  const bool reference_is_smaller = total(reference) <= total(current);
  const auto smaller = static_cast<size_t>(std::min(total(reference), total(current)));
  int64_t at_least = 1;
  RandomSource random(seed);
  for (int64_t b = 0; b < permutations; ++b) {
    std::fill(drawn.begin(), drawn.end(), 0);
    // The first `smaller` of a shuffle; from any order on, the next one is uniform too.
    for (size_t i = 0; i < smaller; ++i) {
      std::swap(items[i], items[i + random.below(items.size() - i)]);
      ++drawn[items[i]];
    }
    for (size_t i = 0; i < all.size(); ++i) rest[i] = all[i] - drawn[i];
    const auto permuted = reference_is_smaller ? statistic(drawn, rest) : statistic(rest, drawn);
    // Sums of the same terms in another order differ in the last digits.
    at_least += permuted && *permuted >= *observed - 1e-12 * std::fabs(*observed);
  }
  return static_cast<double>(at_least) / static_cast<double>(permutations + 1);
}

}  // namespace llmops
