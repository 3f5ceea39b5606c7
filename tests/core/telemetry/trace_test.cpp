#include "core/telemetry/trace.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>

#include "core/telemetry/trace_file.h"
#include "tests/support/test_data.h"

namespace llmops {
namespace {

TraceSpan span(const std::string& id, const std::string& parent, double start, double end = 0) {
  TraceSpan made;
  made.trace_id = "t";
  made.span_id = made.name = id;
  made.parent_id = parent;
  made.start_ms = start;
  made.end_ms = end > 0 ? end : start + 1;
  return made;
}

std::string order_of(const Trace& trace) {
  std::string text;
  for (const TraceSpan& one : trace.spans) text += (text.empty() ? "" : " ") + one.span_id + (one.parent_id.empty() ? "" : "<" + one.parent_id);
  return text;
}

std::string component(const std::string& name, const std::string& own = "", const std::string& model = "", const ComponentPatterns& patterns = {}) {
  TraceSpan made;
  made.name = name;
  made.component = own;
  made.model_asked = model;
  return component_of(made, patterns);
}

}  // namespace

TEST_CASE("spans stand by their start, parents before their children") {
  CHECK(order_of(make_trace("t", {span("c", "b", 3), span("b", "a", 2), span("a", "", 1)})) == "a b<a c<b");
  // A child whose clock is ahead.
  CHECK(order_of(make_trace("t", {span("a", "", 5), span("b", "a", 1)})) == "a b<a");
  CHECK(order_of(make_trace("t", {span("a", "gone", 1), span("b", "b", 2)})) == "a b");
  CHECK(order_of(make_trace("t", {span("a", "", 1), span("a", "", 1), span("b", "a", 2)})) == "a b<a");
  CHECK(make_trace("t", {}).spans.empty());
}

TEST_CASE("a ring of parents is cut, and every span stays") {
  CHECK(order_of(make_trace("t", {span("a", "c", 1), span("b", "a", 2), span("c", "b", 3)})) == "b c<b a<c");
  std::mt19937_64 random(3);
  for (int round = 0; round < 200; ++round) {
    std::vector<TraceSpan> spans;
    const size_t count = 1 + random() % 12;
    for (size_t i = 0; i < count; ++i) spans.push_back(span(std::to_string(i), std::to_string(random() % (count + 2)), static_cast<double>(random() % 5)));
    const Trace trace = make_trace("t", spans);
    REQUIRE(trace.spans.size() == count);
    for (size_t i = 0; i < count; ++i) {
      if (trace.spans[i].parent_id.empty()) continue;
      const bool before = std::any_of(trace.spans.begin(), trace.spans.begin() + static_cast<std::ptrdiff_t>(i), [&](const TraceSpan& one) { return one.span_id == trace.spans[i].parent_id; });
      CHECK(before);
    }
  }
}

TEST_CASE("a component is what the suite calls it, what it calls itself, or its name without the model") {
  CHECK(component("chat gpt-4o", "", "gpt-4o") == "chat");
  CHECK(component("execute_tool find", "find") == "find");
  CHECK(component("My Retriever (v2)") == "My_Retriever_v2");
  CHECK(component("2nd") == "_2nd");
  CHECK(component("---") == "span");
  CHECK(component("chat gpt-4o", "", "gpt-4o", {{"answer", "chat *"}}) == "answer");
  CHECK(component("execute_tool find", "find", "", {{"x", "f?nd"}, {"y", "*"}}) == "x");
  CHECK(component("a*b", "", "", {{"x", "*b"}}) == "x");
  CHECK(component("abc", "", "", {{"x", "a*d"}}) == "abc");
}

TEST_CASE("a trace is a row: what was asked before any tool answered, and what was answered last") {
  TraceSpan root = span("root", "", 1000, 5000), ask = span("ask", "root", 1100, 2000), again = span("again", "root", 3000, 4000);
  root.kind = TraceKind::kAgent;
  root.session = "conv";
  root.attributes = {{"tier", "gold"}};
  ask.kind = again.kind = TraceKind::kModel;
  ask.model_asked = ask.model_served = "m1";
  ask.messages = {{{"role", "system"}, {"content", "s"}}, {{"role", "user"}, {"content", "first"}}, {{"role", "assistant"}, {"content", "yes"}}, {{"role", "user"}, {"content", "second"}}};
  ask.output = "";
  again.messages = ask.messages;
  again.output = "the answer";
  const Json row = trace_to_row(make_trace("t", {again, ask, root}), {});
  CHECK(row["id"] == "t");
  CHECK(row["input"] == "second");
  CHECK(dump_json(row["history"]) == R"([{"role":"user","content":"first"},{"role":"assistant","content":"yes"}])");
  CHECK(row["output"] == "the answer");
  CHECK(row["session"] == "conv");
  CHECK(row["model"] == "m1");
  CHECK(row["latency_ms"] == 4000.0);
  CHECK(row["start"] == "1970-01-01T00:00:01Z");
  CHECK(row["attributes"]["tier"] == "gold");
  CHECK(row["spans"].size() == 3);
  CHECK_FALSE(row.contains("error"));
  root.output = "said by the root";
  root.input = "asked of the root";
  root.error_type = "timeout";
  const Json failed = trace_to_row(make_trace("t", {root, ask}), {});
  CHECK(failed["input"] == "asked of the root");
  CHECK(failed["output"] == "said by the root");
  CHECK(failed["error"] == "timeout");
}

TEST_CASE("a file gives each trace whole, however its lines are mixed") {
  const test::TempDir directory;
  std::mt19937_64 random(8);
  std::vector<std::string> lines;
  for (int trace = 0; trace < 50; ++trace) {
    for (int i = 0; i < 1 + trace % 5; ++i) lines.push_back(R"({"trace": "t)" + std::to_string(trace) + R"(", "id": ")" + std::to_string(i) + R"(", "name": "n", "start": )" + std::to_string(i) + "}\n");
  }
  for (size_t k = lines.size(); k > 1; --k) std::swap(lines[k - 1], lines[random() % k]);
  std::string bytes;
  for (const std::string& line : lines) bytes += line;
  const TraceFile file(directory.write("spans.jsonl", bytes), "spans.jsonl");
  for (int round = 0; round < 2; ++round) {
    auto reader = file.open();
    REQUIRE(reader);
    size_t traces = 0, spans = 0;
    Trace trace;
    while (true) {
      const auto more = (*reader)->next(trace);
      REQUIRE(more);
      if (!*more) break;
      ++traces;
      spans += trace.spans.size();
      CHECK(trace.spans.size() == 1 + std::stoul(trace.id.substr(1)) % 5);
    }
    CHECK(traces == 50);
    CHECK(spans == lines.size());
  }
}

TEST_CASE("a file of traces is strict: what cannot be read is an error with its line") {
  const test::TempDir directory;
  const TraceFile file(directory.write("spans.jsonl", "{\"trace\": \"t\", \"id\": \"1\", \"name\": \"n\"}\n{\"a\": 1}\n"), "spans.jsonl");
  const auto reader = file.open();
  REQUIRE_FALSE(reader);
  CHECK(reader.error().message == "line 2 holds what is no trace: of no known format: OTLP/JSON, OpenInference, Langfuse, OpenAI, deepeval, a span {trace, id, name} or a record {ts, input}");
  CHECK(reader.error().where.line == 2);
  CHECK(TraceFile(directory.path() / "none", "none").open().error().code == ErrorCode::kNotFound);
}

}  // namespace llmops
