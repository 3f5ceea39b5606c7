#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <random>

#include "core/eval/gates.h"

namespace llmops {
namespace {

using Values = std::vector<std::optional<double>>;

RunSeries make_run(const Values& values, bool is_rate = false, const std::string& name = "m") {
  RunSeries run;
  Column column;
  column.is_rate = is_rate;
  for (size_t i = 0; i < values.size(); ++i) {
    run.case_ids.push_back("c" + std::to_string(i));
    run.case_hashes.push_back("h" + std::to_string(i));
    column.push(values[i], false);
  }
  run.columns[name] = column;
  return run;
}

// `ones` passes among n cases.
RunSeries make_rate(int ones, int n) {
  Values values;
  for (int i = 0; i < n; ++i) values.push_back(i < ones ? 1 : 0);
  return make_run(values, true);
}

GateResult judge(std::string_view text, const RunSeries& run, const RunSeries* baseline = nullptr) {
  const auto gate = parse_gate(text, {});
  REQUIRE(gate);
  const auto result = evaluate_gate(*gate, run, baseline);
  REQUIRE(result);
  return *result;
}

// "pass: explanation"
std::string told(const GateResult& result) {
  const std::string verdict(verdict_name(result.verdict));
  return result.explanation.empty() ? verdict : verdict + ": " + result.explanation;
}
std::string told(std::string_view text, const RunSeries& run, const RunSeries* baseline = nullptr) { return told(judge(text, run, baseline)); }

}  // namespace

TEST_CASE("without a level the estimate decides") {
  const RunSeries run = make_rate(340, 400);
  CHECK(told("m >= 0.85", run) == "pass");
  CHECK(told("m > 0.85", run) == "fail");
  CHECK(told("m <= 0.85", run) == "pass");
  CHECK(told("m < 0.85", run) == "fail");
  CHECK(told("m == 0.85", run) == "pass");
  CHECK(told("mean(m) >= 0.851", run) == "fail");
  const GateResult result = judge("m >= 0.86", run);
  CHECK(*result.value == 0.85);
  CHECK(*result.threshold == 0.86);
  CHECK(result.n == 400);
  CHECK(result.text == "m >= 0.86");
  CHECK_FALSE(result.interval);
}

TEST_CASE("functions take the sum, the ends and the quantiles of a column") {
  const RunSeries run = make_run({4, 1, 3, 2});
  CHECK(*judge("sum(m) <= 10", run).value == 10);
  CHECK(told("sum(m) <= 10", run) == "pass");
  CHECK(*judge("min(m) > 0", run).value == 1);
  CHECK(*judge("max(m) > 0", run).value == 4);
  CHECK(*judge("p50(m) > 0", run).value == 2.5);
  CHECK(*judge("p90(m) > 0", run).value == Approx(3.7));
  CHECK(*judge("p95(m) > 0", run).value == Approx(3.85));
  CHECK(*judge("p99(m) > 0", run).value == Approx(3.97));
}

TEST_CASE("with a level the interval decides, or nothing does") {
  const RunSeries run = make_rate(353, 400);  // Wilson: 0.8472 .. 0.9105
  CHECK(told("m >= 0.84 @ 95%", run) == "pass: interval 0.8472 .. 0.9105 is above 0.84");
  CHECK(told("m >= 0.92 @ 95%", run) == "fail: interval 0.8472 .. 0.9105 is below 0.92");
  CHECK(told("m <= 0.92 @ 95%", run) == "pass: interval 0.8472 .. 0.9105 is below 0.92");
  CHECK(told("m < 0.84 @ 95%", run) == "fail: interval 0.8472 .. 0.9105 is above 0.84");
  // Half-width 0.0353 below the rate, margin 0.0325: 400 (0.0353 / 0.0325)^2 is 472.
  CHECK(told("m >= 0.85 @ 95%", run) == "undecided: interval 0.8472 .. 0.9105 crosses 0.85; about 480 cases would decide");
  CHECK(told("m >= 0.8825 @ 95%", run) == "undecided: interval 0.8472 .. 0.9105 crosses 0.8825");
  CHECK(told("m >= 0.85 @ 80%", run) == "pass: interval 0.8603 .. 0.9016 is above 0.85");
  CHECK(judge("m >= 0.85 @ 95%", run).interval->low == wilson_interval(353, 400)->low);
}

TEST_CASE("equality is never shown by an interval, only excluded") {
  const RunSeries run = make_rate(50, 100);
  CHECK(told("m == 0.5 @ 95%", run) == "undecided: interval 0.4038 .. 0.5962 holds 0.5; '==' at 95 % can fail but never pass");
  CHECK(told("m == 0.7 @ 95%", run) == "fail: interval 0.4038 .. 0.5962 is below 0.7");
  CHECK(told("m == 0.3 @ 95%", run) == "fail: interval 0.4038 .. 0.5962 is above 0.3");
}

TEST_CASE("a quantile is decided by its order statistics, and few cases have none") {
  Values values;
  for (int i = 1; i <= 400; ++i) values.push_back(i);
  const RunSeries run = make_run(values);
  CHECK(told("p95(m) <= 395 @ 95%", run) == "pass: interval 371 .. 389 is below 395");
  CHECK(told("p95(m) <= 385 @ 95%", run).starts_with("undecided: interval 371 .. 389 crosses 385; about "));
  CHECK(told("p95(m) <= 370 @ 95%", run) == "fail: interval 371 .. 389 is above 370");
  values.resize(71);
  CHECK(told("p95(m) <= 395 @ 95%", make_run(values)) == "undecided: an interval of p95 at 95 % needs 72 cases");
  CHECK(told("p50(m) <= 395 @ 99%", make_run({1, 2, 3})) == "undecided: an interval of p50 at 99 % needs 8 cases");
  CHECK(told("p95(m) <= 395", make_run(values)) == "pass");
}

TEST_CASE("sums and ends are exact over the cases, with a level too") {
  const RunSeries run = make_run({4, 1, 3, 2});
  CHECK(told("sum(m) <= 10 @ 95%", run) == "pass: sum is exact over the cases");
  CHECK(told("max(m) < 4 @ 95%", run) == "fail: max is exact over the cases");
}

TEST_CASE("a sum needs every case") {
  const RunSeries run = make_run({4, std::nullopt, 3, 2});
  CHECK(told("sum(m) <= 10", run) == "undecided: sum needs every case: 1 of 4 have no value");
  CHECK(*judge("sum(m) <= 10", run).value == 9);
  CHECK(told("m <= 3", run) == "pass");
  CHECK(judge("m <= 3", run).n == 3);
}

TEST_CASE("no value, no case and no such slice are undecided") {
  CHECK(told("m >= 0", make_run({std::nullopt, std::nullopt})) == "undecided: no case has a value of 'm'");
  CHECK(told("other >= 0", make_run({1})) == "undecided: no case has a value of 'other'");
  CHECK(told("m >= 0", make_run({})) == "undecided: the run has no cases");
  RunSeries run = make_run({1, 2});
  CHECK(told("m[lang=de] >= 0", run) == "undecided: no case has lang = de");
  run.slices["lang"] = {"en", "fr"};
  CHECK(told("m[lang=de] >= 0 @ 95%", run) == "undecided: no case has lang = de");
  CHECK(told("m >= 0 @ 95%", make_run({1})) == "undecided: one case gives no interval");
}

TEST_CASE("a slice recomputes over its cases") {
  RunSeries run = make_run({1, 0, 1, 1, 0, 0}, true);
  run.slices["lang"] = {"de", "de", "de", "en", "en", "en"};
  CHECK(*judge("m[lang=de] >= 0", run).value == Approx(2.0 / 3));
  CHECK(judge("m[lang=de] >= 0", run).n == 3);
  CHECK(*judge("m[lang=en] >= 0", run).value == Approx(1.0 / 3));
  CHECK(judge("m[lang=de] >= 0.5 @ 95%", run).interval->low == wilson_interval(2, 3)->low);
  run.clusters = {1, 1, 2, 2, 3, 3};
  CHECK(judge("m[lang=de] >= 0.5 @ 95%", run).interval->low == clustered_mean_interval(std::vector<double>{1, 0, 1}, std::vector<int64_t>{1, 1, 2})->interval->low);
  run.clusters = {1, 1, 1, 2, 3, 3};
  CHECK(told("m[lang=de] >= 0.5 @ 95%", run) == "undecided: one cluster gives no interval");
}

TEST_CASE("a gate against the baseline compares the same cases") {
  const RunSeries run = make_rate(354, 400), baseline = make_rate(352, 400);
  CHECK(told("m >= baseline", run, &baseline) == "pass");
  CHECK(told("m >= baseline + 0.01", run, &baseline) == "fail");
  CHECK(*judge("m >= baseline - 0.02", run, &baseline).threshold == Approx(0.86));
  CHECK(*judge("m <= baseline * 1.5", run, &baseline).threshold == Approx(1.32));
  const GateResult result = judge("m >= baseline - 0.02 @ 95%", run, &baseline);
  const auto expected = paired_difference(run, baseline, pair_cases(run, baseline), "m");
  CHECK(result.interval->low == expected->interval->low);
  CHECK(told(result) == fmt::format("pass: worst plausible loss {:.4g}", -expected->interval->low));
  CHECK(told("m >= baseline + 0.05 @ 95%", run, &baseline).starts_with("fail: difference "));
  CHECK(told("m > baseline @ 95%", run, &baseline).starts_with("undecided: difference "));
  CHECK(told("m > baseline @ 95%", run, &baseline).find(" crosses 0; about ") != std::string::npos);
}

TEST_CASE("the worst case named is the one that hurts") {
  const RunSeries slow = make_run({10, 12, 11, 13, 12, 14}), fast = make_run({8, 9.5, 9, 10, 10, 11});
  CHECK(told("m <= baseline * 1.5 @ 95%", slow, &fast).starts_with("pass: plausible drop at least "));
  CHECK(told("m <= baseline + 5 @ 95%", slow, &fast).starts_with("pass: worst plausible rise "));
  CHECK(told("m >= baseline - 5 @ 95%", slow, &fast).starts_with("pass: plausible gain at least "));
  CHECK(told("m >= baseline + 5 @ 95%", slow, &fast).starts_with("fail: difference "));
}

TEST_CASE("a multiple of the baseline compares a with k b case by case") {
  const RunSeries run = make_run({10, 12, 11, 13}), baseline = make_run({9, 11, 11, 12});
  const GateResult result = judge("m <= baseline * 1.1 @ 90%", run, &baseline);
  std::vector<double> scaled;
  for (const double b : {9.0, 11.0, 11.0, 12.0}) scaled.push_back(b * 1.1);
  const auto expected = paired_t(std::vector<double>{10, 12, 11, 13}, scaled, 0.9);
  CHECK(result.interval->low == Approx(expected->interval->low).epsilon(1e-12));
  CHECK(result.interval->high == Approx(expected->interval->high).epsilon(1e-12));
  CHECK(told(result).find("difference to 1.1 x baseline ") != std::string::npos);
}

TEST_CASE("what has no paired interval says so") {
  const RunSeries run = make_run({4, 1, 3, 2}), baseline = make_run({5, 1, 3, 2});
  CHECK(told("p95(m) <= baseline @ 95%", run, &baseline) == "undecided: p95 has no paired interval; without '@' the estimates are compared");
  CHECK(told("sum(m) <= baseline @ 95%", run, &baseline) == "undecided: sum has no paired interval; without '@' the estimates are compared");
  CHECK(told("p95(m) <= baseline", run, &baseline) == "pass");
  CHECK(told("sum(m) < baseline", run, &baseline) == "pass");
}

TEST_CASE("a run that repeats its baseline has no difference, and a constant shift has no interval") {
  const RunSeries run = make_run({0.3, 0.7, 0.2}), same = make_run({0.3, 0.7, 0.2}), shifted = make_run({1.3, 1.7, 1.2}), integers = make_run({1, 2, 3}), next = make_run({2, 3, 4});
  CHECK(told("m >= baseline - 0.02 @ 95%", run, &same) == "pass: all 3 pairs are equal");
  CHECK(told("m > baseline @ 95%", run, &same) == "fail: all 3 pairs are equal");
  CHECK(told("m >= baseline - 2 @ 95%", integers, &next) == "undecided: 3 pairs without spread give no interval");
  CHECK(told("m >= baseline - 2 @ 95%", make_run({1}), &next) == "undecided: one pair gives no interval");
}

TEST_CASE("cases without a partner are left out of the comparison, and it is said") {
  RunSeries run = make_run({1, 2, 3, 4, std::nullopt});
  RunSeries baseline = make_run({1, 1, 1, 1, 1});
  baseline.case_hashes[0] = "changed";
  baseline.case_ids[1] = "other";
  const GateResult result = judge("m >= baseline", run, &baseline);
  CHECK(*result.value == 3.5);
  CHECK(*result.threshold == 1);
  CHECK(result.n == 2);
  CHECK(told(result) == "pass: over 2 of 5 cases");
  CHECK(told("sum(m) >= baseline", run, &baseline) == "undecided: sum needs every case: 3 of 5 have no value");
  for (auto& id : baseline.case_ids) id += "x";
  CHECK(told("m >= baseline", run, &baseline) == "undecided: no case is in both runs with the same row");
}

TEST_CASE("a gate against a baseline that is not given is the caller's error") {
  const auto gate = parse_gate("m >= baseline", {});
  const auto result = evaluate_gate(*gate, make_run({1}), nullptr);
  REQUIRE_FALSE(result);
  CHECK(result.error().code == ErrorCode::kUsage);
  CHECK(result.error().message == "gate 'm >= baseline' needs a baseline run");
  CHECK(result.error().hint == "name one with --baseline");
}

TEST_CASE("decimal fractions compare as written") {
  const RunSeries run = make_run({0.1, 0.2, 0.3}), baseline = make_rate(88, 100), level = make_rate(86, 100);
  CHECK(told("sum(m) <= 0.6", run) == "pass");
  CHECK(told("m == 0.2", run) == "pass");
  CHECK(told("m >= baseline - 0.02", level, &baseline) == "pass");
  CHECK(told("m > baseline - 0.02", level, &baseline) == "fail");
}

TEST_CASE("a harder threshold never turns a verdict better, and a lower level never makes it less certain") {
  std::mt19937_64 random(8);
  const auto rank = [](Verdict v) { return v == Verdict::kPass ? 2 : v == Verdict::kUndecided ? 1 : 0; };
  for (int round = 0; round < 60; ++round) {
    Values values, others;
    const bool rate = round % 2 == 0;
    const int n = 5 + static_cast<int>(random() % 60);
    for (int i = 0; i < n; ++i) {
      values.push_back(rate ? static_cast<double>(random() % 2) : static_cast<double>(random() % 100) / 100);
      others.push_back(rate ? static_cast<double>(random() % 2) : static_cast<double>(random() % 100) / 100);
    }
    const RunSeries run = make_run(values, rate), baseline = make_run(others, rate);
    for (const char* right : {"{}", "baseline + {}"}) {
      for (const char* value : {"m", "p50(m)"}) {
        for (const char* level : {"", " @ 80%", " @ 95%"}) {
          int before = 2;
          for (int step = -10; step <= 12; ++step) {
            const std::string text = fmt::format("{} >= {}{}", value, fmt::vformat(right, fmt::make_format_args(fmt::to_string(step / 10.0))), level);
            const auto gate = parse_gate(text, {});
            if (!gate) continue;
            const int now = rank(evaluate_gate(*gate, run, &baseline)->verdict);
            INFO(text);
            CHECK(now <= before);
            before = now;
          }
        }
        for (int step = 0; step <= 10; ++step) {
          const std::string text = fmt::format("{} >= {}", value, fmt::vformat(right, fmt::make_format_args(fmt::to_string(step / 10.0))));
          const Verdict strict = evaluate_gate(*parse_gate(text + " @ 95%", {}), run, &baseline)->verdict;
          const Verdict loose = evaluate_gate(*parse_gate(text + " @ 80%", {}), run, &baseline)->verdict;
          INFO(text);
          if (strict != Verdict::kUndecided) CHECK(loose == strict);
        }
      }
    }
  }
}

TEST_CASE("a gate at 95 % passes a run that is truly worse at most about once in twenty") {
  std::mt19937_64 random(9);
  int passed = 0;
  for (int trial = 0; trial < 1000; ++trial) {
    Values values;
    for (int i = 0; i < 100; ++i) values.push_back(random() % 100 < 80 ? 1 : 0);
    passed += judge("m > 0.8 @ 95%", make_run(values, true)).verdict == Verdict::kPass;
  }
  CHECK(passed <= 50);
}

TEST_CASE("any gate on any run gives a verdict and an explanation where it is undecided") {
  std::mt19937_64 random(10);
  const std::vector<std::string> functions{"", "mean", "sum", "min", "max", "p50", "p90", "p95", "p99"}, operators{">=", "<=", ">", "<", "=="};
  const std::vector<std::string> rights{"0.5", "-1", "baseline", "baseline - 0.1", "baseline * 0.9", "baseline * 0"};
  for (int i = 0; i < 4000; ++i) {
    Values values, others;
    for (size_t k = random() % 12; k > 0; --k) {
      values.push_back(random() % 4 == 0 ? std::nullopt : std::optional<double>(static_cast<double>(random() % 3) / (random() % 2 == 0 ? 1 : 2)));
      others.push_back(random() % 4 == 0 ? std::nullopt : std::optional<double>(static_cast<double>(random() % 2)));
    }
    RunSeries run = make_run(values, random() % 2 == 0), baseline = make_run(others, random() % 2 == 0);
    if (random() % 2 == 0) for (size_t k = 0; k < values.size(); ++k) run.clusters.push_back(static_cast<int64_t>(random() % 3));
    if (random() % 2 == 0) for (size_t k = 0; k < values.size(); ++k) run.slices["s"].push_back(random() % 2 == 0 ? "x" : "y");
    const std::string& function = functions[random() % functions.size()];
    const std::string name = random() % 3 == 0 ? "m[s=x]" : "m";
    const std::string text = (function.empty() ? name : function + "(" + name + ")") + " " + operators[random() % 5] + " " + rights[random() % rights.size()] +
                             (random() % 2 == 0 ? " @ 95%" : "");
    INFO(text);
    const GateResult result = judge(text, run, &baseline);
    if (result.verdict == Verdict::kUndecided) CHECK_FALSE(result.explanation.empty());
    else CHECK(result.value.has_value());
  }
}

}  // namespace llmops
