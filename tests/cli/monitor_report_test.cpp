// The page of `monitor report`: what it holds and in which order, what it never holds, and the same bytes every time.
#include "cli/render/monitor_report_html.h"

#include <catch2/catch.hpp>

namespace llmops {
namespace {

constexpr int64_t kDay = 24 * 3'600'000LL, kEnd = 1'795'305'600'000;       // 2026-11-22T00:00:00Z

size_t count_of(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size())) ++count;
  return count;
}

// A page with something in every place; `text` stands wherever a user's text may.
MonitorReport report_with(const std::string& text) {
  MonitorReport report;
  report.path = "report.html";
  report.window = {kEnd - kDay, kEnd};
  report.against = {kEnd - 3 * kDay, kEnd - kDay};
  report.component = text;
  report.service = text;
  report.seed = 7;
  for (int64_t i = 2; i >= 0; --i) report.days.push_back({kEnd - (i + 1) * kDay, 100 + i, 100, 2 * i, 0.02 * static_cast<double>(i), 120.0, 480.0, Interval{0.0, 0.09}});
  report.days[1] = {kEnd - 2 * kDay, 0, 0, 0, {}, {}, {}, {}};
  report.looks = {{text, kEnd - kDay, true, 0.0004, 180.5, 4.2}, {text, kEnd - 2 * kDay, false, {}, {}, {}}};
  report.distributions.push_back({"latency", "ms", 4, 2, 100.0, 250.0, {0, 200, 400}, {3, 1}, {1, 1}, true});
  report.distributions.push_back({"input tokens", "tokens", 0, 0, {}, {}, {}, {}, {}, false});
  Comparison& made = report.drift.whole;
  made.reference_found = made.reference_used = 200;
  made.current_found = 110;
  made.current_used = 100;
  made.current_without_text = 10;
  made.options.pool.strata = {"route"};
  made.unmatched = {{text, 3, 0}};
  made.representation = text;
  made.tests = {{"novelty", "kNN", true, 0.08, 0.0005, 0.0005, "8.1 % beyond the 95 % edge", 0.03, ""}, {"length", "KS", false, 0.02, 0.3, 0.31, "median 23 -> 23 words", {}, ""}, {"vocabulary", "max-T", false, {}, {}, {}, "", {}, text}};
  made.joint_p = 0.0005;
  made.verdict = DriftVerdict::kDrift;
  made.appeared = {{"t1", text, 0.2, 3}};
  made.vanished = {{"t2", text, 0.1, 1}};
  made.terms = {{text, 0.1, 4, 9}};
  made.topics = {{{text}, text, 10, 40, 0.05, 0.4, 7.5, 0.0005, 0.3}, {{}, text, 20, 2, 0.1, 0.02, -3, 0.2, 0}};
  made.new_requests = 5;
  made.intents = {{text, {"t1"}, {text}, 5}};
  made.beyond_edge_by_day[kEnd - kDay] = {8, 100};
  made.map = {{0, 0, text, 0, false, false}, {1, 2, text, std::nullopt, true, false}, {2, 1, text, 1, true, true}};
  MonitorHealthReport& health = report.health;
  health.requests = 110;
  health.requests_before = 200;
  health.alpha = 0.01;
  health.by = text;
  health.verdict = HealthVerdict::kDegraded;
  HealthSignal errors;
  errors.name = "errors", errors.unit = "share", errors.p_value = 0.0001, errors.p_adjusted = 0.0002, errors.difference = 0.06, errors.change = HealthChange::kWorse;
  errors.current = {0.08, Interval{0.04, 0.14}, 110, {}};
  errors.before = {0.02, Interval{0.01, 0.04}, 200, {}};
  HealthSignal types;
  types.name = text, types.unit = "distribution", types.difference = 0.5, types.change = HealthChange::kChanged, types.before.n = 200, types.current.n = 110;
  types.categories = {{text, 0, 9, kEnd - 3'600'000}, {text, 4, 1, {}}};
  health.found.signals = {errors, types};
  health.found.not_recorded = {text};
  health.found.left_out = {{text, 2}};
  HealthRow row;
  row.name = row.label = text;
  row.calls = 9;
  row.part.errors = errors;
  health.rows = {row};
  return report;
}

}  // namespace

TEST_CASE("the page says its verdicts first, then days, drift, distributions, health and how it was measured") {
  const MonitorReport report = report_with("chargeback");
  const ReportVerdicts said = report_verdicts(report);
  CHECK(said.drift == "drift: 100 requests against 200 differ (p <0.001 at alpha 0.01): novelty (8.1 % beyond the 95 % edge, p <0.001)");
  CHECK(said.health == "degraded at alpha 0.01, 110 requests against 200: errors 2.00 % to 8.00 % (p <0.001); errors 2.00 % to 8.00 % (p <0.001)");
  CHECK(said.alarms == "1 alarm in the last 3 days, 2 looks; the newest: chargeback on 2026-11-21 (p <0.001)");
  const std::string page = monitor_report_to_html(report);
  size_t last = 0;
  for (const char* id : {"verdicts", "timeline", "drift", "distributions", "health", "measured"}) {
    INFO(id);
    const size_t at = page.find(std::string("id=\"") + id + "\"");
    REQUIRE(at != std::string::npos);
    CHECK(at > last);
    last = at;
  }
  CHECK(page.find(">Production, 2026-11-21</h1>") != std::string::npos);
  CHECK(page.find("2026-11-21T00:00:00Z to 2026-11-22T00:00:00Z: 100 of 110 requests tested") != std::string::npos);
  CHECK(page.find("<dt>made by</dt><dd>llmops " LLMOPS_VERSION "</dd>") != std::string::npos);
  CHECK(page.find("<li>10 without a known text: not in the tests of what was asked</li>") != std::string::npos);
  CHECK(page.find("2026-11-20: 0.00 %") == std::string::npos);             // a day without requests has no rate
  CHECK(page.size() < 1'000'000);
}

TEST_CASE("a page reaches for nothing: no script, no address, and a policy that forbids requests") {
  const std::string page = monitor_report_to_html(report_with("see https://example.com/x.js"));
  CHECK(page.find("<script") == std::string::npos);
  CHECK(page.find("@import") == std::string::npos);
  CHECK(page.find("url(") == std::string::npos);
  CHECK(page.find("src=\"") == std::string::npos);
  CHECK(count_of(page, "href=") == 1);                       // an icon that is empty, so that no browser asks for one
  CHECK(page.find("content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\"") != std::string::npos);
  CHECK(page.find("<meta name=\"generator\" content=\"llmops monitor report\">") < 1000);
}

TEST_CASE("texts of users stay text, without control characters, wherever they stand") {
  const std::string page = monitor_report_to_html(report_with("</title></style><script>alert(1)</script>\x1b[31m\xE2\x80\xAE\" onload='x'"));
  CHECK(page.find("<script") == std::string::npos);
  CHECK(page.find("\" onload") == std::string::npos);
  CHECK((count_of(page, "</style>") == 1 && page.find("</title></style>") == std::string::npos));
  CHECK((page.find('\x1b') == std::string::npos && page.find("\xE2\x80\xAE") == std::string::npos));
  CHECK(page.find("&lt;script&gt;alert(1)&lt;/script&gt;") != std::string::npos);
  CHECK(count_of(page, "<svg ") == count_of(page, "</svg>"));
  CHECK(count_of(page, "<td") == count_of(page, "</td>"));
}

TEST_CASE("a long text is cut, and more of it shown as a title of at most 500 characters") {
  const std::string page = monitor_report_to_html(report_with(std::string(100'000, 'w')));
  CHECK(page.find("<span title=\"" + std::string(499, 'w') + "…\">" + std::string(119, 'w') + "…</span>") != std::string::npos);
  CHECK(page.find(std::string(501, 'w')) == std::string::npos);
  CHECK(page.size() < 200'000);
}

TEST_CASE("the same report is the same bytes") { CHECK(monitor_report_to_html(report_with("a")) == monitor_report_to_html(report_with("a"))); }

TEST_CASE("what there is too little of is said, and a page with hardly anything is whole") {
  MonitorReport report;
  report.window = {kEnd - kDay, kEnd};
  report.against = {kEnd - 3 * kDay, kEnd - kDay};
  report.days = {{kEnd - kDay, 1, 0, 0, {}, {}, {}, {}}};
  report.drift.whole.reason = "0 and 1 requests with a known text: at least 20 are needed on each side";
  report.drift.hint = "take a longer window";
  report.health.reason = "the period before holds no requests";
  report.health.requests = 1;
  const ReportVerdicts said = report_verdicts(report);
  CHECK(said.drift == "not enough data: 0 and 1 requests with a known text: at least 20 are needed on each side");
  CHECK(said.health == "not enough data: the period before holds no requests");
  CHECK(said.alarms == "not watched: no monitor has looked in the last day");
  const std::string page = monitor_report_to_html(report);
  CHECK(page.find("To do: take a longer window.") != std::string::npos);
  CHECK(page.find("Neither period tells lengths, tokens or latencies.") != std::string::npos);
  CHECK(count_of(page, ">no values</text>") == 2);           // errors and latency
  CHECK((page.find("nan") == std::string::npos && page.find("inf ") == std::string::npos));
}

TEST_CASE("the summary has the verdicts, and of no page the reason") {
  const Json made = monitor_report_to_json(report_with("a"), true, 1234);
  CHECK((made["drift"]["verdict"] == "drift" && made["drift"]["joint_p"] == 0.0005 && made["health"]["worse"].size() == 2 && made["size_bytes"] == 1234));
  REQUIRE(made["alarms"].size() == 1);
  CHECK((made["alarms"][0]["period"] == "2026-11-21T00:00:00Z" && made["looks"] == 2));
  MonitorReport none;
  none.reason = "no request lies in the 30 days before 2026-11-22";
  const Json empty = monitor_report_to_json(none, false, 0);
  CHECK((empty["drift"].is_null() && empty["health"].is_null() && empty["written"] == false && empty["reason"] == none.reason));
}

}  // namespace llmops
