// `monitor explain`: one request against those before it, by figures that can be counted by hand.
#include "commands/monitor/explain.h"

#include "tests/commands/monitor/requests_fixture.h"

using namespace llmops;
using namespace llmops::test;

namespace {

// 100 requests over the week before: four texts, 25 times each; latencies 1 .. 100 ms, every tenth fails.
void ask_a_week(RequestsFolder& folder) {
  const std::vector<std::string> texts{"where is my new card", "when does my card arrive", "how much is a loan", "what does a loan cost"};
  for (int i = 0; i < 100; ++i) {
    StoredRecord& one = folder.answered(texts[static_cast<size_t>(i) % 4], "fine", kRequestsNow - 6 * kRequestsDay + i * kRequestsHour, "w" + std::to_string(100 + i));
    one.latency_ms = i + 1;
    if (i % 10 == 0) one.error = i % 20 == 0 ? "timeout" : "rate_limit";
    one.route = i % 4 == 0 ? "cards" : "all";
  }
}

MonitorExplainReport explained(RequestsFolder& folder, const std::string& id) {
  Session session = folder.session();
  MonitorExplainOptions options;
  options.id = id;
  return must(monitor_explain(session, options));
}

std::string refusal(RequestsFolder& folder, const MonitorExplainOptions& options) {
  Session session = folder.session();
  const auto report = monitor_explain(session, options);
  if (report) return "explained";
  std::string text = report.error().message + " | " + report.error().hint;
  for (const std::string& detail : report.error().details) text += " | " + detail;
  return text;
}

}  // namespace

TEST_CASE("a request that shares nothing with those before it is as far as can be, and its words are named") {
  RequestsFolder folder;
  ask_a_week(folder);
  folder.ask("chargeback dispute chargeback, my", kRequestsNow - kRequestsHour, "new1");
  const MonitorExplainReport report = explained(folder, "new1");
  CHECK((report.id == "new1" && report.reference_found == 100 && report.reference_used == 100 && report.reason.empty()));
  CHECK(report.against->to_ms == kRequestsNow - kRequestsHour);
  CHECK(report.against->to_ms - report.against->from_ms == 7 * kRequestsDay);
  REQUIRE(report.novelty);
  // All others stand 25 times: 0 from their three nearest. None is as far.
  CHECK((report.novelty->median == Approx(0).margin(1e-6) && report.novelty->edge == Approx(0).margin(1e-6)));
  CHECK((report.novelty->farther == 0 && report.novelty->of == 100));
  CHECK(report.novelty->p_value == Approx(1.0 / 101));
  CHECK((report.novelty->distance > 0.8 && report.novelty->distance <= 1));
  CHECK(report.new_words == std::vector<std::string>{"chargeback", "dispute"});
  CHECK(report.words == 3);
  CHECK(!report.nearest.empty());
}

TEST_CASE("a request that was asked before is not new, and its nearest are the same text") {
  RequestsFolder folder;
  ask_a_week(folder);
  folder.ask("how much is a loan", kRequestsNow - kRequestsHour, "new1");
  const MonitorExplainReport report = explained(folder, "new");
  REQUIRE(report.novelty);
  CHECK(report.novelty->distance == Approx(0).margin(1e-6));
  CHECK(report.novelty->p_value > 0.2);
  REQUIRE(!report.nearest.empty());
  CHECK((report.nearest[0].text == "how much is a loan" && report.nearest[0].copies == 25));
  CHECK(report.nearest[0].distance == Approx(0).margin(1e-6));
  for (size_t i = 1; i < report.nearest.size(); ++i) CHECK(report.nearest[i].distance >= report.nearest[i - 1].distance);
  CHECK(report.new_words.empty());
  REQUIRE(report.topic);
  CHECK((report.topic->before >= 25 && report.topic->share == Approx(static_cast<double>(report.topic->before) / 100)));
}

TEST_CASE("numbers stand among the quantiles before, signs and strata beside their shares") {
  RequestsFolder folder;
  ask_a_week(folder);
  StoredRecord& one = folder.answered("how much is a loan", "no", kRequestsNow - kRequestsHour, "new1");
  one.latency_ms = 99.5;
  one.error = "timeout";
  one.is_refusal = true;
  one.route = "cards";
  one.language = "de";
  folder.judge("new1", "thumbs", "0");
  const MonitorExplainReport report = explained(folder, "new1");
  const auto latency = std::find_if(report.numbers.begin(), report.numbers.end(), [](const ExplainedNumber& number) { return number.name == "latency"; });
  REQUIRE(latency != report.numbers.end());
  // numpy.quantile of 1 .. 100 at 0.05, 0.5, 0.95.
  CHECK((*latency->p05 == Approx(5.95) && *latency->median == Approx(50.5) && *latency->p95 == Approx(95.05)));
  CHECK((latency->share_below == Approx(0.99) && latency->share_above == Approx(0.01) && latency->n == 100));
  CHECK(report.numbers[0].name == "length");
  CHECK((report.numbers[0].value == 5 && *report.numbers[0].median == 5));
  REQUIRE(report.signs.size() == 2);
  CHECK((report.signs[0].name == "error" && report.signs[0].value == "timeout" && *report.signs[0].share == Approx(0.05)));
  CHECK((report.signs[1].name == "refusal" && *report.signs[1].share == 0));
  REQUIRE(report.strata.size() == 2);
  CHECK((report.strata[0].name == "route" && report.strata[0].value == "cards" && *report.strata[0].share == Approx(0.25)));
  CHECK((report.strata[1].name == "language" && report.strata[1].value == "de" && !report.strata[1].share));
  CHECK(report.scores == NumericScores{{"thumbs", 0}});
}

TEST_CASE("what the same conversation said before is no reference") {
  RequestsFolder folder;
  ask_a_week(folder);
  folder.ask("chargeback dispute", kRequestsNow - 2 * kRequestsHour, "old1").session = "s1";
  folder.ask("chargeback dispute", kRequestsNow - kRequestsHour, "new1").session = "s1";
  const MonitorExplainReport report = explained(folder, "new1");
  CHECK(report.reference_found == 100);
  CHECK(report.new_words == std::vector<std::string>{"chargeback", "dispute"});
}

TEST_CASE("what is held against nothing says why, and tells what is known all the same") {
  RequestsFolder folder;
  for (int i = 0; i < 19; ++i) folder.ask("where is my card", kRequestsNow - 2 * kRequestsHour - i, "w" + std::to_string(i));
  folder.ask("where is it", kRequestsNow - kRequestsHour, "few").error = "timeout";
  folder.ask("", kRequestsNow - kRequestsHour, "mute").input.reset();
  folder.ask("where", kRequestsNow, "timeless").start_ms.reset();
  MonitorExplainReport report = explained(folder, "few");
  CHECK(report.reason == "19 requests before it have a known text: at least 20 are needed");
  CHECK((!report.novelty && !report.topic && report.signs.size() == 1));
  CHECK(report.new_words == std::vector<std::string>{"it"});
  CHECK(explained(folder, "mute").reason == "its text is not known");
  report = explained(folder, "timeless");
  CHECK(report.reason == "it tells no time, so that nothing is known to be before it");
  CHECK((!report.against && report.new_words.empty()));
}

TEST_CASE("an id that names no request, or several, is refused") {
  RequestsFolder folder;
  folder.ask("x", kRequestsNow - 2, "ab1");
  folder.ask("x", kRequestsNow - 1, "ab2");
  folder.ask("x", kRequestsNow - 1, "ab");
  MonitorExplainOptions options;
  options.id = "zz";
  CHECK(refusal(folder, options) == "no request 'zz' is stored | take an id from `llmops monitor topics --json` or `llmops monitor drift --json`");
  options.id = "a";
  CHECK(refusal(folder, options) == "several requests begin with 'a' | give more of the id | ab | ab1 | ab2");
  options.id = "ab";
  CHECK(refusal(folder, options) == "explained");
  options.component = "answer";
  CHECK(refusal(folder, options) == "'ab' has no call of 'answer' | leave out --component, or name one that the request ran");
}
