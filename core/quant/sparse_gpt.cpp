// U comes from one factorization: with J the reversal of rows and columns, J gram J = L L^T gives gram = R R^T for the upper triangular
// R = J L J, so U = inverse(R). Reversal of a square matrix is the reversal of its memory, and a triangle is inverted in place.
#include "core/quant/sparse_gpt.h"

#include <fmt/format.h>

#include <Eigen/Cholesky>
#include <algorithm>
#include <cmath>
#include <limits>

#include "core/base/thread_pool.h"
#include "core/quant/smallest.h"

namespace llmops {
namespace {

using RowMatrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using MatrixRef = Eigen::Ref<RowMatrix, 0, Eigen::OuterStride<>>;
using MatrixMap = Eigen::Map<RowMatrix, 0, Eigen::OuterStride<>>;

constexpr Eigen::Index kSmallTriangle = 64;
constexpr size_t kChunkRows = 64;     // of one task; fixed, so that sums are made in the same order whatever the threads

Eigen::Index index(size_t value) { return static_cast<Eigen::Index>(value); }

// R -> inverse(R) for an upper triangle: the corner [A B; 0 C] becomes [inverse(A), -inverse(A) B inverse(C); 0, inverse(C)].
void invert_upper(MatrixRef r) {
  const Eigen::Index size = r.rows();
  if (size <= kSmallTriangle) {
    RowMatrix inverse = RowMatrix::Identity(size, size);
    r.triangularView<Eigen::Upper>().solveInPlace(inverse);
    r.triangularView<Eigen::Upper>() = inverse;
    return;
  }
  const Eigen::Index half = size / 2, rest = size - half;
  MatrixRef a = r.topLeftCorner(half, half), b = r.topRightCorner(half, rest), c = r.bottomRightCorner(rest, rest);
  a.triangularView<Eigen::Upper>().solveInPlace(b);
  c.triangularView<Eigen::Upper>().solveInPlace<Eigen::OnTheRight>(b);
  b = -b;
  invert_upper(a);
  invert_upper(c);
}

// The sweep that both methods share: `decide` says what a weight becomes, columns to the right take its error.
class Sweep {
 public:
  Sweep(MatrixView weights, const std::vector<float>& factor, size_t threads) : weights_(weights), factor_(factor), pool_(std::max<size_t>(threads, 1), 4 * std::max<size_t>(threads, 1)) {
    losses_.resize((weights.rows + kChunkRows - 1) / kChunkRows, 0.0);
  }
  float factor(size_t i, size_t j) const { return factor_[i * weights_.columns + j]; }
  double loss() const {
    double sum = 0;
    for (const double loss : losses_) sum += loss;
    return sum;
  }

  // Columns [begin, end). before_column(row, column) is called before each column of each row, decide(row, column, w) gives its new value.
  template <class Before, class Decide>
  void block(size_t begin, size_t end, const Before& before_column, const Decide& decide) {
    for (size_t chunk = 0; chunk < losses_.size(); ++chunk) {
      pool_.submit([this, chunk, begin, end, &before_column, &decide] { chunk_block(chunk, begin, end, before_column, decide); });
    }
    pool_.wait_idle();
  }

 private:
  template <class Before, class Decide>
  void chunk_block(size_t chunk, size_t begin, size_t end, const Before& before_column, const Decide& decide) {
    const size_t first = chunk * kChunkRows, rows = std::min(kChunkRows, weights_.rows - first), width = end - begin, rest = weights_.columns - end;
    RowMatrix errors(index(rows), index(width));
    double loss = 0;
    for (size_t i = 0; i < rows; ++i) {
      const std::span<float> row = weights_.row(first + i);
      float* const error = errors.row(index(i)).data();
      for (size_t j = begin; j < end; ++j) {
        before_column(first + i, j);
        const float now = decide(first + i, j, row[j]);
        const float* const u = factor_.data() + j * weights_.columns;
        const float e = (row[j] - now) / u[j];
        error[j - begin] = e;
        loss += double{e} * double{e};
        row[j] = now;
        using Row = Eigen::Map<Eigen::ArrayXf>;
        if (e != 0) Row(row.data() + j + 1, index(end - j - 1)) -= e * Eigen::Map<const Eigen::ArrayXf>(u + j + 1, index(end - j - 1));
      }
    }
    losses_[chunk] += loss;
    if (rest == 0) return;
    const Eigen::OuterStride<> stride(index(weights_.columns));
    MatrixMap right(weights_.values + first * weights_.columns + end, index(rows), index(rest), stride);
    const Eigen::Map<const RowMatrix, 0, Eigen::OuterStride<>> u(factor_.data() + begin * weights_.columns + end, index(width), index(rest), stride);
    right.noalias() -= errors * u;
  }

  MatrixView weights_;
  const std::vector<float>& factor_;
  std::vector<double> losses_;
  ThreadPool pool_;
};

// Sets the weights of dead inputs to zero.
void clear_dead(MatrixView weights, const std::vector<bool>& dead) {
  for (size_t j = 0; j < weights.columns; ++j) {
    if (!dead[j]) continue;
    for (size_t i = 0; i < weights.rows; ++i) weights.row(i)[j] = 0;
  }
}

// Masks of one block, [rows, width]: 1: becomes zero.
class BlockMask {
 public:
  BlockMask(MatrixView weights, const Sweep& sweep) : weights_(weights), sweep_(sweep) {}

  void begin(size_t begin_column, size_t end_column) {
    begin_ = begin_column;
    width_ = end_column - begin_column;
    mask_.assign(weights_.rows * width_, 0);
  }
  // The `remove` smallest scores of the block. Errors: kData: a score that is no finite number.
  Status choose(uint64_t remove) {
    MagnitudeSearch search;
    std::vector<float> scores(width_);
    const auto score_row = [&](size_t i) { for (size_t k = 0; k < width_; ++k) scores[k] = score(i, begin_ + k); };
    for (size_t i = 0; i < weights_.rows; ++i) {
      score_row(i);
      LLMOPS_CHECK(search.count(scores));
    }
    search.choose(remove);
    for (size_t i = 0; i < weights_.rows; ++i) {
      score_row(i);
      search.refine(scores);
    }
    MagnitudeCut cut = search.cut();
    for (size_t i = 0; i < weights_.rows; ++i) {
      score_row(i);
      for (size_t k = 0; k < width_; ++k) mask_[i * width_ + k] = cut.takes(scores[k]);
    }
    return {};
  }
  // The smallest scores of one row's group of inputs from `column` on.
  void choose_group(size_t row, size_t column, SparsePattern pattern) {
    thread_local std::vector<float> scores;
    thread_local std::vector<uint64_t> keys;
    scores.resize(pattern.of);
    for (size_t k = 0; k < pattern.of; ++k) scores[k] = score(row, column + k);
    for_smallest(scores, pattern.of - pattern.keep, keys, [&](size_t k) { mask_[row * width_ + column - begin_ + k] = 1; });
  }
  bool removes(size_t row, size_t column) const { return mask_[row * width_ + column - begin_] != 0; }

 private:
  // |w| / U_jj orders as its square does and overflows later.
  float score(size_t row, size_t column) const { return std::min(std::fabs(weights_.row(row)[column]) / sweep_.factor(column, column), std::numeric_limits<float>::max()); }

  MatrixView weights_;
  const Sweep& sweep_;
  size_t begin_ = 0, width_ = 0;
  std::vector<uint8_t> mask_;
};

Status sweep_pruning(MatrixView weights, Sweep& sweep, const PruneTarget& target, size_t block_columns) {
  const size_t group = target.pattern ? target.pattern->of : 1, block = std::max(group, block_columns / group * group);
  BlockMask mask(weights, sweep);
  const auto before_column = [&](size_t row, size_t column) { if (target.pattern && column % group == 0) mask.choose_group(row, column, *target.pattern); };
  const auto decide = [&](size_t row, size_t column, float w) { return mask.removes(row, column) ? 0.0F : w; };
  uint64_t removed = 0;
  for (size_t begin = 0; begin < weights.columns; begin += block) {
    const size_t end = std::min(begin + block, weights.columns);
    mask.begin(begin, end);
    if (!target.pattern) {
      const uint64_t wanted = weights_to_remove(weights.rows * end, target.sparsity);
      LLMOPS_CHECK(mask.choose(wanted - removed));
      removed = wanted;
    }
    sweep.block(begin, end, before_column, decide);
  }
  return {};
}

// Errors of nearly singular moments can grow past what a float holds.
Status check_result(MatrixView weights) {
  for (const float w : weights.all()) if (!std::isfinite(w)) return Error(ErrorCode::kData, "weights grew past every bound while their error was made good", "calibrate on more text, or take a method without second moments");
  return {};
}

}  // namespace

Result<std::vector<bool>> inverse_factor(std::vector<float>& gram, size_t columns, double damping) {
  if (gram.size() != columns * columns) return Error(ErrorCode::kData, fmt::format("calibration has {} second moments, and {} inputs need {}", gram.size(), columns, columns * columns));
  std::vector<bool> dead(columns);
  double sum = 0;
  for (size_t i = 0; i < columns; ++i) {
    for (size_t j = 0; j <= i; ++j) if (!std::isfinite(gram[i * columns + j])) return Error(ErrorCode::kData, fmt::format("the second moment of inputs {} and {} is {}", i, j, gram[i * columns + j]));
    float& own = gram[i * columns + i];
    if (own < 0) return Error(ErrorCode::kData, fmt::format("the second moment of input {} is {}", i, own));
    dead[i] = own == 0;
    if (dead[i]) own = 1;
    sum += double{own};
  }
  if (columns == 0) return dead;
  const auto added = static_cast<float>(damping * sum / static_cast<double>(columns));
  for (size_t i = 0; i < columns; ++i) gram[i * columns + i] += added;
  for (size_t i = 0; i < columns; ++i) for (size_t j = 0; j < i; ++j) gram[j * columns + i] = gram[i * columns + j];
  std::reverse(gram.begin(), gram.end());
  MatrixMap matrix(gram.data(), index(columns), index(columns), Eigen::OuterStride<>(index(columns)));
  MatrixRef in_place = matrix;
  const Eigen::LLT<MatrixRef, Eigen::Lower> factored(in_place);
  if (factored.info() != Eigen::Success) {
    return Error(ErrorCode::kData, fmt::format("the second moments of {} inputs are not positive definite, with {} of their mean added to the diagonal", columns, damping), "calibrate on more text, or take a method without second moments");
  }
  std::reverse(gram.begin(), gram.end());
  matrix.triangularView<Eigen::StrictlyLower>().setZero();
  invert_upper(matrix);
  for (const float value : gram) if (!std::isfinite(value)) return Error(ErrorCode::kData, fmt::format("the second moments of {} inputs cannot be inverted", columns), "calibrate on more text, or take a method without second moments");
  return dead;
}

Result<PruneCounts> prune_sparse_gpt(MatrixView weights, std::vector<float> gram, const PruneTarget& target, const SecondOrderOptions& options) {
  LLMOPS_CHECK(check_prunable(weights, target));
  LLMOPS_ASSIGN(const std::vector<bool> dead, inverse_factor(gram, weights.columns, options.damping));
  const std::vector<float> before(weights.values, weights.values + weights.rows * weights.columns);
  clear_dead(weights, dead);
  Sweep sweep(weights, gram, options.threads);
  Status swept = sweep_pruning(weights, sweep, target, options.block_columns);
  if (swept) swept = check_result(weights);
  if (!swept) {
    std::copy(before.begin(), before.end(), weights.values);
    return std::move(swept).error();
  }
  PruneCounts counts{before.size(), 0, 0, 0, sweep.loss()};
  for (size_t i = 0; i < before.size(); ++i) {
    counts.zeros_before += before[i] == 0;
    counts.zeros_after += weights.values[i] == 0;
    if (weights.values[i] == 0) counts.removed_squares += double{before[i]} * double{before[i]};
  }
  return counts;
}

Result<GptqCounts> gptq(MatrixView weights, std::vector<float> gram, size_t group, ColumnQuantizer& quantizer, const SecondOrderOptions& options) {
  if (group == 0) group = std::max<size_t>(weights.columns, 1);
  LLMOPS_CHECK(check_prunable(weights, {}));
  LLMOPS_ASSIGN(const std::vector<bool> dead, inverse_factor(gram, weights.columns, options.damping));
  const std::vector<float> before(weights.values, weights.values + weights.rows * weights.columns);
  clear_dead(weights, dead);
  Sweep sweep(weights, gram, options.threads);
  // Whole groups where they fit, so that a group's scale is chosen when every earlier column has given it its error.
  const size_t most = std::max<size_t>(options.block_columns, 1), block = group >= most ? most : most / group * group;
  const auto before_column = [&](size_t row, size_t column) {
    if (column % group == 0) quantizer.begin_group(row, column, weights.row(row).subspan(column, std::min(group, weights.columns - column)));
  };
  const auto decide = [&](size_t row, size_t column, float w) { return quantizer.nearest(row, column, w); };
  for (size_t begin = 0; begin < weights.columns; begin += block) sweep.block(begin, std::min(begin + block, weights.columns), before_column, decide);
  if (Status finite = check_result(weights); !finite) {
    std::copy(before.begin(), before.end(), weights.values);
    return std::move(finite).error();
  }
  return GptqCounts{sweep.loss()};
}

}  // namespace llmops
