#include "core/drift/mmd.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/drift/matrix_product.h"
#include "core/drift/tiles.h"
#include "core/stats/intervals.h"
#include "core/stats/sums.h"

namespace llmops {
namespace {

constexpr size_t kTileRows = 240, kTileColumns = 256;
constexpr size_t kSmall = 512;             // up to here all sums are of doubles

Status check_samples(const VectorsView& reference, const VectorsView& current, size_t least) {
  if (reference.dimensions != current.dimensions) return Error(ErrorCode::kData, fmt::format("vectors of {} dimensions cannot be held against vectors of {}", current.dimensions, reference.dimensions), "make both by one embedder");
  if (reference.rows < least || current.rows < least) return Error(ErrorCode::kData, fmt::format("{} and {} rows are too few: at least {} are needed on each side", reference.rows, current.rows, least), "take a longer window");
  return {};
}

// The given widths, or that of the pooled sample; empty: no two rows differ.
std::vector<double> sigmas_for(const Vectors& pooled, const MmdOptions& options) {
  if (!options.sigmas.empty()) return options.sigmas;
  const auto sigma = median_sigma(pooled.view());
  return sigma ? std::vector<double>{*sigma} : std::vector<double>();
}

// Sums of kernel values over the pairs of one tile row: within the reference, across, within the current; without the diagonal.
struct PairSums { double xx = 0, xy = 0, yy = 0; };

MmdEstimate estimate_of(const PairSums& sums, size_t reference, size_t current, std::vector<double> sigmas) {
  const double n = static_cast<double>(reference), m = static_cast<double>(current), cross = 2 * sums.xy / (n * m);
  return {std::max(0.0, (sums.xx + n) / (n * n) + (sums.yy + m) / (m * m) - cross), sums.xx / (n * (n - 1)) + sums.yy / (m * (m - 1)) - cross, std::move(sigmas)};
}

class PooledKernel {
 public:
  PooledKernel(const Vectors& pooled, size_t reference, std::vector<double> sigmas) : tiles_(pooled.view(), std::move(sigmas)), reference_(reference) {}
  size_t size() const { return tiles_.size(); }
  size_t tile_count() const { return (size() + kTileRows - 1) / kTileRows; }

  // visit(first row, rows, first column, columns, values) along one tile row; the diagonal is set to 0.
  template <class Visit>
  void along(size_t tile, const Visit& visit) const {
    const size_t first = tile * kTileRows, rows = std::min(kTileRows, size() - first);
    std::vector<double> values(rows * kTileColumns);
    for (size_t column = 0; column < size(); column += kTileColumns) {
      const size_t columns = std::min(kTileColumns, size() - column);
      tiles_.compute(first, rows, column, columns, values.data());
      for (size_t i = 0; i < rows; ++i) if (first + i >= column && first + i < column + columns) values[i * columns + first + i - column] = 0;
      visit(first, rows, column, columns, values.data());
    }
  }

  // The same for the columns from the tile's own first row on: the square on the diagonal first, then what stands for its mirror image too.
  template <class Visit>
  void along_upper(size_t tile, const Visit& visit) const {
    const size_t first = tile * kTileRows, rows = std::min(kTileRows, size() - first);
    std::vector<double> values(rows * std::max(kTileRows, kTileColumns));
    for (size_t column = first, columns = rows; column < size(); column += columns, columns = std::min(kTileColumns, size() - column)) {
      tiles_.compute(first, rows, column, columns, values.data());
      if (column == first) for (size_t i = 0; i < rows; ++i) values[i * columns + i] = 0;
      visit(first, rows, column, columns, values.data());
      if (column + columns >= size()) break;
    }
  }

  // The mean of the first tile.
  double level() const {
    const size_t count = std::min(kTileRows, size());
    std::vector<double> values(count * count);
    tiles_.compute(0, count, 0, count, values.data());
    return exact_mean(values);
  }

  PairSums sums_of(size_t first, size_t rows, size_t column, size_t columns, const double* values) const {
    PairSums sums;
    for (size_t i = 0; i < rows; ++i) {
      for (size_t j = 0; j < columns; ++j) {
        const bool is_x = first + i < reference_, is_other_x = column + j < reference_;
        if (is_x && is_other_x) sums.xx += values[i * columns + j];
        else if (!is_x && !is_other_x) sums.yy += values[i * columns + j];
        else if (is_x) sums.xy += values[i * columns + j];
      }
    }
    return sums;
  }

 private:
  KernelTiles tiles_;
  size_t reference_;
};

PairSums total_of(const std::vector<PairSums>& tiles) {
  Sum xx, xy, yy;
  for (const PairSums& one : tiles) {
    xx.add(one.xx);
    xy.add(one.xy);
    yy.add(one.yy);
  }
  return {xx.value(), xy.value(), yy.value()};
}

void add(PairSums& sums, const PairSums& more) {
  sums.xx += more.xx;
  sums.xy += more.xy;
  sums.yy += more.yy;
}

// What a tile row adds to a'Ka of every split, to K1, and to the pairs.
struct SplitSums { std::vector<double> inside, rows; PairSums pairs; };       // rows: of K1, from the tile's first row on

class SplitSweep {
 public:
  SplitSweep(const PooledKernel& kernel, const Memberships& memberships) : kernel_(kernel), memberships_(memberships), level_(kernel.size() <= kSmall ? 0 : kernel.level()) {}

  SplitSums tile(size_t tile) const { return kernel_.size() <= kSmall ? sums_in_doubles(tile) : sums_in_floats(tile); }

 private:
  SplitSums sums_in_doubles(size_t tile) const {
    const size_t splits = memberships_.columns();
    SplitSums sums{std::vector<double>(splits), std::vector<double>(kernel_.size() - tile * kTileRows), {}};
    kernel_.along(tile, [&](size_t first, size_t rows, size_t column, size_t columns, const double* values) {
      add(sums.pairs, kernel_.sums_of(first, rows, column, columns, values));
      for (size_t i = 0; i < rows; ++i) {
        double row = 0;
        for (size_t j = 0; j < columns; ++j) row += values[i * columns + j];
        sums.rows[i] += row;
        for (size_t c = 0; c < splits; ++c) {
          if (!memberships_.is_reference(first + i, c)) continue;
          double inside = 0;
          for (size_t j = 0; j < columns; ++j) if (memberships_.is_reference(column + j, c)) inside += values[i * columns + j];
          sums.inside[c] += inside;
        }
      }
    });
    return sums;
  }

  SplitSums sums_in_floats(size_t tile) const {
    const size_t splits = memberships_.columns(), first_row = tile * kTileRows, row_count = std::min(kTileRows, kernel_.size() - first_row);
    SplitSums sums{std::vector<double>(splits), std::vector<double>(kernel_.size() - first_row), {}};
    std::vector<float> products(row_count * splits), kernel(row_count * std::max(kTileRows, kTileColumns)), members(std::max(kTileRows, kTileColumns) * splits);
    kernel_.along_upper(tile, [&](size_t first, size_t rows, size_t column, size_t columns, const double* values) {
      // A value beyond the square stands for two pairs.
      const bool is_square = column == first;
      const float times = is_square ? 1 : 2;
      PairSums pairs = kernel_.sums_of(first, rows, column, columns, values);
      pairs.xx *= static_cast<double>(times);
      pairs.yy *= static_cast<double>(times);
      add(sums.pairs, pairs);
      for (size_t i = 0; i < rows; ++i) {
        for (size_t j = 0; j < columns; ++j) {
          const double value = first + i == column + j ? 0 : values[i * columns + j] - level_;
          kernel[i * columns + j] = times * static_cast<float>(value);
          sums.rows[i] += value;
          if (!is_square) sums.rows[column + j - first_row] += value;
        }
      }
      memberships_.expand(column, columns, members.data());
      add_product(rows, splits, columns, kernel.data(), columns, members.data(), splits, products.data(), splits);
    });
    std::vector<float> own(splits);
    for (size_t i = 0; i < row_count; ++i) {
      memberships_.expand(first_row + i, 1, own.data());
      for (size_t c = 0; c < splits; ++c) sums.inside[c] += static_cast<double>(own[c]) * static_cast<double>(products[i * splits + c]);
    }
    return sums;
  }

  const PooledKernel& kernel_;
  const Memberships& memberships_;
  double level_;                     // taken from every value: the statistic is the same, and sums of floats stay small
};

double unbiased(double inside, double rows, double all, double n, double m) { return inside / (n * (n - 1)) + (all - 2 * rows + inside) / (m * (m - 1)) - 2 * (rows - inside) / (n * m); }

NormalTest normal_test(const std::vector<double>& terms) {
  const double mean = exact_mean(terms), count = static_cast<double>(terms.size());
  const double error = std::sqrt(squared_deviations(terms, mean) / (count - 1) / count);
  return {mean, error, error > 0 ? 1 - normal_cdf(mean / error) : mean > 0 ? 0.0 : 1.0};
}

}  // namespace

Vectors joined(const VectorsView& first, const VectorsView& second) {
  Vectors made;
  made.rows = first.rows + second.rows;
  made.dimensions = first.dimensions;
  made.values.reserve(made.rows * made.dimensions);
  made.values.insert(made.values.end(), first.values.begin(), first.values.end());
  made.values.insert(made.values.end(), second.values.begin(), second.values.end());
  return made;
}

Result<MmdEstimate> mmd_estimate(const VectorsView& reference, const VectorsView& current, const MmdOptions& options) {
  LLMOPS_CHECK(check_samples(reference, current, 2));
  const Vectors pooled = joined(reference, current);
  std::vector<double> sigmas = sigmas_for(pooled, options);
  if (sigmas.empty()) return MmdEstimate{};
  const PooledKernel kernel(pooled, reference.rows, sigmas);
  std::vector<PairSums> tiles(kernel.tile_count());
  LLMOPS_CHECK(each_tile(tiles.size(), options.threads, options.cancel, [&](size_t tile) {
    kernel.along(tile, [&](size_t first, size_t rows, size_t column, size_t columns, const double* values) { add(tiles[tile], kernel.sums_of(first, rows, column, columns, values)); });
  }));
  return estimate_of(total_of(tiles), reference.rows, current.rows, std::move(sigmas));
}

Result<MmdTest> mmd_test(const VectorsView& reference, const VectorsView& current, const Memberships& memberships, const MmdOptions& options) {
  LLMOPS_CHECK(check_samples(reference, current, 2));
  const Vectors pooled = joined(reference, current);
  MmdTest made;
  made.permutations = memberships.columns() - 1;
  made.statistics.assign(memberships.columns(), 0);
  std::vector<double> sigmas = sigmas_for(pooled, options);
  if (sigmas.empty()) return made;
  const PooledKernel kernel(pooled, reference.rows, sigmas);
  const SplitSweep sweep(kernel, memberships);
  std::vector<SplitSums> tiles(kernel.tile_count());
  LLMOPS_CHECK(each_tile(tiles.size(), options.threads, options.cancel, [&](size_t tile) { tiles[tile] = sweep.tile(tile); }));
  std::vector<PairSums> pairs;
  std::vector<double> row_sums(pooled.rows), rows_of(memberships.columns());
  for (size_t t = 0; t < tiles.size(); ++t) {
    pairs.push_back(tiles[t].pairs);
    for (size_t i = 0; i < tiles[t].rows.size(); ++i) row_sums[t * kTileRows + i] += tiles[t].rows[i];
  }
  double all = 0;
  std::vector<float> members(memberships.columns());
  for (size_t i = 0; i < pooled.rows; ++i) {
    all += row_sums[i];
    memberships.expand(i, 1, members.data());
    for (size_t c = 0; c < members.size(); ++c) rows_of[c] += static_cast<double>(members[c]) * row_sums[i];
  }
  for (size_t c = 0; c < memberships.columns(); ++c) {
    double inside = 0;
    for (const SplitSums& tile : tiles) inside += tile.inside[c];
    const double n = static_cast<double>(memberships.reference_size(c)), m = static_cast<double>(pooled.rows) - n;
    // Blocks of very different sizes can leave a side with a single item: such a split says nothing.
    made.statistics[c] = n >= 2 && m >= 2 ? unbiased(inside, rows_of[c], all, n, m) : 0;
  }
  made.estimate = estimate_of(total_of(pairs), reference.rows, current.rows, std::move(sigmas));
  // Of sums in floats a kernel value is 6e-8 off, and the mean of many far less.
  const double tolerance = pooled.rows <= kSmall ? 1e-12 : 3e-8;
  made.p_value = permutation_p(made.statistics, tolerance);
  return made;
}

Result<MmdShares> mmd_shares(const VectorsView& reference, const VectorsView& current, const MmdOptions& options) {
  LLMOPS_CHECK(check_samples(reference, current, 1));
  const Vectors pooled = joined(reference, current);
  const size_t n = reference.rows, m = current.rows;
  MmdShares shares{std::vector<double>(n), std::vector<double>(m)};
  std::vector<double> sigmas = sigmas_for(pooled, options);
  if (sigmas.empty()) return shares;
  const PooledKernel kernel(pooled, n, std::move(sigmas));
  LLMOPS_CHECK(each_tile(kernel.tile_count(), options.threads, options.cancel, [&](size_t tile) {
    kernel.along(tile, [&](size_t first, size_t rows, size_t column, size_t columns, const double* values) {
      for (size_t i = 0; i < rows; ++i) {
        const size_t item = first + i;
        double& share = item < n ? shares.reference[item] : shares.current[item - n];
        for (size_t j = 0; j < columns; ++j) {
          // The diagonal, which was set to 0, is 1 in the biased statistic.
          const double value = item == column + j ? 1.0 : values[i * columns + j];
          share += column + j < n ? value / static_cast<double>(n) : -value / static_cast<double>(m);
        }
      }
    });
  }));
  for (double& share : shares.reference) share /= static_cast<double>(n);
  for (double& share : shares.current) share /= -static_cast<double>(m);
  return shares;
}

Result<NormalTest> mmd_linear(const VectorsView& reference, const VectorsView& current, const MmdOptions& options) {
  LLMOPS_CHECK(check_samples(reference, current, 4));
  const Vectors pooled = joined(reference, current);
  const std::vector<double> sigmas = sigmas_for(pooled, options);
  if (sigmas.empty()) return NormalTest{};
  const KernelTiles kernel(pooled.view(), sigmas);
  const auto k = [&](size_t i, size_t j) {
    double value = 0;
    kernel.compute(i, 1, j, 1, &value);
    return value;
  };
  std::vector<double> terms;
  const size_t pairs = std::min(reference.rows, current.rows) / 2, y = reference.rows;
  for (size_t i = 0; i < pairs; ++i) terms.push_back(k(2 * i, 2 * i + 1) + k(y + 2 * i, y + 2 * i + 1) - k(2 * i, y + 2 * i + 1) - k(2 * i + 1, y + 2 * i));
  return normal_test(terms);
}

Result<NormalTest> mmd_block(const VectorsView& reference, const VectorsView& current, size_t block, const MmdOptions& options) {
  LLMOPS_CHECK(check_samples(reference, current, 4));
  const size_t shorter = std::min(reference.rows, current.rows);
  if (block == 0) block = std::max<size_t>(2, static_cast<size_t>(std::sqrt(static_cast<double>(shorter))));
  if (block < 2 || shorter / block < 2) return Error(ErrorCode::kData, fmt::format("{} rows do not make two blocks of {}", shorter, block), "take smaller blocks, of at least 2");
  MmdOptions with_sigma = options;
  with_sigma.sigmas = sigmas_for(joined(reference, current), options);
  if (with_sigma.sigmas.empty()) return NormalTest{};
  std::vector<double> terms;
  for (size_t first = 0; first + block <= shorter; first += block) {
    LLMOPS_ASSIGN(const MmdEstimate one, mmd_estimate(reference.part(first, block), current.part(first, block), with_sigma));
    terms.push_back(one.unbiased);
  }
  return normal_test(terms);
}

}  // namespace llmops
