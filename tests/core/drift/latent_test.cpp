#include "core/drift/latent.h"

#include <catch2/catch.hpp>
#include <Eigen/SVD>
#include <cmath>
#include <random>

namespace llmops {
namespace {

// A matrix of three groups of rows, each with its own columns, and a little noise.
SparseRows grouped_rows(std::mt19937& random, size_t rows) {
  SparseRows made;
  made.dimensions = 64;
  for (size_t i = 0; i < rows; ++i) {
    for (uint32_t j = 0; j < 64; ++j) {
      const bool is_own = j / 20 == i % 3;
      if (!is_own && random() % 20 != 0) continue;
      made.indices.push_back(j);
      made.values.push_back(is_own ? 1.0F + static_cast<float>(random() % 100) / 200 : 0.1F);
    }
    made.offsets.push_back(made.indices.size());
  }
  return made;
}

}  // namespace

TEST_CASE("latent dimensions are those of a plain singular value decomposition") {
  std::mt19937 random(1);
  const SparseRows rows = grouped_rows(random, 50);
  Eigen::MatrixXd dense = Eigen::MatrixXd::Zero(50, 64);
  for (size_t i = 0; i < 50; ++i) for (size_t k = rows.offsets[i]; k < rows.offsets[i + 1]; ++k) dense(static_cast<Eigen::Index>(i), rows.indices[k]) = static_cast<double>(rows.values[k]);
  const Eigen::JacobiSVD<Eigen::MatrixXd> svd(dense, Eigen::ComputeThinU | Eigen::ComputeThinV);
  const Vectors made = latent_vectors(rows, 3, 1, false);
  REQUIRE((made.rows == 50 && made.dimensions == 3));
  for (Eigen::Index j = 0; j < 3; ++j) {
    const Eigen::VectorXd expected = svd.matrixU().col(j) * svd.singularValues()[j];
    double plus = 0, minus = 0;
    for (Eigen::Index i = 0; i < 50; ++i) {
      const double value = static_cast<double>(made.values[static_cast<size_t>(i * 3 + j)]);
      plus = std::max(plus, std::fabs(value - expected[i]));
      minus = std::max(minus, std::fabs(value + expected[i]));
    }
    CHECK(std::min(plus, minus) < 1e-3);
  }
}

TEST_CASE("rows of a group lie together, with length 1, and fewer rows give fewer dimensions") {
  std::mt19937 random(2);
  const Vectors made = latent_vectors(grouped_rows(random, 60), 3);
  const auto cosine = [&](size_t a, size_t b) {
    double sum = 0;
    for (size_t j = 0; j < 3; ++j) sum += static_cast<double>(made.values[a * 3 + j]) * static_cast<double>(made.values[b * 3 + j]);
    return sum;
  };
  CHECK(cosine(0, 0) == Approx(1).epsilon(1e-6));
  CHECK(cosine(0, 3) > 0.95);
  CHECK(cosine(0, 1) < 0.5);
  CHECK(latent_vectors(grouped_rows(random, 60), 3).values != made.values);
  CHECK(latent_vectors(grouped_rows(random, 2), 10).dimensions == 2);
  CHECK(latent_vectors(SparseRows{}, 10).dimensions == 0);
}

}  // namespace llmops
