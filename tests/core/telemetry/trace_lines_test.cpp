// Lines of trace files: OpenTelemetry's names, now and before, and spans as small objects.
#include "core/telemetry/trace_lines.h"

#include <catch2/catch.hpp>

#include "tests/support/test_data.h"

namespace llmops {
namespace {

std::string attribute(const std::string& key, const std::string& value) { return R"({"key": ")" + key + R"(", "value": )" + value + "}"; }
std::string text(const std::string& key, const std::string& value) { return attribute(key, R"({"stringValue": )" + dump_json(Json(value)) + "}"); }
std::string number(const std::string& key, const std::string& value) { return attribute(key, R"({"intValue": ")" + value + R"("})"); }

// One OTLP line with one span of these attributes.
std::string otlp(const std::string& name, const std::vector<std::string>& attributes, const std::string& more = "") {
  std::string joined;
  for (const std::string& one : attributes) joined += (joined.empty() ? "" : ", ") + one;
  return R"({"resourceSpans": [{"resource": {"attributes": [)" + text("service.name", "shop") + ", " + text("service.version", "7") +
         R"(]}, "scopeSpans": [{"spans": [{"traceId": "t1", "spanId": "s1", "parentSpanId": "s0", "name": ")" + name +
         R"(", "startTimeUnixNano": "1700000000000000000", "endTimeUnixNano": "1700000000250000000", "attributes": [)" + joined + "]" + more + "}]}]}]}";
}

TraceSpan one_span(const std::string& line) {
  const TraceLine parsed = parse_trace_line(line);
  INFO(line);
  for (const std::string& reason : parsed.dropped) UNSCOPED_INFO(reason);
  REQUIRE(parsed.spans.size() == 1);
  return parsed.spans[0];
}

std::string dropped(const std::string& line) {
  const TraceLine parsed = parse_trace_line(line);
  CHECK(parsed.spans.empty());
  std::string reasons;
  for (const std::string& reason : parsed.dropped) reasons += (reasons.empty() ? "" : "; ") + reason;
  return reasons;
}

}  // namespace

TEST_CASE("a model's span has its messages, answer, tokens and times") {
  const TraceSpan span = one_span(otlp("chat gpt-4o", {text("gen_ai.operation.name", "chat"), text("gen_ai.provider.name", "openai"), text("gen_ai.request.model", "gpt-4o"), text("gen_ai.response.model", "gpt-4o-2024"),
      text("gen_ai.system_instructions", R"([{"type": "text", "content": "be brief"}])"),
      text("gen_ai.input.messages", R"([{"role": "user", "parts": [{"type": "text", "content": "hi"}]}, {"role": "assistant", "parts": [{"type": "text", "content": "yes?"}]}, {"role": "user", "parts": [{"type": "text", "content": "where"}, {"type": "text", "content": "is it"}]}])"),
      text("gen_ai.output.messages", R"([{"role": "assistant", "parts": [{"type": "text", "content": "look"}, {"type": "tool_call", "id": "c1", "name": "find", "arguments": {"id": 4}}], "finish_reason": "tool_call"}])"),
      number("gen_ai.usage.input_tokens", "9007199254740993"), number("gen_ai.usage.output_tokens", "21"), number("gen_ai.usage.cache_read.input_tokens", "5"), attribute("gen_ai.response.time_to_first_chunk", R"({"doubleValue": 0.125})"),
      attribute("gen_ai.response.finish_reasons", R"({"arrayValue": {"values": [{"stringValue": "tool_calls"}]}})"), text("gen_ai.conversation.id", "conv"), text("gen_ai.prompt.name", "v12"), number("gen_ai.request.seed", "7")}));
  CHECK(span.trace_id == "t1");
  CHECK(span.parent_id == "s0");
  CHECK(span.kind == TraceKind::kModel);
  CHECK(span.input == "where\nis it");
  CHECK(dump_json(span.messages) == R"([{"role":"system","content":"be brief"},{"role":"user","content":"hi"},{"role":"assistant","content":"yes?"},{"role":"user","content":"where\nis it"}])");
  CHECK(span.output == "look");
  CHECK(dump_json(span.tool_calls) == R"([{"name":"find","arguments":{"id":4}}])");
  CHECK(*span.input_tokens == 9007199254740993);
  CHECK(*span.output_tokens == 21);
  CHECK(*span.cached_input_tokens == 5);
  CHECK(*span.ttft_ms == 125);
  CHECK(span.start_ms == 1700000000000.0);
  CHECK(span.end_ms - span.start_ms == 250);
  CHECK(span.finish_reason == "tool_calls");
  CHECK(span.service == "shop");
  CHECK(span.service_version == "7");
  CHECK(span.session == "conv");
  CHECK(span.prompt_name == "v12");
  CHECK(dump_json(span.attributes) == R"({"gen_ai.request.seed":7})");
}

TEST_CASE("content may be values instead of JSON text, and may come in an event") {
  const std::string structured = R"({"arrayValue": {"values": [{"kvlistValue": {"values": [)" + text("role", "user") + ", " + attribute("parts", R"({"arrayValue": {"values": [{"kvlistValue": {"values": [)" + text("type", "text") + ", " + text("content", "hi") + "]}}]}}") + "]}}]}}";
  CHECK(one_span(otlp("chat m", {text("gen_ai.operation.name", "chat"), attribute("gen_ai.input.messages", structured)})).input == "hi");
  const std::string event = R"(, "events": [{"name": "gen_ai.client.inference.operation.details", "attributes": [)" + text("gen_ai.output.messages", R"([{"role": "assistant", "parts": [{"type": "text", "content": "done"}]}])") + "]}]";
  CHECK(one_span(otlp("chat m", {text("gen_ai.operation.name", "chat")}, event)).output == "done");
}

TEST_CASE("the names of earlier conventions are read too") {
  const TraceSpan span = one_span(otlp("openai.chat", {text("gen_ai.system", "openai"), text("gen_ai.request.model", "gpt-4"), text("gen_ai.prompt.0.role", "system"), text("gen_ai.prompt.0.content", "s"), text("gen_ai.prompt.1.role", "user"),
      text("gen_ai.prompt.1.content", "q"), text("gen_ai.completion.0.content", "a"), text("gen_ai.completion.0.finish_reason", "stop"), number("gen_ai.usage.prompt_tokens", "3"), number("gen_ai.usage.completion_tokens", "4")}));
  CHECK(span.kind == TraceKind::kModel);
  CHECK(span.provider == "openai");
  CHECK(dump_json(span.messages) == R"([{"role":"system","content":"s"},{"role":"user","content":"q"}])");
  CHECK(span.input == "q");
  CHECK(span.output == "a");
  CHECK(*span.input_tokens == 3);
  CHECK(*span.output_tokens == 4);
  const TraceSpan whole = one_span(otlp("x", {text("gen_ai.request.model", "m"), text("gen_ai.prompt", "plain question"), text("gen_ai.completion", R"([{"role": "assistant", "content": "plain answer"}])")}));
  CHECK(whole.input == "plain question");
  CHECK(whole.output == "plain answer");
}

TEST_CASE("tools, retrievals and agents have their own fields") {
  const TraceSpan tool = one_span(otlp("execute_tool find", {text("gen_ai.operation.name", "execute_tool"), text("gen_ai.tool.name", "find"), text("gen_ai.tool.call.arguments", R"({"id": 4})"), text("gen_ai.tool.call.result", "not JSON")}));
  CHECK(tool.kind == TraceKind::kTool);
  CHECK(tool.component == "find");
  CHECK(dump_json(tool.input) == R"({"id":4})");
  CHECK(tool.output == "not JSON");
  const TraceSpan found = one_span(otlp("retrieval kb", {text("gen_ai.operation.name", "retrieval"), text("gen_ai.retrieval.query.text", "q"), text("gen_ai.retrieval.documents", R"([{"id": "d1", "score": 0.5}])")}));
  CHECK(found.kind == TraceKind::kRetrieval);
  CHECK(dump_json(found.output) == R"([{"id":"d1","score":0.5}])");
  CHECK(one_span(otlp("invoke_agent helper", {text("gen_ai.operation.name", "invoke_agent"), text("gen_ai.agent.name", "helper")})).component == "helper");
  CHECK(one_span(otlp("anything", {text("llmops.step", "answer"), text("llmops.vid", "ab12")})).component == "answer");
}

TEST_CASE("an error is the status, its type and the exception that was recorded") {
  const TraceSpan failed = one_span(otlp("chat m", {text("error.type", "timeout")}, R"(, "status": {"code": 2, "message": "too slow"})"));
  CHECK(failed.error_type == "timeout");
  CHECK(failed.error_message == "too slow");
  const TraceSpan thrown = one_span(otlp("chat m", {}, R"(, "status": {"code": "STATUS_CODE_ERROR"}, "events": [{"name": "exception", "attributes": [)" + text("exception.type", "ValueError") + ", " + text("exception.message", "bad") + "]}]"));
  CHECK(thrown.error_type == "ValueError");
  CHECK(thrown.error_message == "bad");
  CHECK(one_span(otlp("chat m", {}, R"(, "status": {"code": 2})")).error_type == "error");
  CHECK(one_span(otlp("chat m", {}, R"(, "status": {"code": 1})")).error_type.empty());
}

TEST_CASE("what is no span is dropped with the reason, and the rest of its line is kept") {
  CHECK(dropped("{") == "malformed JSON");
  CHECK(dropped("[]") == "not an object");
  CHECK(dropped("{\"a\": 1}") == "of no known format: OTLP/JSON, OpenInference, Langfuse, OpenAI, deepeval, a span {trace, id, name} or a record {ts, input}");
  CHECK(dropped(R"({"resourceMetrics": []})").empty());
  const std::string two = R"({"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "t", "name": "x"}, {"traceId": "t", "spanId": "s", "startTimeUnixNano": 1, "endTimeUnixNano": 2}, 4,
    {"traceId": "t", "spanId": "s2", "startTimeUnixNano": "x", "endTimeUnixNano": "2"}, {"traceId": "t", "spanId": "s3", "startTimeUnixNano": "3000000", "endTimeUnixNano": "2000000"}, {"traceId": {"a": 1}, "spanId": [2], "name": 7, "startTimeUnixNano": 1, "endTimeUnixNano": 1}]}]}, 5]})";
  const TraceLine line = parse_trace_line(two);
  CHECK(line.spans.size() == 2);
  CHECK(line.dropped == std::vector<std::string>{"a span has no traceId or no spanId", "a span is no object", "a span has no startTimeUnixNano or no endTimeUnixNano", "a span ends before it starts", "an entry of resourceSpans is no object"});
  CHECK(dropped(R"({"trace": "t"})") == "a span has no 'id'");
  CHECK(dropped(R"({"trace": "t", "id": "s"})") == "a span has no 'name'");
  CHECK(dropped(R"({"trace": "t", "id": "s", "name": "n", "start": "yesterday"})") == "the 'start' of a span is no time");
  CHECK(dropped(R"({"trace": "t", "id": "s", "name": "n", "start": 2, "end": 1})") == "a span ends before it starts");
}

TEST_CASE("a small object is a span, with the names that an exec step reports") {
  const TraceSpan span = one_span(R"({"trace": 7, "id": 1, "parent": null, "name": "answer", "model": "m", "input": {"q": 1}, "output": "a", "tokens": {"input": 3, "output": 4}, "cost": 0.5, "start": "2026-01-01T00:00:00Z", "end": "2026-01-01T00:00:01.5Z", "session": "s", "attributes": {"k": 1}})");
  CHECK(span.trace_id == "7");
  CHECK(span.parent_id.empty());
  CHECK(span.kind == TraceKind::kModel);
  CHECK(*span.input_tokens == 3);
  CHECK(*span.cost_usd == 0.5);
  CHECK(span.end_ms - span.start_ms == 1500);
  const TraceSpan other = one_span(R"({"trace_id": "t", "span_id": "s", "parent_id": "r", "name": "find", "kind": "retrieval", "latency_ms": 12.5, "start": 100, "error": {"type": "io", "message": "gone"}, "input_tokens": 1, "step": "lookup"})");
  CHECK(other.parent_id == "r");
  CHECK(other.kind == TraceKind::kRetrieval);
  CHECK(other.end_ms - other.start_ms == 12.5);
  CHECK(other.error_type == "io");
  CHECK(other.component == "lookup");
  CHECK(one_span(R"({"trace": "t", "id": "s", "name": "n", "error": "broken"})").error_message == "broken");
}

TEST_CASE("a span comes back from its JSON as it was") {
  TraceSpan span = one_span(otlp("chat m", {text("gen_ai.operation.name", "chat"), text("gen_ai.request.model", "m"), text("gen_ai.input.messages", R"([{"role": "user", "parts": []}])"), number("a", "1"), text("user.id", "u")}, R"(, "status": {"code": 2, "message": "x"})"));
  span.cost_usd = 0.25;
  const auto again = span_from_json(span_to_json(span));
  REQUIRE(again);
  CHECK(dump_json(span_to_json(*again)) == dump_json(span_to_json(span)));
  CHECK(again->user == "u");
  CHECK_FALSE(span_from_json(Json::array()).has_value());
  CHECK_FALSE(span_from_json({{"trace", "t"}}).has_value());
}

TEST_CASE("a file of lines and a file that is one document hold the same spans") {
  const test::TempDir directory;
  const std::string one = R"({"trace": "t", "id": "1", "name": "a"})", two = R"({"trace": "t", "id": "2", "name": "b"})";
  const auto spans_in = [&](const std::string& name, const std::string& bytes) {
    auto reader = TraceLineReader::open(directory.write(name, bytes), name);
    REQUIRE(reader);
    std::string found;
    TraceLine line;
    while (true) {
      const auto more = reader->next(line);
      REQUIRE(more);
      if (!*more) return found;
      for (const TraceSpan& span : line.spans) found += span.span_id + "@" + std::to_string(reader->number()) + " ";
      for (const std::string& reason : line.dropped) found += reason + " ";
    }
  };
  CHECK(spans_in("a.jsonl", one + "\n\n" + two + "\r\n") == "1@1 2@3 ");
  CHECK(spans_in("a.json", "[\n" + one + ",\n" + two + "]") == "1@1 2@2 ");
  CHECK(spans_in("b.json", one + "\n" + two) == "1@1 2@2 ");
  CHECK(spans_in("c.json", "{\n \"trace\": \"t\",\n \"id\": \"1\", \"name\": \"a\"}") == "1@1 ");
  CHECK(spans_in("d.jsonl", "{\n" + one) == "malformed JSON 1@2 ");
  CHECK_FALSE(TraceLineReader::open(directory.path() / "none.jsonl", "none.jsonl").has_value());
}

}  // namespace llmops
