#include "commands/monitor/health_compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <set>

#include "core/stats/categories.h"
#include "core/stats/grouped_categories.h"
#include "core/stats/rank_sum.h"
#include "core/stats/rates.h"

namespace llmops {
namespace {

constexpr size_t kMostCategories = 30, kMostShown = 10;
constexpr int64_t kDraws = 9999, kFewestDraws = 999, kMostDrawn = 300'000'000;   // so many that Holm's correction over a few dozen signals can still be passed, and bounded in time

int64_t clusters_of(std::span<const int64_t> clusters) { return std::ssize(std::set<int64_t>(clusters.begin(), clusters.end())); }

HealthSignal begun(std::string name, std::string unit, HealthDirection direction) {
  HealthSignal signal;
  signal.name = std::move(name);
  signal.unit = std::move(unit);
  signal.direction = direction;
  return signal;
}

// Whether a test is made; says why not.
bool is_enough(HealthSignal& signal, std::span<const int64_t> before, std::span<const int64_t> current) {
  if (std::min(signal.before.n, signal.current.n) < kLeastObservations) {
    signal.reason = fmt::format("{} now and {} before: at least {} are needed on each side", signal.current.n, signal.before.n, kLeastObservations);
    return false;
  }
  const int64_t sessions = std::min(clusters_of(before), clusters_of(current));
  if (sessions < kLeastClusters) signal.reason = fmt::format("they come from {} session{}: at least {} are needed on each side", sessions, sessions == 1 ? "" : "s", kLeastClusters);
  return sessions >= kLeastClusters;
}

double effect_of(const HealthObservations& before, const HealthObservations& current) {
  return std::max(design_effect(before.values, before.clusters).value_or(1), design_effect(current.values, current.clusters).value_or(1));
}

// What n dependent observations with x events are worth.
struct Counts { int64_t events = 0, n = 0; };
Counts effective(const HealthObservations& signs, double effect) {
  const double events = static_cast<double>(std::count(signs.values.begin(), signs.values.end(), 1.0)), n = static_cast<double>(signs.values.size());
  return {std::llround(events / effect), std::llround(n / effect)};
}

HealthEstimate rate_estimate(const HealthObservations& signs, double effect) {
  HealthEstimate made;
  made.n = std::ssize(signs.values);
  if (made.n == 0) return made;
  made.value = static_cast<double>(std::count(signs.values.begin(), signs.values.end(), 1.0)) / static_cast<double>(made.n);
  const Counts counts = effective(signs, effect);
  made.interval = wilson_interval(counts.events, counts.n);
  return made;
}

HealthObservations above(const HealthObservations& of, double bound) {
  HealthObservations signs;
  for (size_t i = 0; i < of.values.size(); ++i) signs.add(of.values[i] > bound ? 1 : 0, of.clusters[i]);
  return signs;
}

int sign_of(double difference) { return difference > 0 ? 1 : difference < 0 ? -1 : 0; }

void test_rates(HealthSignal& signal, const HealthObservations& before, const HealthObservations& current) {
  const Counts x = effective(before, signal.design_effect), y = effective(current, signal.design_effect);
  signal.p_value = fisher_exact_p(y.events, y.n, x.events, x.n);
  const double rate_before = rate_estimate(before, 1).value.value_or(0), rate_current = rate_estimate(current, 1).value.value_or(0);
  signal.sign = sign_of(rate_current - rate_before);
}

void test_ranks(HealthSignal& signal, const HealthObservations& before, const HealthObservations& current) {
  std::vector<double> values(before.values);
  values.insert(values.end(), current.values.begin(), current.values.end());
  const std::vector<double> ranks = midranks(values);
  const std::span<const double> of_before = std::span(ranks).first(before.values.size()), of_current = std::span(ranks).subspan(before.values.size());
  signal.design_effect = std::max(design_effect(of_before, before.clusters).value_or(1), design_effect(of_current, current.clusters).value_or(1));
  const auto found = rank_sum(before.values, current.values, signal.design_effect);
  if (!found) return;
  signal.p_value = found->p_value;
  signal.sign = sign_of(found->share - 0.5);
  signal.test = "rank sums (Wilcoxon, Mann & Whitney)";
}

}  // namespace

std::string_view health_change_name(HealthChange change) {
  constexpr std::array<std::string_view, 5> kNames{"not enough data", "no difference", "worse", "better", "changed"};
  return kNames[static_cast<size_t>(change)];
}

HealthSignal compare_rates(std::string name, HealthDirection direction, const HealthObservations& before, const HealthObservations& current) {
  HealthSignal signal = begun(std::move(name), "share", direction);
  signal.design_effect = effect_of(before, current);
  signal.before = rate_estimate(before, signal.design_effect);
  signal.current = rate_estimate(current, signal.design_effect);
  if (!signal.before.value || !signal.current.value) {
    is_enough(signal, before.clusters, current.clusters);
    return signal;
  }
  signal.difference = *signal.current.value - *signal.before.value;
  const Counts x = effective(before, signal.design_effect), y = effective(current, signal.design_effect);
  signal.difference_interval = rate_difference_interval(y.events, y.n, x.events, x.n);
  if (!is_enough(signal, before.clusters, current.clusters)) return signal;
  test_rates(signal, before, current);
  signal.test = "Fisher's exact test";
  return signal;
}

HealthSignal compare_quantiles(std::string name, std::string unit, double p, HealthDirection direction, const HealthObservations& before, const HealthObservations& current) {
  HealthSignal signal = begun(std::move(name), std::move(unit), direction);
  for (const auto& [from, into] : {std::pair{&before, &signal.before}, {&current, &signal.current}}) {
    const auto found = quantile_interval(from->values, p);
    into->n = std::ssize(from->values);
    if (found) *into = {found->value, found->interval, found->n, std::nullopt};
  }
  if (signal.before.value && signal.current.value) signal.difference = *signal.current.value - *signal.before.value;
  if (!is_enough(signal, before.clusters, current.clusters)) return signal;
  if (p == 0.5) {
    test_ranks(signal, before, current);
    return signal;
  }
  std::vector<double> pooled(before.values);
  pooled.insert(pooled.end(), current.values.begin(), current.values.end());
  const double bound = quantile_interval(std::move(pooled), p)->value;
  const HealthObservations x = above(before, bound), y = above(current, bound);
  signal.design_effect = effect_of(x, y);
  test_rates(signal, x, y);
  signal.test = "Fisher's exact test of what lies above the quantile of both periods together";
  return signal;
}

HealthSignal compare_means(std::string name, std::string unit, HealthDirection direction, const HealthObservations& before, const HealthObservations& current) {
  HealthSignal signal = begun(std::move(name), std::move(unit), direction);
  const auto x = clustered_mean_interval(before.values, before.clusters), y = clustered_mean_interval(current.values, current.clusters);
  if (x) signal.before = {x->mean, x->interval, x->n, std::nullopt};
  if (y) signal.current = {y->mean, y->interval, y->n, std::nullopt};
  const bool enough = is_enough(signal, before.clusters, current.clusters);
  if (!x || !y) return signal;
  signal.difference = y->mean - x->mean;
  const auto found = mean_difference(*y, *x);
  if (found) signal.difference_interval = found->interval;
  if (!enough) return signal;
  signal.design_effect = effect_of(before, current);
  if (found && found->p_value) {
    signal.p_value = found->p_value;
    signal.sign = sign_of(found->difference);
    signal.test = "Welch's t";
  } else {
    test_ranks(signal, before, current);
  }
  return signal;
}

std::vector<HealthCategory> count_categories(const std::vector<HealthItems>& before, const std::vector<HealthItems>& current, size_t most) {
  std::map<std::string, HealthCategory> found;
  for (const HealthItems& one : before) for (const std::string& name : one.names) ++found[name].before;
  for (const HealthItems& one : current) {
    for (const std::string& name : one.names) {
      HealthCategory& category = found[name];
      ++category.current;
      if (category.before == 0 && one.start_ms) category.first_ms = std::min(category.first_ms.value_or(*one.start_ms), *one.start_ms);
    }
  }
  std::vector<HealthCategory> listed;
  for (auto& [name, category] : found) {
    category.name = name;
    listed.push_back(std::move(category));
  }
  std::stable_sort(listed.begin(), listed.end(), [](const HealthCategory& a, const HealthCategory& b) { return a.before + a.current > b.before + b.current; });
  size_t rank = 0;
  std::erase_if(listed, [&](const HealthCategory& one) { return rank++ >= most && one.before > 0; });
  return listed;
}

HealthSignal compare_categories(std::string name, const std::vector<HealthItems>& before, const std::vector<HealthItems>& current, uint64_t seed) {
  HealthSignal signal = begun(std::move(name), "distribution", HealthDirection::kNeither);
  signal.before.n = std::ssize(before);
  signal.current.n = std::ssize(current);
  std::vector<HealthCategory> all = count_categories(before, current, SIZE_MAX);
  std::map<std::string, uint32_t> index;
  std::vector<int64_t> x, y;
  for (const HealthCategory& one : all) {
    if (x.size() <= kMostCategories) x.push_back(0), y.push_back(0);
    index[one.name] = static_cast<uint32_t>(x.size() - 1);   // the last one is the rest
    x.back() += one.before;
    y.back() += one.current;
  }
  signal.difference = total_variation(x, y);
  size_t rank = 0;
  std::erase_if(all, [&](const HealthCategory& one) { return rank++ >= kMostShown && one.before > 0; });
  signal.categories = std::move(all);
  std::array<std::vector<CategoryGroup>, 2> groups;
  std::array<std::vector<int64_t>, 2> clusters;
  bool is_single = true;
  for (size_t side = 0; side < 2; ++side) {
    std::map<int64_t, std::map<uint32_t, int64_t>> by_cluster;
    for (const HealthItems& one : side == 0 ? before : current) {
      clusters[side].push_back(one.cluster);
      for (const std::string& item : one.names) ++by_cluster[one.cluster][index.at(item)];
    }
    for (const auto& [cluster, counts] : by_cluster) {
      groups[side].emplace_back(counts.begin(), counts.end());
      is_single = is_single && counts.size() == 1 && counts.begin()->second == 1;
    }
  }
  if (!is_enough(signal, clusters[0], clusters[1])) return signal;
  const auto asymptotic = chi_squared(x, y);
  if (is_single && asymptotic && !asymptotic->is_coarse) {
    signal.p_value = asymptotic->p_value;
    signal.test = "Pearson's chi-squared";
  } else if (asymptotic) {
    const auto groups_drawn = static_cast<int64_t>(std::min(groups[0].size(), groups[1].size()));
    signal.p_value = grouped_categories_p(groups[0], groups[1], x.size(), std::clamp(kMostDrawn / std::max<int64_t>(1, groups_drawn), kFewestDraws, kDraws), seed);
    signal.test = "Pearson's chi-squared over exchanges of whole sessions or requests";
  } else {
    signal.p_value = 1;   // one category on both sides
    signal.test = "Pearson's chi-squared";
  }
  return signal;
}

void settle(HealthSignal& signal, double alpha) {
  if (!signal.p_value) return;
  if (!signal.p_adjusted || *signal.p_adjusted > alpha) {
    signal.change = HealthChange::kNoDifference;
    return;
  }
  if (signal.direction == HealthDirection::kNeither || signal.sign == 0) signal.change = HealthChange::kChanged;
  else signal.change = (signal.sign > 0) == (signal.direction == HealthDirection::kHigherIsWorse) ? HealthChange::kWorse : HealthChange::kBetter;
}

}  // namespace llmops
