#include "core/drift/detectors.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "core/drift/classifier.h"
#include "core/drift/context_mmd.h"
#include "core/drift/energy.h"
#include "core/drift/features.h"
#include "core/drift/fuse.h"
#include "core/drift/knn_graph.h"
#include "core/drift/latent.h"
#include "core/drift/learned.h"
#include "core/drift/lsdd.h"
#include "core/drift/mmd.h"
#include "core/drift/novelty.h"
#include "core/drift/vocabulary.h"
#include "core/stats/categories.h"
#include "core/stats/two_sample.h"

namespace llmops {
namespace {

constexpr size_t kMostCarriers = 10, kBins = 10, kFeatures = 1024, kLandmarks = 128, kNeighbours = 64;

Result<Memberships> splits_of(const Sample& reference, const Sample& current, const DetectorOptions& options) {
  PermutationPlan plan;
  plan.permutations = options.permutations;
  plan.seed = options.seed;
  return Memberships::make(reference.size() + current.size(), reference.size(), plan);
}

MmdOptions mmd_options(const DetectorOptions& options) { return {{}, options.threads, options.cancel}; }

std::vector<std::pair<size_t, double>> carriers_of(const std::vector<double>& shares) {
  std::vector<std::pair<size_t, double>> made;
  for (size_t i = 0; i < shares.size(); ++i) made.emplace_back(i, shares[i]);
  std::stable_sort(made.begin(), made.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  if (made.size() > kMostCarriers) made.resize(kMostCarriers);
  return made;
}

Result<DetectorResult> run_mmd(const Sample& reference, const Sample& current, const DetectorOptions& options) {
  LLMOPS_ASSIGN(const Memberships memberships, splits_of(reference, current, options));
  LLMOPS_ASSIGN(const MmdTest test, mmd_test(reference.vectors.view(), current.vectors.view(), memberships, mmd_options(options)));
  DetectorResult made{test.estimate.unbiased, test.p_value, "permutation", test.permutations, {{"biased", test.estimate.biased}}, {}};
  for (const double sigma : test.estimate.sigmas) made.details.emplace_back("sigma", sigma);
  MmdOptions same = mmd_options(options);
  same.sigmas = test.estimate.sigmas;
  LLMOPS_ASSIGN(const MmdShares shares, mmd_shares(reference.vectors.view(), current.vectors.view(), same));
  made.carriers = carriers_of(shares.current);
  return made;
}

Result<DetectorResult> normal_result(Result<NormalTest> test) {
  if (!test) return std::move(test).error();
  return DetectorResult{test->statistic, test->p_value, "normal", 0, {{"standard_error", test->standard_error}}, {}};
}
Result<DetectorResult> run_linear(const Sample& reference, const Sample& current, const DetectorOptions& options) { return normal_result(mmd_linear(reference.vectors.view(), current.vectors.view(), mmd_options(options))); }
Result<DetectorResult> run_block(const Sample& reference, const Sample& current, const DetectorOptions& options) { return normal_result(mmd_block(reference.vectors.view(), current.vectors.view(), 0, mmd_options(options))); }

// The width and the landmarks from the pool, which does not tell the sides apart.
Result<DetectorResult> run_features(const Sample& reference, const Sample& current, const DetectorOptions& options, bool fourier) {
  const Vectors pooled = joined(reference.vectors.view(), current.vectors.view());
  const double sigma = median_sigma(pooled.view()).value_or(1);
  Vectors landmarks{{}, 0, pooled.dimensions};
  const size_t count = std::min(kLandmarks, pooled.rows);
  for (size_t i = 0; i < count; ++i) {
    const auto row = pooled.view().row(i * pooled.rows / count);
    landmarks.values.insert(landmarks.values.end(), row.begin(), row.end());
    ++landmarks.rows;
  }
  const FeatureMap map = fourier ? FeatureMap::fourier(pooled.dimensions, kFeatures, sigma, options.seed) : FeatureMap::nystroem(landmarks.view(), sigma);
  LLMOPS_ASSIGN(const Memberships memberships, splits_of(reference, current, options));
  LLMOPS_ASSIGN(const MmdTest test, mmd_feature_test(map, reference.vectors.view(), current.vectors.view(), memberships, options.threads, options.cancel));
  return DetectorResult{test.estimate.unbiased, test.p_value, "permutation", test.permutations, {{"biased", test.estimate.biased}, {"sigma", sigma}, {"features", static_cast<double>(map.features())}}, {}};
}
Result<DetectorResult> run_fourier(const Sample& reference, const Sample& current, const DetectorOptions& options) { return run_features(reference, current, options, true); }
Result<DetectorResult> run_nystroem(const Sample& reference, const Sample& current, const DetectorOptions& options) { return run_features(reference, current, options, false); }

Result<DetectorResult> run_fuse(const Sample& reference, const Sample& current, const DetectorOptions& options) {
  LLMOPS_ASSIGN(const Memberships memberships, splits_of(reference, current, options));
  LLMOPS_ASSIGN(const FuseTest test, fuse_test(reference.vectors.view(), current.vectors.view(), memberships, options.threads, options.cancel));
  return DetectorResult{test.statistic, test.p_value, "permutation", test.permutations, {{"kernels", static_cast<double>(test.kernels.gaussian.size() + test.kernels.laplace.size())}}, {}};
}

Result<DetectorResult> run_lsdd(const Sample& reference, const Sample& current, const DetectorOptions& options) {
  LsddOptions with;
  with.permutations = options.permutations;
  with.seed = options.seed;
  with.threads = options.threads;
  with.cancel = options.cancel;
  LLMOPS_ASSIGN(const LsddTest test, lsdd_test(reference.vectors.view(), current.vectors.view(), with));
  return DetectorResult{test.statistic, test.p_value, "permutation", test.permutations, {{"sigma", test.sigma}, {"lambda", test.lambda}, {"centres", static_cast<double>(test.centres)}}, {}};
}

// Texts that all read as numbers are a context of numbers.
std::optional<Vectors> numeric_contexts(const std::vector<std::string>& contexts) {
  Vectors made{{}, contexts.size(), 1};
  for (const std::string& context : contexts) {
    char* end = nullptr;
    const double value = std::strtod(context.c_str(), &end);
    if (context.empty() || *end != '\0' || !std::isfinite(value)) return std::nullopt;
    made.values.push_back(static_cast<float>(value));
  }
  return made;
}

Result<DetectorResult> run_context(const Sample& reference, const Sample& current, const DetectorOptions& options) {
  std::map<std::string, int64_t> numbers;
  std::vector<int64_t> strata;
  for (const Sample* sample : {&reference, &current}) for (const std::string& context : sample->contexts) strata.push_back(numbers.emplace(context, std::ssize(numbers)).first->second);
  const auto of_reference = numeric_contexts(reference.contexts), of_current = numeric_contexts(current.contexts);
  constexpr size_t kMostStrata = 20;
  if (of_reference && of_current && numbers.size() > kMostStrata) {
    ContextOptions with;
    with.permutations = options.permutations;
    with.seed = options.seed;
    with.threads = options.threads;
    with.cancel = options.cancel;
    LLMOPS_ASSIGN(const ContextTest test, context_mmd_test(reference.vectors.view(), of_reference->view(), current.vectors.view(), of_current->view(), with));
    return DetectorResult{test.statistic, test.p_value, "redrawn by propensity", test.permutations, {{"sigma", test.sigma_x}, {"sigma_context", test.sigma_context}, {"held_out", static_cast<double>(test.held)}}, {}};
  }
  LLMOPS_ASSIGN(const StratifiedTest test, stratified_mmd_test(reference.vectors.view(), current.vectors.view(), strata, options.permutations, options.seed, mmd_options(options)));
  return DetectorResult{test.statistic, test.p_value, "permutation within strata", test.permutations, {{"strata", static_cast<double>(test.strata.size())}, {"left_out", static_cast<double>(test.left_out)}}, {}};
}

LearnedOptions learned_options(const DetectorOptions& options) {
  LearnedOptions with;
  with.permutations = options.permutations;
  with.seed = options.seed;
  with.threads = options.threads;
  with.cancel = options.cancel;
  return with;
}
Result<DetectorResult> run_learned(const Sample& reference, const Sample& current, const DetectorOptions& options) {
  LLMOPS_ASSIGN(const LearnedTest test, learned_mmd_test(reference.vectors.view(), current.vectors.view(), learned_options(options)));
  return DetectorResult{test.statistic, test.p_value, "permutation", test.permutations, {{"trained", static_cast<double>(test.trained)}, {"tested", static_cast<double>(test.tested)}, {"criterion", test.criterion_after}}, {}};
}
Result<DetectorResult> run_witness(const Sample& reference, const Sample& current, const DetectorOptions& options) {
  LLMOPS_ASSIGN(const WitnessTest test, witness_test(reference.vectors.view(), current.vectors.view(), learned_options(options)));
  return DetectorResult{test.statistic, test.p_value, "permutation", test.permutations, {{"trained", static_cast<double>(test.trained)}, {"tested", static_cast<double>(test.tested)}}, {}};
}

Result<DetectorResult> run_novelty(const Sample& reference, const Sample& current, const DetectorOptions& options) {
  LLMOPS_ASSIGN(const Neighbours neighbours, nearest_neighbours(joined(reference.vectors.view(), current.vectors.view()).view(), kNeighbours, options.threads, options.cancel));
  LLMOPS_ASSIGN(const Memberships memberships, splits_of(reference, current, options));
  LLMOPS_ASSIGN(const NoveltyTest test, novelty_test(neighbours, memberships, {}, options.threads, options.cancel));
  return DetectorResult{test.beyond_edge, test.p_value, "permutation", test.permutations, {{"mean_distance", test.mean_distance}, {"reference_distance", test.reference_distance}}, carriers_of(test.current)};
}

Result<DetectorResult> run_classifier(const Sample& reference, const Sample& current, const DetectorOptions& options) {
  ClassifierOptions with;
  with.seed = options.seed;
  with.threads = options.threads;
  with.cancel = options.cancel;
  LLMOPS_ASSIGN(const Memberships memberships, splits_of(reference, current, options));
  LLMOPS_ASSIGN(const ClassifierTest test, classifier_test(reference.vectors.view(), current.vectors.view(), memberships, with));
  return DetectorResult{test.statistic, test.p_value, "permutation", test.permutations, {{"folds", static_cast<double>(test.folds)}}, carriers_of(test.current)};
}

Result<Vectors> pooled_rows(const Sample& reference, const Sample& current) {
  if (reference.vectors.dimensions != current.vectors.dimensions) return Error(ErrorCode::kData, fmt::format("vectors of {} dimensions cannot be held against vectors of {}", current.vectors.dimensions, reference.vectors.dimensions), "make both by one embedder");
  return joined(reference.vectors.view(), current.vectors.view());
}

Result<DetectorResult> run_knn_graph(const Sample& reference, const Sample& current, const DetectorOptions& options) {
  LLMOPS_ASSIGN(const Vectors pooled, pooled_rows(reference, current));
  LLMOPS_ASSIGN(const Memberships memberships, splits_of(reference, current, options));
  LLMOPS_ASSIGN(const KnnGraphTest test, knn_graph_test(pooled.view(), memberships, {5, options.threads, options.cancel}));
  return DetectorResult{test.statistic, test.p_value, "permutation", test.permutations, {{"expected_without_change", test.expected}, {"distinct", static_cast<double>(test.distinct)}}, {}};
}

Result<DetectorResult> run_energy_vectors(const Sample& reference, const Sample& current, const DetectorOptions& options) {
  LLMOPS_ASSIGN(const Vectors pooled, pooled_rows(reference, current));
  LLMOPS_ASSIGN(const Memberships memberships, splits_of(reference, current, options));
  LLMOPS_ASSIGN(const EnergyTest test, energy_test(pooled.view(), memberships, options.threads, options.cancel));
  return DetectorResult{test.statistic, test.p_value, "permutation", test.permutations, {}, {}};
}

// ---- words of texts ----

TextTerms pooled_terms(const Sample& reference, const Sample& current) {
  std::vector<std::string_view> texts(reference.texts.begin(), reference.texts.end());
  texts.insert(texts.end(), current.texts.begin(), current.texts.end());
  return text_terms(texts);
}

Result<DetectorResult> run_vocabulary(const Sample& reference, const Sample& current, const DetectorOptions& options) {
  VocabularyOptions with;
  with.threads = options.threads;
  with.cancel = options.cancel;
  LLMOPS_ASSIGN(const Memberships memberships, splits_of(reference, current, options));
  LLMOPS_ASSIGN(const VocabularyTest test, vocabulary_test(pooled_terms(reference, current), memberships, with));
  constexpr double kNamed = 0.05;
  const auto named = std::count_if(test.terms.begin(), test.terms.end(), [](const TermChange& one) { return one.p_adjusted <= kNamed; });
  return DetectorResult{test.statistic, test.p_value, "permutation", test.permutations, {{"terms", static_cast<double>(test.terms.size())}, {"terms_below_0.05", static_cast<double>(named)}}, {}};
}

Result<DetectorResult> run_oov(const Sample& reference, const Sample& current, const DetectorOptions& options) {
  LLMOPS_ASSIGN(const Memberships memberships, splits_of(reference, current, options));
  LLMOPS_ASSIGN(const NewWordsTest test, new_words_test(pooled_terms(reference, current), memberships, options.threads, options.cancel));
  return DetectorResult{test.statistic, test.p_value, "permutation", test.permutations, {{"reference_rate", test.reference}, {"current_rate", test.current}, {"of_all_words", test.of_all_words}}, carriers_of(test.texts)};
}

// ---- numbers ----

using NumberStatistic = std::optional<double> (*)(std::span<const double>, std::span<const double>);

Result<DetectorResult> permuted_numbers(NumberStatistic statistic, const Sample& reference, const Sample& current, const DetectorOptions& options) {
  const auto observed = statistic(reference.numbers, current.numbers);
  if (!observed) return Error(ErrorCode::kData, "a sample without numbers has no distance", "take a longer window");
  LLMOPS_ASSIGN(const Memberships memberships, splits_of(reference, current, options));
  std::vector<double> pooled(reference.numbers), statistics{*observed};
  pooled.insert(pooled.end(), current.numbers.begin(), current.numbers.end());
  std::vector<double> x, y;
  for (size_t c = 1; c < memberships.columns(); ++c) {
    if (options.cancel.cancelled()) return Error(ErrorCode::kInterrupted, "interrupted");
    x.clear();
    y.clear();
    for (size_t i = 0; i < pooled.size(); ++i) (memberships.is_reference(i, c) ? x : y).push_back(pooled[i]);
    statistics.push_back(*statistic(x, y));
  }
  return DetectorResult{*observed, permutation_p(statistics, 1e-12 * (1 + std::fabs(*observed))), "permutation", options.permutations, {}, {}};
}
Result<DetectorResult> run_cvm(const Sample& reference, const Sample& current, const DetectorOptions& options) { return permuted_numbers(cramer_von_mises, reference, current, options); }
Result<DetectorResult> run_wasserstein(const Sample& reference, const Sample& current, const DetectorOptions& options) { return permuted_numbers(wasserstein, reference, current, options); }
Result<DetectorResult> run_energy(const Sample& reference, const Sample& current, const DetectorOptions& options) { return permuted_numbers(energy_distance, reference, current, options); }

Result<DetectorResult> run_ks(const Sample& reference, const Sample& current, const DetectorOptions&) {
  const auto distance = ks_distance(reference.numbers, current.numbers);
  if (!distance) return Error(ErrorCode::kData, "a sample without numbers has no distance", "take a longer window");
  if (const auto p = ks_exact_p(reference.numbers, current.numbers)) return DetectorResult{*distance, *p, "exact", 0, {}, {}};
  return DetectorResult{*distance, ks_asymptotic_p(reference.numbers, current.numbers), "asymptotic", 0, {}, {}};
}

// ---- categories, and numbers in bins ----

struct Counts { std::vector<int64_t> reference, current; };

Counts counts_of(const Sample& reference, const Sample& current) {
  Counts counts;
  if (reference.kind != SampleKind::kNumbers) {
    std::map<std::string, size_t> index;
    for (const Sample* sample : {&reference, &current}) for (const std::string& text : sample->texts) index.emplace(text, 0);
    size_t next = 0;
    for (auto& [name, place] : index) place = next++;
    counts.reference.assign(index.size(), 0);
    counts.current.assign(index.size(), 0);
    for (const std::string& text : reference.texts) ++counts.reference[index[text]];
    for (const std::string& text : current.texts) ++counts.current[index[text]];
    return counts;
  }
  // Edges at the deciles of the pool: bins of equal weight, and blind to which side a number is on.
  std::vector<double> pooled(reference.numbers);
  pooled.insert(pooled.end(), current.numbers.begin(), current.numbers.end());
  std::sort(pooled.begin(), pooled.end());
  std::vector<double> edges;
  for (size_t k = 1; k < kBins; ++k) if (const double edge = pooled[k * pooled.size() / kBins]; edges.empty() || edge > edges.back()) edges.push_back(edge);
  const auto bin = [&](double value) { return static_cast<size_t>(std::upper_bound(edges.begin(), edges.end(), value) - edges.begin()); };
  counts.reference.assign(edges.size() + 1, 0);
  counts.current.assign(edges.size() + 1, 0);
  for (const double value : reference.numbers) ++counts.reference[bin(value)];
  for (const double value : current.numbers) ++counts.current[bin(value)];
  return counts;
}

Result<DetectorResult> permuted_counts(CategoryStatistic statistic, const Sample& reference, const Sample& current, const DetectorOptions& options) {
  if (reference.size() == 0 || current.size() == 0) return Error(ErrorCode::kData, "a sample without items has no distance", "take a longer window");
  const Counts counts = counts_of(reference, current);
  const auto observed = statistic(counts.reference, counts.current);
  if (!observed) return Error(ErrorCode::kData, "both samples hold one category alone", "nothing can differ");
  return DetectorResult{*observed, permuted_categories_p(statistic, counts.reference, counts.current, static_cast<int64_t>(options.permutations), options.seed), "permutation", options.permutations, {{"categories", static_cast<double>(counts.reference.size())}}, {}};
}
Result<DetectorResult> run_psi(const Sample& reference, const Sample& current, const DetectorOptions& options) {
  LLMOPS_ASSIGN(DetectorResult made, permuted_counts(population_stability, reference, current, options));
  made.details.emplace_back("expected_without_change", population_stability_bias(static_cast<size_t>(made.details[0].second), static_cast<int64_t>(reference.size()), static_cast<int64_t>(current.size())));
  return made;
}
Result<DetectorResult> run_js(const Sample& reference, const Sample& current, const DetectorOptions& options) { return permuted_counts(jensen_shannon_distance, reference, current, options); }
Result<DetectorResult> run_hellinger(const Sample& reference, const Sample& current, const DetectorOptions& options) { return permuted_counts(hellinger, reference, current, options); }
Result<DetectorResult> run_tvd(const Sample& reference, const Sample& current, const DetectorOptions& options) { return permuted_counts(total_variation, reference, current, options); }
Result<DetectorResult> run_exact(const Sample& reference, const Sample& current, const DetectorOptions& options) { return permuted_counts(chi_squared_statistic, reference, current, options); }

Result<DetectorResult> run_chi2(const Sample& reference, const Sample& current, const DetectorOptions& options) {
  const Counts counts = counts_of(reference, current);
  const auto made = chi_squared(counts.reference, counts.current);
  // A table too thin for the limit distribution is counted instead.
  if (!made || made->is_coarse) return run_exact(reference, current, options);
  return DetectorResult{made->statistic, made->p_value, "asymptotic", 0, {{"degrees", static_cast<double>(made->degrees)}, {"cramers_v", made->cramers_v}}, {}};
}

Result<DetectorResult> run_length(const Sample& reference, const Sample& current, const DetectorOptions& options) {
  const auto words = [](const Sample& sample) {
    Sample made;
    made.kind = SampleKind::kNumbers;
    for (const std::string& text : sample.texts) {
      size_t count = 0;
      bool inside = false;
      for (const char c : text) {
        const bool is_space = c == ' ' || c == '\n' || c == '\t' || c == '\r';
        count += !is_space && !inside;
        inside = !is_space;
      }
      made.numbers.push_back(static_cast<double>(count));
    }
    return made;
  };
  return run_ks(words(reference), words(current), options);
}

constexpr auto kVectors = SampleKind::kVectors;
constexpr auto kNumbers = SampleKind::kNumbers;
constexpr auto kCategories = SampleKind::kCategories;

constexpr std::array<Detector, 27> kDetectors{{
    {"mmd", kVectors, "squared MMD, unbiased", "Gaussian kernel, sigma = sqrt(median squared distance of the pool / 2)", "Gretton et al. 2012, JMLR 13:723", false, run_mmd},
    {"fuse", kVectors, "log mean exp of studentised squared MMDs", "10 Gaussian and 10 Laplace kernels, widths from the pool", "Biggs, Schrab & Gretton 2023", false, run_fuse},
    {"lsdd", kVectors, "2 h'w - w'Hw", "without the factor (pi sigma^2)^(d/2); features standardised by the pool", "Sugiyama et al. 2013; Bu, Alippi & Zhao 2018", false, run_lsdd},
    {"novelty", kVectors, "share of current items beyond the reference's 95 % distance", "mean cosine distance to the 3 nearest of the reference but itself", "k nearest neighbours, as a two-sample test by permutation", false, run_novelty},
    {"context", kVectors, "squared MMD given the contexts", "within strata, weighted by the current shares; of numbers, coupled by kernels", "Cobb & Van Looveren 2022", true, run_context},
    {"learned", kVectors, "squared MMD of a learned projection, unbiased", "half of each sample trains a projection of rank 8 for the power criterion, the other half is tested", "Liu et al. 2020", false, run_learned},
    {"witness", kVectors, "difference of mean scores", "half of each sample trains a ridge regression, the other half is scored; one-sided", "Kuebler et al. 2022", false, run_witness},
    {"classifier", kVectors, "area under the ROC curve of scores of left-out items", "ridge regression in 5 folds, fitted anew for every permutation; one-sided", "Lopez-Paz & Oquab 2017; Kim et al. 2021", false, run_classifier},
    {"knn-graph", kVectors, "share of edges to the 5 nearest within a sample", "cosine distance; items that are equal share an edge", "Schilling 1986; Henze 1988", false, run_knn_graph},
    {"energy-distance", kVectors, "2 E|X - Y| - E|X - X'| - E|Y - Y'|", "Euclidean distances, over all pairs (V-statistic), not its root", "Szekely & Rizzo 2004", false, run_energy_vectors},
    {"mmd-linear", kVectors, "mean of h over disjoint pairs", "items in the order of the file", "Gretton et al. 2012, lemma 14", false, run_linear},
    {"mmd-block", kVectors, "mean of the unbiased squared MMD over blocks", "blocks of sqrt(n), items in the order of the file", "Zaremba, Gretton & Blaschko 2013", false, run_block},
    {"rff", kVectors, "squared MMD of random features, unbiased", "1,024 paired Fourier features, sigma as mmd", "Rahimi & Recht 2007", false, run_fourier},
    {"nystroem", kVectors, "squared MMD of landmark features, unbiased", "128 landmarks evenly from the pool, sigma as mmd", "Williams & Seeger 2001", false, run_nystroem},
    {"ks", kNumbers, "sup |F - G|", "p over all splits with the ties as they are; past n m = 10^8 asymptotic", "Smirnov 1939; Stephens 1970", false, run_ks},
    {"cvm", kNumbers, "Cramer-von Mises T", "midranks", "Anderson 1962", false, run_cvm},
    {"wasserstein", kNumbers, "area between F and G", "in the numbers' unit, not scaled", "Vallender 1974", false, run_wasserstein},
    {"energy", kNumbers, "sqrt(2 int (F - G)^2)", "scipy's energy_distance", "Szekely & Rizzo 2004", false, run_energy},
    {"psi", kCategories, "sum (p - q) ln(p / q)", "half a count added to every category; numbers in 10 bins of equal weight in the pool", "Jeffreys; Siddiqi 2006", false, run_psi},
    {"js", kCategories, "sqrt of the Jensen-Shannon divergence in bits", "0 to 1, no smoothing", "Endres & Schindelin 2003", false, run_js},
    {"hellinger", kCategories, "sqrt(1 - sum sqrt(p q))", "0 to 1", "Hellinger 1909", false, run_hellinger},
    {"tvd", kCategories, "half the sum of |p - q|", "0 to 1", "total variation", false, run_tvd},
    {"chi2", kCategories, "Pearson's chi-squared", "no Yates correction; permuted where an expected count is below 5", "Pearson 1900; V: Bergsma 2013", false, run_chi2},
    {"exact", kCategories, "Pearson's chi-squared", "p over random tables with both margins kept", "Patefield 1981", false, run_exact},
    {"length", SampleKind::kTexts, "sup |F - G| of the numbers of words", "as ks", "Smirnov 1939", false, run_length},
    {"vocabulary", SampleKind::kTexts, "largest |z| of the log-odds of a word", "texts that hold a word, of words in 5 texts; prior of a quarter of the pool", "Monroe, Colaresi & Quinn 2008; Westfall & Young 1993", false, run_vocabulary},
    {"oov", SampleKind::kTexts, "mean share of words that no other reference text holds, current less reference", "both sides by one rule, each text left out of the reference; one-sided", "out-of-vocabulary rate, as a two-sample test by permutation", false, run_oov},
}};

}  // namespace

std::string_view sample_kind_name(SampleKind kind) {
  constexpr std::array<std::string_view, 4> kNames{"vectors", "numbers", "categories", "texts"};
  return kNames[static_cast<size_t>(kind)];
}

size_t Sample::size() const { return kind == SampleKind::kVectors ? vectors.rows : kind == SampleKind::kNumbers ? numbers.size() : texts.size(); }

std::span<const Detector> detectors() { return kDetectors; }

const Detector* find_detector(std::string_view name) {
  const auto* found = std::find_if(kDetectors.begin(), kDetectors.end(), [&](const Detector& one) { return one.name == name; });
  return found == kDetectors.end() ? nullptr : &*found;
}

std::string_view default_detector(SampleKind kind) {
  switch (kind) {
    case SampleKind::kNumbers: return "ks";
    case SampleKind::kCategories: return "chi2";
    case SampleKind::kVectors: return "mmd";
    case SampleKind::kTexts: return "novelty";
  }
  return "mmd";
}

Vectors latent_text_vectors(std::span<const std::string> reference, std::span<const std::string> current, size_t dimensions, uint64_t seed) {
  std::vector<std::string_view> texts(reference.begin(), reference.end());
  texts.insert(texts.end(), current.begin(), current.end());
  NgramOptions grams;
  grams.characters = true;
  SparseRows rows = ngram_counts(texts, grams);
  weigh(rows, inverse_document_frequencies(rows));
  return latent_vectors(rows, dimensions, seed);
}

Result<DetectorResult> run_detector(const Detector& detector, const Sample& reference, const Sample& current, const DetectorOptions& options) {
  const bool fits = detector.kind == reference.kind || (detector.kind == SampleKind::kCategories && reference.kind == SampleKind::kNumbers) || (detector.kind == SampleKind::kVectors && reference.kind == SampleKind::kTexts) ||
                    (detector.kind == SampleKind::kCategories && reference.kind == SampleKind::kTexts);
  if (reference.kind != current.kind) return Error(ErrorCode::kUsage, fmt::format("{} cannot be held against {}", sample_kind_name(current.kind), sample_kind_name(reference.kind)), "give two files of one kind");
  if (!fits) return Error(ErrorCode::kUsage, fmt::format("'{}' compares {}, and the files hold {}", detector.name, sample_kind_name(detector.kind), sample_kind_name(reference.kind)), fmt::format("take --method {}", default_detector(reference.kind)));
  if (detector.takes_contexts && (reference.contexts.size() != reference.size() || current.contexts.size() != current.size())) return Error(ErrorCode::kUsage, fmt::format("'{}' needs the context of every item", detector.name), "give --context COLUMN");
  if (detector.kind != SampleKind::kVectors || reference.kind == SampleKind::kVectors) return detector.run(reference, current, options);
  const Vectors pooled = latent_text_vectors(reference.texts, current.texts, options.dimensions, options.seed);
  Sample x = reference, y = current;
  x.kind = y.kind = SampleKind::kVectors;
  const size_t cut = reference.texts.size() * pooled.dimensions;
  x.vectors = {std::vector<float>(pooled.values.begin(), pooled.values.begin() + static_cast<std::ptrdiff_t>(cut)), reference.texts.size(), pooled.dimensions};
  y.vectors = {std::vector<float>(pooled.values.begin() + static_cast<std::ptrdiff_t>(cut), pooled.values.end()), current.texts.size(), pooled.dimensions};
  return detector.run(x, y, options);
}

}  // namespace llmops
