#include "core/drift/knn_graph.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "core/drift/novelty.h"
#include "core/drift/tiles.h"

namespace llmops {
namespace {

// Rows that are equal as one, in the order of their values.
struct Distinct { Vectors rows; std::vector<size_t> group, counts; };

Distinct distinct_of(const VectorsView& pooled) {
  std::vector<size_t> order(pooled.rows);
  std::iota(order.begin(), order.end(), size_t{0});
  const auto less = [&](size_t a, size_t b) { return std::lexicographical_compare(pooled.row(a).begin(), pooled.row(a).end(), pooled.row(b).begin(), pooled.row(b).end()); };
  std::sort(order.begin(), order.end(), less);
  Distinct made{{{}, 0, pooled.dimensions}, std::vector<size_t>(pooled.rows), {}};
  for (size_t k = 0; k < order.size(); ++k) {
    if (k == 0 || less(order[k - 1], order[k])) {
      made.rows.values.insert(made.rows.values.end(), pooled.row(order[k]).begin(), pooled.row(order[k]).end());
      ++made.rows.rows;
      made.counts.push_back(0);
    }
    made.group[order[k]] = made.rows.rows - 1;
    ++made.counts.back();
  }
  return made;
}

// From every row of one group to every row (but itself) of another.
struct Edge { size_t from = 0, to = 0; double weight = 1; };

std::vector<Edge> edges_of(const Distinct& distinct, const Neighbours& neighbours, size_t nearest) {
  std::vector<Edge> made;
  for (size_t g = 0; g < distinct.rows.rows; ++g) {
    size_t left = nearest;
    const auto reach = [&](size_t to, size_t rows) {
      if (left == 0 || rows == 0) return;
      const size_t taken = std::min(left, rows);
      made.push_back({g, to, static_cast<double>(taken) / static_cast<double>(rows)});
      left -= taken;
    };
    reach(g, distinct.counts[g] - 1);
    for (size_t k = 0; k < neighbours.each && left > 0; ++k) {
      const size_t to = neighbours.items[g * neighbours.each + k];
      reach(to, distinct.counts[to]);
    }
  }
  return made;
}

}  // namespace

Result<KnnGraphTest> knn_graph_test(const VectorsView& pooled, const Memberships& memberships, const KnnGraphOptions& options) {
  if (pooled.rows != memberships.items()) return Error(ErrorCode::kData, fmt::format("{} rows do not fit splits of {}", pooled.rows, memberships.items()));
  const size_t nearest = std::max<size_t>(1, options.nearest), reference = memberships.reference_size(0), current = pooled.rows - reference;
  if (reference <= nearest || current <= nearest) return Error(ErrorCode::kData, fmt::format("{} and {} rows are too few: at least {} are needed on each side", reference, current, nearest + 1), "take a longer window");
  const Distinct distinct = distinct_of(pooled);
  LLMOPS_ASSIGN(const Neighbours neighbours, nearest_neighbours(distinct.rows.view(), nearest, options.threads, options.cancel));
  const std::vector<Edge> edges = edges_of(distinct, neighbours, nearest);
  KnnGraphTest made;
  made.permutations = memberships.columns() - 1;
  made.distinct = distinct.rows.rows;
  made.statistics.assign(memberships.columns(), 0);
  constexpr size_t kColumns = 16;
  const double all = static_cast<double>(nearest) * static_cast<double>(pooled.rows);
  LLMOPS_CHECK(each_tile((memberships.columns() + kColumns - 1) / kColumns, options.threads, options.cancel, [&](size_t tile) {
    std::vector<double> in_reference(distinct.rows.rows);
    for (size_t c = tile * kColumns; c < std::min(memberships.columns(), (tile + 1) * kColumns); ++c) {
      std::fill(in_reference.begin(), in_reference.end(), 0.0);
      for (size_t i = 0; i < pooled.rows; ++i) in_reference[distinct.group[i]] += memberships.is_reference(i, c);
      double within = 0;
      for (const Edge& edge : edges) {
        const double x = in_reference[edge.from], y = static_cast<double>(distinct.counts[edge.from]) - x, to_x = in_reference[edge.to], to_y = static_cast<double>(distinct.counts[edge.to]) - to_x;
        within += edge.weight * (edge.from == edge.to ? x * (x - 1) + y * (y - 1) : x * to_x + y * to_y);
      }
      made.statistics[c] = within / all;
    }
  }));
  const double n = static_cast<double>(reference), m = static_cast<double>(current);
  made.statistic = made.statistics[0];
  made.expected = (n * (n - 1) + m * (m - 1)) / ((n + m) * (n + m - 1));
  made.p_value = permutation_p(made.statistics, 1e-12);
  return made;
}

}  // namespace llmops
