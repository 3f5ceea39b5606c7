// How long tests of drift take on unit-length vectors of 384 dimensions, on all cores, beside the product of all pairs of rows, which is the least that a test of all pairs can do.
// Usage: drift_bench mmd|rff|lsdd ROWS PERMUTATIONS       ROWS on each side
// Prints: seconds of the test, seconds of one product of all pairs (0 where no test needs it), peak memory in MB, and the statistic.
#include <sys/resource.h>

#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <string_view>
#include <thread>

#include "core/drift/features.h"
#include "core/drift/lsdd.h"
#include "core/drift/matrix_product.h"
#include "core/drift/mmd.h"
#include "core/stats/random.h"

namespace {

using namespace llmops;

constexpr size_t kDimensions = 384, kFeatures = 1024;

Vectors unit_rows(size_t rows, uint64_t seed, double shift) {
  RandomSource random(seed);
  Vectors made{{}, rows, kDimensions};
  made.values.resize(rows * kDimensions);
  for (size_t i = 0; i < rows; ++i) {
    double squares = 0;
    for (size_t j = 0; j < kDimensions; ++j) {
      // The sum of four uniform values is near enough to a normal one.
      double value = j == 0 ? shift : 0;
      for (int k = 0; k < 4; ++k) value += static_cast<double>(random.next() >> 11) * 0x1p-53 - 0.5;
      made.values[i * kDimensions + j] = static_cast<float>(value);
      squares += value * value;
    }
    for (size_t j = 0; j < kDimensions; ++j) made.values[i * kDimensions + j] = static_cast<float>(static_cast<double>(made.values[i * kDimensions + j]) / std::sqrt(squares));
  }
  return made;
}

double seconds_since(std::chrono::steady_clock::time_point begun) { return std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count(); }

// In tiles of rows, so that memory stays flat, on all cores.
double product_seconds(const Vectors& pooled) {
  const auto begun = std::chrono::steady_clock::now();
  const size_t count = std::max(1U, std::thread::hardware_concurrency());
  std::vector<std::thread> threads;
  for (size_t t = 0; t < count; ++t) {
    threads.emplace_back([&, t] {
      constexpr size_t kTile = 128;
      std::vector<double> out(kTile * pooled.rows);
      for (size_t first = t * kTile; first < pooled.rows; first += count * kTile) {
        const size_t rows = std::min(kTile, pooled.rows - first);
        inner_products(rows, pooled.rows, kDimensions, pooled.values.data() + first * kDimensions, kDimensions, pooled.values.data(), kDimensions, out.data(), pooled.rows);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  return seconds_since(begun);
}

size_t number(const char* text) {
  size_t value = 0;
  const std::string_view view(text);
  std::from_chars(view.data(), view.data() + view.size(), value);
  return value;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const std::string_view kind = argv[1];
  const size_t rows = number(argv[2]), permutations = number(argv[3]);
  const Vectors x = unit_rows(rows, 1, 0), y = unit_rows(rows, 2, 0.05);
  double statistic = 0, base = 0;
  if (kind == "mmd") base = product_seconds(joined(x.view(), y.view()));
  const auto begun = std::chrono::steady_clock::now();
  if (kind == "lsdd") {
    LsddOptions options;
    options.permutations = permutations;
    const auto made = lsdd_test(x.view(), y.view(), options);
    if (!made) return 1;
    statistic = made->statistic;
  } else {
    PermutationPlan plan;
    plan.permutations = permutations;
    const auto members = Memberships::make(2 * rows, rows, plan);
    if (!members) return 1;
    const auto sigma = median_sigma(joined(x.view(), y.view()).view());
    const auto made = kind == "mmd" ? mmd_test(x.view(), y.view(), *members) : mmd_feature_test(FeatureMap::fourier(kDimensions, kFeatures, *sigma, 1), x.view(), y.view(), *members);
    if (!made) return 1;
    statistic = made->estimate.unbiased;
  }
  const double seconds = seconds_since(begun);
  rusage use{};
  getrusage(RUSAGE_SELF, &use);
  std::printf("%.3f %.3f %.0f %.9g\n", seconds, base, static_cast<double>(use.ru_maxrss) * 1024 / 1e6, statistic);
}
