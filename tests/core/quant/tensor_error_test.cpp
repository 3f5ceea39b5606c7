// Errors of stored values: against sums in long double, and the same on every processor.
#include "core/quant/tensor_error.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "core/quant/tensor_error_lanes.h"

using namespace llmops;

TEST_CASE("errors are those of a plain sum, for any number of values") {
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  for (const size_t count : {size_t{0}, size_t{1}, size_t{7}, size_t{8}, size_t{1000}, size_t{100'003}}) {
    CAPTURE(count);
    std::vector<float> x(count), y(count);
    long double source = 0, error = 0, output = 0, product = 0, largest = 0;
    for (size_t i = 0; i < count; ++i) {
      x[i] = normal(random) * 100;
      y[i] = x[i] + normal(random);
      const long double a = x[i], b = y[i];
      source += a * a;
      error += (a - b) * (a - b);
      output += b * b;
      product += a * b;
      largest = std::max(largest, std::fabs(a - b));
    }
    ErrorSums sums, halves;
    sums.add(x, y);
    halves.add(std::span(x).first(count / 2), std::span(y).first(count / 2));
    ErrorSums second;
    second.add(std::span(x).subspan(count / 2), std::span(y).subspan(count / 2));
    halves.add(second);
    for (const TensorError& made : {sums.result(), halves.result()}) {
      CHECK(made.largest == static_cast<double>(largest));
      CHECK(made.rms == Approx(count == 0 ? 0 : static_cast<double>(std::sqrt(error / count))).epsilon(1e-12));
      CHECK(made.relative_rms == Approx(count == 0 ? 0 : static_cast<double>(std::sqrt(error / source))).epsilon(1e-12));
      CHECK(made.cosine.has_value() == (count > 0));
      if (made.cosine) CHECK(*made.cosine == Approx(static_cast<double>(product / std::sqrt(source * output))).epsilon(1e-12));
    }
#if LLMOPS_HAS_AVX2_KERNELS
    if (has_avx2()) {
      ErrorLanes plain, fast;
      add_error_lanes(x, y, plain);
      avx2::add_error_lanes(x, y, fast);
      CHECK(plain.most == fast.most);
      CHECK(plain.source == fast.source);
      CHECK(plain.error == fast.error);
      CHECK(plain.output == fast.output);
      CHECK(plain.product == fast.product);
    }
#endif
  }
}

TEST_CASE("a value that is no number is found wherever it stands") {
  for (const size_t count : {size_t{1}, size_t{8}, size_t{35}}) {
    std::vector<float> values(count, -3.4e38F);
    CHECK(all_finite(values));
    for (size_t i = 0; i < count; ++i) {
      for (const float odd : {std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
        values[i] = odd;
        CHECK_FALSE(all_finite(values));
      }
      values[i] = 1e-45F;
    }
  }
}

TEST_CASE("a value past a range is found wherever it stands, and the last of the range is within") {
  constexpr float kLargest = 65504;
  for (const size_t count : {size_t{1}, size_t{8}, size_t{35}}) {
    std::vector<float> values(count, -kLargest);
    CHECK(all_within(values, kLargest));
    CHECK(all_within_reference(values, kLargest));
    for (size_t i = 0; i < count; ++i) {
      for (const float odd : {std::nextafter(kLargest, 1e9F), -65536.0F, -std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
        values[i] = odd;
        CHECK_FALSE(all_within(values, kLargest));
        CHECK_FALSE(all_within_reference(values, kLargest));
      }
      values[i] = kLargest;
    }
  }
}

TEST_CASE("an error beside a source that is all zero is not known, and none is none") {
  const std::vector<float> zeros(16), ones(16, 1);
  ErrorSums changed, same;
  changed.add(zeros, ones);
  same.add(zeros, zeros);
  CHECK(changed.result().rms == 1);
  CHECK_FALSE(changed.result().relative_rms.has_value());
  CHECK(same.result().relative_rms == 0);
  CHECK_FALSE(same.result().cosine.has_value());
}
