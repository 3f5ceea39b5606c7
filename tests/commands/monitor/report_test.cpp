// `monitor report`: days, distributions, looks, and which files it may replace.
#include "commands/monitor/report.h"

#include <algorithm>
#include <numeric>

#include "core/base/failpoint.h"
#include "tests/commands/project_fixture.h"

namespace llmops {
namespace {

using test::must;

constexpr int64_t kHour = 3'600'000, kDay = 24 * kHour;
constexpr int64_t kEnd = 1'795'305'600'000;                  // 2026-11-22T00:00:00Z

struct Failpoints {
  explicit Failpoints(const std::string& specification) { REQUIRE(configure_failpoints(specification)); }
  ~Failpoints() { static_cast<void>(configure_failpoints("").has_value()); }
};

struct Production {
  test::ProjectFolder project;
  Session session = project.session();
  std::vector<StoredTrace> traces;

  StoredRecord& request(int64_t start_ms, const std::string& input = "where is my card") {
    const std::string trace = "t" + std::to_string(traces.size());
    StoredRecord record;
    record.trace = trace;
    record.span = "s";
    record.start_ms = start_ms;
    record.input = input;
    record.output = "fine";
    traces.push_back({trace, "", start_ms, {{trace, "s", "", start_ms, "{}"}}, {record}});
    return traces.back().records.back();
  }
  void store() {
    must(must(session.store(true))->add_traces(traces, [](const auto&) -> Result<std::vector<StoredRecord>> { return std::vector<StoredRecord>(); }));
  }
  MonitorReportOptions options() const {
    MonitorReportOptions made;
    made.output = "report.html";
    made.until = "2026-11-22";
    made.permutations = 99;
    made.days = 10;
    return made;
  }
};

}  // namespace

TEST_CASE("each day has its requests, its rate of errors with an interval, and its latencies, and a day without requests has none of them") {
  Production production;
  for (int i = 0; i < 10; ++i) {
    StoredRecord& record = production.request(kEnd - kDay + i * kHour);
    record.latency_ms = 100 * (i + 1);
    if (i == 0) record.error = "timeout", record.output.reset();
    if (i == 9) record.output.reset();                       // tells no outcome
  }
  production.request(kEnd - 4 * kDay + 5);
  production.request(kEnd);                                  // past the end
  production.request(kEnd - 11 * kDay);                      // before the days
  production.store();
  const MonitorReport report = must(monitor_report(production.session, production.options()));
  REQUIRE(report.days.size() == 10);
  CHECK(report.days.front().start_ms == kEnd - 10 * kDay);
  const ReportDay& last = report.days.back();
  CHECK((last.start_ms == kEnd - kDay && last.requests == 10 && last.outcomes == 9 && last.errors == 1));
  CHECK(*last.error_rate == Approx(1.0 / 9));
  // Wilson 1927 with z = 1.959964, by hand: (1/9 + z^2/18 +- z sqrt(8/729 + z^2/324)) / (1 + z^2/9).
  CHECK(last.error_interval->low == Approx(0.0199).margin(5e-4));
  CHECK(last.error_interval->high == Approx(0.4350).margin(5e-4));
  CHECK(*last.latency_p50_ms == Approx(550));                // of 100 .. 1000, linear between ranks
  CHECK(*last.latency_p95_ms == Approx(955));
  CHECK((report.days[6].requests == 1 && report.days[6].error_rate == 0.0 && !report.days[6].latency_p50_ms));
  CHECK((report.days[7].requests == 0 && !report.days[7].error_rate && !report.days[7].error_interval && !report.days[7].latency_p95_ms));
  CHECK((report.drift.whole.verdict == DriftVerdict::kNotEnoughData && report.health.verdict == HealthVerdict::kNotEnoughData && report.has_page()));
}

TEST_CASE("the last day ends with the window") {
  Production production;
  production.request(kEnd - 13 * kHour);
  production.request(kEnd - 11 * kHour);
  production.store();
  MonitorReportOptions options = production.options();
  options.until = "2026-11-21T12:00:00Z";
  const MonitorReport report = must(monitor_report(production.session, options));
  CHECK((report.days.back().start_ms == kEnd - kDay && report.days.back().requests == 1));
}

TEST_CASE("a store without requests in these days makes no page and says where they are") {
  Production production;
  const auto none = monitor_report(production.session, production.options());
  REQUIRE(!none);
  CHECK(none.error().code == ErrorCode::kNotFound);
  must(production.session.store(true));
  MonitorReport report = must(monitor_report(production.session, production.options()));
  CHECK((!report.has_page() && report.reason == "no request lies in the 10 days before 2026-11-22" && report.hint == "bring requests in: llmops monitor ingest FILE"));
  production.request(kEnd + kDay + 5);
  production.store();
  report = must(monitor_report(production.session, production.options()));
  CHECK((!report.has_page() && report.hint == "the newest request is of 2026-11-23 00:00: take --until 2026-11-23T01:00:00Z"));
  MonitorReportOptions options = production.options();
  options.days = 0;
  const auto refused = monitor_report(production.session, options);
  CHECK((refused.error().message == "a timeline of 0 days cannot be drawn" && refused.error().hint == "give --days 1 to 400"));
}

TEST_CASE("looks of the days are told by monitor, whatever they leave out, and those that cannot be read are counted") {
  Production production;
  production.request(kEnd - kHour);
  production.store();
  must(must(production.session.store(false))->add_looks({{"errors", kEnd - kDay, kEnd, R"({"alarm": true, "p": 0.0004, "e": 180.5, "statistic": 4.2})"},
      {"errors", kEnd - 2 * kDay, kEnd, R"({"p": null, "alarm": "yes"})"}, {"embedding", kEnd - 3 * kDay, kEnd, "{}"}, {"lengths", kEnd - kDay, kEnd, "no JSON"}, {"errors", kEnd - 40 * kDay, kEnd, R"({"alarm": true})"}, {"errors", kEnd, kEnd, R"({"alarm": true})"}}));
  const MonitorReport report = must(monitor_report(production.session, production.options()));
  REQUIRE(report.looks.size() == 3);
  CHECK((report.looks[0].monitor == "embedding" && !report.looks[0].is_alarm && !report.looks[0].p_value));
  CHECK((report.looks[1].monitor == "errors" && !report.looks[1].is_alarm && !report.looks[1].p_value && !report.looks[1].statistic));
  CHECK((report.looks[2].is_alarm && report.looks[2].p_value == 0.0004 && report.looks[2].e_value == 180.5 && report.looks[2].statistic == 4.2));
  CHECK((report.alarms() == 1 && report.unreadable_looks == 1));
}

TEST_CASE("looks of watching go by the monitor's name, those of other components and what was accepted are none of them") {
  Production production;
  production.request(kEnd - kHour);
  production.store();
  const auto at = [&](const std::string& key) { return StoredLook{key, kEnd - kDay, kEnd, "{}"}; };
  must(must(production.session.store(false))->add_looks({at("accepted 24h -"), at("cost 24h pool -"), at("cost 24h pool answer"), at("latency 1h reference-weekday -"), at("latency 1h pool -"), at("ttft 24h pool answer step")}));
  const MonitorReport report = must(monitor_report(production.session, production.options()));
  std::vector<std::string> names;
  for (const ReportLook& look : report.looks) names.push_back(look.monitor);
  CHECK(names == std::vector<std::string>{"cost", "latency (1h)", "latency (1h, reference-weekday)"});
}

TEST_CASE("bins are of a round width over both samples, and a long tail lies in the last") {
  std::vector<double> before, now;
  for (int i = 0; i < 100; ++i) before.push_back(i % 10), now.push_back(5 + i % 10);
  ReportDistribution made = distribution_of("length", "words", before, now);
  CHECK((made.n_before == 100 && made.n == 100 && *made.median_before == 4.5 && *made.median == 9.5 && !made.is_open));
  REQUIRE((made.from.size() == 16 && made.before.size() == 15 && made.now.size() == 15));
  for (size_t i = 0; i < 15; ++i) {
    INFO(i);
    CHECK((made.from[i] == static_cast<double>(i) && made.before[i] == (i < 10 ? 10 : 0) && made.now[i] == (i >= 5 ? 10 : 0)));
  }
  now.push_back(100'000);
  made = distribution_of("length", "words", before, now);
  CHECK((made.is_open && made.from.size() == 16 && made.now.back() == 11));
  made = distribution_of("latency", "ms", {640, 640}, {640});
  CHECK((made.before == std::vector<int64_t>{2} && made.now == std::vector<int64_t>{1} && made.from.front() <= 640 && made.from.back() > 640));
  made = distribution_of("latency", "ms", {0}, {});
  CHECK((made.before == std::vector<int64_t>{1} && made.now == std::vector<int64_t>{0} && !made.median));
  CHECK(distribution_of("latency", "ms", {}, {}).from.empty());
}

TEST_CASE("every value lies in one bin, whatever the sample") {
  for (const double scale : {0.003, 1.0, 17.0, 1e6}) {
    std::vector<double> values;
    for (int i = 0; i < 500; ++i) values.push_back(scale * ((i * 37) % 101) * ((i * 53) % 29));
    const ReportDistribution made = distribution_of("latency", "ms", values, {scale});
    INFO(scale);
    CHECK(std::accumulate(made.before.begin(), made.before.end(), int64_t{0}) == 500);
    CHECK((made.before.size() >= 2 && made.before.size() <= 24 && made.from.size() == made.before.size() + 1));
    for (size_t i = 0; i + 1 < made.before.size(); ++i) {    // counted one by one
      const auto inside = std::count_if(values.begin(), values.end(), [&](double value) { return value >= made.from[i] && value < made.from[i + 1]; });
      CHECK(made.before[i] == inside);
    }
  }
}

TEST_CASE("a new file is written, an earlier report replaced, another file left as it is but for --force, and no write leaves half a page") {
  Production production;
  MonitorReportOptions options = production.options();
  const std::string page = "<meta name=\"generator\" content=\"llmops monitor report\">first";
  must(write_report(production.session, options, page));
  CHECK(must(read_file(production.project.root() / "report.html")) == page);
  must(write_report(production.session, options, page + " second"));
  CHECK(must(read_file(production.project.root() / "report.html")) == page + " second");
  {
    const Failpoints active("report.write:enospc");
    CHECK(!write_report(production.session, options, page));
  }
  CHECK(must(read_file(production.project.root() / "report.html")) == page + " second");
  production.project.write("notes.txt", "notes that name llmops monitor report");
  options.output = "notes.txt";
  const auto refused = write_report(production.session, options, page);
  CHECK((refused.error().code == ErrorCode::kUsage && refused.error().message == "'notes.txt' exists already and is no report" && refused.error().hint == "give another name, or --force to replace it"));
  CHECK(monitor_report(production.session, options).error().message == "'notes.txt' exists already and is no report");     // before anything is computed
  options.replace = true;
  must(write_report(production.session, options, page));
  options.output = ".";
  CHECK(write_report(production.session, options, page).error().message == "'.' is a folder");
  options.output = "none/report.html";
  CHECK(!write_report(production.session, options, page));
}

}  // namespace llmops
