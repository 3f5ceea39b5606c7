#include "core/drift/latent.h"

#include <Eigen/QR>
#include <Eigen/SVD>
#include <Eigen/SparseCore>
#include <algorithm>
#include <cmath>
#include <map>

#include "core/stats/random.h"

namespace llmops {
namespace {

using Matrix = Eigen::MatrixXd;
using Sparse = Eigen::SparseMatrix<double, Eigen::RowMajor>;

// The columns that occur, side by side.
Sparse compact(const SparseRows& rows) {
  std::vector<uint32_t> used(rows.indices);
  std::sort(used.begin(), used.end());
  used.erase(std::unique(used.begin(), used.end()), used.end());
  std::vector<Eigen::Triplet<double>> entries;
  for (size_t i = 0; i < rows.rows(); ++i) {
    for (size_t k = rows.offsets[i]; k < rows.offsets[i + 1]; ++k) {
      const auto column = std::lower_bound(used.begin(), used.end(), rows.indices[k]) - used.begin();
      entries.emplace_back(static_cast<int>(i), static_cast<int>(column), static_cast<double>(rows.values[k]));
    }
  }
  Sparse made(static_cast<Eigen::Index>(rows.rows()), static_cast<Eigen::Index>(used.size()));
  made.setFromTriplets(entries.begin(), entries.end());
  return made;
}

Matrix orthogonal(const Matrix& matrix) {
  const Eigen::HouseholderQR<Matrix> qr(matrix);
  return qr.householderQ() * Matrix::Identity(matrix.rows(), std::min(matrix.rows(), matrix.cols()));
}

}  // namespace

Vectors latent_vectors(const SparseRows& rows, size_t dimensions, uint64_t seed, bool normalise) {
  const Sparse a = compact(rows);
  constexpr Eigen::Index kExtra = 10;
  const Eigen::Index wanted = std::min<Eigen::Index>(static_cast<Eigen::Index>(dimensions), std::min(a.rows(), a.cols())), columns = std::min(wanted + kExtra, std::min(a.rows(), a.cols()));
  Vectors made{{}, rows.rows(), static_cast<size_t>(wanted)};
  made.values.assign(made.rows * made.dimensions, 0);
  if (wanted == 0) return made;
  RandomSource random(seed ^ 0x6C617465'6E740000u);
  Matrix omega(a.cols(), columns);
  // Signs do as well as normal numbers, and are the same bits everywhere.
  for (Eigen::Index j = 0; j < columns; ++j) for (Eigen::Index i = 0; i < a.cols(); ++i) omega(i, j) = random.next() >> 63 ? 1.0 : -1.0;
  Matrix basis = orthogonal(a * omega);
  for (int power = 0; power < 2; ++power) basis = orthogonal(a * orthogonal(a.transpose() * basis));
  const Matrix small = basis.transpose() * a;
  const Eigen::BDCSVD<Matrix> svd(small, Eigen::ComputeThinU | Eigen::ComputeThinV);
  Matrix projected = basis * svd.matrixU() * svd.singularValues().asDiagonal();
  for (Eigen::Index j = 0; j < wanted; ++j) {
    Eigen::Index largest = 0;
    svd.matrixV().col(j).cwiseAbs().maxCoeff(&largest);
    if (svd.matrixV()(largest, j) < 0) projected.col(j) *= -1;
  }
  for (size_t i = 0; i < made.rows; ++i) {
    const auto row = static_cast<Eigen::Index>(i);
    const double length = projected.row(row).head(wanted).norm(), scale = normalise && length > 0 ? 1 / length : 1;
    for (Eigen::Index j = 0; j < wanted; ++j) made.values[i * made.dimensions + static_cast<size_t>(j)] = static_cast<float>(projected(row, j) * scale);
  }
  return made;
}

}  // namespace llmops
