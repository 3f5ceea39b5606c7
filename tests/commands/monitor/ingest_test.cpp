// `monitor ingest`: formats by detection, batches joined, records beside spans, what is dropped, repaired, known.
#include "commands/monitor/ingest.h"

#include <thread>

#include "tests/commands/project_fixture.h"

namespace llmops {
namespace {

using test::must;

MonitorIngestOptions from(std::vector<std::string> sources, std::vector<std::string> map = {}) {
  MonitorIngestOptions options;
  options.sources = std::move(sources);
  options.map = std::move(map);
  return options;
}

std::string requests(Session& session, const std::string& component = "") {
  std::string text;
  Store* store = must(session.store(false));
  must(store->visit_records({{}, {}, component, {}}, [&](const StoredRecord& one) {
    text += (text.empty() ? "" : " | ") + one.input.value_or("-") + " -> " + one.output.value_or("-") + (one.error ? " !" + *one.error : "");
    return true;
  }));
  return text;
}

}  // namespace

TEST_CASE("lines of several formats in one file are told apart, and come in as requests and components") {
  test::ProjectFolder project;
  project.write("mixed.jsonl", R"({"ts": "2026-11-20T08:00:00Z", "id": "r1", "input": "hello", "output": "hi"}
{"trace": "t", "id": "s", "name": "find", "kind": "tool", "step": "find", "start": "2026-11-20T08:00:01Z", "end": "2026-11-20T08:00:02Z", "input": {"id": 4}, "output": "gone"}
{"id": "o1", "trace_id": "l1", "type": "GENERATION", "start_time": "2026-11-20 08:00:03.000000", "end_time": "2026-11-20 08:00:04.000000", "name": "answer", "input": "where?", "output": "there"}
{"half
{"ts": "2026-11-20T08:00:05Z", "input": "cut )" "\xC3" R"("}
)");
  auto session = project.session();
  const auto report = must(monitor_ingest(session, from({"mixed.jsonl"})));
  const IngestedSource& source = report.sources[0];
  CHECK((source.lines == 5 && source.spans == 4 && source.added == 4 && source.new_traces == 4 && source.repaired == 1));
  CHECK(source.formats == std::map<std::string, int64_t>{{"Langfuse", 1}, {"records", 2}, {"spans", 1}});
  CHECK(source.dropped.at("malformed JSON").first_line == 4);
  CHECK(requests(session) == "hello -> hi | {\"id\":4} -> gone | where? -> there | cut \xEF\xBF\xBD -> -");
  CHECK(requests(session, "find") == "{\"id\":4} -> gone");
  CHECK(must(monitor_ingest(session, from({"mixed.jsonl"}))).sources[0].known == 4);
  CHECK(report.traces == 4);
}

TEST_CASE("a batch's requests and answers meet, and what is alone is told") {
  test::ProjectFolder project;
  project.write("in.jsonl", R"({"custom_id": "1", "method": "POST", "url": "/v1/chat/completions", "body": {"model": "m", "messages": [{"role": "user", "content": "q1"}]}}
{"custom_id": "2", "method": "POST", "url": "/v1/chat/completions", "body": {"model": "m", "messages": [{"role": "user", "content": "q2"}]}}
)");
  project.write("out.jsonl", R"({"id": "b3", "custom_id": "3", "response": {"status_code": 400, "body": {"error": {"message": "no", "type": "invalid_request_error"}}}, "error": null}
{"id": "b1", "custom_id": "1", "response": {"status_code": 200, "body": {"id": "c", "created": 1763625600, "choices": [{"index": 0, "message": {"role": "assistant", "content": "a1"}, "finish_reason": "stop"}]}}, "error": null}
)");
  auto session = project.session();
  const auto report = must(monitor_ingest(session, from({"out.jsonl", "in.jsonl"})));
  CHECK((report.unanswered == 1 && report.unasked == 1));
  CHECK(requests(session) == "- -> - !invalid_request_error | q1 -> a1");
  // The one without a time is in no window.
  CHECK(report.sources[1].without_time == 1);
}

TEST_CASE("spans of a trace that come later make its record anew") {
  test::ProjectFolder project;
  project.write("a.jsonl", R"({"trace": "t", "id": "m", "parent": "r", "name": "answer", "model": "m", "start": 100.2, "end": 101, "input": "q", "output": "a"})" "\n");
  project.write("b.jsonl", R"({"trace": "t", "id": "r", "name": "bot", "start": 100, "end": 102, "input": "the question", "output": "the answer"})" "\n");
  auto session = project.session();
  must(monitor_ingest(session, from({"a.jsonl"})));
  CHECK(requests(session) == "q -> a");
  must(monitor_ingest(session, from({"b.jsonl"})));
  CHECK(requests(session) == "the question -> the answer");
  CHECK(requests(session, "answer") == "q -> a");
}

TEST_CASE("a map reads any log, a table is records, and capture keeps from the records what it keeps from spans") {
  test::ProjectFolder project;
  project.variables["LLMOPS_CAPTURE"] = "redacted";
  project.write("app.jsonl", R"({"at": "2026-11-20T08:00:00Z", "req": {"text": "mail me at ada@example.com"}, "res": "done"})" "\n");
  project.write("table.csv", "ts,input\n2026-11-20T09:00:00Z,from a table\n");
  auto session = project.session();
  must(monitor_ingest(session, from({"app.jsonl"}, {"ts=/at", "input=/req/text", "output=/res"})));
  must(monitor_ingest(session, from({"table.csv"})));
  CHECK(requests(session) == "mail me at [email] -> done | from a table -> -");
}

TEST_CASE("what is no production is refused, with the command that reads it") {
  test::ProjectFolder project;
  project.write("log.json", R"({"version": 2, "status": "success", "eval": {"task": "t"}, "plan": {}, "samples": []})");
  project.write("other.jsonl", "{\"a\": 1}\n");
  auto session = project.session();
  const auto evaluation = monitor_ingest(session, from({"log.json"}));
  REQUIRE_FALSE(evaluation);
  CHECK(evaluation.error().message == "'log.json' is the log of an evaluation by inspect, no production");
  CHECK(evaluation.error().hint == "import it as an evaluation: llmops eval import inspect log.json");
  CHECK(monitor_ingest(session, from({"other.jsonl"})).error().message == "'other.jsonl' holds no span and no request");
  CHECK(monitor_ingest(session, from({"other.jsonl"}, {"imput=/a"})).error().hint == "did you mean 'input'?");
  MonitorIngestOptions two = from({"log.json", "other.jsonl"});
  two.follow = true;
  CHECK(monitor_ingest(session, two).error().message == "--follow reads one source");
}

TEST_CASE("a log that grows is followed until the end is asked for, over its rotation") {
  test::ProjectFolder project;
  project.write("app.jsonl", "{\"ts\": 1763625600, \"id\": \"1\", \"input\": \"first\"}\n{\"ts\": 17636");
  auto session = project.session();
  const fs::path path = project.root() / "app.jsonl";
  MonitorIngestOptions options = from({"app.jsonl"});
  options.follow = true;
  std::thread writer([&] {
    const auto wait_for = [&](const std::string& wanted) {
      for (int i = 0; i < 500; ++i) {
        auto other = Session::open(session.surroundings());
        if (other) if (auto store = other->store(false)) {
          std::string seen;
          static_cast<void>((*store)->visit_records({}, [&](const StoredRecord& one) { seen += one.input.value_or(""); return true; }).has_value());
          if (seen.find(wanted) != std::string::npos) return;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
      }
    };
    wait_for("first");
    { std::ofstream(path, std::ios::app) << "25601, \"id\": \"2\", \"input\": \"second\"}\n"; }
    wait_for("second");
    fs::rename(path, path.string() + ".1");
    { std::ofstream(path) << "{\"ts\": 1763625602, \"id\": \"3\", \"input\": \"third\"}\n"; }
    wait_for("third");
    project.cancel.cancel();
  });
  const auto report = monitor_ingest(session, options);
  writer.join();
  REQUIRE(report);
  CHECK(report->sources[0].spans == 3);
  CHECK(requests(session) == "first -> - | second -> - | third -> -");
}

}  // namespace llmops
