// Normal, Student and beta distribution functions.
// The incomplete beta is Lentz's continued fraction (Abramowitz & Stegun 26.5.8; Press et al., Numerical Recipes, 6.4).
// Its leading factor x^a y^b / B(a, b) is Loader's saddle-point form ("Fast and accurate computation of binomial
// probabilities", 2000): differences of lgamma lose 1e-9 already at a million degrees of freedom, this form does not.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "core/stats/intervals.h"

namespace llmops {
namespace {

constexpr double kEpsilon = std::numeric_limits<double>::epsilon();

// log(z!) minus Stirling's formula without its series: log(z!) - [(z + 1/2) log z - z + log(2 pi) / 2].
double stirling_error(double z) {
  if (z < 16) return std::lgamma(z + 1) - (z + 0.5) * std::log(z) + z - 0.5 * std::log(2 * std::numbers::pi);
  const double q = 1 / (z * z);
  return (1.0 / 12 - q * (1.0 / 360 - q * (1.0 / 1260 - q * (1.0 / 1680 - q * (1.0 / 1188 - q * 691.0 / 360360))))) / z;
}

// u - log(ratio) for ratio = 1 + u, without cancellation near 0. Far from 0 only the ratio still has all its digits.
double log_excess(double u, double ratio) {
  if (std::abs(u) > 0.1) return u - std::log(ratio);
  double power = u * u, sum = power / 2;
  for (int k = 3; k < 40; ++k) {
    power *= -u;
    const double next = sum + power / k;
    if (next == sum) break;
    sum = next;
  }
  return sum;
}

// x^a y^b / B(a, b) with y = 1 - x given apart, so that neither end loses digits.
double beta_factor(double a, double b, double x, double y) {
  const double n = a + b;
  // a log(n x / a) + a - n x = -a (u - log(1 + u)) with u = n x / a - 1 = (b x - a y) / a; likewise for b. The linear parts
  // cancel in the sum of the two.
  const double shift = b * x - a * y;
  const double exponent = -a * log_excess(shift / a, n * x / a) - b * log_excess(-shift / b, n * y / b);
  const double series = stirling_error(n) - stirling_error(a) - stirling_error(b);
  return std::sqrt(a) * std::sqrt(b / n) / std::sqrt(2 * std::numbers::pi) * std::exp(exponent + series);
}

double beta_continued_fraction(double a, double b, double x) {
  constexpr double kTiny = 1e-300;
  const auto nonzero = [](double v) { return std::abs(v) < kTiny ? kTiny : v; };
  double c = 1, d = 1 / nonzero(1 - (a + b) * x / (a + 1)), h = d;
  // Needs about sqrt(max(a, b)) rounds.
  for (int m = 1; m < 1000000; ++m) {
    const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / nonzero(1 + even * d);
    c = nonzero(1 + even / c);
    h *= d * c;
    const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / nonzero(1 + odd * d);
    c = nonzero(1 + odd / c);
    h *= d * c;
    if (std::abs(d * c - 1) < 4 * kEpsilon) break;
  }
  return h;
}

double incomplete_beta(double a, double b, double x, double y) {
  if (x <= 0) return 0;
  if (y <= 0) return 1;
  const double factor = beta_factor(a, b, x, y);
  if (x * (a + b + 2) < a + 1) return factor / a * beta_continued_fraction(a, b, x);
  return 1 - factor / b * beta_continued_fraction(b, a, y);
}

// z > 0 with upper_tail(z) = tail, for a tail of at most 1/2: Newton on the logarithm inside a bracket that bisection keeps.
template <class Tail, class Density>
double solve_tail(double tail, Tail upper_tail, Density density) {
  double low = 0, high = 1;
  while (upper_tail(high) > tail && high < 1e300) { low = high; high *= 2; }
  double z = (low + high) / 2;
  for (int i = 0; i < 200; ++i) {
    const double at = upper_tail(z);
    if (at > tail) low = z; else high = z;
    double next = at > 0 ? z + std::log(at / tail) * at / density(z) : (low + high) / 2;
    if (!(next > low && next < high)) next = (low + high) / 2;
    if (std::abs(next - z) <= 2 * kEpsilon * std::abs(next)) return next;
    z = next;
  }
  return z;
}

double student_t_upper_tail(double t, double degrees) {
  const double square = t * t, sum = degrees + square;
  if (!std::isfinite(sum)) return 0;
  return 0.5 * incomplete_beta(degrees / 2, 0.5, degrees / sum, square / sum);
}

}  // namespace

double normal_cdf(double z) { return 0.5 * std::erfc(-z / std::numbers::sqrt2); }

double normal_quantile(double p) {
  if (p == 0.5) return 0;
  const auto density = [](double z) { return std::exp(-z * z / 2) / std::sqrt(2 * std::numbers::pi); };
  const double z = solve_tail(std::min(p, 1 - p), [](double x) { return normal_cdf(-x); }, density);
  return p < 0.5 ? -z : z;
}

double incomplete_beta(double a, double b, double x) { return incomplete_beta(a, b, x, 1 - x); }

double student_t_cdf(double t, double degrees) {
  const double tail = student_t_upper_tail(std::abs(t), degrees);
  return t <= 0 ? tail : 1 - tail;
}

double student_t_quantile(double p, double degrees) {
  if (p == 0.5) return 0;
  // The density only steers Newton's steps: what lgamma loses at large degrees costs a step, not digits of the result.
  const double log_scale = std::lgamma((degrees + 1) / 2) - std::lgamma(degrees / 2) - 0.5 * std::log(degrees * std::numbers::pi);
  const auto density = [&](double t) { return std::exp(log_scale - (degrees + 1) / 2 * std::log1p(t * t / degrees)); };
  const double t = solve_tail(std::min(p, 1 - p), [&](double x) { return student_t_upper_tail(x, degrees); }, density);
  return p < 0.5 ? -t : t;
}

}  // namespace llmops
