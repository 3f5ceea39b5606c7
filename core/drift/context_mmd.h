// Whether inputs changed beyond what their contexts explain: more German users is no drift of what German users ask.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/drift/mmd.h"

namespace llmops {

// For contexts that are categories (a route, a language, a tenant): sum over strata of w_c MMD_u^2 within c, w_c the stratum's share of the current sample, under permutations within strata: exact at its level without
// a model of the contexts. Strata with fewer than two rows on a side are left out, and the weights are of those that stay.
struct StratumPart { int64_t stratum = 0; size_t reference = 0, current = 0; double weight = 0, unbiased = 0; };
struct StratifiedTest { double statistic = 0, p_value = 1; std::vector<StratumPart> strata; size_t left_out = 0; size_t permutations = 0; std::vector<double> statistics; };
// `strata`: of the reference rows, then of the current ones. One kernel width for all. Errors: as mmd_test; kData: no stratum can be tested.
Result<StratifiedTest> stratified_mmd_test(const VectorsView& reference, const VectorsView& current, std::span<const int64_t> strata, size_t permutations, uint64_t seed, const MmdOptions& options = {});

// For contexts that are numbers (an hour, a length): the conditional MMD of Cobb & Van Looveren 2022 ("Context-aware drift detection"). Held-out contexts h couple the rows of both samples whose contexts are near:
//   A_0 = L(h, c0) (L(c0, c0) + n0 lambda I)^-1, A_1 likewise, W_xx = A_0'A_0 / |h| and so on:   <K_00, W_xx> + <K_11, W_yy> - 2 <K_01, W_xy>
struct CoupledStatistic { double xx = 0, yy = 0, xy = 0, statistic = 0; };
// Errors: kData: sizes that do not fit. Cost: (n0^3 + n1^3) / 3.
Result<CoupledStatistic> coupled_mmd(const VectorsView& x, const VectorsView& contexts_x, const VectorsView& y, const VectorsView& contexts_y, const VectorsView& held, double sigma_x, double sigma_context, double lambda);

struct ContextOptions {
  size_t permutations = 199;         // redrawn splits, each with two inversions: some hundred rows on a side are what is reasonable
  uint64_t seed = 0;
  double held_share = 0.25;          // of the current contexts, for which the samples are compared
  double lambda = 0.01;
  size_t threads = 0;
  CancelToken cancel;
};
struct ContextTest { double statistic = 0, p_value = 1, sigma_x = 0, sigma_context = 0; size_t held = 0, permutations = 0; std::vector<double> statistics; };
// A quarter of the current rows is held out for its contexts. The null redraws who is current by the propensity P(current | context), a ridge regression of logits on the contexts' kernel fitted by cross-fitting in
// five parts, so that no row's propensity was fitted on itself. Approximately calibrated: the propensities are estimates. Errors: kData: fewer than 20 rows on a side, other dimensions; kInterrupted.
Result<ContextTest> context_mmd_test(const VectorsView& reference, const VectorsView& reference_contexts, const VectorsView& current, const VectorsView& current_contexts, const ContextOptions& options = {});

}  // namespace llmops
