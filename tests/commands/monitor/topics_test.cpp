// `monitor topics`: the subjects of a window, their sizes, and what is known of each.
#include "commands/monitor/topics.h"

#include "tests/commands/monitor/requests_fixture.h"

using namespace llmops;
using namespace llmops::test;

namespace {

// 40 about cards, 20 about loans, 10 about the weather; the loans fail every fourth time.
void ask_three_subjects(RequestsFolder& folder) {
  const std::vector<std::string> cards{"my bank card was stolen yesterday", "please block the stolen bank card", "a new bank card because mine was stolen", "stolen card, block my bank card now"};
  const std::vector<std::string> loans{"interest rate of a mortgage loan", "which mortgage loan has the lowest interest", "repay the mortgage loan early without interest"};
  const std::vector<std::string> weather{"will it rain in Lisbon tomorrow", "does rain fall in Lisbon tomorrow morning"};
  for (int i = 0; i < 40; ++i) folder.ask(cards[static_cast<size_t>(i) % cards.size()], kRequestsNow - kRequestsHour - i * 1000, "card" + std::to_string(i)).route = "service";
  for (int i = 0; i < 20; ++i) {
    StoredRecord& one = folder.answered(loans[static_cast<size_t>(i) % loans.size()], "x", kRequestsNow - 2 * kRequestsHour - i * 1000, "loan" + std::to_string(i));
    if (i % 4 == 0) one.error = "timeout";
    one.latency_ms = 100 * (i + 1);
    if (i < 5) one.route = "sales";
  }
  for (int i = 0; i < 10; ++i) folder.ask(weather[static_cast<size_t>(i) % weather.size()], kRequestsNow - 3 * kRequestsHour - i * 1000, "rain" + std::to_string(i)).route = "service";
}

MonitorTopicsOptions three_topics() {
  MonitorTopicsOptions options;
  options.requests.until = kRequestsUntil;
  options.topics = 3;
  return options;
}

std::string refusal(RequestsFolder& folder, const MonitorTopicsOptions& options) {
  Session session = folder.session();
  const auto report = monitor_topics(session, options);
  return report ? "reported" : report.error().message + " | " + report.error().hint;
}

}  // namespace

TEST_CASE("the subjects of a window are told with their shares, words, an example and their requests") {
  RequestsFolder folder;
  ask_three_subjects(folder);
  Session session = folder.session();
  const MonitorTopicsReport report = must(monitor_topics(session, three_topics()));
  CHECK((report.found == 70 && report.used == 70 && report.without_text == 0 && !report.is_drawn && report.has_enough()));
  REQUIRE(report.topics.size() == 3);
  const std::vector<std::string> names{"card", "loan", "rain"};
  const std::vector<int64_t> sizes{40, 20, 10};
  for (size_t t = 0; t < 3; ++t) {
    const AskedTopic& topic = report.topics[t];
    INFO(names[t]);
    CHECK(topic.requests == sizes[t]);
    CHECK(topic.share == Approx(static_cast<double>(sizes[t]) / 70));
    CHECK(topic.ids.size() == std::min<size_t>(20, static_cast<size_t>(sizes[t])));
    for (const std::string& id : topic.ids) CHECK(id.starts_with(names[t]));
    CHECK(topic.exemplar_id.starts_with(names[t]));
    CHECK(topic.exemplar.find(names[t]) != std::string::npos);
    CHECK(!topic.words.empty());
    CHECK(topic.by_stratum.empty());
  }
  CHECK(std::find(report.topics[1].words.begin(), report.topics[1].words.end(), "mortgage") != report.topics[1].words.end());
}

TEST_CASE("errors and latency of a topic are of the requests that tell them, and unknown otherwise") {
  RequestsFolder folder;
  ask_three_subjects(folder);
  Session session = folder.session();
  const MonitorTopicsReport report = must(monitor_topics(session, three_topics()));
  REQUIRE(report.topics.size() == 3);
  CHECK((report.topics[0].outcomes == 0 && !report.topics[0].error_rate && !report.topics[0].latency_p50_ms && !report.topics[0].latency_p95_ms));
  // 5 of 20; of 100, 200 .. 2000 the linear quantiles (numpy): 100 + 0.5 * 1900, 100 + 0.95 * 1900.
  CHECK((report.topics[1].outcomes == 20 && report.topics[1].error_rate == 0.25));
  CHECK(*report.topics[1].latency_p50_ms == Approx(1050));
  CHECK(*report.topics[1].latency_p95_ms == Approx(1905));
}

TEST_CASE("by a field, each topic tells how much of each value it is, and what is not told is a value of its own") {
  RequestsFolder folder;
  ask_three_subjects(folder);
  Session session = folder.session();
  MonitorTopicsOptions options = three_topics();
  options.by = "route";
  const MonitorTopicsReport report = must(monitor_topics(session, options));
  REQUIRE(report.strata.size() == 3);
  CHECK((report.strata[0].name == "service" && report.strata[0].requests == 50));
  CHECK((report.strata[1].name == "(not told)" && report.strata[1].requests == 15));
  CHECK((report.strata[2].name == "sales" && report.strata[2].requests == 5));
  REQUIRE(report.topics.size() == 3);
  CHECK(report.topics[0].by_stratum == std::vector<int64_t>{40, 0, 0});
  CHECK(report.topics[1].by_stratum == std::vector<int64_t>{0, 15, 5});
  CHECK(report.topics[2].by_stratum == std::vector<int64_t>{10, 0, 0});
}

TEST_CASE("too few texts are not enough data, with what to do about it") {
  RequestsFolder folder;
  for (int i = 0; i < 25; ++i) folder.ask("where is my card", kRequestsNow - 3 * kRequestsDay - i * 1000);
  for (int i = 0; i < 30; ++i) folder.ask(i < 19 ? "where is my card" : "{\"sha256\":\"aa\",\"bytes\":3}", kRequestsNow - kRequestsHour - i * 1000);
  Session session = folder.session();
  MonitorTopicsOptions options;
  options.requests.until = kRequestsUntil;
  MonitorTopicsReport report = must(monitor_topics(session, options));
  CHECK(!report.has_enough());
  CHECK((report.found == 30 && report.used == 19 && report.without_text == 11));
  CHECK(report.reason == "19 requests with a known text: at least 20 are needed");
  CHECK(report.hint == "take a longer window: --since");
  options.requests.since = "7d";
  CHECK(must(monitor_topics(session, options)).used == 44);
  options.requests = {"1h", "2026-12-24", "", {}};
  CHECK(must(monitor_topics(session, options)).hint == "the newest request is of 2026-11-22 07:00: take --until 2026-11-22T08:00:00Z");
}

TEST_CASE("the same seed makes the same topics, and more requests than are looked at are drawn") {
  RequestsFolder folder;
  ask_three_subjects(folder);
  Session session = folder.session();
  MonitorTopicsOptions options = three_topics();
  options.most = 30;
  const MonitorTopicsReport one = must(monitor_topics(session, options)), other = must(monitor_topics(session, options));
  CHECK((one.used == 30 && one.found == 70 && one.is_drawn));
  REQUIRE(one.topics.size() == other.topics.size());
  for (size_t t = 0; t < one.topics.size(); ++t) CHECK(one.topics[t].ids == other.topics[t].ids);
}

TEST_CASE("what topics cannot be made of is refused") {
  RequestsFolder folder;
  folder.ask("x", kRequestsNow - 1);
  MonitorTopicsOptions options;
  options.by = "rout";
  CHECK(refusal(folder, options) == "'rout' is no stratum | did you mean 'route'?");
  options = {};
  options.requests.component = "answer";
  CHECK(refusal(folder, options) == "no component 'answer' is recorded | leave out --component");
  options = {};
  options.requests.since = "soon";
  CHECK(refusal(folder, options) == "'soon' is not a length of time | write a number and a unit: 90s, 15m, 24h, 7d or 2w");
}
