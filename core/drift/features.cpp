#include "core/drift/features.h"

#include <fmt/format.h>

#include <Eigen/Eigenvalues>
#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/drift/matrix_product.h"
#include "core/drift/tiles.h"
#include "core/stats/random.h"

namespace llmops {
namespace {

constexpr size_t kBlockFeatures = 128, kChunkRows = 256;
constexpr double kLeastEigenvalue = 1e-10;

// Two normal numbers by Box & Muller: the same bits wherever log, cos and sin are.
class NormalSource {
 public:
  explicit NormalSource(uint64_t seed) : random_(seed) {}
  double next() {
    if (has_other_) {
      has_other_ = false;
      return other_;
    }
    constexpr double kUnit = 0x1p-53;
    const double u = (static_cast<double>(random_.next() >> 11) + 1) * kUnit, v = static_cast<double>(random_.next() >> 11) * kUnit;
    const double radius = std::sqrt(-2 * std::log(u)), angle = 2 * std::numbers::pi * v;
    other_ = radius * std::sin(angle);
    has_other_ = true;
    return radius * std::cos(angle);
  }

 private:
  RandomSource random_;
  double other_ = 0;
  bool has_other_ = false;
};

}  // namespace

FeatureMap FeatureMap::fourier(size_t dimensions, size_t features, double sigma, uint64_t seed) {
  FeatureMap map;
  map.input_dimensions_ = dimensions;
  map.features_ = features;
  map.sigma_ = sigma;
  NormalSource normal(seed);
  map.weights_.resize(features / 2 * dimensions);
  for (float& weight : map.weights_) weight = static_cast<float>(normal.next() / sigma);
  return map;
}

FeatureMap FeatureMap::nystroem(const VectorsView& landmarks, double sigma) {
  FeatureMap map;
  map.input_dimensions_ = landmarks.dimensions;
  map.sigma_ = sigma;
  map.landmarks_ = {std::vector<float>(landmarks.values.begin(), landmarks.values.end()), landmarks.rows, landmarks.dimensions};
  const auto m = static_cast<Eigen::Index>(landmarks.rows);
  const std::vector<double> kernel = gaussian_values(landmarks, landmarks, sigma);
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solved(Eigen::Map<const Eigen::MatrixXd>(kernel.data(), m, m));
  const double largest = m > 0 ? solved.eigenvalues()[m - 1] : 0;
  // Feature f of x: eigenvector f . k_m(x) / sqrt(eigenvalue f).
  for (Eigen::Index f = m; f-- > 0;) {
    const double value = solved.eigenvalues()[f];
    if (value <= kLeastEigenvalue * largest) break;
    for (Eigen::Index i = 0; i < m; ++i) map.weights_.push_back(static_cast<float>(solved.eigenvectors()(i, f) / std::sqrt(value)));
    ++map.features_;
  }
  return map;
}

void FeatureMap::compute(const VectorsView& rows, size_t first, size_t count, float* out) const {
  const size_t d = input_dimensions_;
  if (landmarks_.rows > 0) {
    const size_t m = landmarks_.rows;
    const std::vector<double> exact = gaussian_values(landmarks_.view(), rows, sigma_);
    std::vector<float> kernel(exact.begin(), exact.end());
    std::fill_n(out, count * rows.rows, 0.0F);
    add_product(count, rows.rows, m, weights_.data() + first * m, m, kernel.data(), rows.rows, out, rows.rows);
    return;
  }
  const size_t half = features_ / 2;
  const float scale = static_cast<float>(std::sqrt(2.0 / static_cast<double>(features_)));
  std::vector<float> columns(d * rows.rows);
  for (size_t i = 0; i < rows.rows; ++i) for (size_t j = 0; j < d; ++j) columns[j * rows.rows + i] = rows.values[i * d + j];
  // Runs of features within one half share their angles with the same run of the other.
  for (size_t at = first; at < first + count;) {
    const bool is_cosine = at < half;
    const size_t from = is_cosine ? at : at - half, run = std::min(first + count, is_cosine ? half : features_) - at;
    float* angles = out + (at - first) * rows.rows;
    std::fill_n(angles, run * rows.rows, 0.0F);
    add_product(run, rows.rows, d, weights_.data() + from * d, d, columns.data(), rows.rows, angles, rows.rows);
    for (size_t i = 0; i < run * rows.rows; ++i) angles[i] = scale * (is_cosine ? std::cos(angles[i]) : std::sin(angles[i]));
    at += run;
  }
}

void FeatureSums::add(const FeatureSums& other) {
  if (sums.size() < other.sums.size()) sums.resize(other.sums.size());
  for (size_t f = 0; f < other.sums.size(); ++f) sums[f] += other.sums[f];
  squares += other.squares;
  count += other.count;
}

void FeatureSums::subtract(const FeatureSums& other) {
  for (size_t f = 0; f < other.sums.size(); ++f) sums[f] -= other.sums[f];
  squares -= other.squares;
  count -= other.count;
}

FeatureSums feature_sums(const FeatureMap& map, const VectorsView& rows) {
  FeatureSums made;
  made.sums.assign(map.features(), 0);
  made.count = static_cast<int64_t>(rows.rows);
  std::vector<float> values(map.features() * kChunkRows);
  for (size_t first = 0; first < rows.rows; first += kChunkRows) {
    const VectorsView chunk = rows.part(first, std::min(kChunkRows, rows.rows - first));
    map.compute(chunk, 0, map.features(), values.data());
    for (size_t f = 0; f < map.features(); ++f) {
      for (size_t i = 0; i < chunk.rows; ++i) {
        const double value = values[f * chunk.rows + i];
        made.sums[f] += value;
        made.squares += value * value;
      }
    }
  }
  return made;
}

std::optional<double> mmd_of_sums(const FeatureSums& reference, const FeatureSums& current) {
  if (reference.count < 2 || current.count < 2) return std::nullopt;
  const double n = static_cast<double>(reference.count), m = static_cast<double>(current.count);
  double xx = 0, yy = 0, xy = 0;
  for (size_t f = 0; f < reference.sums.size(); ++f) {
    xx += reference.sums[f] * reference.sums[f];
    yy += current.sums[f] * current.sums[f];
    xy += reference.sums[f] * current.sums[f];
  }
  return (xx - reference.squares) / (n * (n - 1)) + (yy - current.squares) / (m * (m - 1)) - 2 * xy / (n * m);
}

namespace {

// What a block of features adds to |Sx|^2, |Sy|^2 and Sx.Sy of every split, and to the squares on the reference's side and in all.
struct BlockSums { std::vector<double> xx, yy, xy, squares_x; double squares = 0; };

BlockSums block_sums(const FeatureMap& map, const Vectors& pooled, const Memberships& memberships, size_t first, size_t count, const CancelToken& cancel) {
  const size_t splits = memberships.columns();
  BlockSums made{std::vector<double>(splits), std::vector<double>(splits), std::vector<double>(splits), std::vector<double>(splits), 0};
  std::vector<double> inside(count * splits), all(count);
  std::vector<float> values(count * kChunkRows), members(kChunkRows * splits), products(count * splits);
  for (size_t row = 0; row < pooled.rows && !cancel.cancelled(); row += kChunkRows) {
    const VectorsView chunk = pooled.view().part(row, std::min(kChunkRows, pooled.rows - row));
    map.compute(chunk, first, count, values.data());
    memberships.expand(row, chunk.rows, members.data());
    std::fill(products.begin(), products.end(), 0.0F);
    add_product(count, splits, chunk.rows, values.data(), chunk.rows, members.data(), splits, products.data(), splits);
    for (size_t i = 0; i < count * splits; ++i) inside[i] += products[i];
    for (size_t i = 0; i < chunk.rows; ++i) {
      double square = 0;
      for (size_t f = 0; f < count; ++f) {
        const double value = values[f * chunk.rows + i];
        all[f] += value;
        square += value * value;
      }
      made.squares += square;
      for (size_t c = 0; c < splits; ++c) made.squares_x[c] += square * static_cast<double>(members[i * splits + c]);
    }
  }
  for (size_t f = 0; f < count; ++f) {
    for (size_t c = 0; c < splits; ++c) {
      const double x = inside[f * splits + c], y = all[f] - x;
      made.xx[c] += x * x;
      made.yy[c] += y * y;
      made.xy[c] += x * y;
    }
  }
  return made;
}

}  // namespace

Result<MmdTest> mmd_feature_test(const FeatureMap& map, const VectorsView& reference, const VectorsView& current, const Memberships& memberships, size_t threads, const CancelToken& cancel) {
  if (reference.dimensions != map.input_dimensions() || current.dimensions != map.input_dimensions()) return Error(ErrorCode::kData, fmt::format("vectors of {} and {} dimensions do not fit features of {}", reference.dimensions, current.dimensions, map.input_dimensions()), "make both by one embedder");
  if (reference.rows < 2 || current.rows < 2) return Error(ErrorCode::kData, fmt::format("{} and {} rows are too few: at least 2 are needed on each side", reference.rows, current.rows), "take a longer window");
  const Vectors pooled = joined(reference, current);
  std::vector<BlockSums> blocks((map.features() + kBlockFeatures - 1) / kBlockFeatures);
  LLMOPS_CHECK(each_tile(blocks.size(), threads, cancel, [&](size_t block) {
    const size_t first = block * kBlockFeatures;
    blocks[block] = block_sums(map, pooled, memberships, first, std::min(kBlockFeatures, map.features() - first), cancel);
  }));
  MmdTest made;
  made.permutations = memberships.columns() - 1;
  for (size_t c = 0; c < memberships.columns(); ++c) {
    double xx = 0, yy = 0, xy = 0, squares_x = 0, squares = 0;
    for (const BlockSums& block : blocks) {
      xx += block.xx[c];
      yy += block.yy[c];
      xy += block.xy[c];
      squares_x += block.squares_x[c];
      squares += block.squares;
    }
    const double n = static_cast<double>(memberships.reference_size(c)), m = static_cast<double>(pooled.rows) - n;
    made.statistics.push_back(n >= 2 && m >= 2 ? (xx - squares_x) / (n * (n - 1)) + (yy - squares + squares_x) / (m * (m - 1)) - 2 * xy / (n * m) : 0);
    if (c == 0) made.estimate = {xx / (n * n) + yy / (m * m) - 2 * xy / (n * m), made.statistics[0], {map.sigma()}};
  }
  constexpr double kTolerance = 3e-8;
  made.p_value = permutation_p(made.statistics, kTolerance);
  return made;
}

}  // namespace llmops
