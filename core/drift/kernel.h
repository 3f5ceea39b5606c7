// Gaussian kernels, their width from the data, and sums of them over pairs of rows.
//   k(x, y) = mean over sigma of exp(-|x - y|^2 / (2 sigma^2))
#pragma once

#include <optional>
#include <vector>

#include "core/base/cancel.h"
#include "core/drift/vectors.h"

namespace llmops {

// sigma = sqrt(median / 2) of the squared distances between two different rows, the lower of two middle ones: gamma = 1 / median (the median heuristic as Seldon's alibi-detect
// computes it from a reference with itself). Of more than 1,024 rows, 1,024 evenly spaced ones are taken. Where at least half of the distances are 0 (prompts that repeat), the
// smallest positive one. nullopt: fewer than two rows, or no two rows differ.
// Taken from the pooled sample it does not change when items change sides, so that a permutation test stays exact.
std::optional<double> median_sigma(const VectorsView& rows);

// Of a row, in doubles.
double squared_norm(std::span<const float> row);
// exp(-|a - b|^2 / (2 sigma^2)) of every row of `a` with every row of `b`, row-major. Preconditions: equal dimensions, sigma positive. Cost: a.rows b.rows (dimensions multiply-adds and an exponential).
std::vector<double> gaussian_values(const VectorsView& a, const VectorsView& b, double sigma);

// One square of the matrix of kernel values: rows first_row..+row_count against columns first_column..+column_count of one sample. In doubles.
class KernelTiles {
 public:
  // Precondition: sigmas not empty, each positive. Keeps the view. Cost: the rows' norms.
  KernelTiles(const VectorsView& rows, std::vector<double> sigmas);
  size_t size() const { return rows_.rows; }
  // out(row_count x column_count), row-major. Cost: row_count column_count (dimensions multiply-adds and an exponential for each sigma).
  void compute(size_t first_row, size_t row_count, size_t first_column, size_t column_count, double* out) const;

 private:
  VectorsView rows_;
  std::vector<double> factors_;      // -1 / (2 sigma^2)
  std::vector<double> norms_;        // squared, of each row
};

}  // namespace llmops
