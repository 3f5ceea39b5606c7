#include "core/drift/context_mmd.h"

#include <fmt/format.h>

#include <Eigen/Cholesky>
#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "core/drift/tiles.h"
#include "core/stats/random.h"

namespace llmops {
namespace {

using Matrix = Eigen::MatrixXd;
using Vector = Eigen::VectorXd;

Matrix gaussian(const VectorsView& a, const VectorsView& b, double sigma) {
  const std::vector<double> values = gaussian_values(a, b, sigma);
  return Eigen::Map<const Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>>(values.data(), static_cast<Eigen::Index>(a.rows), static_cast<Eigen::Index>(b.rows));
}

// L(h, c) (L(c, c) + n lambda I)^-1, of kernels that are there already.
Matrix coupling(const Matrix& held, const Matrix& own, double lambda) {
  const Matrix ridged = own + static_cast<double>(own.rows()) * lambda * Matrix::Identity(own.rows(), own.cols());
  return ridged.llt().solve(held.transpose()).transpose();
}

// <K, A'B> / |h|.
double coupled(const Matrix& a, const Matrix& kernel, const Matrix& b) { return (a * kernel).cwiseProduct(b).sum() / static_cast<double>(a.rows()); }

CoupledStatistic statistic_of(const Matrix& k00, const Matrix& k11, const Matrix& k01, const Matrix& a0, const Matrix& a1) {
  CoupledStatistic made{coupled(a0, k00, a0), coupled(a1, k11, a1), coupled(a0, k01, a1), 0};
  made.statistic = made.xx + made.yy - 2 * made.xy;
  return made;
}

Matrix picked(const Matrix& matrix, const std::vector<Eigen::Index>& rows, const std::vector<Eigen::Index>& columns) { return matrix(rows, columns); }

// P(current | context) of every row, each by a fit on the other four fifths: kernel ridge on +-1, squashed by the logistic function and kept from 0 and 1.
Vector propensities(const Matrix& contexts, const std::vector<bool>& is_current, uint64_t seed) {
  constexpr size_t kParts = 5;
  constexpr double kRidge = 0.05, kSteepness = 2, kLeast = 0.02;
  const size_t n = is_current.size();
  std::vector<size_t> order(n);
  std::iota(order.begin(), order.end(), size_t{0});
  RandomSource random(seed ^ 0x70726F70656E7369u);
  for (size_t i = n; i > 1; --i) std::swap(order[i - 1], order[random.below(i)]);
  const double share = static_cast<double>(std::count(is_current.begin(), is_current.end(), true)) / static_cast<double>(n);
  Vector made(static_cast<Eigen::Index>(n));
  for (size_t part = 0; part < kParts; ++part) {
    std::vector<Eigen::Index> fitted, asked;
    for (size_t i = 0; i < n; ++i) (i % kParts == part ? asked : fitted).push_back(static_cast<Eigen::Index>(order[i]));
    Vector target(static_cast<Eigen::Index>(fitted.size()));
    for (size_t i = 0; i < fitted.size(); ++i) target[static_cast<Eigen::Index>(i)] = (is_current[static_cast<size_t>(fitted[i])] ? 1.0 : 0.0) - share;
    const Matrix own = picked(contexts, fitted, fitted) + kRidge * static_cast<double>(fitted.size()) * Matrix::Identity(static_cast<Eigen::Index>(fitted.size()), static_cast<Eigen::Index>(fitted.size()));
    const Vector fit = picked(contexts, asked, fitted) * own.llt().solve(target);
    // The fit is P - share; a ridge shrinks it, which keeps it away from certainty.
    for (size_t i = 0; i < asked.size(); ++i) made[asked[i]] = std::clamp(share + kSteepness / 2 * fit[static_cast<Eigen::Index>(i)], kLeast, 1 - kLeast);
  }
  return made;
}

Vectors without(const VectorsView& rows, const std::vector<bool>& is_out) {
  Vectors made{{}, 0, rows.dimensions};
  for (size_t i = 0; i < rows.rows; ++i) {
    if (is_out[i]) continue;
    made.values.insert(made.values.end(), rows.row(i).begin(), rows.row(i).end());
    ++made.rows;
  }
  return made;
}

}  // namespace

Result<StratifiedTest> stratified_mmd_test(const VectorsView& reference, const VectorsView& current, std::span<const int64_t> strata, size_t permutations, uint64_t seed, const MmdOptions& options) {
  if (strata.size() != reference.rows + current.rows) return Error(ErrorCode::kData, fmt::format("{} contexts do not fit {} rows", strata.size(), reference.rows + current.rows));
  const Vectors pooled = joined(reference, current);
  MmdOptions with_sigma = options;
  if (with_sigma.sigmas.empty()) if (const auto sigma = median_sigma(pooled.view())) with_sigma.sigmas = {*sigma};
  std::map<int64_t, std::pair<Vectors, Vectors>> parts;
  for (size_t i = 0; i < pooled.rows; ++i) {
    auto& [x, y] = parts[strata[i]];
    Vectors& side = i < reference.rows ? x : y;
    side.dimensions = pooled.dimensions;
    side.values.insert(side.values.end(), pooled.view().row(i).begin(), pooled.view().row(i).end());
    ++side.rows;
  }
  StratifiedTest made;
  made.permutations = permutations;
  made.statistics.assign(permutations + 1, 0);
  double current_rows = 0;
  for (const auto& [stratum, sides] : parts) if (sides.first.rows >= 2 && sides.second.rows >= 2) current_rows += static_cast<double>(sides.second.rows);
  for (const auto& [stratum, sides] : parts) {
    if (sides.first.rows < 2 || sides.second.rows < 2) {
      ++made.left_out;
      continue;
    }
    PermutationPlan plan;
    plan.permutations = permutations;
    plan.seed = seed * 0x9E3779B97F4A7C15u + static_cast<uint64_t>(stratum);
    LLMOPS_ASSIGN(const Memberships memberships, Memberships::make(sides.first.rows + sides.second.rows, sides.first.rows, plan));
    LLMOPS_ASSIGN(const MmdTest test, mmd_test(sides.first.view(), sides.second.view(), memberships, with_sigma));
    const double weight = static_cast<double>(sides.second.rows) / current_rows;
    made.strata.push_back({stratum, sides.first.rows, sides.second.rows, weight, test.estimate.unbiased});
    for (size_t c = 0; c <= permutations; ++c) made.statistics[c] += weight * test.statistics[c];
  }
  if (made.strata.empty()) return Error(ErrorCode::kData, "no context has two rows on each side", "take a longer window, or fewer contexts");
  made.statistic = made.statistics[0];
  made.p_value = permutation_p(made.statistics, 3e-8);
  return made;
}

Result<CoupledStatistic> coupled_mmd(const VectorsView& x, const VectorsView& contexts_x, const VectorsView& y, const VectorsView& contexts_y, const VectorsView& held, double sigma_x, double sigma_context, double lambda) {
  if (x.rows != contexts_x.rows || y.rows != contexts_y.rows || x.dimensions != y.dimensions || contexts_x.dimensions != contexts_y.dimensions || held.dimensions != contexts_x.dimensions || held.rows == 0 || x.rows == 0 || y.rows == 0) {
    return Error(ErrorCode::kData, "rows and contexts do not fit each other");
  }
  const Matrix a0 = coupling(gaussian(held, contexts_x, sigma_context), gaussian(contexts_x, contexts_x, sigma_context), lambda), a1 = coupling(gaussian(held, contexts_y, sigma_context), gaussian(contexts_y, contexts_y, sigma_context), lambda);
  return statistic_of(gaussian(x, x, sigma_x), gaussian(y, y, sigma_x), gaussian(x, y, sigma_x), a0, a1);
}

Result<ContextTest> context_mmd_test(const VectorsView& reference, const VectorsView& reference_contexts, const VectorsView& current, const VectorsView& current_contexts, const ContextOptions& options) {
  constexpr size_t kLeast = 20;
  if (reference.rows != reference_contexts.rows || current.rows != current_contexts.rows || reference.dimensions != current.dimensions || reference_contexts.dimensions != current_contexts.dimensions) return Error(ErrorCode::kData, "rows and contexts do not fit each other");
  if (reference.rows < kLeast || current.rows < kLeast) return Error(ErrorCode::kData, fmt::format("{} and {} rows are too few: at least {} are needed on each side", reference.rows, current.rows, kLeast), "take a longer window");
  // Held-out rows of the current sample give their contexts alone.
  std::vector<bool> is_held(current.rows);
  std::vector<size_t> order(current.rows);
  std::iota(order.begin(), order.end(), size_t{0});
  RandomSource random(options.seed ^ 0x68656C646F757400u);
  const auto held_count = std::max<size_t>(2, static_cast<size_t>(options.held_share * static_cast<double>(current.rows)));
  Vectors held{{}, held_count, current_contexts.dimensions};
  for (size_t i = 0; i < held_count; ++i) {
    std::swap(order[i], order[i + random.below(order.size() - i)]);
    is_held[order[i]] = true;
    held.values.insert(held.values.end(), current_contexts.row(order[i]).begin(), current_contexts.row(order[i]).end());
  }
  const Vectors rows = joined(reference, without(current, is_held).view()), contexts = joined(reference_contexts, without(current_contexts, is_held).view());
  ContextTest made;
  made.held = held_count;
  made.permutations = options.permutations;
  made.statistics.assign(options.permutations + 1, 0);
  const auto sigma_x = median_sigma(rows.view()), sigma_context = median_sigma(contexts.view());
  if (!sigma_x) return made;
  made.sigma_x = *sigma_x;
  made.sigma_context = sigma_context.value_or(1);
  const Matrix kernel = gaussian(rows.view(), rows.view(), made.sigma_x), own = gaussian(contexts.view(), contexts.view(), made.sigma_context), of_held = gaussian(held.view(), contexts.view(), made.sigma_context);
  std::vector<bool> observed(rows.rows);
  for (size_t i = reference.rows; i < rows.rows; ++i) observed[i] = true;
  const Vector chance = propensities(own, observed, options.seed);
  LLMOPS_CHECK(each_tile(made.statistics.size(), options.threads, options.cancel, [&](size_t c) {
    RandomSource draws(options.seed * 0x9E3779B97F4A7C15u + c + 1);
    std::vector<Eigen::Index> x, y, all_held(held_count);
    std::iota(all_held.begin(), all_held.end(), Eigen::Index{0});
    // A draw that leaves a side with less than two rows is drawn again.
    do {
      x.clear();
      y.clear();
      for (size_t i = 0; i < rows.rows; ++i) {
        const bool is_y = c == 0 ? observed[i] : static_cast<double>(draws.next() >> 11) * 0x1p-53 < chance[static_cast<Eigen::Index>(i)];
        (is_y ? y : x).push_back(static_cast<Eigen::Index>(i));
      }
    } while (x.size() < 2 || y.size() < 2);
    const Matrix a0 = coupling(picked(of_held, all_held, x), picked(own, x, x), options.lambda), a1 = coupling(picked(of_held, all_held, y), picked(own, y, y), options.lambda);
    made.statistics[c] = statistic_of(picked(kernel, x, x), picked(kernel, y, y), picked(kernel, x, y), a0, a1).statistic;
  }));
  made.statistic = made.statistics[0];
  made.p_value = permutation_p(made.statistics, 1e-12);
  return made;
}

}  // namespace llmops
