// Evidence that may be looked at any number of times. An e-process is non-negative and has an expectation of at most 1 at every stopping time while nothing has
// changed, so that it ever reaches 1/alpha with a probability of at most alpha (Ville 1939; Ramdas et al. 2023, "Game-theoretic statistics and safe anytime-valid inference").
// Logarithms are natural ones: products of many factors pass every double.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace llmops {

// Events against the rate that held before: the likelihood ratio of a mixture of rates by Beta(1/2, 1/2) against p0 (Robbins 1970).
//   log [ B(s + 1/2, t - s + 1/2) / B(1/2, 1/2) / (p0^s (1 - p0)^(t - s)) ]
// nullopt: p0 is not between 0 and 1 (exclusive), or s > t.
std::optional<double> rate_log_evidence(int64_t events, int64_t trials, double rate);

// A p-value made into an e-value: the mixture over kappa of kappa p^(kappa - 1), (1 - p + p ln p) / (p ln^2 p) (Vovk & Wang 2021, Annals of Statistics 49:1736). p = 0
// gives infinity, 1 gives 1/2. Precondition: 0 <= p <= 1.
double e_of_p(double p);
double e_of_p(double p, double kappa);       // kappa p^(kappa - 1), 0 < kappa < 1

// What a bettor owns who never stakes more than half, by the online Newton step (Cutkosky & Orabona 2018; Shekhar & Ramdas 2023): wealth *= 1 + bet * payoff, then
// z = -payoff / (1 + bet payoff), A += z^2, bet = clip(bet - 2 / (2 - ln 3) z / A, 0, 1/2). A martingale when the payoffs (in [-1, 1]) have mean 0 given the past.
struct BettingState { double log_wealth = 0, bet = 0, precision = 1; };
void bet_on(double payoff, BettingState& state);

// Detectors of a change whose mean time to a false alarm at the level 1/alpha is at least 1/alpha steps (Shin, Ramdas & Rinaldo 2024): `factor` is an e-value of the new data.
double next_shiryaev_roberts(double before, double factor);      // factor * (1 + before), from 0
double next_cusum(double before, double factor);                 // factor * max(1, before), from 0

// Benjamini & Hochberg on e-values (Wang & Ramdas 2022, JRSS B 84:822): the false discovery rate is at most alpha whatever the dependence. Which are rejected; in the order given.
std::vector<bool> e_benjamini_hochberg(std::span<const double> e_values, double alpha);

}  // namespace llmops
