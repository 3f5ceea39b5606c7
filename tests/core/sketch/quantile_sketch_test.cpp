#include "core/sketch/quantile_sketch.h"

#include <cmath>

#include "tests/core/sketch/sketch_fixture.h"

namespace llmops {

TEST_CASE("a quantile is within 1 % of the number of its rank, whatever the numbers look like") {
  for (const unsigned seed : {1U, 2U, 3U}) {
    std::mt19937 random(seed);
    std::lognormal_distribution<double> latency(6, 2);
    std::vector<std::vector<double>> samples(4);
    for (int i = 0; i < 20'000; ++i) {
      samples[0].push_back(latency(random));
      samples[1].push_back(static_cast<double>(random() % 30));              // whole numbers with many ties, and 0
      samples[2].push_back(1e-6 * static_cast<double>(random() % 1000 + 1)); // costs
      samples[3].push_back(std::pow(10, static_cast<double>(random() % 2000) / 100 - 8));
    }
    for (std::vector<double>& sample : samples) {
      QuantileSketch sketch;
      for (const double value : sample) CHECK(sketch.add(value));
      std::sort(sample.begin(), sample.end());
      for (const double q : {0.0, 0.001, 0.05, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1.0}) {
        const double exact = sample[static_cast<size_t>(q * static_cast<double>(sample.size() - 1))];
        INFO(q << " " << exact);
        CHECK(std::fabs(*sketch.quantile(q) - exact) <= QuantileSketch::kAccuracy * exact * (1 + 1e-9));
      }
      CHECK((sketch.least() == sample.front() && sketch.most() == sample.back()));
      double sum = 0;
      for (const double value : sample) sum += value;
      CHECK(sketch.sum() == Approx(sum).epsilon(1e-9).margin(20'000 * 0x1p-33));
    }
  }
}

TEST_CASE("a bucket's bounds are powers of 1.01/0.99 from 1e-9 on") {
  // ln(g) = 0.0200006667; 1 = 1e-9 g^i at i = 20.7232658 / 0.0200006667 = 1036.13, so 1 counts in bucket 1036, which 2e-9 g^1037 / (g + 1) stands for: 1e-9 exp(1037 x 0.0200006667) x 2 / 2.0202020 = 1.0074025.
  QuantileSketch sketch;
  sketch.add(1);
  sketch.add(1000);
  REQUIRE(sketch.buckets().size() == 2);
  CHECK(sketch.buckets()[0].first == Approx(1.0074025).epsilon(1e-7));
  CHECK(sketch.buckets()[0].second == 1);
}

TEST_CASE("nothing is no quantile, 0 is 0, numbers past the range count at its ends, and what cannot be is refused") {
  QuantileSketch sketch;
  CHECK((!sketch.quantile(0.5) && !sketch.mean() && !sketch.least() && sketch.count() == 0));
  CHECK_FALSE(sketch.add(-1));
  CHECK_FALSE(sketch.add(std::nan("")));
  CHECK_FALSE(sketch.add(HUGE_VAL));
  CHECK(sketch == QuantileSketch());
  for (const double value : {0.0, 1e-12, 1e15}) CHECK(sketch.add(value));
  CHECK((sketch.quantile(0) == 0.0 && sketch.quantile(0.5) == 0.0 && sketch.most() == 1e12));
  CHECK(*sketch.quantile(1) == Approx(1e12).epsilon(0.01));
  CHECK(sketch.buckets().size() == 2);
}

TEST_CASE("quantiles over any shards are those of one pass, to the bit") {
  std::mt19937 random(5);
  std::lognormal_distribution<double> latency(3, 3);
  std::vector<double> values;
  for (int i = 0; i < 3000; ++i) values.push_back(i % 11 == 0 ? 0 : latency(random));
  test::check_any_sharding<QuantileSketch>(values.size(), [&](QuantileSketch& sketch, size_t i) { sketch.add(values[i]); });
}

TEST_CASE("bytes whose counts do not add up are no sketch") {
  QuantileSketch sketch;
  sketch.add(3);
  sketch.add(4);
  std::string bytes = test::bytes_of(sketch);
  bytes[0] = 3;
  CHECK_FALSE(test::read_of<QuantileSketch>(bytes));
}

}  // namespace llmops
