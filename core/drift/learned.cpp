#include "core/drift/learned.h"

#include <fmt/format.h>

#include <Eigen/Cholesky>
#include <Eigen/Eigenvalues>
#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/stats/random.h"

namespace llmops {
namespace {

using Matrix = Eigen::MatrixXd;
using Vector = Eigen::VectorXd;

constexpr double kRegular = 1e-5;
constexpr size_t kLeastRows = 16, kMostTrained = 500;

Matrix matrix_of(const VectorsView& rows) {
  Matrix made(static_cast<Eigen::Index>(rows.rows), static_cast<Eigen::Index>(rows.dimensions));
  for (size_t i = 0; i < rows.rows; ++i) for (size_t j = 0; j < rows.dimensions; ++j) made(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(j)) = static_cast<double>(rows.values[i * rows.dimensions + j]);
  return made;
}

// exp(-|a - b|^2 / 2) between all rows.
Matrix kernel_of(const Matrix& rows) {
  const Vector norms = rows.rowwise().squaredNorm();
  Matrix distances = -2 * rows * rows.transpose();
  distances.colwise() += norms;
  distances.rowwise() += norms.transpose();
  return (-distances.cwiseMax(0.0) / 2).array().exp();
}

// Rows of a sample for training and the others.
struct Parts { Vectors trained, tested; };
Parts parts_of(const VectorsView& rows, double share, RandomSource& random) {
  std::vector<size_t> order(rows.rows);
  std::iota(order.begin(), order.end(), size_t{0});
  for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random.below(i)]);
  const auto cut = static_cast<size_t>(share * static_cast<double>(rows.rows));
  Parts parts{{{}, 0, rows.dimensions}, {{}, 0, rows.dimensions}};
  for (size_t i = 0; i < order.size(); ++i) {
    Vectors& part = i < cut ? parts.trained : parts.tested;
    part.values.insert(part.values.end(), rows.row(order[i]).begin(), rows.row(order[i]).end());
    ++part.rows;
  }
  return parts;
}

Status check(const VectorsView& reference, const VectorsView& current) {
  if (reference.dimensions != current.dimensions) return Error(ErrorCode::kData, fmt::format("vectors of {} dimensions cannot be held against vectors of {}", current.dimensions, reference.dimensions), "make both by one embedder");
  if (reference.rows < kLeastRows || current.rows < kLeastRows) return Error(ErrorCode::kData, fmt::format("{} and {} rows are too few: at least {} are needed on each side", reference.rows, current.rows, kLeastRows), "take a longer window");
  return {};
}

// Principal directions of the rows, each divided by sigma.
std::vector<double> principal_projection(const Matrix& rows, size_t rank, double sigma) {
  const Matrix centred = rows.rowwise() - rows.colwise().mean();
  const Eigen::SelfAdjointEigenSolver<Matrix> solved(centred.transpose() * centred);
  std::vector<double> made;
  for (size_t r = 0; r < rank; ++r) {
    Vector direction = solved.eigenvectors().col(solved.eigenvectors().cols() - 1 - static_cast<Eigen::Index>(r));
    Eigen::Index largest = 0;
    direction.cwiseAbs().maxCoeff(&largest);
    if (direction[largest] < 0) direction = -direction;
    for (Eigen::Index j = 0; j < direction.size(); ++j) made.push_back(direction[j] / sigma);
  }
  return made;
}

// Adam (Kingma & Ba 2015) uphill; the best projection met is kept.
std::vector<double> climbed(const VectorsView& x, const VectorsView& y, std::vector<double> projection, const LearnedOptions& options, size_t rank, double& before, double& after) {
  constexpr double kFirst = 0.9, kSecond = 0.999, kTiny = 1e-8;
  const double scale = std::sqrt(std::transform_reduce(projection.begin(), projection.end(), 0.0, std::plus<>(), [](double v) { return v * v; }) / static_cast<double>(projection.size())), step = 0.05 * scale;
  std::vector<double> best = projection, first(projection.size()), second(projection.size());
  before = after = -INFINITY;
  for (size_t t = 0; t <= options.steps && !options.cancel.cancelled(); ++t) {
    const PowerCriterion made = power_criterion(x, y, projection, rank);
    if (t == 0) before = made.value;
    if (made.value > after) {
      after = made.value;
      best = projection;
    }
    for (size_t i = 0; i < projection.size(); ++i) {
      first[i] = kFirst * first[i] + (1 - kFirst) * made.gradient[i];
      second[i] = kSecond * second[i] + (1 - kSecond) * made.gradient[i] * made.gradient[i];
      const double a = first[i] / (1 - std::pow(kFirst, static_cast<double>(t + 1))), b = second[i] / (1 - std::pow(kSecond, static_cast<double>(t + 1)));
      projection[i] += step * a / (std::sqrt(b) + kTiny);
    }
  }
  return best;
}

Vectors projected(const VectorsView& rows, std::span<const double> projection, size_t rank) {
  Vectors made{std::vector<float>(rows.rows * rank), rows.rows, rank};
  for (size_t i = 0; i < rows.rows; ++i) {
    for (size_t r = 0; r < rank; ++r) {
      double sum = 0;
      for (size_t j = 0; j < rows.dimensions; ++j) sum += projection[r * rows.dimensions + j] * static_cast<double>(rows.values[i * rows.dimensions + j]);
      made.values[i * rank + r] = static_cast<float>(sum);
    }
  }
  return made;
}

}  // namespace

PowerCriterion power_criterion(const VectorsView& x, const VectorsView& y, std::span<const double> projection, size_t rank) {
  const auto n = static_cast<Eigen::Index>(std::min(x.rows, y.rows)), d = static_cast<Eigen::Index>(x.dimensions);
  const Eigen::Map<const Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>> p(projection.data(), static_cast<Eigen::Index>(rank), d);
  Matrix z(2 * n, d);
  z << matrix_of(x.part(0, static_cast<size_t>(n))), matrix_of(y.part(0, static_cast<size_t>(n)));
  const Matrix low = z * p.transpose(), k = kernel_of(low);
  const Matrix h = k.topLeftCorner(n, n) + k.bottomRightCorner(n, n) - k.topRightCorner(n, n) - k.topRightCorner(n, n).transpose();
  const double size = static_cast<double>(n), pairs = size * (size - 1), all = h.sum();
  const Vector rows = h.rowwise().sum();
  PowerCriterion made;
  made.mmd = (all - h.trace()) / pairs;
  made.variance = 4 * rows.squaredNorm() / std::pow(size, 3) - 4 * all * all / std::pow(size, 4);
  const double spread = std::sqrt(made.variance + kRegular);
  made.value = made.mmd / spread;
  // dJ/dH: of mmd off the diagonal, of the variance in whole rows; H is symmetric, and so is what its gradient is used for.
  Matrix g = Matrix::Constant(n, n, 1 / (pairs * spread));
  g.diagonal().setZero();
  const double of_variance = -made.mmd / (2 * std::pow(spread, 3));
  const Vector of_rows = of_variance * (8 / std::pow(size, 3) * rows.array() - 8 / std::pow(size, 4) * all).matrix();
  g.colwise() += of_rows;
  g = ((g + g.transpose()) / 2).eval();
  // Each kernel value by its place in H, then dk/dP = -k P (a - b)(a - b)^T, summed as a Laplacian.
  Matrix w(2 * n, 2 * n);
  w << g, -g, -g, g;
  w = w.cwiseProduct(k).eval();
  const Matrix laplacian = Matrix(w.rowwise().sum().asDiagonal()) - w;
  const Matrix gradient = -2 * low.transpose() * laplacian * z;
  made.gradient.resize(projection.size());
  for (Eigen::Index r = 0; r < gradient.rows(); ++r) for (Eigen::Index j = 0; j < d; ++j) made.gradient[static_cast<size_t>(r * d + j)] = gradient(r, j);
  return made;
}

Result<LearnedTest> learned_mmd_test(const VectorsView& reference, const VectorsView& current, const LearnedOptions& options) {
  LLMOPS_CHECK(check(reference, current));
  RandomSource random(options.seed ^ 0x6C6561726E6564u);
  const Parts x = parts_of(reference, options.trained_share, random), y = parts_of(current, options.trained_share, random);
  const size_t trained = std::min({x.trained.rows, y.trained.rows, kMostTrained});
  LearnedTest made;
  made.trained = trained;
  made.tested = x.tested.rows + y.tested.rows;
  made.permutations = options.permutations;
  made.statistics.assign(options.permutations + 1, 0);
  const Vectors pooled = joined(x.trained.view().part(0, trained), y.trained.view().part(0, trained));
  const auto sigma = median_sigma(pooled.view());
  if (!sigma) return made;
  const size_t rank = std::min({options.rank, reference.dimensions, pooled.rows});
  const std::vector<double> projection = climbed(x.trained.view().part(0, trained), y.trained.view().part(0, trained), principal_projection(matrix_of(pooled.view()), rank, *sigma), options, rank, made.criterion_before, made.criterion_after);
  PermutationPlan plan;
  plan.permutations = options.permutations;
  plan.seed = options.seed;
  LLMOPS_ASSIGN(const Memberships memberships, Memberships::make(made.tested, x.tested.rows, plan));
  MmdOptions with;
  with.sigmas = {1};
  with.threads = options.threads;
  with.cancel = options.cancel;
  LLMOPS_ASSIGN(MmdTest test, mmd_test(projected(x.tested.view(), projection, rank).view(), projected(y.tested.view(), projection, rank).view(), memberships, with));
  made.statistic = test.estimate.unbiased;
  made.p_value = test.p_value;
  made.statistics = std::move(test.statistics);
  return made;
}

Result<WitnessTest> witness_test(const VectorsView& reference, const VectorsView& current, const LearnedOptions& options) {
  LLMOPS_CHECK(check(reference, current));
  RandomSource random(options.seed ^ 0x7769746E657373u);
  const Parts x = parts_of(reference, options.trained_share, random), y = parts_of(current, options.trained_share, random);
  WitnessTest made;
  made.trained = x.trained.rows + y.trained.rows;
  made.tested = x.tested.rows + y.tested.rows;
  made.permutations = options.permutations;
  const Vectors pooled = joined(x.trained.view(), y.trained.view());
  const Matrix rows = matrix_of(pooled.view()), centred = rows.rowwise() - rows.colwise().mean();
  Vector target(rows.rows());
  for (Eigen::Index i = 0; i < target.size(); ++i) target[i] = static_cast<size_t>(i) < x.trained.rows ? -1.0 / static_cast<double>(x.trained.rows) : 1.0 / static_cast<double>(y.trained.rows);
  Matrix covariance = centred.transpose() * centred / static_cast<double>(rows.rows());
  // A ridge of a tenth of the mean variance keeps directions of few rows from counting.
  const double ridge = 0.1 * covariance.trace() / static_cast<double>(covariance.rows()) + 1e-12;
  covariance.diagonal().array() += ridge;
  const Vector direction = covariance.llt().solve(centred.transpose() * target);
  made.direction.assign(direction.data(), direction.data() + direction.size());
  const Matrix tested = matrix_of(joined(x.tested.view(), y.tested.view()).view());
  const Vector scores = tested * direction;
  PermutationPlan plan;
  plan.permutations = options.permutations;
  plan.seed = options.seed;
  LLMOPS_ASSIGN(const Memberships memberships, Memberships::make(made.tested, x.tested.rows, plan));
  for (size_t c = 0; c < memberships.columns(); ++c) {
    double of_reference = 0, of_current = 0;
    for (Eigen::Index i = 0; i < scores.size(); ++i) (memberships.is_reference(static_cast<size_t>(i), c) ? of_reference : of_current) += scores[i];
    made.statistics.push_back(of_current / static_cast<double>(y.tested.rows) - of_reference / static_cast<double>(x.tested.rows));
  }
  made.statistic = made.statistics[0];
  made.p_value = permutation_p(made.statistics, 1e-12 * (1 + std::fabs(made.statistic)));
  return made;
}

}  // namespace llmops
