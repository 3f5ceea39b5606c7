// Sums whose error does not grow with the number of terms (Neumaier 1974), and the moments made from them.
#pragma once

#include <cmath>
#include <span>

namespace llmops {

class Sum {
 public:
  void add(double x) {
    const double next = sum_ + x;
    lost_ += std::abs(sum_) >= std::abs(x) ? (sum_ - next) + x : (x - next) + sum_;
    sum_ = next;
  }
  double value() const { return sum_ + lost_; }

 private:
  double sum_ = 0, lost_ = 0;
};

// Precondition: not empty. Equal values give exactly that value.
inline double exact_mean(std::span<const double> values) {
  bool equal = true;
  Sum sum;
  for (const double v : values) { sum.add(v); equal = equal && v == values.front(); }
  return equal ? values.front() : sum.value() / static_cast<double>(values.size());
}

// Sum of (x - mean)^2.
inline double squared_deviations(std::span<const double> values, double mean) {
  Sum sum;
  for (const double v : values) sum.add((v - mean) * (v - mean));
  return sum.value();
}

}  // namespace llmops
