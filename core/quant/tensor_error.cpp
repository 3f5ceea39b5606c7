// Eight lanes of doubles whatever the processor, added up in one order: the figures are the same bits everywhere.
#include "core/quant/tensor_error.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "core/quant/avx2.h"
#include "core/quant/tensor_error_lanes.h"

namespace llmops {
namespace {

double sum_of(const Lanes& lanes) { return ((lanes[0] + lanes[4]) + (lanes[1] + lanes[5])) + ((lanes[2] + lanes[6]) + (lanes[3] + lanes[7])); }

}  // namespace

void add_error_lanes(std::span<const float> x, std::span<const float> y, ErrorLanes& lanes) {
  for (size_t i = 0; i < x.size(); ++i) {
    const size_t lane = i % kErrorLanes;
    const double a = x[i], b = y[i], difference = a - b;
    lanes.most[lane] = std::max(lanes.most[lane], std::fabs(difference));
    lanes.source[lane] += a * a;
    lanes.error[lane] += difference * difference;
    lanes.output[lane] += b * b;
    lanes.product[lane] += a * b;
  }
}

bool all_within_reference(std::span<const float> values, float largest) {
  return std::all_of(values.begin(), values.end(), [largest](float value) { return std::fabs(value) <= largest; });
}

void ErrorSums::add(std::span<const float> x, std::span<const float> y) {
  ErrorLanes lanes;
#if LLMOPS_HAS_AVX2_KERNELS
  if (has_avx2()) avx2::add_error_lanes(x, y, lanes);
  else add_error_lanes(x, y, lanes);
#else
  add_error_lanes(x, y, lanes);
#endif
  largest = std::max(largest, *std::max_element(lanes.most.begin(), lanes.most.end()));
  source += sum_of(lanes.source);
  error += sum_of(lanes.error);
  output += sum_of(lanes.output);
  product += sum_of(lanes.product);
  count += x.size();
}

bool all_within(std::span<const float> values, float largest) {
#if LLMOPS_HAS_AVX2_KERNELS
  if (has_avx2()) return avx2::all_within(values, largest);
#endif
  return all_within_reference(values, largest);
}

bool all_finite(std::span<const float> values) { return all_within(values, std::numeric_limits<float>::max()); }

void ErrorSums::add(const ErrorSums& other) {
  largest = std::max(largest, other.largest);
  source += other.source;
  error += other.error;
  output += other.output;
  product += other.product;
  count += other.count;
}

TensorError ErrorSums::result() const {
  TensorError made;
  made.largest = largest;
  made.rms = count > 0 ? std::sqrt(error / static_cast<double>(count)) : 0;
  if (error == 0) made.relative_rms = 0;
  else if (source > 0) made.relative_rms = std::sqrt(error / source);
  if (source > 0 && output > 0) made.cosine = std::clamp(product / std::sqrt(source * output), -1.0, 1.0);
  return made;
}

}  // namespace llmops
