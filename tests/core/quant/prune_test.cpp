// Pruning against slow references: sorted lists, and the update of SparseGPT from inverses of every trailing matrix.
#include "core/quant/prune.h"

#include <Eigen/Dense>
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>

#include "core/quant/sparse_gpt.h"

using namespace llmops;

namespace {

constexpr double kMinus1 = -1;

struct Matrix {
  size_t rows, columns;
  std::vector<float> values;
  MatrixView view() { return {values.data(), rows, columns}; }
};

Matrix random_matrix(size_t rows, size_t columns, unsigned seed) {
  Matrix made{rows, columns, std::vector<float>(rows * columns)};
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  for (float& v : made.values) v = normal(random);
  return made;
}

// Inputs [tokens, in] that share a few directions and differ in scale.
Eigen::MatrixXd correlated_inputs(size_t tokens, size_t columns, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal;
  const auto draw = [&](size_t r, size_t c) {
    Eigen::MatrixXd m(r, c);
    for (Eigen::Index i = 0; i < m.size(); ++i) m.data()[i] = normal(random);
    return m;
  };
  Eigen::MatrixXd x = draw(tokens, columns / 4) * draw(columns / 4, columns) + 0.5 * draw(tokens, columns);
  for (Eigen::Index j = 0; j < x.cols(); ++j) x.col(j) *= std::exp(normal(random));
  return x;
}

std::vector<float> gram_of(const Eigen::MatrixXd& x) {
  const Eigen::MatrixXf gram = (x.transpose() * x).cast<float>();
  return {gram.data(), gram.data() + gram.size()};
}

std::vector<float> mean_squares_of(const Eigen::MatrixXd& x) {
  const Eigen::VectorXf means = x.array().square().colwise().mean().cast<float>().matrix();
  return {means.data(), means.data() + means.size()};
}

Eigen::MatrixXd dense(const Matrix& m) { return Eigen::Map<const Eigen::Matrix<float, -1, -1, Eigen::RowMajor>>(m.values.data(), static_cast<Eigen::Index>(m.rows), static_cast<Eigen::Index>(m.columns)).cast<double>(); }

double layer_error(const Matrix& before, const Matrix& after, const Eigen::MatrixXd& x) { return (x * (dense(before) - dense(after)).transpose()).squaredNorm(); }

// The places of the `count` smallest scores of [begin, end), of equal ones the earlier.
std::vector<size_t> smallest(const std::vector<double>& scores, size_t begin, size_t end, size_t count) {
  std::vector<size_t> order(end - begin);
  std::iota(order.begin(), order.end(), begin);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return scores[a] < scores[b]; });
  order.resize(count);
  return order;
}

Matrix pruned_by_sorting(Matrix m, const std::vector<float>& factors, size_t group, size_t count) {
  std::vector<double> scores(m.values.size());
  for (size_t i = 0; i < scores.size(); ++i) scores[i] = std::fabs(m.values[i]) * (factors.empty() ? 1.0F : std::sqrt(factors[i % m.columns]));
  for (size_t start = 0; start < m.values.size(); start += group) for (const size_t i : smallest(scores, start, start + group, count)) m.values[i] = 0;
  return m;
}

// The paper's definition: column by column, with the inverse of what is left of the matrix; every inverse made anew.
Matrix sparse_gpt_by_inverses(const Matrix& m, const std::vector<float>& gram, double sparsity, std::optional<SparsePattern> pattern, size_t block) {
  const auto n = static_cast<Eigen::Index>(m.columns);
  Eigen::MatrixXd g = Eigen::Map<const Eigen::MatrixXf>(gram.data(), n, n).cast<double>(), w = dense(m);
  g.diagonal().array() += 0.01 * g.diagonal().mean();
  std::vector<Eigen::MatrixXd> inverses;
  for (Eigen::Index j = 0; j < n; ++j) inverses.push_back(g.bottomRightCorner(n - j, n - j).inverse());
  const auto score = [&](Eigen::Index i, Eigen::Index j) { return w(i, j) * w(i, j) / inverses[static_cast<size_t>(j)](0, 0); };
  Eigen::MatrixXi mask = Eigen::MatrixXi::Zero(w.rows(), n);
  size_t removed = 0;
  for (Eigen::Index j = 0; j < n; ++j) {
    const auto choose = [&](Eigen::Index first_row, Eigen::Index rows, Eigen::Index width, size_t count) {
      std::vector<double> scores;
      for (Eigen::Index i = first_row; i < first_row + rows; ++i) for (Eigen::Index k = j; k < j + width; ++k) scores.push_back(score(i, k));
      for (const size_t at : smallest(scores, 0, scores.size(), count)) mask(first_row + static_cast<Eigen::Index>(at) / width, j + static_cast<Eigen::Index>(at) % width) = 1;
    };
    if (pattern && static_cast<size_t>(j) % pattern->of == 0) {
      for (Eigen::Index i = 0; i < w.rows(); ++i) choose(i, 1, pattern->of, pattern->of - pattern->keep);
    } else if (!pattern && static_cast<size_t>(j) % block == 0) {
      const Eigen::Index width = std::min<Eigen::Index>(static_cast<Eigen::Index>(block), n - j);
      const size_t wanted = weights_to_remove(m.rows * static_cast<size_t>(j + width), sparsity);
      choose(0, w.rows(), width, wanted - removed);
      removed = wanted;
    }
    for (Eigen::Index i = 0; i < w.rows(); ++i) {
      if (mask(i, j) == 0) continue;
      const Eigen::MatrixXd& inverse = inverses[static_cast<size_t>(j)];
      w.row(i).tail(n - j) -= w(i, j) / inverse(0, 0) * inverse.row(0);
      w(i, j) = 0;
    }
  }
  Matrix made = m;
  for (size_t i = 0; i < made.values.size(); ++i) made.values[i] = static_cast<float>(w(static_cast<Eigen::Index>(i / m.columns), static_cast<Eigen::Index>(i % m.columns)));
  return made;
}

size_t zeros(const Matrix& m) { return static_cast<size_t>(std::count(m.values.begin(), m.values.end(), 0.0F)); }

std::string refusal(const Result<PruneCounts>& made) { return made ? "pruned" : made.error().message; }

}  // namespace

TEST_CASE("a pattern of sparsity is two whole numbers") {
  const auto pattern = parse_sparse_pattern("4:8");
  REQUIRE(pattern);
  CHECK((pattern->keep == 4 && pattern->of == 8));
  for (const char* wrong : {"", "2", "2:", ":4", "4:2", "0:4", "4:4", "2:4 ", "-2:4", "2:2000", "a:b", "2:4:8", "99999999999:4"}) {
    INFO(wrong);
    CHECK_FALSE(parse_sparse_pattern(wrong));
  }
  CHECK(parse_sparse_pattern("4:2").error().message == "'4:2' is no pattern of sparsity");
}

TEST_CASE("magnitude pruning removes what a sorted list removes, in exactly the number asked for") {
  for (unsigned seed = 0; seed < 30; ++seed) {
    std::mt19937 random(seed);
    Matrix m = random_matrix(1 + random() % 9, 8 * (1 + random() % 6), seed);
    if (seed % 3 == 0) for (float& v : m.values) v = std::round(v);   // many ties, and zeros
    const double sparsity = static_cast<double>(random() % 101) / 100;
    const size_t row_count = weights_to_remove(m.columns, sparsity), all_count = weights_to_remove(m.values.size(), sparsity);
    Matrix by_row = m, by_matrix = m, by_pattern = m;
    const auto row_counts = prune_magnitude(by_row.view(), {sparsity, {}}, PruneScope::kRow);
    REQUIRE(row_counts);
    CHECK(by_row.values == pruned_by_sorting(m, {}, m.columns, row_count).values);
    CHECK(row_counts->zeros_before == zeros(m));
    CHECK(row_counts->zeros_after == zeros(by_row));
    REQUIRE(prune_magnitude(by_matrix.view(), {sparsity, {}}, PruneScope::kMatrix));
    CHECK(by_matrix.values == pruned_by_sorting(m, {}, m.values.size(), all_count).values);
    CHECK(zeros(by_matrix) == std::max(zeros(m), all_count));
    REQUIRE(prune_magnitude(by_pattern.view(), {0, SparsePattern{3, 8}}, PruneScope::kRow));
    CHECK(by_pattern.values == pruned_by_sorting(m, {}, 8, 5).values);
    double squares = 0;
    for (size_t i = 0; i < m.values.size(); ++i) if (by_row.values[i] == 0) squares += static_cast<double>(m.values[i]) * static_cast<double>(m.values[i]);
    CHECK(row_counts->removed_squares == Approx(squares));
  }
}

TEST_CASE("the search of a cut over pieces finds what sorting everything finds") {
  Matrix m = random_matrix(50, 40, 3);
  for (size_t i = 0; i < m.values.size(); i += 7) m.values[i] = 0.25F;
  for (const size_t remove : {size_t{0}, size_t{1}, size_t{3}, size_t{500}, size_t{777}, size_t{1999}, size_t{2000}}) {
    Matrix pruned = m;
    MagnitudeSearch search;
    const std::span<const float> all = m.values;
    for (size_t at = 0; at < all.size(); at += 300) REQUIRE(search.count(all.subspan(at, std::min<size_t>(300, all.size() - at))));
    search.choose(remove);
    for (size_t at = 0; at < all.size(); at += 170) search.refine(all.subspan(at, std::min<size_t>(170, all.size() - at)));
    MagnitudeCut cut = search.cut();
    REQUIRE(prune_cut({pruned.values.data(), 20, 40}, cut));
    REQUIRE(prune_cut({pruned.values.data() + 800, 30, 40}, cut));
    CHECK(pruned.values == pruned_by_sorting(m, {}, m.values.size(), remove).values);
    CHECK(zeros(pruned) == remove);
  }
}

TEST_CASE("Wanda weighs a weight by its input, and its loss is that of the diagonal") {
  const Matrix m = random_matrix(12, 32, 5);
  const auto x = correlated_inputs(200, 32, 6);
  const std::vector<float> means = mean_squares_of(x);
  Matrix half = m, pattern = m;
  const auto counts = prune_wanda(half.view(), means, {0.5, {}});
  REQUIRE(counts);
  CHECK(half.values == pruned_by_sorting(m, means, 32, 16).values);
  REQUIRE(prune_wanda(pattern.view(), means, {0, SparsePattern{2, 4}}));
  CHECK(pattern.values == pruned_by_sorting(m, means, 4, 2).values);
  double loss = 0;
  for (size_t i = 0; i < m.values.size(); ++i) if (half.values[i] == 0) loss += static_cast<double>(m.values[i]) * static_cast<double>(m.values[i]) * static_cast<double>(means[i % 32]);
  CHECK(counts->loss == Approx(loss));
  CHECK(refusal(prune_wanda(half.view(), std::span(means).first(31), {0.5, {}})) == "calibration is of 31 inputs, and the weights have 32");
  std::vector<float> wrong = means;
  wrong[3] = -1;
  CHECK(refusal(prune_wanda(half.view(), wrong, {0.5, {}})) == "the mean square of input 3 is -1");
  wrong[3] = std::numeric_limits<float>::infinity();
  CHECK(refusal(prune_wanda(half.view(), wrong, {0.5, {}})) == "the mean square of input 3 is inf");
}

TEST_CASE("SparseGPT is the column by column update with an inverse of its own for each column") {
  const auto x = correlated_inputs(120, 24, 7);
  const std::vector<float> gram = gram_of(x);
  const Matrix m = random_matrix(10, 24, 8);
  for (const size_t block : {size_t{4}, size_t{10}, size_t{128}}) {
    for (const double sparsity : {0.0, 0.3, 0.5, 0.77, 1.0}) {
      Matrix pruned = m;
      const auto counts = prune_sparse_gpt(pruned.view(), gram, {sparsity, {}}, {0.01, block, 2});
      REQUIRE(counts);
      const Matrix expected = sparse_gpt_by_inverses(m, gram, sparsity, {}, block);
      CHECK(zeros(pruned) == weights_to_remove(m.values.size(), sparsity));
      for (size_t i = 0; i < m.values.size(); ++i) {
        CHECK((pruned.values[i] == 0) == (expected.values[i] == 0));
        CHECK(pruned.values[i] == Approx(expected.values[i]).epsilon(1e-2).margin(2e-3));
      }
    }
  }
  Matrix pruned = m;
  REQUIRE(prune_sparse_gpt(pruned.view(), gram, {0, SparsePattern{2, 4}}, {0.01, 10, 1}));
  const Matrix expected = sparse_gpt_by_inverses(m, gram, 0, SparsePattern{2, 4}, 8);
  for (size_t i = 0; i < m.values.size(); ++i) CHECK(pruned.values[i] == Approx(expected.values[i]).epsilon(1e-2).margin(2e-3));
}

TEST_CASE("the loss of SparseGPT is the error of the layer with damping, and no mask can do better than its least squares") {
  const auto x = correlated_inputs(300, 40, 9);
  const std::vector<float> gram = gram_of(x);
  const Matrix m = random_matrix(16, 40, 10);
  Matrix pruned = m;
  const auto counts = prune_sparse_gpt(pruned.view(), gram, {0.5, {}}, {0.01, 8, 1});
  REQUIRE(counts);
  Eigen::MatrixXd g = x.transpose() * x;
  g.diagonal().array() += 0.01 * g.diagonal().mean();
  const Eigen::MatrixXd before = dense(m), change = dense(pruned) - before;
  CHECK(counts->loss == Approx((change * g).cwiseProduct(change).sum()).epsilon(1e-3));
  double least = 0;
  for (Eigen::Index i = 0; i < change.rows(); ++i) {
    std::vector<Eigen::Index> kept, removed;
    for (Eigen::Index j = 0; j < change.cols(); ++j) (pruned.values[static_cast<size_t>(i * change.cols() + j)] == 0 ? removed : kept).push_back(j);
    const Eigen::VectorXd gone = before.row(i).transpose()(removed);
    const Eigen::MatrixXd schur = g(removed, removed) - g(removed, kept) * g(kept, kept).inverse() * g(kept, removed);
    least += gone.dot(schur * gone);
  }
  CHECK(least <= counts->loss * (1 + 1e-3));
  CHECK(counts->loss < 2.5 * least);
}

TEST_CASE("on correlated inputs SparseGPT leaves less error than Wanda, and Wanda less than magnitude") {
  for (unsigned seed = 20; seed < 25; ++seed) {
    const auto x = correlated_inputs(400, 64, seed);
    const Matrix m = random_matrix(64, 64, seed + 100);
    for (const PruneTarget& target : {PruneTarget{0.5, {}}, PruneTarget{0, SparsePattern{2, 4}}, PruneTarget{0, SparsePattern{4, 8}}}) {
      Matrix magnitude = m, wanda = m, sparse_gpt = m;
      REQUIRE(prune_magnitude(magnitude.view(), target, PruneScope::kRow));
      REQUIRE(prune_wanda(wanda.view(), mean_squares_of(x), target));
      REQUIRE(prune_sparse_gpt(sparse_gpt.view(), gram_of(x), target));
      CHECK(layer_error(m, sparse_gpt, x) < 0.7 * layer_error(m, wanda, x));
      CHECK(layer_error(m, wanda, x) < 0.7 * layer_error(m, magnitude, x));
      CHECK(zeros(sparse_gpt) == m.values.size() / 2);
      CHECK(zeros(wanda) == m.values.size() / 2);
    }
  }
}

TEST_CASE("SparseGPT's result does not depend on the number of threads") {
  const auto x = correlated_inputs(400, 150, 31);
  Matrix one = random_matrix(200, 150, 32), four = one;
  REQUIRE(prune_sparse_gpt(one.view(), gram_of(x), {0.6, {}}, {0.01, 64, 1}));
  REQUIRE(prune_sparse_gpt(four.view(), gram_of(x), {0.6, {}}, {0.01, 64, 4}));
  CHECK(one.values == four.values);
}

TEST_CASE("an upper factor times itself is the inverse, also past the size that is inverted at once") {
  const auto x = correlated_inputs(500, 200, 33);
  std::vector<float> factor = gram_of(x);
  Eigen::MatrixXd g = Eigen::Map<const Eigen::MatrixXf>(factor.data(), 200, 200).cast<double>();
  REQUIRE(inverse_factor(factor, 200, 0.01));
  g.diagonal().array() += 0.01 * g.diagonal().mean();
  const Eigen::MatrixXd u = Eigen::Map<const Eigen::Matrix<float, -1, -1, Eigen::RowMajor>>(factor.data(), 200, 200).cast<double>();
  CHECK((u * g * u.transpose() - Eigen::MatrixXd::Identity(200, 200)).cwiseAbs().maxCoeff() < 1e-2);
  CHECK(u.triangularView<Eigen::StrictlyLower>().toDenseMatrix().cwiseAbs().maxCoeff() == 0);
}

TEST_CASE("inputs that are always zero lose their weights, and count") {
  auto x = correlated_inputs(100, 16, 34);
  x.col(3).setZero();
  x.col(15).setZero();
  const Matrix m = random_matrix(4, 16, 35);
  Matrix none = m, half = m;
  const auto counts = prune_sparse_gpt(none.view(), gram_of(x), {0, {}});
  REQUIRE(counts);
  CHECK(counts->zeros_after == 8);
  CHECK(layer_error(m, none, x) == 0);
  REQUIRE(prune_sparse_gpt(half.view(), gram_of(x), {0.5, {}}));
  CHECK(zeros(half) == 32);
}

TEST_CASE("second moments that no factor has are refused, and the weights stay as they are") {
  const Matrix m = random_matrix(3, 2, 36);
  Matrix tried = m;
  CHECK(refusal(prune_sparse_gpt(tried.view(), {1, 9, 9, 1}, {0.5, {}})) == "the second moments of 2 inputs are not positive definite, with 0.01 of their mean added to the diagonal");
  CHECK(refusal(prune_sparse_gpt(tried.view(), {-1, 0, 0, 1}, {0.5, {}})) == "the second moment of input 0 is -1");
  CHECK(refusal(prune_sparse_gpt(tried.view(), {1, 0, NAN, 1}, {0.5, {}})) == "the second moment of inputs 1 and 0 is nan");
  CHECK(refusal(prune_sparse_gpt(tried.view(), {1, 0, 0}, {0.5, {}})) == "calibration has 3 second moments, and 2 inputs need 4");
  CHECK(tried.values == m.values);
}

TEST_CASE("edges of pruning: nothing, everything, equal weights, no weights, no numbers") {
  const Matrix m = random_matrix(4, 8, 37);
  const std::vector<float> ones(8, 1);
  std::vector<float> identity(64);
  for (size_t i = 0; i < 8; ++i) identity[i * 9] = 1;
  // Every method on the matrix as it was; `matrix` is left as the last of them made it.
  const auto each = [&](Matrix& matrix, const PruneTarget& target) {
    const Matrix before = matrix;
    std::vector<Result<PruneCounts>> all;
    const auto add = [&](const auto& prune) {
      matrix = before;
      all.push_back(prune(matrix.view()));
    };
    add([&](auto view) { return prune_magnitude(view, target, PruneScope::kRow); });
    add([&](auto view) { return prune_magnitude(view, target, PruneScope::kMatrix); });
    add([&](auto view) { return prune_wanda(view, ones, target); });
    add([&](auto view) { return prune_sparse_gpt(view, identity, target); });
    return all;
  };
  Matrix same = m;
  for (const auto& counts : each(same, {0, {}})) CHECK((counts && counts->zeros_after == 0 && counts->loss == 0));
  CHECK(same.values == m.values);
  for (const auto& counts : each(same, {1, {}})) CHECK((counts && counts->zeros_after == 32));
  Matrix equal{4, 8, std::vector<float>(32, -0.5F)};
  REQUIRE(prune_magnitude(equal.view(), {0.25, {}}, PruneScope::kMatrix));
  CHECK(std::all_of(equal.values.begin(), equal.values.begin() + 8, [](float v) { return v == 0; }));
  CHECK(zeros(equal) == 8);
  Matrix empty{0, 8, {}};
  for (const auto& counts : each(empty, {0.5, {}})) CHECK((counts && counts->weights == 0));
  Matrix narrow{3, 0, {}};
  CHECK(prune_magnitude(narrow.view(), {0.5, SparsePattern{2, 4}}, PruneScope::kRow));
  CHECK(prune_sparse_gpt(narrow.view(), {}, {0.5, {}}));
  for (const auto& counts : each(same, {kMinus1, {}})) CHECK(refusal(counts) == "the sparsity -1 is not between 0 and 1");
  for (const auto& counts : each(same, {NAN, {}})) CHECK_FALSE(counts);
  for (const auto& counts : each(same, {0, SparsePattern{2, 5}})) CHECK(refusal(counts) == "8 inputs do not divide into groups of 5");
  for (const auto& counts : each(same, {0, SparsePattern{4, 4}})) CHECK(refusal(counts) == "the pattern 4:4 keeps none or all");
  Matrix odd = m;
  odd.values[13] = NAN;
  for (const auto& counts : each(odd, {0.5, {}})) CHECK(refusal(counts) == "the weight in row 1, column 5 is nan");
  odd.values[13] = -std::numeric_limits<float>::infinity();
  for (const auto& counts : each(odd, {0.5, {}})) CHECK(refusal(counts) == "the weight in row 1, column 5 is -inf");
}

namespace {

// Whole multiples of a step that a group's largest magnitude gives, from -limit to limit.
class StepQuantizer : public ColumnQuantizer {
 public:
  StepQuantizer(size_t rows, int limit) : steps_(rows, 1), limit_(limit) {}
  void begin_group(size_t row, size_t, std::span<const float> values) override {
    float largest = 0;
    for (const float v : values) largest = std::max(largest, std::fabs(v));
    steps_[row] = largest == 0 ? 1 : largest / static_cast<float>(limit_);
  }
  float nearest(size_t row, size_t, float value) override { return steps_[row] * std::clamp(std::round(value / steps_[row]), -static_cast<float>(limit_), static_cast<float>(limit_)); }

 private:
  std::vector<float> steps_;
  int limit_;
};

}  // namespace

TEST_CASE("GPTQ leaves less error than rounding each weight, and its loss is the error of the layer with damping") {
  for (unsigned seed = 40; seed < 44; ++seed) {
    const auto x = correlated_inputs(400, 64, seed);
    const Matrix m = random_matrix(32, 64, seed + 100);
    for (const size_t group : {size_t{0}, size_t{16}, size_t{48}}) {
      Matrix rounded = m, swept = m, threaded = m;
      StepQuantizer steps(32, 7);
      for (size_t i = 0; i < 32; ++i) {
        for (size_t j = 0; j < 64; ++j) {
          const size_t width = group == 0 ? 64 : group;
          if (j % width == 0) steps.begin_group(i, j, rounded.view().row(i).subspan(j, std::min(width, 64 - j)));
          rounded.values[i * 64 + j] = steps.nearest(i, j, rounded.values[i * 64 + j]);
        }
      }
      StepQuantizer one(32, 7), many(32, 7);
      const auto counts = gptq(swept.view(), gram_of(x), group, one, {0.01, 32, 1});
      REQUIRE(counts);
      REQUIRE(gptq(threaded.view(), gram_of(x), group, many, {0.01, 32, 3}));
      CHECK(swept.values == threaded.values);
      CHECK(layer_error(m, swept, x) < 0.8 * layer_error(m, rounded, x));
      Eigen::MatrixXd g = x.transpose() * x;
      g.diagonal().array() += 0.01 * g.diagonal().mean();
      const Eigen::MatrixXd change = dense(swept) - dense(m);
      CHECK(counts->loss == Approx((change * g).cwiseProduct(change).sum()).epsilon(1e-3));
    }
  }
}
