// Evidence: values of an independent implementation, expectations by integration and simulation.
#include "core/stats/e_values.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <random>

namespace llmops {

TEST_CASE("the mixture against a rate grows as an independent implementation says") {
  const int stream[] = {0, 0, 1, 0, 1, 1, 0, 1, 1, 1};
  const double expected[] = {0.5263157895, 0.4155124654, 1.385041551, 0.9112115469, 5.467269281, 45.56057734, 23.97925123, 209.8184483, 2098.184483, 23080.02931};
  int64_t events = 0;
  for (int64_t t = 0; t < 10; ++t) {
    events += stream[t];
    CHECK(std::exp(*rate_log_evidence(events, t + 1, 0.05)) == Approx(expected[t]).epsilon(1e-9));
  }
  CHECK(*rate_log_evidence(0, 0, 0.05) == 0);
  CHECK_FALSE(rate_log_evidence(1, 2, 0).has_value());
  CHECK_FALSE(rate_log_evidence(3, 2, 0.5).has_value());
}

TEST_CASE("the mixture has expectation 1 while the rate is the old one") {
  for (const int n : {1, 5, 30}) {
    double sum = 0;
    for (int s = 0; s <= n; ++s) sum += std::exp(std::lgamma(n + 1.0) - std::lgamma(s + 1.0) - std::lgamma(n - s + 1.0) + s * std::log(0.1) + (n - s) * std::log(0.9) + *rate_log_evidence(s, n, 0.1));
    CHECK(sum == Approx(1).epsilon(1e-10));
  }
}

TEST_CASE("p-values become e-values whose mean over all p is 1") {
  CHECK(e_of_p(0.01, 0.5) == Approx(5).epsilon(1e-12));
  CHECK(e_of_p(0.01) == Approx(4.45099226).epsilon(1e-8));
  CHECK(e_of_p(1) == 0.5);
  CHECK(std::isinf(e_of_p(0)));
  for (const double l : {-9e-4, -1.1e-3}) CHECK(e_of_p(std::exp(l)) == Approx(0.5 - l / 6 + l * l / 24).epsilon(1e-9));
  // The integral over p = e^-u, u from 0 on.
  double sum = 0;
  constexpr double kStep = 1e-3;
  for (double u = kStep / 2; u < 2000; u += kStep) sum += (1 - std::exp(-u) - u * std::exp(-u)) / (u * u) * kStep;
  CHECK(sum == Approx(1).margin(1e-3));
  for (double p = 0.01; p < 1; p += 0.01) CHECK(e_of_p(p) > e_of_p(p + 0.01));
}

TEST_CASE("a bettor by the online Newton step owns what an independent implementation says") {
  const double payoffs[] = {0.2, 0.3, -0.1, 0.4, 0.25, 0.3, 0.1, 0.35};
  const double wealth[] = {1, 1.128007753, 1.071607365, 1.196686677, 1.346272512, 1.548213389, 1.625624058, 1.910108269}, bets[] = {0.4266925095, 0.5, 0.2918030342, 0.5, 0.5, 0.5, 0.5, 0.5};
  BettingState state;
  for (int i = 0; i < 8; ++i) {
    bet_on(payoffs[i], state);
    CHECK(std::exp(state.log_wealth) == Approx(wealth[i]).epsilon(1e-9));
    CHECK(state.bet == Approx(bets[i]).epsilon(1e-9));
  }
}

TEST_CASE("detectors of a change add up evidence as an independent implementation does") {
  const int stream[] = {0, 0, 1, 0, 1, 1, 0, 1, 1, 1};
  const double sr[] = {0.9, 1.71, 7.859, 7.9731, 26.02199, 78.363771, 71.4273939, 210.0394423, 612.0143827, 1777.74171}, cusum[] = {0.9, 0.9, 2.9, 2.61, 7.569, 21.9501, 19.75509, 57.289761, 166.1403069, 481.80689};
  double a = 0, b = 0;
  for (int i = 0; i < 10; ++i) {
    const double factor = 1 + 2 * (stream[i] - 0.05);
    a = next_shiryaev_roberts(a, factor);
    b = next_cusum(b, factor);
    CHECK(a == Approx(sr[i]).epsilon(1e-9));
    CHECK(b == Approx(cusum[i]).epsilon(1e-9));
  }
}

TEST_CASE("e-values of several tests are rejected by their rank") {
  // K / (k alpha): 80, 40, 26.7, 20 for 4 tests at 0.05.
  const std::vector<double> values{45, 1, 41, 30};
  CHECK(e_benjamini_hochberg(values, 0.05) == std::vector<bool>{true, false, true, true});
  CHECK(e_benjamini_hochberg(std::vector<double>{45, 1, 20, 10}, 0.05) == std::vector<bool>{false, false, false, false});
  CHECK(e_benjamini_hochberg(std::vector<double>{80, 1, 1, 1}, 0.05) == std::vector<bool>{true, false, false, false});
  CHECK(e_benjamini_hochberg({}, 0.05).empty());
}

TEST_CASE("looking after every event gives no more false alarms than promised") {
  std::mt19937_64 random(9);
  constexpr int kRuns = 2000, kSteps = 400;
  int alarms = 0;
  for (int run = 0; run < kRuns; ++run) {
    int64_t events = 0;
    for (int64_t t = 1; t <= kSteps; ++t) {
      events += random() % 100 < 5;
      if (*rate_log_evidence(events, t, 0.05) >= std::log(20.0)) {
        ++alarms;
        break;
      }
    }
  }
  // At most 5 %: 100 of 2,000, and four standard deviations.
  CHECK(alarms <= 139);
  CHECK(alarms > 0);
}

}  // namespace llmops
