#include "core/drift/fuse.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/drift/matrix_product.h"
#include "core/drift/tiles.h"

namespace llmops {
namespace {

constexpr size_t kWidths = 10, kMostRows = 8192, kTileRows = 192;

struct Distances { std::vector<float> euclidean, city; size_t rows = 0; };

Distances distances_of(const Vectors& pooled, size_t threads, const CancelToken& cancel, Status& status) {
  const size_t n = pooled.rows, d = pooled.dimensions;
  Distances made{std::vector<float>(n * n), std::vector<float>(n * n), n};
  status = each_tile(n, threads, cancel, [&](size_t i) {
    for (size_t j = 0; j < n; ++j) {
      double squares = 0, sum = 0;
      for (size_t k = 0; k < d; ++k) {
        const double difference = static_cast<double>(pooled.values[i * d + k]) - static_cast<double>(pooled.values[j * d + k]);
        squares += difference * difference;
        sum += std::fabs(difference);
      }
      made.euclidean[i * n + j] = static_cast<float>(std::sqrt(squares));
      made.city[i * n + j] = static_cast<float>(sum);
    }
  });
  return made;
}

std::vector<double> widths_of(const std::vector<float>& distances, size_t n) {
  std::vector<float> upper;
  upper.reserve(n * (n + 1) / 2);
  for (size_t i = 0; i < n; ++i) for (size_t j = i; j < n; ++j) upper.push_back(distances[i * n + j]);
  std::sort(upper.begin(), upper.end());
  const size_t count = upper.size();
  if (count == 0 || upper.back() <= 0) return {};
  const double median = count % 2 == 0 ? (static_cast<double>(upper[count / 2 - 1]) + static_cast<double>(upper[count / 2])) / 2 : static_cast<double>(upper[count / 2]);
  for (float& value : upper) if (value == 0) value = static_cast<float>(median);
  std::sort(upper.begin(), upper.end());
  const double low = static_cast<double>(upper[static_cast<size_t>(0.05 * static_cast<double>(count))]) / 2, high = static_cast<double>(upper[static_cast<size_t>(0.95 * static_cast<double>(count))]) * 2;
  std::vector<double> widths;
  for (size_t i = 0; i < kWidths; ++i) widths.push_back(low + (high - low) * static_cast<double>(i) / (kWidths - 1));
  // Where most rows repeat, so does their distance of 0: widths of 0 are none.
  std::erase_if(widths, [](double width) { return width <= 0; });
  return widths;
}

// a'Ka and a'K1 of every split, 1'K1 and the squared norm of one kernel without its diagonal.
struct KernelSums { std::vector<double> inside, rows; double all = 0, squares = 0; };

template <class Kernel>
KernelSums sums_of_tile(const std::vector<float>& distances, size_t n, size_t tile, const Memberships& memberships, const Kernel& kernel) {
  const size_t splits = memberships.columns(), first = tile * kTileRows, rows = std::min(kTileRows, n - first);
  KernelSums made{std::vector<double>(splits), std::vector<double>(splits), 0, 0};
  std::vector<float> values(rows * n), members(n * splits), products(rows * splits);
  for (size_t i = 0; i < rows; ++i) {
    for (size_t j = 0; j < n; ++j) {
      const double value = first + i == j ? 0 : kernel(static_cast<double>(distances[(first + i) * n + j]));
      values[i * n + j] = static_cast<float>(value);
      made.squares += value * value;
    }
  }
  memberships.expand(0, n, members.data());
  add_product(rows, splits, n, values.data(), n, members.data(), splits, products.data(), splits);
  for (size_t i = 0; i < rows; ++i) {
    double row = 0;
    for (size_t j = 0; j < n; ++j) row += static_cast<double>(values[i * n + j]);
    made.all += row;
    for (size_t c = 0; c < splits; ++c) {
      const double own = static_cast<double>(members[(first + i) * splits + c]);
      made.inside[c] += own * static_cast<double>(products[i * splits + c]);
      made.rows[c] += own * row;
    }
  }
  return made;
}

}  // namespace

FuseKernels fuse_kernels(const Vectors& pooled) {
  Status status;
  const Distances distances = distances_of(pooled, 0, {}, status);
  return {widths_of(distances.euclidean, pooled.rows), widths_of(distances.city, pooled.rows)};
}

Result<FuseTest> fuse_test(const VectorsView& reference, const VectorsView& current, const Memberships& memberships, size_t threads, const CancelToken& cancel) {
  if (reference.dimensions != current.dimensions) return Error(ErrorCode::kData, fmt::format("vectors of {} dimensions cannot be held against vectors of {}", current.dimensions, reference.dimensions), "make both by one embedder");
  if (reference.rows < 2 || current.rows < 2) return Error(ErrorCode::kData, fmt::format("{} and {} rows are too few: at least 2 are needed on each side", reference.rows, current.rows), "take a longer window");
  const Vectors pooled = joined(reference, current);
  const size_t n = pooled.rows;
  if (n > kMostRows) return Error(ErrorCode::kData, fmt::format("{} rows are more than the {} of which all pairs are held", n, kMostRows), "take --method mmd or rff, or a sample");
  Status status;
  const Distances distances = distances_of(pooled, threads, cancel, status);
  LLMOPS_CHECK(status);
  FuseTest made;
  made.permutations = memberships.columns() - 1;
  made.kernels = {widths_of(distances.euclidean, n), widths_of(distances.city, n)};
  made.statistics.assign(memberships.columns(), 0);
  const size_t kernels = made.kernels.gaussian.size() + made.kernels.laplace.size(), tiles = (n + kTileRows - 1) / kTileRows;
  if (kernels == 0) return made;
  std::vector<KernelSums> sums(kernels * tiles);
  LLMOPS_CHECK(each_tile(sums.size(), threads, cancel, [&](size_t piece) {
    const size_t k = piece / tiles, tile = piece % tiles;
    if (k < made.kernels.gaussian.size()) {
      const double width = made.kernels.gaussian[k];
      sums[piece] = sums_of_tile(distances.euclidean, n, tile, memberships, [width](double d) { return std::exp(-(d / width) * (d / width) / 2); });
    } else {
      const double width = made.kernels.laplace[k - made.kernels.gaussian.size()];
      sums[piece] = sums_of_tile(distances.city, n, tile, memberships, [width](double d) { return std::exp(-std::numbers::sqrt2 * d / width); });
    }
  }));
  for (size_t c = 0; c < memberships.columns(); ++c) {
    const double x = static_cast<double>(memberships.reference_size(c)), y = static_cast<double>(n) - x, fewer = std::min(x, y), pairs = fewer * (fewer - 1);
    if (fewer < 2) continue;
    std::vector<double> terms;
    for (size_t k = 0; k < kernels; ++k) {
      double inside = 0, rows = 0, all = 0, squares = 0;
      for (size_t tile = 0; tile < tiles; ++tile) {
        const KernelSums& one = sums[k * tiles + tile];
        inside += one.inside[c];
        rows += one.rows[c];
        all += one.all;
        squares += one.squares;
      }
      const double mmd = inside / (x * (x - 1)) + (all - 2 * rows + inside) / (y * (y - 1)) - 2 * (rows - inside) / (x * y);
      terms.push_back(pairs * mmd / std::sqrt(squares) * std::sqrt(pairs));
    }
    const double top = *std::max_element(terms.begin(), terms.end());
    double sum = 0;
    for (const double term : terms) sum += std::exp(term - top);
    made.statistics[c] = top + std::log(sum / static_cast<double>(kernels));
  }
  made.statistic = made.statistics[0];
  made.p_value = permutation_p(made.statistics, 1e-6 * std::fabs(made.statistic));
  return made;
}

}  // namespace llmops
