#include "core/eval/cell_comparison.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "core/eval/prompt_spread.h"
#include "core/stats/random.h"

namespace llmops {
namespace {

// Cases c0, c1, ...; a value below 0 is none (an error).
RunSeries series_of(const std::vector<double>& values, bool is_rate = true, const std::vector<int64_t>& clusters = {}) {
  RunSeries series;
  Column& column = series.columns["right"];
  column.is_rate = is_rate;
  for (size_t i = 0; i < values.size(); ++i) {
    series.case_ids.push_back("c" + std::to_string(i));
    series.case_hashes.push_back("h");
    if (values[i] < 0) column.push(std::nullopt, true);
    else column.push(values[i], false);
  }
  series.clusters = clusters;
  return series;
}

// `right` of n cases right, from the front on.
RunSeries first_right(int right, int n) {
  std::vector<double> values;
  for (int i = 0; i < n; ++i) values.push_back(i < right ? 1 : 0);
  return series_of(values);
}

std::vector<const RunSeries*> pointers(const std::vector<RunSeries>& all) {
  std::vector<const RunSeries*> found;
  for (const RunSeries& one : all) found.push_back(&one);
  return found;
}

}  // namespace

TEST_CASE("every cell is compared with the first on the cases that both have, corrected for their number") {
  const std::vector<RunSeries> cells{series_of({1, 1, 0, 0, -1, 1}), series_of({1, 1, 1, 1, 1, -1}), series_of({1, 1, 0, 0, 1, 1})};
  const auto found = differences_to_first(pointers(cells), "right");
  CHECK_FALSE(found[0].estimate.has_value());
  CHECK(found[1].estimate->n == 4);
  CHECK(found[1].estimate->difference == Approx(0.5));
  CHECK(*found[1].estimate->p_value == Approx(0.5));     // two discordant pairs, both one way
  CHECK(*found[1].p_adjusted == Approx(1));
  CHECK(found[2].estimate->difference == 0);
  CHECK(*found[2].p_adjusted == Approx(1));
}

TEST_CASE("a cell that did not run is no test") {
  const std::vector<RunSeries> cells{first_right(40, 100), first_right(60, 100)};
  const auto found = differences_to_first(std::vector<const RunSeries*>{&cells[0], nullptr, &cells[1]}, "right");
  CHECK_FALSE(found[1].p_adjusted.has_value());
  CHECK(*found[2].p_adjusted == *found[2].estimate->p_value);
  CHECK(differences_to_first(std::vector<const RunSeries*>{nullptr, &cells[1]}, "right")[1].estimate == std::nullopt);
}

TEST_CASE("the best cell is named only when every other one is beaten") {
  const std::vector<RunSeries> clear{first_right(40, 100), first_right(80, 100), first_right(50, 100)};
  const BestCells one = find_best_cells(pointers(clear), "right", false);
  CHECK(one.cells == std::vector<size_t>{1});
  CHECK(one.is_decided());
  CHECK(one.n == 100);
  const std::vector<RunSeries> close{first_right(40, 100), first_right(80, 100), first_right(78, 100)};
  const BestCells two = find_best_cells(pointers(close), "right", false);
  CHECK(two.cells == std::vector<size_t>{1, 2});
  CHECK(*two.top == 1);
  CHECK(two.is_decided());
  CHECK(*two.cases_needed > 100);
  const std::vector<RunSeries> same{first_right(40, 100), first_right(41, 100)};
  CHECK_FALSE(find_best_cells(pointers(same), "right", false).is_decided());
  const BestCells none = find_best_cells(std::vector<const RunSeries*>{nullptr, nullptr}, "right", false);
  CHECK(none.cells.empty());
  CHECK_FALSE(none.top.has_value());
}

TEST_CASE("where less is better the best cell has the least") {
  const std::vector<RunSeries> cells{first_right(80, 100), first_right(20, 100)};
  CHECK(find_best_cells(pointers(cells), "right", true).cells == std::vector<size_t>{1});
}

TEST_CASE("the set of best cells holds the best one about as often as it says", "[simulation]") {
  // Five systems, the last one better by 0.04: the set may leave it out in at most 5 % of the experiments.
  RandomSource random(77);
  int left_out = 0, experiments = 300, narrowed = 0;
  for (int experiment = 0; experiment < experiments; ++experiment) {
    std::vector<RunSeries> cells;
    std::vector<std::vector<double>> values(5);
    for (int i = 0; i < 150; ++i) {
      const uint64_t hardness = random.below(100);
      for (size_t k = 0; k < 5; ++k) values[k].push_back(random.below(200) + hardness < (k == 4 ? 138u : 130u) ? 1 : 0);
    }
    for (const auto& one : values) cells.push_back(series_of(one));
    const BestCells best = find_best_cells(pointers(cells), "right", false);
    left_out += std::find(best.cells.begin(), best.cells.end(), 4u) == best.cells.end();
    narrowed += best.cells.size() < 5;
  }
  CHECK(left_out <= experiments * 8 / 100);
  CHECK(narrowed > 0);
}

TEST_CASE("spread is the distance of the best mean from the worst over the cases that all variants have") {
  const std::vector<RunSeries> variants{series_of({1, 1, 1, 0, 1, 0, 1, 1}), series_of({1, 0, 0, 0, 1, 0, 1, -1}), series_of({1, 1, 1, 0, 1, 1, 1, 0})};
  const auto found = measure_spread(pointers(variants), "right", false, 3);
  REQUIRE(found.has_value());
  CHECK(found->n == 7);
  CHECK(found->means[1] == Approx(3.0 / 7));
  CHECK(found->spread == Approx(3.0 / 7));
  CHECK(found->worst == 1);
  CHECK(found->worst_interval->low < 3.0 / 7);
  CHECK(found->interval.low <= found->spread);
  CHECK(found->interval.high >= found->spread);
  const auto again = measure_spread(pointers(variants), "right", false, 3);
  CHECK(again->p_value == found->p_value);
  CHECK(again->interval.low == found->interval.low);
  CHECK(measure_spread(pointers(variants), "right", true, 3)->worst == 2);
}

TEST_CASE("the chance of a spread is that of all deals within cases") {
  // 4 cases, 2 variants: 16 equally likely deals, counted here one by one.
  const std::vector<double> a{1, 1, 1, 0}, b{0, 0, 1, 0};
  double as_large = 0, sum = 0;
  for (int deal = 0; deal < 16; ++deal) {
    double difference = 0;
    for (size_t i = 0; i < 4; ++i) difference += (a[i] - b[i]) * (deal >> i & 1 ? -1 : 1);
    sum += std::abs(difference) / 4;
    as_large += std::abs(difference) / 4 >= 0.5 ? 1 : 0;
  }
  const std::vector<RunSeries> variants{series_of(a), series_of(b)};
  const auto found = measure_spread(pointers(variants), "right", false, 11);
  CHECK(found->by_chance == Approx(sum / 16).margin(0.02));
  CHECK(found->p_value == Approx(as_large / 16).margin(0.04));
}

TEST_CASE("variants that do not matter have a large p, ones that matter a small one") {
  RandomSource random(9);
  std::vector<std::vector<double>> same(3), other(3);
  for (int i = 0; i < 200; ++i) {
    const double value = random.below(2) == 0 ? 0 : 1;
    for (size_t k = 0; k < 3; ++k) same[k].push_back(random.below(10) == 0 ? 1 - value : value);
    for (size_t k = 0; k < 3; ++k) other[k].push_back(k == 2 && random.below(4) == 0 ? 0 : value);
  }
  const auto spread_of = [](const std::vector<std::vector<double>>& all) {
    std::vector<RunSeries> variants;
    for (const auto& one : all) variants.push_back(series_of(one));
    return *measure_spread(pointers(variants), "right", false, 1);
  };
  CHECK(spread_of(same).p_value > 0.05);
  CHECK(spread_of(other).p_value < 0.01);
  CHECK(spread_of(other).worst == 2);
}

TEST_CASE("a spread of too little is none") {
  const std::vector<RunSeries> variants{series_of({1, -1, -1}), series_of({1, 1, -1})};
  CHECK_FALSE(measure_spread(pointers(variants), "right", false, 1).has_value());
  CHECK_FALSE(measure_spread(std::vector<const RunSeries*>{&variants[0], nullptr}, "right", false, 1).has_value());
  CHECK_FALSE(measure_spread(pointers(variants), "wrong", false, 1).has_value());
  CHECK_FALSE(measure_spread(std::vector<const RunSeries*>{&variants[0]}, "right", false, 1).has_value());
}

TEST_CASE("whole clusters are drawn where cases come in clusters") {
  // Each cluster agrees with itself: with 2 clusters of 50 there are 2 draws, not 100, and the interval is as wide as can be.
  std::vector<double> a, b;
  std::vector<int64_t> clusters;
  for (int i = 0; i < 100; ++i) {
    a.push_back(1);
    b.push_back(i < 50 ? 1 : 0);
    clusters.push_back(i / 50);
  }
  const std::vector<RunSeries> clustered{series_of(a, true, clusters), series_of(b, true, clusters)}, plain{series_of(a), series_of(b)};
  const auto wide = measure_spread(pointers(clustered), "right", false, 2), narrow = measure_spread(pointers(plain), "right", false, 2);
  CHECK(wide->interval.low == 0);
  CHECK(wide->interval.high == 1);
  CHECK(narrow->interval.high - narrow->interval.low < 0.3);
}

}  // namespace llmops
