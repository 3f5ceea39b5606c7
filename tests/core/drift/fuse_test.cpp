#include "core/drift/fuse.h"

#include <catch2/catch.hpp>
#include <random>

#include "tests/core/drift/drift_fixture.h"

namespace llmops {
namespace {

using test::vectors;
using test::normal_vectors;
using test::splits;

}  // namespace

TEST_CASE("widths and the fused statistic are those of an independent implementation") {
  const Vectors x = vectors(2, {0, 0, 1, 0, 0, 1, 1, 1, 0.5F, 0.5F}), y = vectors(2, {1, 1, 2, 1, 1, 2, 2, 2});
  const FuseKernels kernels = fuse_kernels(joined(x.view(), y.view()));
  REQUIRE((kernels.gaussian.size() == 10 && kernels.laplace.size() == 10));
  CHECK(kernels.gaussian.front() == Approx(0.353553390593).epsilon(1e-7));
  CHECK(kernels.gaussian.back() == Approx(4.472135955).epsilon(1e-7));
  CHECK(kernels.laplace.front() == Approx(0.5));
  CHECK(kernels.laplace.back() == Approx(6));
  const auto made = fuse_test(x.view(), y.view(), splits(9, 5, 99, 1), 1);
  REQUIRE(made);
  CHECK(made->statistic == Approx(2.53492367507).epsilon(1e-6));
}

TEST_CASE("the fused test finds what one width would miss, keeps its level, and is the same for any number of threads") {
  std::mt19937 random(5);
  const Vectors x = normal_vectors(random, 150, 3), y = normal_vectors(random, 140, 3, 0.6);
  const auto made = fuse_test(x.view(), y.view(), splits(290, 150, 99, 1), 1);
  CHECK(made->p_value == Approx(0.01));
  CHECK(made->statistics == fuse_test(x.view(), y.view(), splits(290, 150, 99, 1), 3)->statistics);
  int alarms = 0;
  for (int run = 0; run < 300; ++run) {
    const Vectors a = normal_vectors(random, 20, 2), b = normal_vectors(random, 25, 2);
    alarms += fuse_test(a.view(), b.view(), splits(45, 20, 99, static_cast<uint64_t>(run)), 1)->p_value <= 0.05;
  }
  CHECK(alarms <= 28);
  CHECK(alarms >= 3);
}

TEST_CASE("rows that are all the same say nothing, and too many pairs are refused") {
  const Vectors same = vectors(1, std::vector<float>(10, 2.0F));
  CHECK(fuse_test(same.view(), same.view(), splits(20, 10, 99, 1))->p_value == 1);
  const Vectors many{std::vector<float>(5000), 5000, 1};
  CHECK(fuse_test(many.view(), many.view(), splits(10'000, 5000, 1, 1)).error().message == "10000 rows are more than the 8192 of which all pairs are held");
}

}  // namespace llmops
