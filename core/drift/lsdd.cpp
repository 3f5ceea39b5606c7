#include "core/drift/lsdd.h"

#include <fmt/format.h>

#include <Eigen/Cholesky>
#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/drift/matrix_product.h"
#include "core/drift/tiles.h"
#include "core/stats/random.h"

namespace llmops {
namespace {

using Matrix = Eigen::MatrixXd;
using Vector = Eigen::VectorXd;

constexpr size_t kMostCentres = 500, kChunkRows = 256;
constexpr double kMostDifference = 0.2;
constexpr int kLambdas = 10;

Matrix gaussian(const VectorsView& a, const VectorsView& b, double sigma) {
  const std::vector<double> values = gaussian_values(a, b, sigma);
  return Eigen::Map<const Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>>(values.data(), static_cast<Eigen::Index>(a.rows), static_cast<Eigen::Index>(b.rows));
}

Matrix inverse_of(const Matrix& h, double lambda) {
  const Matrix ridged = h + lambda * Matrix::Identity(h.rows(), h.cols());
  return ridged.llt().solve(Matrix::Identity(h.rows(), h.cols()));
}

Vectors standardised(const Vectors& pooled) {
  Vectors made = pooled;
  const size_t d = pooled.dimensions;
  for (size_t j = 0; j < d; ++j) {
    double sum = 0, squares = 0;
    for (size_t i = 0; i < pooled.rows; ++i) sum += pooled.values[i * d + j];
    const double mean = sum / static_cast<double>(pooled.rows);
    for (size_t i = 0; i < pooled.rows; ++i) squares += std::pow(static_cast<double>(pooled.values[i * d + j]) - mean, 2);
    const double deviation = std::sqrt(squares / static_cast<double>(pooled.rows - 1)) + 1e-12;
    for (size_t i = 0; i < pooled.rows; ++i) made.values[i * d + j] = static_cast<float>((static_cast<double>(pooled.values[i * d + j]) - mean) / deviation);
  }
  return made;
}

// Rows of the reference that differ from each other, drawn at random, at most `wanted`.
std::vector<size_t> drawn_centres(const Vectors& rows, size_t reference, size_t wanted, uint64_t seed) {
  std::vector<size_t> order(reference), chosen;
  std::iota(order.begin(), order.end(), size_t{0});
  RandomSource random(seed ^ 0x6C73646463656E74u);
  const auto is_new = [&](size_t row) {
    return std::none_of(chosen.begin(), chosen.end(), [&](size_t other) { return std::ranges::equal(rows.view().row(row), rows.view().row(other)); });
  };
  for (size_t i = 0; i < reference && chosen.size() < wanted; ++i) {
    std::swap(order[i], order[i + random.below(reference - i)]);
    if (is_new(order[i])) chosen.push_back(order[i]);
  }
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

Vectors rows_at(const Vectors& rows, const std::vector<size_t>& indices) {
  Vectors made{{}, indices.size(), rows.dimensions};
  for (const size_t i : indices) made.values.insert(made.values.end(), rows.view().row(i).begin(), rows.view().row(i).end());
  return made;
}

// h of every split (a column each).
Result<Matrix> differences(const Vectors& rows, const Vectors& centres, double sigma, const Memberships& memberships, const LsddOptions& options) {
  const size_t count = centres.rows, splits = memberships.columns(), chunks = (rows.rows + kChunkRows - 1) / kChunkRows;
  const auto l = static_cast<Eigen::Index>(count), s = static_cast<Eigen::Index>(splits);
  // The chunks go to a fixed number of bins, so that the order of the sums is one.
  const size_t bins = std::min<size_t>(chunks, 8);
  std::vector<Matrix> inside(bins, Matrix::Zero(l, s));
  std::vector<Vector> all(bins, Vector::Zero(l));
  LLMOPS_CHECK(each_tile(bins, options.threads, options.cancel, [&](size_t bin) {
    std::vector<float> kernel(count * kChunkRows), members(kChunkRows * splits), products(count * splits);
    for (size_t chunk = bin; chunk < chunks && !options.cancel.cancelled(); chunk += bins) {
      const VectorsView part = rows.view().part(chunk * kChunkRows, std::min(kChunkRows, rows.rows - chunk * kChunkRows));
      const Matrix values = gaussian(centres.view(), part, sigma);
      for (size_t c = 0; c < count; ++c) for (size_t i = 0; i < part.rows; ++i) kernel[c * part.rows + i] = static_cast<float>(values(static_cast<Eigen::Index>(c), static_cast<Eigen::Index>(i)));
      all[bin] += values.rowwise().sum();
      memberships.expand(chunk * kChunkRows, part.rows, members.data());
      std::fill(products.begin(), products.end(), 0.0F);
      add_product(count, splits, part.rows, kernel.data(), part.rows, members.data(), splits, products.data(), splits);
      for (size_t c = 0; c < count; ++c) for (size_t b = 0; b < splits; ++b) inside[bin](static_cast<Eigen::Index>(c), static_cast<Eigen::Index>(b)) += static_cast<double>(products[c * splits + b]);
    }
  }));
  Matrix h = Matrix::Zero(l, s);
  Vector total = Vector::Zero(l);
  for (size_t bin = 0; bin < bins; ++bin) {
    h += inside[bin];
    total += all[bin];
  }
  for (size_t b = 0; b < splits; ++b) {
    const auto column = static_cast<Eigen::Index>(b);
    const double n = static_cast<double>(memberships.reference_size(b)), m = static_cast<double>(rows.rows) - n;
    h.col(column) = (h.col(column) / n - (total - h.col(column)) / m).eval();
  }
  return h;
}

}  // namespace

Result<LsddEstimate> lsdd_estimate(const VectorsView& reference, const VectorsView& current, const VectorsView& centres, double sigma, double lambda) {
  if (reference.dimensions != current.dimensions || reference.dimensions != centres.dimensions) return Error(ErrorCode::kData, "samples and centres have different dimensions", "make them by one embedder");
  if (reference.rows == 0 || current.rows == 0 || centres.rows == 0) return Error(ErrorCode::kData, "a sample without rows has no density", "take a longer window");
  const Vector h = gaussian(reference, centres, sigma).colwise().mean().transpose() - gaussian(current, centres, sigma).colwise().mean().transpose();
  const Matrix of_centres = gaussian(centres, centres, std::sqrt(2.0) * sigma);
  const Vector w = inverse_of(of_centres, lambda) * h;
  LsddEstimate made;
  made.h.assign(h.data(), h.data() + h.size());
  made.hw = h.dot(w);
  made.whw = w.dot(of_centres * w);
  made.statistic = 2 * made.hw - made.whw;
  made.relative_difference = made.hw != 0 ? 1 - made.whw / made.hw : 0;
  return made;
}

Result<LsddTest> lsdd_test(const VectorsView& reference, const VectorsView& current, const LsddOptions& options) {
  if (reference.dimensions != current.dimensions) return Error(ErrorCode::kData, fmt::format("vectors of {} dimensions cannot be held against vectors of {}", current.dimensions, reference.dimensions), "make both by one embedder");
  if (reference.rows < 4 || current.rows < 4) return Error(ErrorCode::kData, fmt::format("{} and {} rows are too few: at least 4 are needed on each side", reference.rows, current.rows), "take a longer window");
  const Vectors pooled = standardised(joined(reference, current));
  LsddTest made;
  made.permutations = options.permutations;
  const auto sigma = median_sigma(pooled.view());
  if (!sigma) {
    made.statistics.assign(options.permutations + 1, 0);
    return made;
  }
  made.sigma = *sigma;
  const size_t wanted = std::min(options.centres != 0 ? options.centres : std::clamp<size_t>(reference.rows / 20, 1, kMostCentres), reference.rows - 2);
  const std::vector<size_t> chosen = drawn_centres(pooled, reference.rows, wanted, options.seed);
  made.centres = chosen.size();
  std::vector<size_t> others;
  for (size_t i = 0; i < pooled.rows; ++i) if (!std::binary_search(chosen.begin(), chosen.end(), i)) others.push_back(i);
  const Vectors centres = rows_at(pooled, chosen), rows = rows_at(pooled, others);
  PermutationPlan plan;
  plan.permutations = options.permutations;
  plan.seed = options.seed;
  LLMOPS_ASSIGN(const Memberships memberships, Memberships::make(rows.rows, reference.rows - chosen.size(), plan));
  LLMOPS_ASSIGN(const Matrix h, differences(rows, centres, *sigma, memberships, options));
  const Matrix of_centres = gaussian(centres.view(), centres.view(), std::sqrt(2.0) * *sigma);
  Matrix form;
  for (int i = 0; i < kLambdas; ++i) {
    made.lambda = std::pow(4.0, -i);
    const Matrix inverse = inverse_of(of_centres, made.lambda), w = inverse * h;
    const Vector hw = (h.array() * w.array()).colwise().sum().transpose(), whw = (w.array() * (of_centres * w).array()).colwise().sum().transpose();
    double sum = 0;
    for (Eigen::Index b = 0; b < hw.size(); ++b) sum += hw[b] > 0 ? 1 - whw[b] / hw[b] : 0;
    form = 2 * inverse - inverse * of_centres * inverse;
    if (sum / static_cast<double>(hw.size()) < kMostDifference) break;
  }
  const Vector statistics = (h.array() * (form * h).array()).colwise().sum().transpose();
  made.statistics.assign(statistics.data(), statistics.data() + statistics.size());
  made.statistic = made.statistics[0];
  made.p_value = permutation_p(made.statistics, 1e-6 * std::fabs(made.statistic));
  return made;
}

}  // namespace llmops
