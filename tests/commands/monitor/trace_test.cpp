// `monitor trace`: how a request is found, how its spans stand, which took longest, and what came later.
#include "commands/monitor/trace.h"

#include <cmath>
#include <random>

#include "commands/monitor/ingest.h"
#include "tests/commands/monitor/requests_fixture.h"

namespace llmops {
namespace {

using test::must;

// A line of spans with times in milliseconds of one second.
std::string span_line(const std::string& trace, const std::string& id, const std::string& parent, const std::string& name, int start_ms, int end_ms, const std::string& more = "") {
  const auto moment = [](int ms) { return "\"2026-11-21T08:00:00." + std::string(ms < 10 ? "00" : ms < 100 ? "0" : "") + std::to_string(ms) + "Z\""; };
  return "{\"trace\": \"" + trace + "\", \"id\": \"" + id + "\", " + (parent.empty() ? "" : "\"parent\": \"" + parent + "\", ") + "\"name\": \"" + name + "\", \"start\": " + moment(start_ms) + ", \"end\": " + moment(end_ms) + (more.empty() ? "" : ", " + more) + "}\n";
}

Session with(test::ProjectFolder& project, const std::string& lines) {
  project.write("spans.jsonl", lines);
  Session session = project.session();
  MonitorIngestOptions options;
  options.sources = {"spans.jsonl"};
  must(monitor_ingest(session, options));
  return session;
}

MonitorTraceReport shown(Session& session, const std::string& id, const std::string& span = "") { return must(monitor_trace(session, {id, span})); }

std::string tree(const MonitorTraceReport& report) {
  std::string text;
  for (const TraceNode& node : report.spans) {
    text += (text.empty() ? "" : " ") + std::string(static_cast<size_t>(node.depth), '-') + node.span.span_id;
    if (node.self_ms) text += "=" + std::to_string(std::lround(*node.self_ms));
    text += std::string(node.is_slowest ? "!" : "") + (node.is_parent_missing ? "?" : "") + (node.is_last ? "." : "");
  }
  return text;
}

// Milliseconds that nothing covers, counted one by one.
double counted_alone(int start, int end, const std::vector<std::pair<int, int>>& below) {
  int alone = 0;
  for (int at = start; at < end; ++at) {
    bool covered = false;
    for (const auto& [from, to] : below) covered = covered || (from <= at && at < to);
    alone += !covered;
  }
  return alone;
}

}  // namespace

TEST_CASE("self time is what no span right below covers, counted one by one") {
  std::mt19937 random(11);
  for (int round = 0; round < 2000; ++round) {
    const int start = static_cast<int>(random() % 20), end = start + 1 + static_cast<int>(random() % 20);
    std::vector<std::pair<int, int>> below;
    std::vector<SpanInterval> intervals;
    for (size_t i = 0; i < random() % 6; ++i) {
      const int from = static_cast<int>(random() % 45), to = from + static_cast<int>(random() % 15);
      below.emplace_back(from, to);
      intervals.push_back({static_cast<double>(from), static_cast<double>(to)});
    }
    CHECK(self_time_ms({static_cast<double>(start), static_cast<double>(end)}, intervals) == counted_alone(start, end, below));
  }
}

TEST_CASE("spans stand below their parents in order of start, with the time that is their own") {
  test::ProjectFolder project;
  // The root's own time by hand: 100 - |[10, 60)| = 50; the model's: 30 - |[35, 55)| = 10.
  auto session = with(project, span_line("t-0001", "m", "r", "answer", 30, 60, "\"model\": \"m1\", \"input_tokens\": 7, \"cost\": 0.5") + span_line("t-0001", "r", "", "bot", 0, 100, "\"session\": \"s1\", \"input_tokens\": 99") +
                                   span_line("t-0001", "f", "r", "find", 10, 40, "\"kind\": \"tool\", \"route\": \"cards\"") + span_line("t-0001", "n", "m", "inner", 35, 55, "\"model\": \"m2\", \"input_tokens\": 3") + span_line("t-0001", "o", "gone", "orphan", 5, 8) + span_line("t-0001", "z", "z", "own parent", 90, 95));
  const auto report = shown(session, "t-0001");
  CHECK(tree(report) == "r=50! -f=30 -m=10. --n=20. o=3? z=5?.");
  CHECK((report.spans[4].span.parent_id == "gone" && report.spans[2].component == "answer" && *report.latency_ms == 100 && *report.start_ms == 1'795'248'000'000));
  // Of models alone: what an agent tells is their sum already.
  CHECK((report.input_tokens == 10 && !report.output_tokens && report.cost_usd == 0.5 && report.session == "s1" && report.route == "cards" && report.user.empty()));
}

TEST_CASE("a parent that starts after its child stands above it, and spans without a time have no time of their own") {
  test::ProjectFolder project;
  auto session = with(project, span_line("clock", "c", "p", "child", 10, 20) + span_line("clock", "p", "", "parent", 15, 30) + "{\"trace\": \"clock\", \"id\": \"u\", \"parent\": \"p\", \"name\": \"no time\"}\n" + span_line("clock", "e", "p", "no end", 18, 18));
  CHECK(tree(shown(session, "clock")) == "p=10!. -u -c=10 -e.");
  project.write("half.jsonl", "{\"trace\": \"half\", \"id\": \"u\", \"name\": \"no time\"}\n");
  MonitorIngestOptions options;
  options.sources = {"half.jsonl"};
  must(monitor_ingest(session, options));
  const auto half = shown(session, "half");
  CHECK(tree(half) == "u.");
  CHECK((!half.start_ms && !half.latency_ms && !half.spans[0].latency_ms));
}

TEST_CASE("a chain of ten thousand spans is a tree of that depth") {
  test::ProjectFolder project;
  std::string lines;
  for (int i = 0; i < 10'000; ++i) lines += span_line("deep", std::to_string(i), i == 0 ? "" : std::to_string(i - 1), "step", 1, 999);
  auto session = with(project, lines);
  const auto report = shown(session, "deep");
  CHECK((report.spans.size() == 10'000 && report.spans.back().depth == 9'999 && report.spans.back().is_slowest && *report.spans[5'000].self_ms == 0));
}

TEST_CASE("a request is found by its identifier, how it begins, or one of its spans") {
  test::ProjectFolder project;
  std::string lines = span_line("ab", "root", "", "bot", 0, 1) + span_line("abcde", "x1", "", "bot", 0, 1) + span_line("abcdf", "x2", "", "bot", 0, 1) + span_line("span of two", "x2", "", "bot", 0, 1);
  for (int i = 0; i < 7; ++i) lines += span_line("many-" + std::to_string(i), "k" + std::to_string(i), "", "bot", 0, 1);
  auto session = with(project, lines);
  const auto refused = [&](const std::string& id) {
    const auto report = monitor_trace(session, {id, ""});
    REQUIRE_FALSE(report);
    std::string text = report.error().message;
    for (const std::string& detail : report.error().details) text += " | " + detail;
    return text + " -> " + report.error().hint;
  };
  CHECK(shown(session, "ab").id == "ab");
  CHECK(shown(session, "span").id == "span of two");
  CHECK((shown(session, "x1").id == "abcde" && shown(session, "x1").found_by_span && !shown(session, "abcde").found_by_span));
  CHECK(refused("abcd") == "several traces begin with 'abcd' | abcde | abcdf -> give more of the identifier");
  CHECK(refused("many") == "several traces begin with 'many' | many-0 | many-1 | many-2 | many-3 | many-4 | and more -> give more of the identifier");
  CHECK(refused("x2") == "several traces have a span 'x2' | abcdf | span of two -> give the identifier of the trace");
  CHECK(refused("abc") == "'abc' is too short to find a trace by -> give its first 4 characters, or more");
  CHECK(refused("nothing") == "no trace 'nothing' is stored -> list the newest: llmops monitor trace --list");
  CHECK(refused("") == "'' is too short to find a trace by -> give its first 4 characters, or more");
  const auto span = monitor_trace(session, {"abcde", "x3"});
  CHECK((span.error().message == "trace 'abcde' has no span 'x3'" && span.error().hint == "did you mean 'x1'?"));
  CHECK(tree(shown(session, "abcde", "x1")) == "x1=1.");
}

TEST_CASE("what was judged later stands at its span, or at the whole trace") {
  test::ProjectFolder project;
  auto session = with(project, span_line("t", "a", "", "bot", 0, 2) + span_line("t", "b", "a", "answer", 1, 2));
  Store* store = must(session.store(false));
  must(store->put_scores({{"t", "b", "stars", "4"}, {"t", "", "thumb", "1"}, {"t", "gone", "note", "\"late\""}, {"other", "b", "stars", "1"}}));
  const auto report = shown(session, "t");
  CHECK((report.spans[0].scores.empty() && report.spans[1].scores.size() == 1 && report.spans[1].scores[0].value == "4"));
  CHECK((report.scores.size() == 2 && report.scores[0].name == "thumb" && report.scores[1].span == "gone"));
}

TEST_CASE("spans that cannot be read are counted, and a trace of such alone is refused") {
  test::ProjectFolder project;
  Session session = project.session();
  Store* store = must(session.store(true));
  const auto none = [](const auto&) -> Result<std::vector<StoredRecord>> { return std::vector<StoredRecord>(); };
  must(store->add_traces({{"mixed", "", 1, {{"mixed", "1", "", 1, "{\"trace\":\"mixed\",\"id\":\"1\",\"name\":\"n\"}"}, {"mixed", "2", "", 1, "{\"trace\":\"mi"}, {"mixed", "3", "", 1, "{}"}}, {}}, {"broken", "", 1, {{"broken", "1", "", 1, "{}"}}, {}}}, none));
  const auto report = shown(session, "mixed");
  CHECK((report.unreadable == 2 && report.spans.size() == 1));
  const auto broken = monitor_trace(session, {"broken", ""});
  CHECK((broken.error().code == ErrorCode::kCorrupt && broken.error().message == "none of the 1 spans of trace 'broken' can be read"));
}

TEST_CASE("the list shows the newest requests first, those with errors, and no more than asked for") {
  test::RequestsFolder requests;
  for (int i = 0; i < 30; ++i) {
    StoredRecord& one = requests.answered("question " + std::to_string(i), "answer", test::kRequestsNow - i * test::kRequestsHour);
    if (i % 10 == 3) one.error = "timeout";
  }
  requests.ask("without a time", 0).start_ms.reset();
  auto session = requests.session();
  const auto listed = [&](const MonitorTraceListOptions& options) {
    const auto report = must(monitor_trace_list(session, options));
    std::string text = std::to_string(report.found) + ":";
    for (const ListedRequest& one : report.requests) text += " " + one.id;
    return text;
  };
  CHECK(listed({"", false, 3}) == "31: t0 t1 t2");
  CHECK(listed({"", true, 20}) == "3: t3 t13 t23");
  CHECK(listed({"5h", false, 20}) == "5: t0 t1 t2 t3 t4");
  CHECK(listed({"5h", true, 20}) == "1: t3");
  const auto all = must(monitor_trace_list(session, {"", false, 100}));
  CHECK((all.requests.size() == 31 && !all.requests.back().start_ms && all.requests.back().input == "without a time"));
  CHECK_FALSE(monitor_trace_list(session, {"yesterday", false, 20}));
}

TEST_CASE("without a store there is no trace") {
  test::ProjectFolder project;
  Session session = project.session();
  CHECK(monitor_trace(session, {"t", ""}).error().code == ErrorCode::kNotFound);
  CHECK(monitor_trace_list(session, {}).error().code == ErrorCode::kNotFound);
}

}  // namespace llmops
