#include "core/drift/novelty.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/drift/matrix_product.h"
#include "core/drift/tiles.h"

namespace llmops {
namespace {

constexpr size_t kTileRows = 128;

// The nearest of one row, given its similarity to every other.
void keep_nearest(size_t row, const std::vector<float>& similarities, Neighbours& made) {
  std::vector<uint32_t> order;
  order.reserve(made.rows - 1);
  for (size_t j = 0; j < made.rows; ++j) if (j != row) order.push_back(static_cast<uint32_t>(j));
  const auto nearer = [&](uint32_t a, uint32_t b) { return similarities[a] != similarities[b] ? similarities[a] > similarities[b] : a < b; };
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(made.each), order.end(), nearer);
  for (size_t k = 0; k < made.each; ++k) {
    made.items[row * made.each + k] = order[k];
    made.distances[row * made.each + k] = std::max(0.0F, 1 - similarities[order[k]]);
  }
}

Neighbours room_for(size_t rows, size_t neighbours) {
  Neighbours made;
  made.rows = rows;
  made.each = rows == 0 ? 0 : std::min(neighbours, rows - 1);
  made.items.resize(rows * made.each);
  made.distances.resize(rows * made.each);
  return made;
}

// Of every row, its mean distance to the nearest of the reference's side of a split.
class Measure {
 public:
  Measure(const Neighbours& neighbours, const Memberships& memberships, size_t nearest) : neighbours_(neighbours), memberships_(memberships), nearest_(std::max<size_t>(1, nearest)) {}
  double distance(size_t row, size_t column) const {
    double sum = 0;
    size_t found = 0;
    const size_t first = row * neighbours_.each;
    for (size_t k = 0; k < neighbours_.each && found < nearest_; ++k) {
      if (!memberships_.is_reference(neighbours_.items[first + k], column)) continue;
      sum += neighbours_.distances[first + k];
      ++found;
    }
    if (neighbours_.each > 0) sum += static_cast<double>(nearest_ - found) * neighbours_.distances[first + neighbours_.each - 1];
    return sum / static_cast<double>(nearest_);
  }

 private:
  const Neighbours& neighbours_;
  const Memberships& memberships_;
  size_t nearest_;
};

struct Split { double tail = 0, gain = 0, current = 0, reference = 0; std::vector<double> rows, reference_rows; };

Split split_of(const Measure& measure, const Memberships& memberships, size_t column, double edge) {
  std::vector<double> of_reference, of_current;
  for (size_t i = 0; i < memberships.items(); ++i) (memberships.is_reference(i, column) ? of_reference : of_current).push_back(measure.distance(i, column));
  Split made;
  if (of_reference.empty() || of_current.empty()) return made;
  std::vector<double> sorted = of_reference;
  std::sort(sorted.begin(), sorted.end());
  const double limit = sorted[std::min(sorted.size() - 1, static_cast<size_t>(std::ceil(edge * static_cast<double>(sorted.size()))))];
  made.tail = static_cast<double>(std::count_if(of_current.begin(), of_current.end(), [&](double d) { return d > limit; })) / static_cast<double>(of_current.size());
  const auto mean = [](const std::vector<double>& values) { return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size()); };
  made.current = mean(of_current);
  made.reference = mean(of_reference);
  made.gain = made.current - made.reference;
  made.rows = std::move(of_current);
  made.reference_rows = std::move(of_reference);
  return made;
}

}  // namespace

Result<Neighbours> nearest_neighbours(const SparseRows& pooled, size_t neighbours, size_t threads, const CancelToken& cancel) {
  Neighbours made = room_for(pooled.rows(), neighbours);
  if (made.each == 0) return made;
  // Rows by index: only those that share an n-gram with a row are near it.
  std::vector<std::vector<std::pair<uint32_t, float>>> postings;
  std::vector<uint32_t> used(pooled.indices);
  std::sort(used.begin(), used.end());
  used.erase(std::unique(used.begin(), used.end()), used.end());
  postings.resize(used.size());
  std::vector<uint32_t> place(pooled.indices.size());
  for (size_t i = 0; i < pooled.rows(); ++i) {
    for (size_t k = pooled.offsets[i]; k < pooled.offsets[i + 1]; ++k) {
      place[k] = static_cast<uint32_t>(std::lower_bound(used.begin(), used.end(), pooled.indices[k]) - used.begin());
      postings[place[k]].emplace_back(static_cast<uint32_t>(i), pooled.values[k]);
    }
  }
  LLMOPS_CHECK(each_tile((made.rows + kTileRows - 1) / kTileRows, threads, cancel, [&](size_t tile) {
    std::vector<float> similarities(made.rows);
    for (size_t i = tile * kTileRows; i < std::min(made.rows, (tile + 1) * kTileRows); ++i) {
      std::fill(similarities.begin(), similarities.end(), 0.0F);
      for (size_t k = pooled.offsets[i]; k < pooled.offsets[i + 1]; ++k) for (const auto& [row, value] : postings[place[k]]) similarities[row] += value * pooled.values[k];
      keep_nearest(i, similarities, made);
    }
  }));
  return made;
}

Result<Neighbours> nearest_neighbours(const VectorsView& pooled, size_t neighbours, size_t threads, const CancelToken& cancel) {
  Neighbours made = room_for(pooled.rows, neighbours);
  if (made.each == 0) return made;
  const size_t d = pooled.dimensions;
  std::vector<double> lengths(pooled.rows);
  for (size_t i = 0; i < pooled.rows; ++i) lengths[i] = std::sqrt(std::transform_reduce(pooled.row(i).begin(), pooled.row(i).end(), 0.0, std::plus<>(), [](float v) { return static_cast<double>(v) * static_cast<double>(v); }));
  LLMOPS_CHECK(each_tile((made.rows + kTileRows - 1) / kTileRows, threads, cancel, [&](size_t tile) {
    const size_t first = tile * kTileRows, rows = std::min(kTileRows, made.rows - first);
    std::vector<double> products(rows * made.rows);
    inner_products(rows, made.rows, d, pooled.values.data() + first * d, d, pooled.values.data(), d, products.data(), made.rows);
    std::vector<float> similarities(made.rows);
    for (size_t i = 0; i < rows; ++i) {
      for (size_t j = 0; j < made.rows; ++j) {
        const double length = lengths[first + i] * lengths[j];
        similarities[j] = static_cast<float>(length > 0 ? products[i * made.rows + j] / length : 0);
      }
      keep_nearest(first + i, similarities, made);
    }
  }));
  return made;
}

Result<NoveltyTest> novelty_test(const Neighbours& neighbours, const Memberships& memberships, const NoveltyOptions& options, size_t threads, const CancelToken& cancel) {
  if (neighbours.rows != memberships.items()) return Error(ErrorCode::kData, fmt::format("neighbours of {} rows do not fit splits of {}", neighbours.rows, memberships.items()));
  const Measure measure(neighbours, memberships, options.nearest);
  std::vector<Split> splits(memberships.columns());
  constexpr size_t kColumns = 16;
  LLMOPS_CHECK(each_tile((splits.size() + kColumns - 1) / kColumns, threads, cancel, [&](size_t piece) {
    for (size_t c = piece * kColumns; c < std::min(splits.size(), (piece + 1) * kColumns); ++c) {
      splits[c] = split_of(measure, memberships, c, options.edge);
      if (c == 0) continue;
      splits[c].rows = {};
      splits[c].reference_rows = {};
    }
  }));
  NoveltyTest made;
  made.permutations = memberships.columns() - 1;
  // Shares move in steps of 1/m; the gain, far below a step, orders those that are equal.
  const double step = 1e-3 / static_cast<double>(std::max<size_t>(1, memberships.items()));
  for (const Split& split : splits) made.statistics.push_back(split.tail - (1 - options.edge) + step * std::tanh(split.gain));
  made.mean_distance = splits[0].current;
  made.reference_distance = splits[0].reference;
  made.beyond_edge = splits[0].tail;
  made.current = std::move(splits[0].rows);
  made.reference = std::move(splits[0].reference_rows);
  made.statistic = made.statistics[0];
  made.p_value = permutation_p(made.statistics, 1e-12);
  return made;
}

}  // namespace llmops
