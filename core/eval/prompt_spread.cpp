#include "core/eval/prompt_spread.h"

#include <algorithm>
#include <map>

#include "core/stats/random.h"

namespace llmops {
namespace {

constexpr int kDraws = 2000;

// Values by case, then variant; cases by cluster.
struct Values {
  size_t variants = 0;
  std::vector<double> values;
  std::vector<std::vector<size_t>> clusters;
  size_t cases() const { return values.size() / variants; }
};

// Cases that every variant has with the same row and a value.
Values common_values(std::span<const RunSeries* const> variants, std::string_view column) {
  Values common;
  common.variants = variants.size();
  const RunSeries& first = *variants[0];
  std::vector<std::vector<std::optional<double>>> by_case(first.size());
  for (const RunSeries* variant : variants) {
    const auto found = variant->columns.find(column);
    if (found == variant->columns.end()) return common;
    for (const auto& [i, k] : pair_cases(first, *variant).pairs) {
      if (found->second.states[k] == ValueState::kPresent) by_case[i].push_back(found->second.values[k]);
    }
  }
  std::map<int64_t, size_t> numbers;
  for (size_t i = 0; i < by_case.size(); ++i) {
    if (by_case[i].size() != variants.size()) continue;
    const size_t at = common.cases();
    for (const auto& value : by_case[i]) common.values.push_back(*value);
    const int64_t cluster = first.clusters.empty() ? static_cast<int64_t>(i) : first.clusters[i];
    const auto [number, is_new] = numbers.emplace(cluster, common.clusters.size());
    if (is_new) common.clusters.emplace_back();
    common.clusters[number->second].push_back(at);
  }
  return common;
}

double spread_of(const std::vector<double>& sums, double count) {
  const auto [low, high] = std::minmax_element(sums.begin(), sums.end());
  return (*high - *low) / count;
}

std::vector<double> bootstrap_spreads(const Values& values, RandomSource& random) {
  std::vector<double> spreads, sums(values.variants);
  for (int draw = 0; draw < kDraws; ++draw) {
    std::fill(sums.begin(), sums.end(), 0.0);
    double count = 0;
    for (size_t left = values.clusters.size(); left > 0; --left) {
      for (const size_t at : values.clusters[random.below(values.clusters.size())]) {
        for (size_t k = 0; k < values.variants; ++k) sums[k] += values.values[at * values.variants + k];
        ++count;
      }
    }
    spreads.push_back(spread_of(sums, count));
  }
  std::sort(spreads.begin(), spreads.end());
  return spreads;
}

}  // namespace

std::optional<PromptSpread> measure_spread(std::span<const RunSeries* const> variants, std::string_view column, bool lower_is_better, uint64_t seed, double level) {
  if (variants.size() < 2 || std::find(variants.begin(), variants.end(), nullptr) != variants.end()) return std::nullopt;
  const Values values = common_values(variants, column);
  if (values.cases() < 2) return std::nullopt;
  PromptSpread found;
  found.n = static_cast<int64_t>(values.cases());
  std::vector<double> sums(values.variants);
  for (size_t i = 0; i < values.values.size(); ++i) sums[i % values.variants] += values.values[i];
  for (const double sum : sums) found.means.push_back(sum / static_cast<double>(found.n));
  found.spread = spread_of(sums, static_cast<double>(found.n));
  const auto worst = lower_is_better ? std::max_element(found.means.begin(), found.means.end()) : std::min_element(found.means.begin(), found.means.end());
  found.worst = static_cast<size_t>(worst - found.means.begin());
  const double simultaneous = 1 - (1 - level) / static_cast<double>(variants.size());
  found.worst_interval = summarize(*variants[found.worst], column, simultaneous).interval;
  RandomSource random(seed);
  const std::vector<double> spreads = bootstrap_spreads(values, random);
  const auto tail = static_cast<size_t>((1 - level) / 2 * kDraws);
  found.interval = {spreads[tail], spreads[spreads.size() - 1 - tail]};
  // Sums of the same numbers in another order differ in the last bits.
  const double least = found.spread * (1 - 1e-12);
  int as_large = 0;
  std::vector<double> row(values.variants);
  for (int deal = 0; deal < kDraws; ++deal) {
    std::fill(sums.begin(), sums.end(), 0.0);
    for (size_t at = 0; at < values.cases(); ++at) {
      std::copy_n(values.values.begin() + static_cast<std::ptrdiff_t>(at * values.variants), values.variants, row.begin());
      for (size_t k = row.size(); k > 1; --k) std::swap(row[k - 1], row[random.below(k)]);
      for (size_t k = 0; k < row.size(); ++k) sums[k] += row[k];
    }
    const double spread = spread_of(sums, static_cast<double>(found.n));
    found.by_chance += spread / kDraws;
    as_large += spread >= least ? 1 : 0;
  }
  found.p_value = (1.0 + as_large) / (1.0 + kDraws);
  return found;
}

}  // namespace llmops
