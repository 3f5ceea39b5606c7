// Whether a classifier tells two samples apart better than chance (Friedman 2004; Lopez-Paz & Oquab 2017, "Revisiting classifier two-sample tests"; Kim, Ramdas, Singh & Wasserman 2021).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/base/cancel.h"
#include "core/base/result.h"
#include "core/drift/permutations.h"
#include "core/drift/vectors.h"

namespace llmops {

struct ClassifierOptions {
  size_t folds = 5;
  double ridge = 0.1;                // of the mean variance of a dimension of the training rows
  uint64_t seed = 0;                 // of the folds
  size_t threads = 0;
  CancelToken cancel;
};
struct ClassifierTest {
  double statistic = 0, p_value = 1;                    // area under the ROC curve of the scores of rows that were left out, 0.5 by chance; one-sided
  size_t permutations = 0, folds = 0;
  std::vector<double> statistics;
  std::vector<double> current;                          // of each current row, the share of reference rows that score below it (equal ones half); their mean is the statistic
};
// The fold of each of `rows` pooled rows: folds of equal size but for one row, drawn blind to the sides.
std::vector<size_t> classifier_folds(size_t rows, size_t folds, uint64_t seed);

// Ridge regression of the sides on the rows, fitted on all folds but one and scored on that one. Labels change places before the fit, and every split is fitted anew: scores that were learnt from the observed labels would not be exchangeable, and
// a test that permutes labels behind them has not the level that it names. The fit is linear in the labels, so all splits share the inverse of each fold, and a split costs two products. Folds are drawn blind to the sides for the same reason;
// instead of balance, the mean of the training rows is taken off. Errors: kData: fewer than 10 rows on a side, other dimensions, rows that do not fit the splits; kInterrupted. No two rows differ: 0.5 and p 1.
// Cost: with d dimensions and K folds, 2 N d multiply-adds and a sort of N for each split, once K N d^2 + K d^3 / 3; memory 2 N d doubles.
Result<ClassifierTest> classifier_test(const VectorsView& reference, const VectorsView& current, const Memberships& memberships, const ClassifierOptions& options = {});

}  // namespace llmops
