// Confidence intervals and paired tests. Every function names its source; every one has a slow reference in the tests and
// values from an independent implementation. "Not enough data" is nullopt, never a number.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace llmops {

struct Interval { double low = 0, high = 0; };

// Distribution functions (Abramowitz & Stegun 26.5; Lentz's continued fraction for the incomplete beta; quantiles by
// bisection and Newton). Relative error below 1e-10.
double normal_cdf(double z);
double normal_quantile(double p);                    // 0 < p < 1
double incomplete_beta(double a, double b, double x); // regularised
double student_t_cdf(double t, double degrees);
double student_t_quantile(double p, double degrees);

// Wilson 1927 score interval of a rate without continuity correction. n = 0: nullopt.
std::optional<Interval> wilson_interval(int64_t successes, int64_t n, double level = 0.95);

struct MeanEstimate {
  double mean = 0;
  std::optional<double> standard_error;   // sd (n - 1) / sqrt(n); of clusters: Miller 2024 (arXiv:2411.00640) with C / (C - 1)
  std::optional<Interval> interval;       // Student's t with n - 1 (clusters: C - 1) degrees; nullopt for n < 2
  int64_t n = 0;
  int64_t clusters = 0;                   // 0: not clustered
};
// values: n, finite. n = 0: nullopt.
std::optional<MeanEstimate> mean_interval(std::span<const double> values, double level = 0.95);
// cluster[i] names the cluster of values[i].
std::optional<MeanEstimate> clustered_mean_interval(std::span<const double> values, std::span<const int64_t> cluster, double level = 0.95);

// The p-quantile as numpy's default (linear, type 7), and its distribution-free interval from order statistics by the
// binomial (Conover 1999, 3.2). The interval is nullopt when n is too small for the level on either side.
struct QuantileEstimate { double value = 0; std::optional<Interval> interval; int64_t n = 0; };
std::optional<QuantileEstimate> quantile_interval(std::vector<double> values, double p, double level = 0.95);

// Differences a - b of paired values.
struct PairedEstimate {
  double difference = 0;                  // mean of a - b
  std::optional<Interval> interval;
  std::optional<double> p_value;          // two-sided
  int64_t n = 0;                          // pairs
  const char* method = "";                // "paired t", "Tango score + exact McNemar"
};
// Student's paired t. All differences equal: p and interval nullopt unless they are 0 (difference 0, interval nullopt).
std::optional<PairedEstimate> paired_t(std::span<const double> a, std::span<const double> b, double level = 0.95);
// 0/1 values: interval by Tango 1998 (Statistics in Medicine 17:891), p by the exact two-sided McNemar test.
std::optional<PairedEstimate> paired_rates(std::span<const double> a, std::span<const double> b, double level = 0.95);

// Cases needed so that an interval of half-width proportional to 1/sqrt(n) just excludes `margin`, from one of half-width
// `half_width` at `n`. nullopt: margin 0.
std::optional<int64_t> cases_to_decide(int64_t n, double half_width, double margin);

}  // namespace llmops
