#include "core/drift/energy.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/drift/kernel.h"
#include "core/drift/matrix_product.h"
#include "core/drift/tiles.h"

namespace llmops {
namespace {

constexpr size_t kTileRows = 120, kLeastRows = 2;

// What some rows add to a'Da and a'D1 of every split and to 1'D1; `exact`: of the observed split, with distances of doubles.
struct Sums { double inside = 0, rows = 0, all = 0; };
struct TileSums { std::vector<Sums> splits; Sums exact; };

void add(Sums& sums, const Sums& more) {
  sums.inside += more.inside;
  sums.rows += more.rows;
  sums.all += more.all;
}

double energy(const Sums& sums, double n, double m) {
  if (n < 1 || m < 1) return 0;
  return 2 * (sums.rows - sums.inside) / (n * m) - sums.inside / (n * n) - (sums.all - 2 * sums.rows + sums.inside) / (m * m);
}

class DistanceSweep {
 public:
  DistanceSweep(const VectorsView& pooled, const Memberships& memberships) : pooled_(pooled), memberships_(memberships), members_(memberships.columns() * pooled.rows) {
    std::vector<float> row(memberships.columns());
    for (size_t i = 0; i < pooled.rows; ++i) {
      memberships.expand(i, 1, row.data());
      for (size_t c = 0; c < row.size(); ++c) members_[c * pooled.rows + i] = row[c];
      norms_.push_back(squared_norm(pooled.row(i)));
    }
  }

  TileSums tile(size_t tile) const {
    const size_t first = tile * kTileRows, all = pooled_.rows, rows = std::min(kTileRows, all - first), d = pooled_.dimensions, splits = memberships_.columns();
    std::vector<double> distances(rows * all), insides(rows * splits);
    inner_products(rows, all, d, pooled_.values.data() + first * d, d, pooled_.values.data(), d, distances.data(), all);
    std::vector<float> rounded(rows * all);
    TileSums made{std::vector<Sums>(splits), {}};
    for (size_t i = 0; i < rows; ++i) {
      double exact_row = 0, exact_inside = 0, row = 0;
      for (size_t j = 0; j < all; ++j) {
        double& distance = distances[i * all + j];
        // Equal rows: what rounding leaves of the square must not become its root.
        const double square = norms_[first + i] + norms_[j] - 2 * distance;
        distance = first + i == j || square <= 1e-14 * (norms_[first + i] + norms_[j]) ? 0 : std::sqrt(square);
        rounded[i * all + j] = static_cast<float>(distance);
        row += static_cast<double>(rounded[i * all + j]);
        exact_row += distance;
        if (memberships_.is_reference(j, 0)) exact_inside += distance;
      }
      made.exact.all += exact_row;
      if (memberships_.is_reference(first + i, 0)) add(made.exact, {exact_inside, exact_row, 0});
      for (size_t c = 0; c < splits; ++c) {
        made.splits[c].all += row;
        if (memberships_.is_reference(first + i, c)) made.splits[c].rows += row;
      }
    }
    inner_products(rows, splits, all, rounded.data(), all, members_.data(), all, insides.data(), splits);
    for (size_t i = 0; i < rows; ++i) for (size_t c = 0; c < splits; ++c) if (memberships_.is_reference(first + i, c)) made.splits[c].inside += insides[i * splits + c];
    return made;
  }

 private:
  VectorsView pooled_;
  const Memberships& memberships_;
  std::vector<float> members_;       // splits x rows
  std::vector<double> norms_;
};

}  // namespace

Result<EnergyTest> energy_test(const VectorsView& pooled, const Memberships& memberships, size_t threads, const CancelToken& cancel) {
  if (pooled.rows != memberships.items()) return Error(ErrorCode::kData, fmt::format("{} rows do not fit splits of {}", pooled.rows, memberships.items()));
  const size_t reference = memberships.reference_size(0), current = pooled.rows - reference, columns = memberships.columns();
  if (reference < kLeastRows || current < kLeastRows) return Error(ErrorCode::kData, fmt::format("{} and {} rows are too few: at least {} are needed on each side", reference, current, kLeastRows), "take a longer window");
  const DistanceSweep sweep(pooled, memberships);
  std::vector<TileSums> tiles((pooled.rows + kTileRows - 1) / kTileRows);
  LLMOPS_CHECK(each_tile(tiles.size(), threads, cancel, [&](size_t tile) { tiles[tile] = sweep.tile(tile); }));
  EnergyTest made;
  made.permutations = columns - 1;
  Sums exact;
  std::vector<Sums> sums(columns);
  for (const TileSums& tile : tiles) {
    add(exact, tile.exact);
    for (size_t c = 0; c < columns; ++c) add(sums[c], tile.splits[c]);
  }
  const double all = static_cast<double>(pooled.rows);
  for (size_t c = 0; c < columns; ++c) made.statistics.push_back(energy(sums[c], static_cast<double>(memberships.reference_size(c)), all - static_cast<double>(memberships.reference_size(c))));
  made.statistic = std::max(0.0, energy(exact, static_cast<double>(reference), static_cast<double>(current)));
  made.p_value = permutation_p(made.statistics, 1e-11 * sums[0].all / (all * all));
  return made;
}

}  // namespace llmops
