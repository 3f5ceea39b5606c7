#include "core/drift/plane.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>

namespace llmops {

Vectors principal_plane(const VectorsView& rows) {
  constexpr size_t kAxes = 2;
  Vectors plane{std::vector<float>(rows.rows * kAxes, 0.0F), rows.rows, kAxes};
  if (rows.rows == 0 || rows.dimensions == 0) return plane;
  const auto count = static_cast<Eigen::Index>(rows.rows), dimensions = static_cast<Eigen::Index>(rows.dimensions);
  const Eigen::Map<const Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>> values(rows.values.data(), count, dimensions);
  Eigen::MatrixXd centred = values.cast<double>();
  centred.rowwise() -= centred.colwise().mean().eval();
  const Eigen::MatrixXd covariance = centred.transpose() * centred / static_cast<double>(rows.rows);
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(covariance);
  for (Eigen::Index axis = 0; axis < std::min<Eigen::Index>(kAxes, dimensions); ++axis) {
    Eigen::VectorXd direction = solver.eigenvectors().col(dimensions - 1 - axis);      // eigenvalues rise
    Eigen::Index largest = 0;
    for (Eigen::Index i = 1; i < dimensions; ++i) if (std::fabs(direction[i]) > std::fabs(direction[largest]) * (1 + 1e-9)) largest = i;
    if (direction[largest] < 0) direction = -direction;
    const Eigen::VectorXd at = centred * direction;
    for (Eigen::Index i = 0; i < count; ++i) plane.values[static_cast<size_t>(i) * kAxes + static_cast<size_t>(axis)] = static_cast<float>(at[i]);
  }
  return plane;
}

}  // namespace llmops
