#include "core/drift/kernel.h"

#include <algorithm>
#include <cmath>

#include "core/drift/matrix_product.h"

namespace llmops {
namespace {

constexpr size_t kMostForMedian = 1024;

}  // namespace

double squared_norm(std::span<const float> row) {
  double sum = 0;
  for (const float v : row) sum += static_cast<double>(v) * static_cast<double>(v);
  return sum;
}

std::vector<double> gaussian_values(const VectorsView& a, const VectorsView& b, double sigma) {
  std::vector<double> values(a.rows * b.rows), norms(b.rows);
  for (size_t j = 0; j < b.rows; ++j) norms[j] = squared_norm(b.row(j));
  inner_products(a.rows, b.rows, a.dimensions, a.values.data(), a.dimensions, b.values.data(), b.dimensions, values.data(), b.rows);
  for (size_t i = 0; i < a.rows; ++i) {
    const double norm = squared_norm(a.row(i));
    for (size_t j = 0; j < b.rows; ++j) {
      double& value = values[i * b.rows + j];
      value = std::exp(-std::max(0.0, norm + norms[j] - 2 * value) / (2 * sigma * sigma));
    }
  }
  return values;
}

std::optional<double> median_sigma(const VectorsView& rows) {
  const size_t count = std::min(rows.rows, kMostForMedian), d = rows.dimensions;
  if (count < 2) return std::nullopt;
  std::vector<float> taken(count * d);
  for (size_t i = 0; i < count; ++i) std::ranges::copy(rows.row(i * rows.rows / count), taken.begin() + static_cast<std::ptrdiff_t>(i * d));
  std::vector<double> products(count * count), distances;
  inner_products(count, count, d, taken.data(), d, taken.data(), d, products.data(), count);
  distances.reserve(count * (count - 1) / 2);
  // Rows that are the same have products that are the same, so that their distance is exactly 0; the clip is for those that nearly are.
  for (size_t i = 0; i < count; ++i) for (size_t j = 0; j < i; ++j) distances.push_back(std::max(0.0, products[i * count + i] + products[j * count + j] - 2 * products[i * count + j]));
  // Each distance stands twice in the full matrix: its lower middle of n (n - 1) is the lower middle of these.
  const auto middle = distances.begin() + static_cast<std::ptrdiff_t>((distances.size() - 1) / 2);
  std::nth_element(distances.begin(), middle, distances.end());
  double median = *middle;
  if (median <= 0) {
    const auto positive = std::partition(distances.begin(), distances.end(), [](double distance) { return distance > 0; });
    if (positive == distances.begin()) return std::nullopt;
    median = *std::min_element(distances.begin(), positive);
  }
  return std::sqrt(median / 2);
}

KernelTiles::KernelTiles(const VectorsView& rows, std::vector<double> sigmas) : rows_(rows) {
  for (const double sigma : sigmas) factors_.push_back(-1 / (2 * sigma * sigma));
  for (size_t i = 0; i < rows.rows; ++i) norms_.push_back(squared_norm(rows.row(i)));
}

void KernelTiles::compute(size_t first_row, size_t row_count, size_t first_column, size_t column_count, double* out) const {
  const size_t d = rows_.dimensions;
  inner_products(row_count, column_count, d, rows_.values.data() + first_row * d, d, rows_.values.data() + first_column * d, d, out, column_count);
  const double share = 1 / static_cast<double>(factors_.size());
  for (size_t i = 0; i < row_count; ++i) {
    for (size_t j = 0; j < column_count; ++j) {
      double& value = out[i * column_count + j];
      const double distance = std::max(0.0, norms_[first_row + i] + norms_[first_column + j] - 2 * value);
      double sum = 0;
      for (const double factor : factors_) sum += std::exp(factor * distance);
      value = sum * share;
    }
  }
}

}  // namespace llmops
