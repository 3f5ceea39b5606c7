#include "core/drift/new_intents.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <queue>

#include "core/drift/matrix_product.h"

namespace llmops {
namespace {

// Average linkage over cosines: the two groups that are nearest are joined until none are near enough. A queue of pairs; outdated ones are passed over by their groups' versions.
std::vector<std::vector<size_t>> linked_groups(const std::vector<double>& similarities, size_t count, double least) {
  std::vector<std::vector<size_t>> groups(count);
  std::vector<double> between(similarities);           // sums of similarities between two groups
  std::vector<size_t> version(count);
  struct Pair { double mean; size_t a, b, version_a, version_b; };
  const auto after = [](const Pair& x, const Pair& y) { return x.mean != y.mean ? x.mean < y.mean : x.a != y.a ? x.a > y.a : x.b > y.b; };
  std::priority_queue<Pair, std::vector<Pair>, decltype(after)> queue(after);
  for (size_t a = 0; a < count; ++a) {
    groups[a] = {a};
    for (size_t b = a + 1; b < count; ++b) if (similarities[a * count + b] >= least) queue.push({similarities[a * count + b], a, b, 0, 0});
  }
  while (!queue.empty()) {
    const Pair next = queue.top();
    queue.pop();
    const auto [mean, a, b, version_a, version_b] = next;
    if (groups[a].empty() || groups[b].empty() || version[a] != version_a || version[b] != version_b) continue;
    groups[a].insert(groups[a].end(), groups[b].begin(), groups[b].end());
    groups[b].clear();
    ++version[a];
    for (size_t c = 0; c < count; ++c) {
      if (c == a || groups[c].empty()) continue;
      const double sum = between[a * count + c] + between[b * count + c];
      between[a * count + c] = between[c * count + a] = sum;
      const double joined = sum / static_cast<double>(groups[a].size() * groups[c].size());
      if (joined >= least) queue.push(a < c ? Pair{joined, a, c, version[a], version[c]} : Pair{joined, c, a, version[c], version[a]});
    }
  }
  std::erase_if(groups, [](const std::vector<size_t>& group) { return group.empty(); });
  return groups;
}

std::vector<bool> rejected(const std::vector<double>& p_values, double rate) {
  std::vector<size_t> order(p_values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return p_values[a] < p_values[b]; });
  size_t kept = 0;
  for (size_t i = 0; i < order.size(); ++i) if (p_values[order[i]] <= rate * static_cast<double>(i + 1) / static_cast<double>(order.size())) kept = i + 1;
  std::vector<bool> made(p_values.size());
  for (size_t i = 0; i < kept; ++i) made[order[i]] = true;
  return made;
}

// Cosines of all pairs of the chosen rows.
std::vector<double> cosines(const VectorsView& rows, const std::vector<size_t>& chosen) {
  const size_t d = rows.dimensions, count = chosen.size();
  std::vector<float> units;
  units.reserve(count * d);
  for (const size_t i : chosen) {
    const auto row = rows.row(i);
    const double length = std::sqrt(std::transform_reduce(row.begin(), row.end(), 0.0, std::plus<>(), [](float v) { return static_cast<double>(v) * static_cast<double>(v); }));
    for (const float v : row) units.push_back(static_cast<float>(length > 0 ? static_cast<double>(v) / length : 0));
  }
  std::vector<double> made(count * count);
  if (count > 0) inner_products(count, count, d, units.data(), d, units.data(), d, made.data(), count);
  return made;
}

}  // namespace

NewIntents new_intents(const NoveltyTest& novelty, const VectorsView& current, const NewIntentOptions& options) {
  NewIntents made;
  std::vector<double> known(novelty.reference);
  std::sort(known.begin(), known.end());
  for (const double distance : novelty.current) {
    const auto at_least = known.end() - std::lower_bound(known.begin(), known.end(), distance);
    made.p_values.push_back(static_cast<double>(1 + at_least) / static_cast<double>(known.size() + 1));
  }
  made.is_new = rejected(made.p_values, options.false_discovery_rate);
  std::vector<size_t> chosen;
  for (size_t i = 0; i < made.is_new.size(); ++i) if (made.is_new[i]) chosen.push_back(i);
  std::stable_sort(chosen.begin(), chosen.end(), [&](size_t a, size_t b) { return novelty.current[a] > novelty.current[b]; });
  if (chosen.size() > options.most_grouped) chosen.resize(options.most_grouped);
  std::sort(chosen.begin(), chosen.end());
  const std::vector<double> similarities = cosines(current, chosen);
  const size_t count = chosen.size();
  for (std::vector<size_t>& group : linked_groups(similarities, count, options.similarity)) {
    const auto sum_to = [&](size_t one) { return std::accumulate(group.begin(), group.end(), 0.0, [&](double sum, size_t other) { return sum + similarities[one * count + other]; }); };
    std::sort(group.begin(), group.end());
    size_t medoid = group.front();
    for (const size_t one : group) if (sum_to(one) > sum_to(medoid) + 1e-12) medoid = one;
    std::stable_sort(group.begin(), group.end(), [&](size_t a, size_t b) { return (a == medoid ? 2.0 : similarities[medoid * count + a]) > (b == medoid ? 2.0 : similarities[medoid * count + b]); });
    NewIntent intent;
    for (const size_t one : group) intent.rows.push_back(chosen[one]);
    made.intents.push_back(std::move(intent));
  }
  std::stable_sort(made.intents.begin(), made.intents.end(), [](const NewIntent& a, const NewIntent& b) { return a.rows.size() > b.rows.size(); });
  return made;
}

}  // namespace llmops
