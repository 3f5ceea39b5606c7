// `monitor health`: each signal out of the store, the verdicts, what is not told, and times that are not what they should be.
#include "commands/monitor/health.h"

#include <cmath>

#include "tests/commands/project_fixture.h"

namespace llmops {
namespace {

using test::must;

constexpr int64_t kNow = 1'795'334'400'000, kHour = 3'600'000;

// Requests of a project's store, `count` in each period: evenly over 7 days before and over the last 24 hours.
struct Production {
  test::ProjectFolder project;
  Session session = project.session();
  std::vector<StoredTrace> traces;
  int made = 0;

  StoredRecord& request(int64_t start_ms) {
    const std::string trace = "t" + std::to_string(made++);
    StoredTrace one{trace, "", start_ms, {{trace, "s", "", start_ms, "{}"}}, {}};
    StoredRecord record;
    record.trace = trace;
    record.span = "s";
    record.start_ms = start_ms;
    record.output = "fine";
    one.records.push_back(std::move(record));
    traces.push_back(std::move(one));
    return traces.back().records.back();
  }
  StoredRecord& component(const std::string& name, int64_t after_ms = 1) {
    StoredTrace& trace = traces.back();
    StoredRecord record;
    record.trace = trace.trace;
    record.span = "c" + std::to_string(trace.records.size());
    record.component = name;
    record.start_ms = trace.start_ms + after_ms;
    trace.spans.push_back({trace.trace, record.span, "", *record.start_ms, "{}"});
    trace.records.push_back(std::move(record));
    return trace.records.back();
  }
  template <class Change>
  void before(int count, const Change& change) {
    for (int i = 0; i < count; ++i) change(request(kNow - 8 * 24 * kHour + (i + 1) * (7 * 24 * kHour / (count + 1))), i);
  }
  template <class Change>
  void current(int count, const Change& change) {
    for (int i = 0; i < count; ++i) change(request(kNow - 24 * kHour + (i + 1) * (24 * kHour / (count + 1))), i);
  }
  MonitorHealthReport report(MonitorHealthOptions options = {}) {
    Store* store = must(session.store(true));
    if (!traces.empty()) must(store->add_traces(traces, [](const auto&) -> Result<std::vector<StoredRecord>> { return std::vector<StoredRecord>(); }));
    traces.clear();
    if (options.until.empty()) options.until = "2026-11-22T08:00:00Z";
    return must(monitor_health(session, options));
  }
};

const HealthSignal& signal_of(const MonitorHealthReport& report, const std::string& name) {
  for (const HealthSignal& one : report.found.signals) if (one.name == name) return one;
  FAIL("no signal " << name);
  return report.found.signals[0];
}

bool is_recorded(const MonitorHealthReport& report, const std::string& name) { return std::find(report.found.not_recorded.begin(), report.found.not_recorded.end(), name) == report.found.not_recorded.end(); }

std::string refusal(Production& production, MonitorHealthOptions options) {
  production.report();
  const auto report = monitor_health(production.session, options);
  return report ? "reported" : report.error().message + " | " + report.error().hint;
}

}  // namespace

TEST_CASE("more errors are a degradation, fewer are a change for the better, and the first day is held against the week before") {
  CHECK(format_utc(kNow) == "2026-11-22T08:00:00Z");
  for (const bool is_worse : {true, false}) {
    Production production;
    const auto failing = [](StoredRecord& one, int i) { if (i % 4 == 0) one.error = i % 8 == 0 ? "timeout" : "rate_limit"; };
    const auto sound = [](StoredRecord& one, int i) { if (i % 50 == 0) one.error = "timeout"; };
    if (is_worse) production.before(400, sound), production.current(100, failing);
    else production.before(400, failing), production.current(100, sound);
    const auto report = production.report();
    const HealthSignal& errors = signal_of(report, "errors");
    CHECK((report.requests == 100 && report.requests_before == 400));
    CHECK(*errors.current.value == (is_worse ? 0.25 : 0.02));
    CHECK(*errors.before.value == (is_worse ? 0.02 : 0.25));
    CHECK(report.verdict == (is_worse ? HealthVerdict::kDegraded : HealthVerdict::kHealthy));
    CHECK(signals_that_are(report, is_worse ? HealthChange::kWorse : HealthChange::kBetter) == std::vector<std::string>{"errors"});
    CHECK((*errors.p_adjusted >= *errors.p_value && *errors.p_adjusted <= 0.01));
  }
}

TEST_CASE("new kinds of errors are named with the time at which they were first seen") {
  Production production;
  production.before(100, [](StoredRecord& one, int i) { if (i % 2 == 0) one.error = "timeout"; });
  int64_t first = 0;
  production.current(100, [&](StoredRecord& one, int i) {
    if (i % 2 == 0) one.error = i < 50 ? "timeout" : "context_length";
    if (i == 50) first = *one.start_ms;
  });
  const auto report = production.report();
  const HealthSignal& types = signal_of(report, "error types");
  CHECK((types.before.n == 50 && types.current.n == 50 && types.change == HealthChange::kChanged));
  REQUIRE(types.categories.size() == 2);
  CHECK((types.categories[1].name == "context_length" && types.categories[1].current == 25 && types.categories[1].first_ms == first));
  CHECK(report.verdict == HealthVerdict::kHealthy);
}

TEST_CASE("signs of answers are told of requests with an answer alone") {
  Production production;
  const auto answer = [](StoredRecord& one, int i) {
    if (i % 2 == 1) { one.output.reset(); one.error = "timeout"; return; }
    one.finish = "stop";
    one.is_refusal = i % 4 == 0;
    one.is_empty = i % 8 == 2;
    one.is_malformed_json = i % 10 == 0;
  };
  production.before(80, answer);
  production.current(80, [&](StoredRecord& one, int i) { answer(one, i); if (i % 4 == 0) one.finish = "length"; });
  const auto report = production.report();
  CHECK((signal_of(report, "errors").current.n == 80 && signal_of(report, "refusals").current.n == 40));
  CHECK(*signal_of(report, "refusals").current.value == 0.5);
  CHECK(*signal_of(report, "empty answers").current.value == 0.25);
  CHECK(*signal_of(report, "malformed JSON").current.value == 0.2);
  CHECK((*signal_of(report, "cut off").current.value == 0.5 && *signal_of(report, "cut off").before.value == 0));
  CHECK(signal_of(report, "finish reasons").change == HealthChange::kChanged);
}

TEST_CASE("slow requests, tokens, costs: quantiles, means and totals, and what cannot be is counted") {
  Production production;
  const auto timed = [](StoredRecord& one, int i) {
    one.latency_ms = 100 + i % 10;
    one.ttft_ms = 10 + i % 3;
    one.input_tokens = 50;
    one.output_tokens = 20 + i % 2;
    one.cost_usd = 0.001;
  };
  production.before(100, timed);
  production.current(100, [&](StoredRecord& one, int i) {
    timed(one, i);
    one.latency_ms = *one.latency_ms * 2;
    if (i == 0) one.latency_ms = -5;           // a clock was set back
    if (i == 1) one.ttft_ms = 1e6;             // after the last token
    if (i == 2) one.cost_usd = std::nan("");
    one.output_tokens = *one.output_tokens + 10;
  });
  const auto report = production.report();
  CHECK((*signal_of(report, "latency p50").before.value == 104.5 && signal_of(report, "latency p50").current.n == 99));
  CHECK((signal_of(report, "latency p50").change == HealthChange::kWorse && signal_of(report, "latency p95").change == HealthChange::kWorse));
  CHECK(signal_of(report, "ttft p95").change == HealthChange::kNoDifference);
  CHECK((*signal_of(report, "output tokens").current.value == 30.5 && signal_of(report, "output tokens").change == HealthChange::kChanged));
  CHECK((*signal_of(report, "input tokens").current.total == 5000 && signal_of(report, "input tokens").change == HealthChange::kNoDifference));
  CHECK(*signal_of(report, "cost").current.total == Approx(0.099).epsilon(0.02));
  CHECK((report.found.left_out.at("latency") == 1 && report.found.left_out.at("ttft") == 1));
  CHECK(report.verdict == HealthVerdict::kDegraded);
}

TEST_CASE("what no request tells is left out and named, never 0") {
  Production production;
  production.before(40, [](StoredRecord&, int) {});
  production.current(40, [](StoredRecord&, int) {});
  const auto report = production.report();
  for (const char* name : {"latency", "ttft", "input tokens", "output tokens", "cost", "cut off", "model served", "tools", "rephrases", "feedback"}) {
    INFO(name);
    CHECK_FALSE(is_recorded(report, name));
  }
  CHECK((*signal_of(report, "errors").current.value == 0 && report.verdict == HealthVerdict::kHealthy && report.sessions == 0));
}

TEST_CASE("requests without an outcome are in no rate, and hashed outputs are not judged") {
  Production production;
  production.before(40, [](StoredRecord& one, int) { one.output.reset(); });
  production.current(40, [](StoredRecord& one, int) { one.output.reset(); });
  auto report = production.report();
  CHECK((!is_recorded(report, "errors") && report.verdict == HealthVerdict::kNotEnoughData));
  Production hashed;
  const std::string digest = "{\"sha256\":\"" + std::string(64, 'a') + "\",\"bytes\":12}";
  hashed.before(40, [&](StoredRecord& one, int) { one.output = digest; });
  hashed.current(40, [&](StoredRecord& one, int) { one.output = digest; });
  report = hashed.report();
  CHECK((!is_recorded(report, "refusals") && signal_of(report, "errors").current.n == 40));
}

TEST_CASE("a model that is served in the place of another is told, with its share and its first time") {
  CHECK_FALSE(is_other_model("gpt-4o", "gpt-4o-2024-08-06"));
  CHECK_FALSE(is_other_model("openai/gpt-4o", "GPT-4o"));
  CHECK_FALSE(is_other_model("claude-3-haiku-latest", "claude-3-haiku-20240307"));
  CHECK_FALSE(is_other_model("gemini-1.5-pro", "gemini-1.5-pro-002"));
  CHECK(is_other_model("gpt-4o", "gpt-4o-mini"));
  CHECK(is_other_model("claude-3", "claude-3-5"));
  CHECK(is_other_model("gpt-4", "gpt-4o"));
  Production production;
  int64_t first = 0;
  production.before(100, [](StoredRecord& one, int) { one.model_asked = "gpt-4o"; one.model_served = "gpt-4o-2024-08-06"; });
  production.current(100, [&](StoredRecord& one, int i) {
    one.model_asked = "gpt-4o";
    one.model_served = i < 70 ? "gpt-4o-2024-08-06" : "gpt-4o-mini";
    if (i == 70) first = *one.start_ms;
  });
  const auto report = production.report();
  CHECK((*signal_of(report, "other model served").current.value == 0.3 && signal_of(report, "other model served").change == HealthChange::kWorse));
  const auto& served = signal_of(report, "model served");
  CHECK((served.change == HealthChange::kChanged && served.categories[1].name == "gpt-4o -> gpt-4o-mini" && served.categories[1].first_ms == first));
}

TEST_CASE("tools: calls, sequences and loops, and a request without calls made none") {
  Production production;
  production.before(60, [](StoredRecord& one, int i) { if (i % 2 == 0) one.tools = R"(["find","answer"])"; });
  production.current(60, [](StoredRecord& one, int i) { one.tools = i % 2 == 0 ? R"(["find","find","find","answer"])" : R"(["a","b","a","b","a","b"])"; });
  const auto report = production.report();
  CHECK((*signal_of(report, "tool calls").before.value == 1 && *signal_of(report, "tool calls").current.value == 5));
  CHECK((*signal_of(report, "tool loops").current.value == 1 && signal_of(report, "tool loops").change == HealthChange::kWorse));
  const auto& sequence = signal_of(report, "tool sequence");
  CHECK(sequence.change == HealthChange::kChanged);
  REQUIRE(sequence.sequences.size() == 4);
  CHECK((sequence.sequences[0].name == "a > b > a > b > a > b" && sequence.sequences[0].current == 30));
  CHECK(std::any_of(sequence.categories.begin(), sequence.categories.end(), [](const HealthCategory& one) { return one.name == "find > find" && one.before == 0 && one.current == 60; }));
}

TEST_CASE("a question asked again in other words is a rephrase") {
  Production production;
  const auto asks = [](int alike) {
    return [alike](StoredRecord& one, int i) {
      one.session = "s" + std::to_string(i / 2);
      if (i % 2 == 0) one.input = "where is my parcel that I ordered last week";
      else one.input = i / 2 < alike ? "Where is my parcel, that I ordered last week?" : "thank you, and what does the insurance cost";
    };
  };
  production.before(120, asks(2));
  production.current(120, asks(30));
  const auto report = production.report();
  const auto& rephrases = signal_of(report, "rephrases");
  CHECK((rephrases.current.n == 60 && *rephrases.current.value == 0.5 && *rephrases.before.value == Approx(2.0 / 60) && rephrases.change == HealthChange::kWorse));
  CHECK(report.sessions == 60);
}

TEST_CASE("scores: numbers, signs and words; what was judged later goes before, and what is no number is left out") {
  Production production;
  const auto scored = [](double shift) {
    return [shift](StoredRecord& one, int i) {
      one.scores = Json{{"helpful", 0.5 + shift + 0.01 * (i % 10)}, {"thumbs", i % 3 != 0}, {"topic", i % 2 == 0 ? "card" : "loan"}, {"toxicity", 0.1 + (i % 4) * 0.01 + (shift < 0 ? 0.2 : 0)}}.dump();
    };
  };
  production.before(60, scored(0));
  production.current(60, scored(-0.2));
  auto report = production.report();
  CHECK((signal_of(report, "score helpful").change == HealthChange::kWorse && *signal_of(report, "score helpful").current.value == Approx(0.345)));
  CHECK(signal_of(report, "score toxicity").change == HealthChange::kWorse);
  CHECK((signal_of(report, "score thumbs").unit == "share" && *signal_of(report, "score thumbs").current.value == Approx(2.0 / 3)));
  CHECK((signal_of(report, "score topic").unit == "distribution" && signal_of(report, "score topic").categories.size() == 2));
  // Judged afterwards: the same name replaces, "nan" and what is no JSON are left out, null is not told.
  std::vector<StoredScore> later{{"t60", "", "helpful", "0.99"}, {"t61", "s", "helpful", "\"nan\""}, {"t62", "other", "helpful", "NaN"}, {"t63", "", "helpful", "null"}, {"t64", "", "helpful", "\"good\""}, {"none", "", "helpful", "1"}};
  for (int i = 60; i < 120; ++i) later.push_back({"t" + std::to_string(i), "", "stars", std::to_string(1 + i % 5)});
  must(must(production.session.store(false))->put_scores(later));
  report = production.report();
  CHECK(signal_of(report, "score helpful").current.n == 56);
  CHECK(report.found.left_out.at("score helpful") == 3);
  CHECK((*signal_of(report, "score stars").current.value == 3 && signal_of(report, "score stars").change == HealthChange::kNotEnoughData));
}

TEST_CASE("components have rows and sequences, and one that fails degrades the whole") {
  Production production;
  const auto chain = [&](int failures) {
    return [&production, failures](StoredRecord&, int i) {
      StoredRecord& find = production.component("find", 1);
      find.latency_ms = 5;
      find.output = R"([{"id":"d1","score":0.3},{"id":"d2","score":)" + std::to_string(failures > 0 ? 0.5 + 0.001 * (i % 7) : 0.8 + 0.001 * (i % 7)) + "}]";
      StoredRecord& answer = production.component("answer", 2);
      answer.latency_ms = 90 + i % 5;
      answer.output = "yes";
      answer.input_tokens = 10;
      answer.output_tokens = 3;
      answer.cost_usd = 0.01;
      if (i < failures) answer.error = "timeout";
      if (i < failures) production.component("repair", 3).output = "ok";
    };
  };
  production.before(100, chain(0));
  production.current(100, chain(20));
  auto report = production.report();
  REQUIRE(report.rows.size() == 3);
  CHECK((report.by == "step" && report.rows[0].name == "answer" && report.rows[1].name == "find" && report.rows[2].name == "repair"));
  const HealthRow& answer = report.rows[0];
  CHECK((answer.calls == 100 && answer.calls_before == 100 && *answer.part.errors.current.value == 0.2 && answer.part.errors.change == HealthChange::kWorse));
  CHECK((answer.input_tokens == 1000 && answer.output_tokens == 300 && *answer.cost_usd == Approx(1) && !report.rows[1].cost_usd));
  CHECK(report.verdict == HealthVerdict::kDegraded);
  const auto worse = signals_that_are(report, HealthChange::kWorse);
  CHECK(worse == std::vector<std::string>{"retrieval score", "answer errors"});
  CHECK(*signal_of(report, "retrieval score").before.value == Approx(0.803).margin(1e-3));
  const auto& steps = signal_of(report, "step sequence");
  CHECK((steps.sequences[0].name == "find > answer" && steps.sequences[0].before == 100 && steps.sequences[0].current == 80));
  CHECK((steps.sequences[1].name == "find > answer > repair" && steps.change == HealthChange::kChanged));
  MonitorHealthOptions of_answer;
  of_answer.component = "answer";
  report = production.report(of_answer);
  CHECK((report.requests == 100 && *signal_of(report, "errors").current.value == 0.2 && report.rows.empty()));
}

TEST_CASE("a table by version has its labels, and by another field what is not told") {
  Production production;
  const std::string vid(64, 'b');
  production.before(80, [&](StoredRecord& one, int i) { if (i % 2 == 0) one.vid = vid; one.latency_ms = 10; });
  production.current(80, [&](StoredRecord& one, int i) { if (i % 2 == 0) one.vid = vid; one.latency_ms = 10; one.language = "de"; });
  production.report();
  Store* store = must(production.session.store(false));
  const auto version = must(store->commit_version(test::make_version("qa", {{"a.txt", "a"}})));
  must(store->set_label({"qa", "prod", version.vid, "", "ada", 1}));
  production.request(kNow - kHour).vid = version.vid.substr(0, 12);
  MonitorHealthOptions by_version;
  by_version.by = "version";
  auto report = production.report(by_version);
  REQUIRE(report.rows.size() == 3);
  CHECK((report.rows[0].calls == 40 && report.rows[1].calls == 40 && report.rows[2].name == version.vid.substr(0, 12) && report.rows[2].label == "prod"));
  CHECK(report.rows[2].part.errors.change == HealthChange::kNotEnoughData);
  MonitorHealthOptions by_language;
  by_language.by = "language";
  report = production.report(by_language);
  REQUIRE(report.rows.size() == 2);
  CHECK((report.rows[0].name == "de" && report.rows[1].name == "(not told)" && report.rows[1].calls_before == 80 && report.rows[1].calls == 1));
}

TEST_CASE("a period that is empty is not enough data, and tells when the newest request began") {
  Production nothing;
  auto report = nothing.report();
  CHECK((report.verdict == HealthVerdict::kNotEnoughData && report.reason == "the window holds no requests" && !report.newest_ms));
  Production past;
  past.before(50, [](StoredRecord&, int) {});
  report = past.report();
  CHECK((report.verdict == HealthVerdict::kNotEnoughData && report.requests_before == 50 && *report.newest_ms < kNow - 24 * kHour));
  Production fresh;
  fresh.current(50, [](StoredRecord&, int) {});
  report = fresh.report();
  CHECK((report.verdict == HealthVerdict::kNotEnoughData && report.reason == "the period before holds no requests" && *signal_of(report, "errors").current.value == 0));
  Production few;
  few.before(50, [](StoredRecord&, int) {});
  few.current(29, [](StoredRecord& one, int) { one.error = "timeout"; });
  report = few.report();
  CHECK((report.verdict == HealthVerdict::kNotEnoughData && report.reason == "no signal has 30 observations of 8 sessions on both sides"));
}

TEST_CASE("requests of the future and without a time are in no window, and are counted") {
  Production production;
  production.before(40, [](StoredRecord&, int) {});
  production.current(40, [](StoredRecord&, int) {});
  production.request(kNow + 30 * 24 * kHour).error = "timeout";
  production.request(kNow - kHour).start_ms.reset();
  auto report = production.report();
  // Its end was asked for: what comes later is no mistake.
  CHECK((report.requests == 40 && report.without_time == 1 && report.in_future == 0));
  report = must(monitor_health(production.session, {}));
  CHECK((report.requests == 40 && report.without_time == 1 && report.in_future == 1));
}

TEST_CASE("a second of the same span changes nothing") {
  Production production;
  production.before(40, [](StoredRecord&, int) {});
  production.current(40, [](StoredRecord&, int) {});
  production.report();
  production.made = 0;
  production.before(40, [](StoredRecord& one, int) { one.error = "timeout"; });
  const auto report = production.report();
  CHECK((report.requests_before == 40 && *signal_of(report, "errors").before.value == 0));
}

TEST_CASE("the series has the window's hours, and an hour without requests has no rate") {
  Production production;
  for (int i = 0; i < 10; ++i) {
    StoredRecord& one = production.request(kNow - 90 * 60'000 + i);
    one.latency_ms = 100 * (i + 1);
    if (i < 4) one.error = "timeout";
  }
  const auto report = production.report();
  REQUIRE((report.series.size() == 24 && report.bucket_ms == kHour));
  CHECK((report.series[22].start_ms == kNow - 2 * kHour && report.series[22].requests == 10 && *report.series[22].error_rate == 0.4 && *report.series[22].latency_p95_ms == Approx(955)));
  CHECK((!report.series[23].error_rate && !report.series[23].latency_p95_ms && report.series[23].requests == 0));
  MonitorHealthOptions minutes;
  minutes.since = "1h";
  CHECK(production.report(minutes).series.size() == 12);
}

TEST_CASE("what cannot be asked is refused") {
  Production production;
  production.request(kNow - kHour);
  production.component("answer");
  const auto with = [](auto MonitorHealthOptions::*field, const char* value) {
    MonitorHealthOptions options;
    options.*field = value;
    return options;
  };
  CHECK(refusal(production, with(&MonitorHealthOptions::since, "soon")) == "'soon' is not a length of time | write a number and a unit: 90s, 15m, 24h, 7d or 2w");
  CHECK(refusal(production, with(&MonitorHealthOptions::until, "then")) == "'then' is no moment | write 2026-11-21 or 2026-11-21T14:00:00Z");
  CHECK(refusal(production, with(&MonitorHealthOptions::by, "rout")) == "'rout' is no field of requests | did you mean 'route'?");
  CHECK(refusal(production, with(&MonitorHealthOptions::component, "answr")) == "no component 'answr' is recorded | did you mean 'answer'?");
  MonitorHealthOptions both;
  both.component = "answer";
  both.by = "step";
  CHECK(refusal(production, both) == "a component has no steps of its own | give --component or --by step, not both");
}

}  // namespace llmops
