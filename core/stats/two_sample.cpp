#include "core/stats/two_sample.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/stats/sums.h"

namespace llmops {
namespace {

std::vector<double> sorted(std::span<const double> values) {
  std::vector<double> made(values.begin(), values.end());
  std::sort(made.begin(), made.end());
  return made;
}

// Calls visit(width to the next point, F, G as counts) for every distinct value but the last, in order; F and G after the point.
template <class Visit>
void walk(const std::vector<double>& x, const std::vector<double>& y, const Visit& visit) {
  size_t i = 0, j = 0;
  while (i < x.size() || j < y.size()) {
    const double point = j == y.size() || (i < x.size() && x[i] <= y[j]) ? x[i] : y[j];
    while (i < x.size() && x[i] == point) ++i;
    while (j < y.size() && y[j] == point) ++j;
    if (i == x.size() && j == y.size()) return;
    const double next = j == y.size() || (i < x.size() && x[i] <= y[j]) ? x[i] : y[j];
    visit(next - point, i, j);
  }
}

double gap(size_t i, size_t n, size_t j, size_t m) { return static_cast<double>(i) / static_cast<double>(n) - static_cast<double>(j) / static_cast<double>(m); }

// D times n m: whole, so that equal distances are equal.
uint64_t scaled_distance(const std::vector<double>& x, const std::vector<double>& y) {
  uint64_t most = 0;
  walk(x, y, [&](double, size_t i, size_t j) {
    const uint64_t a = static_cast<uint64_t>(i) * y.size(), b = static_cast<uint64_t>(j) * x.size();
    most = std::max(most, a > b ? a - b : b - a);
  });
  return most;
}

}  // namespace

std::optional<double> ks_distance(std::span<const double> reference, std::span<const double> current) {
  if (reference.empty() || current.empty()) return std::nullopt;
  return static_cast<double>(scaled_distance(sorted(reference), sorted(current))) / (static_cast<double>(reference.size()) * static_cast<double>(current.size()));
}

double kolmogorov_survival(double x) {
  if (x <= 0) return 1;
  // Below this the alternating sum loses its digits; Jacobi's other form of it converges at once.
  if (x < 1) {
    double sum = 0;
    for (int k = 1; k <= 20; ++k) sum += std::exp(-(2.0 * k - 1) * (2.0 * k - 1) * M_PI * M_PI / (8 * x * x));
    return std::clamp(1 - std::sqrt(2 * M_PI) / x * sum, 0.0, 1.0);
  }
  double sum = 0;
  for (int k = 1; k <= 100; ++k) sum += (k % 2 == 1 ? 1 : -1) * std::exp(-2.0 * k * k * x * x);
  return std::clamp(2 * sum, 0.0, 1.0);
}

std::optional<double> ks_asymptotic_p(std::span<const double> reference, std::span<const double> current) {
  const auto distance = ks_distance(reference, current);
  if (!distance) return std::nullopt;
  const double n = static_cast<double>(reference.size()), m = static_cast<double>(current.size()), e = std::sqrt(n * m / (n + m));
  return kolmogorov_survival((e + 0.12 + 0.11 / e) * *distance);
}

std::optional<double> ks_exact_p(std::span<const double> reference, std::span<const double> current) {
  const size_t n = reference.size(), m = current.size();
  constexpr double kMostCells = 1e8;
  if (n == 0 || m == 0 || static_cast<double>(n) * static_cast<double>(m) > kMostCells) return std::nullopt;
  const std::vector<double> x = sorted(reference), y = sorted(current);
  const uint64_t observed = scaled_distance(x, y);
  std::vector<double> pooled(x);
  pooled.insert(pooled.end(), y.begin(), y.end());
  std::sort(pooled.begin(), pooled.end());
  // A split is a path from (0, 0) to (n, m). It stays below the observed distance when it does at every end of a run of equal values; within a run
  // it may go anywhere. inside[i]: the probability of being at (i, k - i) without having reached it, along the diagonals k.
  std::vector<double> inside(n + 1, 0.0);
  inside[0] = 1;
  for (size_t k = 1; k <= n + m; ++k) {
    const size_t first = k > m ? k - m : 0, last = std::min(n, k);
    const double left = static_cast<double>(n + m - (k - 1));
    const bool ends_run = k == n + m || pooled[k] != pooled[k - 1];
    for (size_t i = last + 1; i-- > first;) {
      const size_t j = k - i;
      double chance = 0;
      if (i > 0) chance += inside[i - 1] * static_cast<double>(n - (i - 1)) / left;
      if (j > 0) chance += inside[i] * static_cast<double>(m - (j - 1)) / left;
      const uint64_t a = static_cast<uint64_t>(i) * m, b = static_cast<uint64_t>(j) * n;
      inside[i] = ends_run && (a > b ? a - b : b - a) >= observed && observed > 0 ? 0.0 : chance;
    }
    if (first > 0) inside[first - 1] = 0;
  }
  return observed == 0 ? 1.0 : std::clamp(1 - inside[n], 0.0, 1.0);
}

std::optional<double> cramer_von_mises(std::span<const double> reference, std::span<const double> current) {
  if (reference.empty() || current.empty()) return std::nullopt;
  const std::vector<double> x = sorted(reference), y = sorted(current);
  const double n = static_cast<double>(x.size()), m = static_cast<double>(y.size());
  Sum of_x, of_y;
  size_t i = 0, j = 0;
  while (i < x.size() || j < y.size()) {
    const double point = j == y.size() || (i < x.size() && x[i] <= y[j]) ? x[i] : y[j];
    const size_t from_x = i, from_y = j;
    while (i < x.size() && x[i] == point) ++i;
    while (j < y.size() && y[j] == point) ++j;
    const double midrank = static_cast<double>(from_x + from_y + 1 + i + j) / 2;
    for (size_t a = from_x; a < i; ++a) of_x.add((midrank - static_cast<double>(a + 1)) * (midrank - static_cast<double>(a + 1)));
    for (size_t b = from_y; b < j; ++b) of_y.add((midrank - static_cast<double>(b + 1)) * (midrank - static_cast<double>(b + 1)));
  }
  const double u = n * of_x.value() + m * of_y.value();
  return u / (n * m * (n + m)) - (4 * n * m - 1) / (6 * (n + m));
}

std::optional<double> wasserstein(std::span<const double> reference, std::span<const double> current) {
  if (reference.empty() || current.empty()) return std::nullopt;
  Sum area;
  walk(sorted(reference), sorted(current), [&](double width, size_t i, size_t j) { area.add(std::fabs(gap(i, reference.size(), j, current.size())) * width); });
  return area.value();
}

std::optional<double> energy_distance(std::span<const double> reference, std::span<const double> current) {
  if (reference.empty() || current.empty()) return std::nullopt;
  Sum area;
  walk(sorted(reference), sorted(current), [&](double width, size_t i, size_t j) {
    const double difference = gap(i, reference.size(), j, current.size());
    area.add(difference * difference * width);
  });
  return std::sqrt(2 * area.value());
}

}  // namespace llmops
