#include "core/eval/accumulator.h"

#include <random>

#include "tests/core/eval/suite_fixture.h"

using namespace llmops;
using namespace llmops::test;

namespace {

CaseRecord record(int64_t ordinal, int repeat = 0) {
  CaseRecord made;
  made.ordinal = ordinal;
  made.repeat = repeat;
  made.case_id = "c" + std::to_string(ordinal);
  made.case_hash = "h" + std::to_string(ordinal);
  made.latency_ms = 10;
  return made;
}

CaseRecord scored(int64_t ordinal, int repeat, std::optional<double> value, const std::string& error = "") {
  CaseRecord made = record(ordinal, repeat);
  ScoreRecord score;
  score.metric = "ok";
  score.value = value;
  score.error = error;
  if (value) score.pass = *value == 1;
  if (value) made.pass = *value == 1;
  made.scores.push_back(score);
  return made;
}

std::string shown(const Column& column) {
  std::string text;
  for (size_t i = 0; i < column.values.size(); ++i) {
    text += text.empty() ? "" : " ";
    text += column.states[i] == ValueState::kPresent ? ecmascript_number(column.values[i]) : column.states[i] == ValueState::kError ? "error" : "-";
  }
  return text + (column.is_rate ? " rate" : "");
}

struct Accumulated {
  SuiteFolder folder;
  Suite suite = folder.must_load_suite(kSuiteHead + "metrics: [{name: ok, type: equals, expected: b, target: steps.answer.output}]\n");
  SeriesAccumulator accumulator{suite.metrics, {"find", "answer"}, {"lang", "meta.kind"}, "customer"};
  void add(const CaseRecord& one, const std::string& row = "{}") { accumulator.add(one, *parse_json(row, "row")); }
  std::string column(const std::string& name) const {
    const RunSeries series = accumulator.finish();
    return shown(series.columns.at(name));
  }
};

}  // namespace

TEST_CASE("cases come out in the order of the dataset, whatever order they finished in") {
  Accumulated runs;
  for (const int64_t ordinal : {4, 0, 2}) runs.add(scored(ordinal, 0, ordinal == 2 ? 0 : 1));
  const RunSeries series = runs.accumulator.finish();
  CHECK(series.case_ids == std::vector<std::string>{"c0", "c2", "c4"});
  CHECK(series.case_hashes == std::vector<std::string>{"h0", "h2", "h4"});
  CHECK(runs.column("ok") == "1 0 1 rate");
  CHECK(runs.column("pass_rate") == "1 0 1 rate");
  CHECK(runs.column("error_rate") == "0 0 0 rate");
  CHECK(runs.column("latency_ms") == "10 10 10");
  CHECK(runs.column("cost_usd") == "- - -");
  CHECK(series.columns.at("latency_ms").lower_is_better);
  CHECK(series.columns.at("error_rate").lower_is_better);
  CHECK_FALSE(series.columns.at("pass_rate").lower_is_better);
  CHECK_FALSE(series.columns.at("ok").lower_is_better);
}

TEST_CASE("repeats of a case are averaged, and a rate that is averaged is no longer 0 or 1") {
  Accumulated runs;
  for (int repeat = 0; repeat < 4; ++repeat) runs.add(scored(0, repeat, repeat == 0 ? 0 : 1));
  CHECK(runs.column("ok") == "0.75");
  CHECK(runs.column("pass_rate") == "0.75");
  runs.add(scored(1, 0, 1));
  CHECK(runs.column("ok") == "0.75 1");
}

TEST_CASE("repeats without a score are left out of the mean; a case without any is an error or absent") {
  Accumulated runs;
  runs.add(scored(0, 0, 1));
  runs.add(scored(0, 1, std::nullopt, "boom"));
  runs.add(scored(1, 0, std::nullopt, "boom"));
  runs.add(scored(2, 0, std::nullopt));
  CHECK(runs.column("ok") == "1 error - rate");
  CHECK(runs.column("pass_rate") == "1 error - rate");
}

TEST_CASE("a failed case has no latency and counts in the error rate") {
  Accumulated runs;
  CaseRecord failed = record(0);
  failed.error_code = "http_500";
  failed.cost_usd = 0.5;
  runs.add(failed);
  CaseRecord good = record(1);
  good.cost_usd = 0.25;
  good.input_tokens = 7;
  runs.add(good);
  CHECK(runs.column("latency_ms") == "error 10");
  CHECK(runs.column("cost_usd") == "error 0.25");
  CHECK(runs.column("input_tokens") == "error 7");
  CHECK(runs.column("error_rate") == "1 0 rate");
}

TEST_CASE("a step's columns are the sums of its spans, absent when it was skipped or unknown") {
  Accumulated runs;
  const auto span = [](double latency, std::optional<double> cost) {
    SpanRecord made;
    made.step = "answer";
    made.latency_ms = latency;
    made.cost_usd = cost;
    return made;
  };
  CaseRecord twice = scored(0, 0, 1);
  twice.spans = {span(3, 0.5), span(4, 0.25)};
  runs.add(twice);
  CaseRecord unknown = scored(1, 0, 0);
  unknown.spans = {span(3, 0.5), span(4, std::nullopt)};
  runs.add(unknown);
  CaseRecord skipped = record(2);
  skipped.spans = {span(0, std::nullopt)};
  skipped.spans[0].skipped = true;
  runs.add(skipped);
  CaseRecord failed = scored(3, 0, std::nullopt, "step 'answer': boom");
  failed.spans = {span(3, std::nullopt)};
  failed.spans[0].error_code = "http_500";
  runs.add(failed);
  CHECK(runs.column("steps.answer.latency_ms") == "7 7 - error");
  CHECK(runs.column("steps.answer.cost_usd") == "0.75 - - error");
  CHECK(runs.column("steps.answer.pass_rate") == "1 0 - error rate");
  CHECK(runs.column("steps.find.latency_ms") == "- - - -");
}

TEST_CASE("slices and clusters come from the rows, by dotted field") {
  Accumulated runs;
  runs.add(record(0), R"({"lang": "de", "meta": {"kind": 1}, "customer": "x"})");
  runs.add(record(1), R"({"lang": "en", "customer": "y"})");
  runs.add(record(2), R"({"lang": "de", "meta": {"kind": "1"}, "customer": "x"})");
  const RunSeries series = runs.accumulator.finish();
  CHECK(series.slices.at("lang") == std::vector<std::string>{"de", "en", "de"});
  CHECK(series.slices.at("meta.kind") == std::vector<std::string>{"1", "", "1"});
  CHECK(series.clusters == std::vector<int64_t>{0, 1, 0});
  CHECK(field_text(*parse_json(R"({"a": {"b": [1, 2]}})", "r"), "a.b") == "[1,2]");
  CHECK(field_text(*parse_json(R"({"a": "x"})", "r"), "a.b").empty());
}

TEST_CASE("the mean over repeats is that of a slow reference, in any order of arrival") {
  std::mt19937_64 random(11);
  for (int round = 0; round < 20; ++round) {
    std::map<int64_t, std::vector<double>> values;
    std::vector<CaseRecord> records;
    for (int64_t ordinal = 0; ordinal < 12; ++ordinal) {
      for (int repeat = 0; repeat < 5; ++repeat) {
        const bool present = random() % 4 != 0;
        const double value = static_cast<double>(random() % 1000) / 8;
        if (present) values[ordinal].push_back(value);
        records.push_back(scored(ordinal, repeat, present ? std::optional<double>(value) : std::nullopt, present ? "" : "boom"));
      }
    }
    std::shuffle(records.begin(), records.end(), random);
    Accumulated runs;
    for (const CaseRecord& one : records) runs.add(one);
    const RunSeries series = runs.accumulator.finish();
    const Column& column = series.columns.at("ok");
    REQUIRE(column.values.size() == 12);
    for (size_t i = 0; i < 12; ++i) {
      const auto& own = values[static_cast<int64_t>(i)];
      double sum = 0;
      for (const double value : own) sum += value;
      REQUIRE((column.states[i] == ValueState::kPresent) == !own.empty());
      if (!own.empty()) REQUIRE(column.values[i] == Approx(sum / static_cast<double>(own.size())).epsilon(1e-12));
    }
  }
}
