#include "core/drift/classifier.h"

#include <cmath>

#include "tests/core/drift/drift_fixture.h"

namespace llmops {
namespace {

using test::normal_vectors;
using test::splits;

// The unknowns of a square system by elimination with pivots; the last column is the right side.
std::vector<double> solved(std::vector<std::vector<double>> rows) {
  const size_t n = rows.size();
  for (size_t k = 0; k < n; ++k) {
    size_t pivot = k;
    for (size_t i = k; i < n; ++i) if (std::fabs(rows[i][k]) > std::fabs(rows[pivot][k])) pivot = i;
    std::swap(rows[k], rows[pivot]);
    for (size_t i = 0; i < n; ++i) {
      if (i == k) continue;
      const double factor = rows[i][k] / rows[k][k];
      for (size_t j = k; j <= n; ++j) rows[i][j] -= factor * rows[k][j];
    }
  }
  std::vector<double> made;
  for (size_t k = 0; k < n; ++k) made.push_back(rows[k][n] / rows[k][k]);
  return made;
}

// Scores of one split: for each fold a ridge regression of -1 and 1, with an intercept that is not penalised and not part of the score, on the other folds.
std::vector<double> slow_scores(const Vectors& rows, const std::vector<bool>& is_reference, const std::vector<size_t>& fold_of, size_t folds, double ridge) {
  const size_t d = rows.dimensions;
  const auto value = [&](size_t i, size_t j) { return static_cast<double>(rows.values[i * d + j]); };
  std::vector<double> scores(rows.rows);
  for (size_t fold = 0; fold < folds; ++fold) {
    std::vector<double> mean(d);
    double count = 0, squares = 0;
    for (size_t i = 0; i < rows.rows; ++i) count += fold_of[i] != fold;
    for (size_t i = 0; i < rows.rows; ++i) if (fold_of[i] != fold) for (size_t j = 0; j < d; ++j) mean[j] += value(i, j) / count;
    for (size_t i = 0; i < rows.rows; ++i) if (fold_of[i] != fold) for (size_t j = 0; j < d; ++j) squares += std::pow(value(i, j) - mean[j], 2);
    std::vector<std::vector<double>> system(d + 1, std::vector<double>(d + 2));
    for (size_t i = 0; i < rows.rows; ++i) {
      if (fold_of[i] == fold) continue;
      for (size_t a = 0; a <= d; ++a) {
        for (size_t b = 0; b <= d; ++b) system[a][b] += (a < d ? value(i, a) : 1) * (b < d ? value(i, b) : 1);
        system[a][d + 1] += (a < d ? value(i, a) : 1) * (is_reference[i] ? -1 : 1);
      }
    }
    for (size_t j = 0; j < d; ++j) system[j][j] += ridge * squares / static_cast<double>(d);
    const std::vector<double> slope = solved(system);
    for (size_t i = 0; i < rows.rows; ++i) if (fold_of[i] == fold) for (size_t j = 0; j < d; ++j) scores[i] += slope[j] * (value(i, j) - mean[j]);
  }
  return scores;
}

double slow_area(const std::vector<double>& scores, const std::vector<bool>& is_reference) {
  double sum = 0, pairs = 0;
  for (size_t i = 0; i < scores.size(); ++i) {
    for (size_t j = 0; j < scores.size(); ++j) {
      if (!is_reference[i] || is_reference[j]) continue;
      pairs += 1;
      sum += scores[j] > scores[i] + 1e-11 ? 1 : std::fabs(scores[j] - scores[i]) <= 1e-11 ? 0.5 : 0;
    }
  }
  return sum / pairs;
}

std::vector<bool> side(const Memberships& memberships, size_t column) {
  std::vector<bool> made;
  for (size_t i = 0; i < memberships.items(); ++i) made.push_back(memberships.is_reference(i, column));
  return made;
}

ClassifierOptions with(size_t folds, uint64_t seed = 0, size_t threads = 1) {
  ClassifierOptions options;
  options.folds = folds;
  options.seed = seed;
  options.threads = threads;
  return options;
}

}  // namespace

TEST_CASE("the area under the curve is that of fitting every split and fold anew, for any number of threads") {
  std::mt19937 random(1);
  Vectors x = normal_vectors(random, 14, 3), y = normal_vectors(random, 11, 3, 0.5);
  const Memberships memberships = splits(25, 14, 99);
  for (const bool repeats : {false, true}) {
    if (repeats) for (const size_t to : {2, 3, 4, 5}) for (size_t j = 0; j < 3; ++j) x.values[to * 3 + j] = y.values[to * 3 + j] = x.values[j];
    const Vectors rows = joined(x.view(), y.view());
    for (const size_t folds : {2, 5}) {
      const auto made = classifier_test(x.view(), y.view(), memberships, with(folds, 3));
      REQUIRE(made);
      CHECK(made->folds == folds);
      const std::vector<size_t> fold_of = classifier_folds(25, folds, 3);
      for (size_t c = 0; c < memberships.columns(); ++c) CHECK(made->statistics[c] == Approx(slow_area(slow_scores(rows, side(memberships, c), fold_of, folds, 0.1), side(memberships, c))).epsilon(1e-12));
      double mean = 0;
      for (const double below : made->current) mean += below / 11;
      CHECK(mean == Approx(made->statistic));
      CHECK(made->statistics == classifier_test(x.view(), y.view(), memberships, with(folds, 3, 3))->statistics);
    }
  }
}

TEST_CASE("folds are of one size and drawn by the seed alone") {
  const std::vector<size_t> folds = classifier_folds(23, 5, 1);
  for (size_t fold = 0; fold < 5; ++fold) CHECK(std::count(folds.begin(), folds.end(), fold) == (fold < 3 ? 5 : 4));
  CHECK(folds == classifier_folds(23, 5, 1));
  CHECK(folds != classifier_folds(23, 5, 2));
}

TEST_CASE("a shift is learnt, and the level is kept") {
  std::mt19937 random(2);
  const Vectors x = normal_vectors(random, 80, 6), y = normal_vectors(random, 70, 6, 0.5);
  const auto moved = classifier_test(x.view(), y.view(), splits(150, 80, 199));
  REQUIRE(moved);
  CHECK((moved->p_value <= 0.01 && moved->statistic > 0.7));
  int alarms = 0;
  for (int run = 0; run < 200; ++run) alarms += classifier_test(normal_vectors(random, 24, 3).view(), normal_vectors(random, 16, 3).view(), splits(40, 24, 99, static_cast<uint64_t>(run)), with(5, static_cast<uint64_t>(run)))->p_value <= 0.05;
  // 10 expected; the binomial exceeds 21 with a probability of 0.0006.
  CHECK(alarms <= 21);
}

TEST_CASE("rows that are all the same cannot be told apart, and what does not fit is told") {
  const Vectors same{std::vector<float>(20, 0.1F), 20, 1}, few{std::vector<float>(9, 0.1F), 9, 1}, wide{std::vector<float>(40, 0.1F), 20, 2};
  const auto made = classifier_test(same.view(), same.view(), splits(40, 20, 99));
  CHECK((made->p_value == 1 && made->statistic == 0.5));
  CHECK(classifier_test(few.view(), same.view(), splits(29, 9, 9)).error().message == "9 and 20 rows are too few: at least 10 are needed on each side");
  CHECK(classifier_test(same.view(), wide.view(), splits(40, 20, 9)).error().message == "vectors of 2 dimensions cannot be held against vectors of 1");
  CHECK(classifier_test(same.view(), same.view(), splits(30, 20, 9)).error().message == "40 rows do not fit splits of 30");
}

}  // namespace llmops
