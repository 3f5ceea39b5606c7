#include "core/quant/tensor_error.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

namespace llmops {

void ErrorSums::add(std::span<const float> x, std::span<const float> y) {
  constexpr size_t kLanes = 4;        // so that it vectorizes; lanes are added in one order
  std::array<double, kLanes> most{}, squares{}, errors{}, outputs{}, products{};
  const auto one = [&](size_t i, size_t lane) {
    const double a = x[i], b = y[i], difference = a - b;
    most[lane] = std::max(most[lane], std::fabs(difference));
    squares[lane] += a * a;
    errors[lane] += difference * difference;
    outputs[lane] += b * b;
    products[lane] += a * b;
  };
  size_t i = 0;
  for (; i + kLanes <= x.size(); i += kLanes) for (size_t lane = 0; lane < kLanes; ++lane) one(i + lane, lane);
  for (; i < x.size(); ++i) one(i, 0);
  largest = std::max(largest, *std::max_element(most.begin(), most.end()));
  source += std::accumulate(squares.begin(), squares.end(), 0.0);
  error += std::accumulate(errors.begin(), errors.end(), 0.0);
  output += std::accumulate(outputs.begin(), outputs.end(), 0.0);
  product += std::accumulate(products.begin(), products.end(), 0.0);
  count += x.size();
}

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
  made.relative_rms = source > 0 ? std::sqrt(error / source) : 0;
  if (source > 0 && output > 0) made.cosine = std::clamp(product / std::sqrt(source * output), -1.0, 1.0);
  return made;
}

}  // namespace llmops
