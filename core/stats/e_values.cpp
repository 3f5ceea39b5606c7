#include "core/stats/e_values.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace llmops {
namespace {

double log_beta(double a, double b) { return std::lgamma(a) + std::lgamma(b) - std::lgamma(a + b); }

}  // namespace

std::optional<double> rate_log_evidence(int64_t events, int64_t trials, double rate) {
  if (!(rate > 0 && rate < 1) || events < 0 || events > trials) return std::nullopt;
  const double s = static_cast<double>(events), f = static_cast<double>(trials - events);
  return log_beta(s + 0.5, f + 0.5) - log_beta(0.5, 0.5) - s * std::log(rate) - f * std::log1p(-rate);
}

double e_of_p(double p) {
  if (p <= 0) return std::numeric_limits<double>::infinity();
  if (p >= 1) return 0.5;
  const double l = std::log(p);
  // Near 1 both sides of the fraction vanish; it is (e^-l - 1 + l) / l^2.
  if (l > -1e-3) return 0.5 - l / 6 + l * l / 24 - l * l * l / 120;
  return (1 - p + p * l) / (p * l * l);
}

double e_of_p(double p, double kappa) { return p <= 0 ? std::numeric_limits<double>::infinity() : kappa * std::pow(p, kappa - 1); }

void bet_on(double payoff, BettingState& state) {
  const double growth = 1 + state.bet * payoff;
  state.log_wealth += std::log(growth);
  const double z = -payoff / growth;
  state.precision += z * z;
  static const double kStep = 2 / (2 - std::log(3.0));
  state.bet = std::clamp(state.bet - kStep * z / state.precision, 0.0, 0.5);
}

double next_shiryaev_roberts(double before, double factor) { return factor * (1 + before); }
double next_cusum(double before, double factor) { return factor * std::max(1.0, before); }

std::vector<bool> e_benjamini_hochberg(std::span<const double> e_values, double alpha) {
  std::vector<size_t> order(e_values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return e_values[a] > e_values[b]; });
  size_t rejected = 0;
  for (size_t k = 1; k <= order.size(); ++k) if (e_values[order[k - 1]] >= static_cast<double>(order.size()) / (static_cast<double>(k) * alpha)) rejected = k;
  std::vector<bool> made(e_values.size());
  for (size_t k = 0; k < rejected; ++k) made[order[k]] = true;
  return made;
}

}  // namespace llmops
