#include "core/eval/series.h"

#include <catch2/catch.hpp>
#include <random>

namespace llmops {
namespace {

RunSeries make_series(const std::vector<std::string>& ids, const std::vector<double>& values, bool is_rate) {
  RunSeries series;
  Column column;
  column.is_rate = is_rate;
  for (size_t i = 0; i < ids.size(); ++i) {
    series.case_ids.push_back(ids[i]);
    series.case_hashes.push_back("h" + ids[i]);
    column.push(values[i], false);
  }
  series.columns["m"] = column;
  return series;
}

}  // namespace

TEST_CASE("a column tells values, errors and absent ones apart") {
  Column column;
  column.push(2.5, false);
  column.push(std::nullopt, true);
  column.push(std::nullopt, false);
  CHECK(column.states == std::vector<ValueState>{ValueState::kPresent, ValueState::kError, ValueState::kAbsent});
  CHECK(column.values.size() == 3);
}

TEST_CASE("cases pair by id and row, in the first run's order") {
  RunSeries a = make_series({"x", "y", "z", "w"}, {1, 2, 3, 4}, false), b = make_series({"z", "v", "x", "y", "u"}, {1, 2, 3, 4, 5}, false);
  b.case_hashes[3] = "changed";
  const Pairing pairing = pair_cases(a, b);
  CHECK(pairing.pairs == std::vector<std::pair<size_t, size_t>>{{0, 2}, {2, 0}});
  CHECK(pairing.changed_rows == 1);
  CHECK(pairing.only_in_a == 1);
  CHECK(pairing.only_in_b == 2);
}

TEST_CASE("rates get Wilson's interval, other means Student's, clusters the clustered one") {
  RunSeries series = make_series({"a", "b", "c", "d"}, {1, 1, 0, 1}, true);
  ColumnSummary summary = summarize(series, "m");
  CHECK(std::string(summary.method) == "Wilson");
  CHECK(*summary.mean == 0.75);
  CHECK(summary.interval->low == wilson_interval(3, 4)->low);
  CHECK(summary.interval->high == wilson_interval(3, 4)->high);

  series.columns["m"].values[0] = 0.5;  // an average over repeats
  summary = summarize(series, "m");
  CHECK(std::string(summary.method) == "t");
  CHECK(summary.interval->low == mean_interval(std::vector<double>{0.5, 1, 0, 1})->interval->low);

  series.columns["m"].values[0] = 1;
  series.clusters = {1, 1, 2, 3};
  summary = summarize(series, "m", 0.9);
  CHECK(std::string(summary.method) == "clustered t");
  CHECK(summary.interval->low == clustered_mean_interval(std::vector<double>{1, 1, 0, 1}, series.clusters, 0.9)->interval->low);

  // 0 and 1 in a column that is no rate say nothing about the next case.
  series.clusters.clear();
  series.columns["m"].is_rate = false;
  CHECK(std::string(summarize(series, "m").method) == "t");
}

TEST_CASE("errors and absent values stay out of the mean and are counted") {
  RunSeries series = make_series({"a", "b", "c", "d", "e"}, {1, 0, 0, 1, 1}, true);
  series.columns["m"].states = {ValueState::kPresent, ValueState::kError, ValueState::kAbsent, ValueState::kPresent, ValueState::kError};
  const ColumnSummary summary = summarize(series, "m");
  CHECK(summary.n == 2);
  CHECK(summary.errors == 2);
  CHECK(summary.absent == 1);
  CHECK(*summary.mean == 1);
  const ColumnSummary none = summarize(series, "other");
  CHECK(none.n == 0);
  CHECK(none.absent == 5);
  CHECK_FALSE(none.mean);
  CHECK_FALSE(none.interval);
}

TEST_CASE("a paired difference takes the pairs where both have values") {
  RunSeries a = make_series({"x", "y", "z", "w"}, {1, 0, 1, 1}, true), b = make_series({"w", "z", "y", "x"}, {0, 1, 1, 0}, true);
  a.columns["m"].states[1] = ValueState::kError;
  const auto difference = paired_difference(a, b, pair_cases(a, b), "m");
  CHECK(difference->n == 3);
  CHECK(difference->difference == Approx(2.0 / 3));
  CHECK(std::string(difference->method) == "Tango score + exact McNemar");
  CHECK_FALSE(paired_difference(a, b, pair_cases(a, b), "other"));
  CHECK_FALSE(paired_difference(a, b, Pairing{}, "m"));
}

TEST_CASE("paired means use Student's t, or the clustered error where the run is clustered") {
  RunSeries a = make_series({"x", "y", "z", "w"}, {1, 4, 2, 9}, false), b = make_series({"x", "y", "z", "w"}, {2, 3, 1, 5}, false);
  const auto plain = paired_difference(a, b, pair_cases(a, b), "m");
  CHECK(std::string(plain->method) == "paired t");
  CHECK(plain->interval->low == paired_t(a.columns["m"].values, b.columns["m"].values)->interval->low);
  a.clusters = {1, 1, 2, 3};
  const auto clustered = paired_difference(a, b, pair_cases(a, b), "m");
  const auto expected = clustered_mean_interval(std::vector<double>{-1, 1, 1, 4}, a.clusters);
  CHECK(std::string(clustered->method) == "clustered paired t");
  CHECK(clustered->difference == expected->mean);
  CHECK(clustered->interval->high == expected->interval->high);
  // The p-value crosses 5 % exactly where the 95 % interval touches 0.
  const double t = expected->mean / *expected->standard_error;
  CHECK(*clustered->p_value == Approx(2 * (1 - student_t_cdf(t, 2))).epsilon(1e-12));
}

TEST_CASE("pairing keeps more precision than two separate runs") {
  std::mt19937_64 random(4);
  std::vector<std::string> ids;
  std::vector<double> first, second;
  for (int i = 0; i < 300; ++i) {
    const double difficulty = static_cast<double>(random() % 1000);
    ids.push_back(std::to_string(i));
    first.push_back(difficulty + static_cast<double>(random() % 50));
    second.push_back(difficulty + static_cast<double>(random() % 50));
  }
  const RunSeries a = make_series(ids, first, false), b = make_series(ids, second, false);
  const auto paired = paired_difference(a, b, pair_cases(a, b), "m");
  const auto alone = summarize(a, "m");
  CHECK(paired->interval->high - paired->interval->low < 0.2 * (alone.interval->high - alone.interval->low));
}

}  // namespace llmops
