#include "core/drift/classifier.h"

#include <fmt/format.h>

#include <Eigen/Cholesky>
#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/drift/tiles.h"
#include "core/stats/random.h"

namespace llmops {
namespace {

using Matrix = Eigen::MatrixXd;
using Vector = Eigen::VectorXd;

constexpr size_t kLeastRows = 10, kColumns = 32;

Eigen::Index index(size_t i) { return static_cast<Eigen::Index>(i); }

// Rows of a fold side by side, less the first row of all: rows that are all the same are exactly zero then.
struct Fold {
  std::vector<size_t> items;
  Matrix rows;                       // items x d
  Vector mean;                       // of the other folds' rows
  Matrix weights;                    // items x d: (row - mean) times the inverse of the other folds' scatter with its ridge
};

std::vector<Fold> folds_of(const Vectors& pooled, const ClassifierOptions& options) {
  std::vector<Fold> folds(std::clamp<size_t>(options.folds, 2, pooled.rows));
  const std::vector<size_t> fold_of = classifier_folds(pooled.rows, folds.size(), options.seed);
  for (size_t i = 0; i < fold_of.size(); ++i) folds[fold_of[i]].items.push_back(i);
  const size_t d = pooled.dimensions;
  Vector sum = Vector::Zero(index(d));
  Matrix products = Matrix::Zero(index(d), index(d));
  for (Fold& fold : folds) {
    fold.rows.resize(index(fold.items.size()), index(d));
    for (size_t i = 0; i < fold.items.size(); ++i) for (size_t j = 0; j < d; ++j) fold.rows(index(i), index(j)) = static_cast<double>(pooled.values[fold.items[i] * d + j]) - static_cast<double>(pooled.values[j]);
    sum += fold.rows.colwise().sum().transpose();
    products += fold.rows.transpose() * fold.rows;
  }
  for (Fold& fold : folds) {
    const double count = static_cast<double>(pooled.rows - fold.items.size());
    fold.mean = (sum - fold.rows.colwise().sum().transpose()) / count;
    Matrix scatter = products - fold.rows.transpose() * fold.rows - count * fold.mean * fold.mean.transpose();
    scatter.diagonal().array() += options.ridge * scatter.trace() / static_cast<double>(d) + 1e-12;
    fold.weights = scatter.llt().solve((fold.rows.rowwise() - fold.mean.transpose()).transpose()).transpose();
  }
  return folds;
}

// The share of reference scores below each current one, equal ones half; equal is what rounding makes of equal. Order of the result: of `is_current`.
double area(const std::vector<double>& scores, const std::vector<bool>& is_current, std::vector<size_t>& order, std::vector<double>* below = nullptr) {
  order.resize(scores.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return scores[a] < scores[b]; });
  const double tolerance = 1e-12 * std::max(std::fabs(scores[order.front()]), std::fabs(scores[order.back()]));
  double reference = 0, current = 0, sum = 0;
  for (size_t from = 0, to = 0; from < order.size(); from = to) {
    double x = 0, y = 0;
    for (; to < order.size() && (to == from || scores[order[to]] - scores[order[to - 1]] <= tolerance); ++to) (is_current[order[to]] ? y : x) += 1;
    sum += y * (reference + x / 2);
    if (below != nullptr) for (size_t k = from; k < to; ++k) (*below)[order[k]] = reference + x / 2;
    reference += x;
    current += y;
  }
  if (below != nullptr) for (double& one : *below) one /= std::max(1.0, reference);
  return reference > 0 && current > 0 ? sum / (reference * current) : 0.5;
}

}  // namespace

std::vector<size_t> classifier_folds(size_t rows, size_t folds, uint64_t seed) {
  std::vector<size_t> order(rows), made(rows);
  std::iota(order.begin(), order.end(), size_t{0});
  RandomSource random(seed ^ 0x636C617373u);
  for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random.below(i)]);
  for (size_t i = 0; i < rows; ++i) made[order[i]] = i % folds;
  return made;
}

Result<ClassifierTest> classifier_test(const VectorsView& reference, const VectorsView& current, const Memberships& memberships, const ClassifierOptions& options) {
  if (reference.dimensions != current.dimensions) return Error(ErrorCode::kData, fmt::format("vectors of {} dimensions cannot be held against vectors of {}", current.dimensions, reference.dimensions), "make both by one embedder");
  if (reference.rows < kLeastRows || current.rows < kLeastRows) return Error(ErrorCode::kData, fmt::format("{} and {} rows are too few: at least {} are needed on each side", reference.rows, current.rows, kLeastRows), "take a longer window");
  if (reference.rows + current.rows != memberships.items()) return Error(ErrorCode::kData, fmt::format("{} rows do not fit splits of {}", reference.rows + current.rows, memberships.items()));
  const Vectors pooled = joined(reference, current);
  const std::vector<Fold> folds = folds_of(pooled, options);
  ClassifierTest made;
  made.permutations = memberships.columns() - 1;
  made.folds = folds.size();
  made.statistics.assign(memberships.columns(), 0);
  LLMOPS_CHECK(each_tile((memberships.columns() + kColumns - 1) / kColumns, options.threads, options.cancel, [&](size_t tile) {
    const size_t first = tile * kColumns, count = std::min(kColumns, memberships.columns() - first);
    // Sums of the rows that are called current, of each fold and of all.
    std::vector<Matrix> sums;
    std::vector<Vector> counts;
    Matrix all = Matrix::Zero(index(pooled.dimensions), index(count));
    Vector all_counts = Vector::Zero(index(count));
    for (const Fold& fold : folds) {
      Matrix labels(index(fold.items.size()), index(count));
      for (size_t c = 0; c < count; ++c) for (size_t i = 0; i < fold.items.size(); ++i) labels(index(i), index(c)) = memberships.is_reference(fold.items[i], first + c) ? 0 : 1;
      sums.emplace_back(fold.rows.transpose() * labels);
      counts.emplace_back(labels.colwise().sum().transpose());
      all += sums.back();
      all_counts += counts.back();
    }
    Matrix scores(index(pooled.rows), index(count));
    for (size_t f = 0; f < folds.size(); ++f) {
      const Matrix of_fold = folds[f].weights * (all - sums[f] - folds[f].mean * (all_counts - counts[f]).transpose());
      for (size_t i = 0; i < folds[f].items.size(); ++i) scores.row(index(folds[f].items[i])) = of_fold.row(index(i));
    }
    std::vector<double> column(pooled.rows), below(pooled.rows);
    std::vector<bool> is_current(pooled.rows);
    std::vector<size_t> order;
    for (size_t c = 0; c < count; ++c) {
      for (size_t i = 0; i < pooled.rows; ++i) {
        column[i] = scores(index(i), index(c));
        is_current[i] = !memberships.is_reference(i, first + c);
      }
      made.statistics[first + c] = area(column, is_current, order, first + c == 0 ? &below : nullptr);
      if (first + c == 0) made.current.assign(below.begin() + static_cast<std::ptrdiff_t>(reference.rows), below.end());
    }
  }));
  made.statistic = made.statistics[0];
  made.p_value = permutation_p(made.statistics, 1e-12);
  return made;
}

}  // namespace llmops
