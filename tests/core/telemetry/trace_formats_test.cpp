// Formats of other tools, each told by its keys: small lines of our own, and real files where there are some.
#include <catch2/catch.hpp>
#include <fstream>
#include <iterator>
#include <map>

#include "core/telemetry/trace_lines.h"
#include "tests/support/test_data.h"

namespace llmops {
namespace {

TraceSpan one_span(const std::string& line, const std::string& format) {
  const TraceLine parsed = parse_trace_line(line);
  INFO(line);
  for (const std::string& reason : parsed.dropped) UNSCOPED_INFO(reason);
  REQUIRE(parsed.spans.size() == 1);
  CHECK(parsed.format == format);
  return parsed.spans[0];
}

std::string dropped(const std::string& line) {
  const TraceLine parsed = parse_trace_line(line);
  CHECK(parsed.spans.empty());
  return parsed.dropped.size() == 1 ? parsed.dropped[0] : std::to_string(parsed.dropped.size()) + " reasons";
}

}  // namespace

TEST_CASE("a model's span by OpenInference's names has its messages, tokens, scores and prompt version") {
  const TraceSpan span = one_span(R"({"name": "ChatCompletion", "context.trace_id": "t", "context.span_id": "s", "parent_id": "r", "span_kind": "LLM", "start_time": "2026-03-03T10:00:00.120Z", "end_time": "2026-03-03T10:00:01.835Z",
    "status_code": "OK", "attributes": {"openinference.span.kind": "LLM", "session.id": "s17", "user.id": "u3", "llm.model_name": "m", "llm.provider": "p", "llm.input_messages.0.message.role": "system", "llm.input_messages.0.message.content": "be brief",
    "llm.input_messages.10.message.role": "user", "llm.input_messages.10.message.content": "last", "llm.input_messages.2.message.role": "user", "llm.input_messages.2.message.content": "first", "llm.output_messages.0.message.role": "assistant",
    "llm.output_messages.0.message.tool_calls.0.tool_call.function.name": "find", "llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments": "{\"id\": 4}", "llm.output_messages.0.message.content": "look", "llm.prompt_template.version": "7",
    "llm.token_count.prompt": 41, "llm.token_count.completion": 9, "llm.token_count.total": 50, "llm.token_count.prompt_details.cache_read": 8, "llm.cost.total": 0.25, "llm.finish_reason": "stop", "evaluations.0.evaluation.name": "faithful",
    "evaluations.0.evaluation.score": 0.75, "llm.invocation_parameters": "{\"temperature\": 0}", "metadata": "{\"route\": \"chat\", \"lang\": \"de\"}", "input.value": "ignored"}})", "OpenInference");
  CHECK(span.kind == TraceKind::kModel);
  CHECK(span.trace_id == "t");
  CHECK(span.parent_id == "r");
  CHECK(dump_json(span.messages) == R"([{"role":"system","content":"be brief"},{"role":"user","content":"first"},{"role":"user","content":"last"}])");
  CHECK(span.input == "last");
  CHECK(span.output == "look");
  CHECK(dump_json(span.tool_calls) == R"([{"name":"find","arguments":{"id":4}}])");
  CHECK((*span.input_tokens == 41 && *span.output_tokens == 9 && *span.cached_input_tokens == 8 && *span.cost_usd == 0.25));
  CHECK((span.session == "s17" && span.user == "u3" && span.prompt_version == "7" && span.route == "chat" && span.language == "de" && span.provider == "p" && span.finish_reason == "stop"));
  CHECK(dump_json(span.scores) == R"({"faithful":0.75})");
  CHECK(span.end_ms - span.start_ms == 1715);
  CHECK(span.attributes.contains("llm.invocation_parameters"));
  CHECK_FALSE(span.attributes.contains("llm.model_name"));
}

TEST_CASE("OpenInference's attributes may be nested, and its context too; documents, embeddings and tools are told") {
  const TraceSpan found = one_span(R"({"name": "retrieve", "context": {"trace_id": "t", "span_id": "s"}, "start_time": "2026-03-03T10:00:00Z", "end_time": "2026-03-03T10:00:01Z", "status_code": "UNSET", "attributes": {"openinference": {"span": {"kind": "RETRIEVER"}},
    "input": {"value": "where?"}, "retrieval": {"documents": [{"document": {"id": "d1", "score": 0.5, "content": "here"}}, {"document": {"id": "d2"}}]}}})", "OpenInference");
  CHECK(found.kind == TraceKind::kRetrieval);
  CHECK(found.input == "where?");
  CHECK(dump_json(found.output) == R"([{"id":"d1","score":0.5,"content":"here"},{"id":"d2"}])");
  const TraceSpan embedded = one_span(R"({"name": "embed", "context.trace_id": "t", "context.span_id": "s", "start_time": 1772532000, "span_kind": "EMBEDDING", "attributes": {"embedding.model_name": "e", "embedding.embeddings.0.embedding.text": "where?", "embedding.embeddings.0.embedding.vector": [0.1, 0.2]}})", "OpenInference");
  CHECK((embedded.kind == TraceKind::kEmbedding && embedded.input == "where?" && embedded.model_asked == "e"));
  CHECK(embedded.attributes.empty());
  const TraceSpan tool = one_span(R"({"name": "book", "context.trace_id": "t", "context.span_id": "s", "start_time": 1772532000, "span_kind": "TOOL", "status_code": "ERROR", "status_message": "full", "attributes": {"tool.name": "book_table", "tool.parameters": "{\"n\": 9}", "exception.type": "ValueError", "exception.message": "above 8"}})", "OpenInference");
  CHECK((tool.kind == TraceKind::kTool && tool.component == "book_table" && tool.error_type == "ValueError" && tool.error_message == "above 8"));
  CHECK(dump_json(tool.input) == R"({"n":9})");
  CHECK(dropped(R"({"name": "x", "context.trace_id": "t", "context.span_id": "s", "attributes": {}})") == "a span has no start_time");
  CHECK(dropped(R"({"name": "x", "context.trace_id": "t", "start_time": 1, "attributes": {}})") == "a span has no context.trace_id or no context.span_id");
}

TEST_CASE("OpenInference's names in a span of OTLP are read there") {
  const TraceSpan span = one_span(R"({"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "t", "spanId": "s", "name": "llm", "startTimeUnixNano": "1700000000000000000", "endTimeUnixNano": "1700000000250000000", "attributes": [
    {"key": "openinference.span.kind", "value": {"stringValue": "LLM"}}, {"key": "llm.model_name", "value": {"stringValue": "m"}}, {"key": "llm.input_messages.0.message.role", "value": {"stringValue": "user"}},
    {"key": "llm.input_messages.0.message.content", "value": {"stringValue": "hi"}}, {"key": "llm.token_count.prompt", "value": {"intValue": "3"}}]}]}]}]})", "OTLP/JSON");
  CHECK((span.kind == TraceKind::kModel && span.model_asked == "m" && span.input == "hi" && *span.input_tokens == 3));
}

TEST_CASE("Langfuse's observations come as its API and as its export write them") {
  const TraceSpan exported = one_span(R"({"id": "o1", "trace_id": "t1", "environment": "production", "type": "GENERATION", "parent_observation_id": null, "start_time": "2026-03-03 10:00:00.000000", "end_time": "2026-03-03 10:00:00.920000",
    "completion_start_time": "2026-03-03 10:00:00.310000", "name": "answer", "level": "DEFAULT", "version": "1.8", "provided_model_name": "m", "model_parameters": "{\"temperature\": 0.2}",
    "input": "[{\"role\": \"system\", \"content\": \"s\"}, {\"role\": \"user\", \"content\": \"q\"}]", "output": "{\"role\": \"assistant\", \"content\": \"a\"}", "metadata": "{\"finish_reason\": \"length\", \"route\": \"chat\"}",
    "usage_details": {"input": 41, "output": 24}, "cost_details": {"input": 0.1, "total": 0.3}, "prompt_name": "support", "prompt_version": 12, "user_id": "u1", "session_id": "s1"})", "Langfuse");
  CHECK((exported.kind == TraceKind::kModel && exported.input == "q" && exported.output == "a" && exported.model_asked == "m" && exported.finish_reason == "length"));
  CHECK((*exported.ttft_ms == 310 && exported.end_ms - exported.start_ms == 920 && *exported.input_tokens == 41 && *exported.output_tokens == 24 && *exported.cost_usd == 0.3));
  CHECK((exported.prompt_name == "support" && exported.prompt_version == "12" && exported.user == "u1" && exported.session == "s1" && exported.route == "chat" && exported.environment == "production"));
  // 2026-03-03T10:00:00Z
  CHECK(exported.start_ms == 1772532000000.0);
  const TraceSpan given = one_span(R"({"id": "o2", "traceId": "t1", "type": "TOOL", "parentObservationId": "o1", "startTime": "2026-03-03T10:00:00.000Z", "endTime": "2026-03-03T10:00:01.000Z", "name": "find", "input": {"id": 4}, "output": "gone", "level": "ERROR", "statusMessage": "not there"})", "Langfuse");
  CHECK((given.kind == TraceKind::kTool && given.parent_id == "o1" && given.error_message == "not there"));
  CHECK(dump_json(given.input) == R"({"id":4})");
  CHECK(dropped(R"({"id": "o", "trace_id": "t", "type": "SPAN", "start_time": "soon"})") == "an observation has no start time");
}

TEST_CASE("a trace of Langfuse is the root of its observations, and scores come apart") {
  const TraceLine trace = parse_trace_line(R"({"id": "t1", "timestamp": "2026-03-03T10:00:00Z", "name": "chat", "input": "q", "output": "a", "sessionId": "s1", "userId": "u1", "latency": 1.5, "observations": [
    {"id": "o1", "traceId": "t1", "type": "GENERATION", "startTime": "2026-03-03T10:00:00.200Z", "endTime": "2026-03-03T10:00:01.000Z", "name": "answer", "parentObservationId": null}, "an id", {"id": "x"}],
    "scores": [{"id": "c1", "traceId": "t1", "observationId": "o1", "name": "helpful", "value": 1, "dataType": "NUMERIC"}]})");
  CHECK(trace.format == "Langfuse");
  REQUIRE(trace.spans.size() == 2);
  CHECK((trace.spans[0].span_id == "t1" && trace.spans[0].input == "q" && trace.spans[0].session == "s1" && trace.spans[0].end_ms - trace.spans[0].start_ms == 1500));
  CHECK(trace.spans[1].parent_id == "t1");
  CHECK(trace.dropped == std::vector<std::string>{"an observation has no id, type or start time"});
  REQUIRE(trace.scores.size() == 1);
  CHECK((trace.scores[0].trace_id == "t1" && trace.scores[0].span_id == "o1" && trace.scores[0].name == "helpful" && trace.scores[0].value == 1));
  const TraceLine score = parse_trace_line(R"({"id": "c2", "trace_id": "t9", "observation_id": null, "name": "thumb", "string_value": "up", "value": null, "data_type": "CATEGORICAL", "source": "ANNOTATION"})");
  REQUIRE(score.scores.size() == 1);
  CHECK((score.scores[0].value == "up" && score.scores[0].span_id.empty()));
}

TEST_CASE("a log of requests and responses is a span of a model, for chat completions and for Responses") {
  const TraceSpan chat = one_span(R"({"timestamp": "2026-03-03T10:00:00Z", "latency_ms": 420, "session_id": "s", "request": {"model": "m", "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": [{"type": "text", "text": "q"}]}], "temperature": 0, "user": "u"},
    "response": {"id": "chatcmpl-1", "object": "chat.completion", "created": 1772532000, "model": "m-2026", "choices": [{"index": 0, "message": {"role": "assistant", "content": "a", "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{\"x\": 1}"}}]}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 5, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 3}}}})", "OpenAI log");
  CHECK((chat.input == "q" && chat.output == "a" && chat.model_asked == "m" && chat.model_served == "m-2026" && chat.finish_reason == "stop" && chat.session == "s" && chat.user == "u"));
  CHECK((*chat.input_tokens == 5 && *chat.output_tokens == 2 && *chat.cached_input_tokens == 3 && chat.end_ms - chat.start_ms == 420));
  CHECK(dump_json(chat.tool_calls) == R"([{"name":"f","arguments":{"x":1}}])");
  CHECK(chat.span_id == "chatcmpl-1");
  const TraceSpan responses = one_span(R"({"request": {"model": "m", "instructions": "be brief", "input": "q"}, "response": {"id": "resp_1", "object": "response", "created_at": 1772532000, "model": "m", "status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"},
    "output": [{"type": "reasoning", "summary": []}, {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "a"}]}, {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}], "usage": {"input_tokens": 7, "output_tokens": 3}}})", "OpenAI log");
  CHECK((responses.input == "q" && responses.output == "a" && responses.finish_reason == "length" && *responses.input_tokens == 7));
  CHECK(dump_json(responses.messages) == R"([{"role":"system","content":"be brief"},{"role":"user","content":"q"}])");
  CHECK(dump_json(responses.tool_calls) == R"([{"name":"f","arguments":{}}])");
  const TraceSpan refused = one_span(R"({"id": "x", "ts": 1772532000, "request": {"model": "m", "messages": []}, "error": {"type": "rate_limit", "message": "slow down"}})", "OpenAI log");
  CHECK((refused.error_type == "rate_limit" && refused.error_message == "slow down" && refused.trace_id == "x"));
  CHECK(dropped(R"({"request": {"model": "m", "messages": []}, "response": {"id": "r", "choices": []}})") == "a request has no time (ts, timestamp, or its response's created)");
}

TEST_CASE("deepeval's trace gives its spans by kind, each under its parent") {
  const TraceLine line = parse_trace_line(R"({"uuid": "t", "threadId": "s", "userId": "u", "environment": "dev", "agentSpans": [{"uuid": "a", "name": "agent", "startTime": "2026-01-30T14:14:54.470Z", "endTime": "2026-01-30T14:14:55.470Z", "status": "SUCCESS",
    "input": {"messages": [{"role": "human", "content": "q"}]}, "output": {"messages": [{"role": "human", "content": "q"}, {"role": "AI", "content": "a"}]}}], "baseSpans": [], "llmSpans": [{"uuid": "l", "parentUuid": "a", "name": "ChatOpenAI", "startTime": "2026-01-30T14:14:54.500Z",
    "endTime": "2026-01-30T14:14:55.000Z", "status": "ERRORED", "error": "bad", "model": "m", "inputTokenCount": 303.0, "outputTokenCount": 58.0, "costPerInputToken": 0.001, "costPerOutputToken": 0.002, "input": [{"role": "human", "content": "q"}], "output": {"role": "AI", "content": "a"}}],
    "toolSpans": [{"uuid": "f", "parentUuid": "a", "name": "find", "startTime": "2026-01-30T14:14:55Z", "input": {"id": 4}}], "retrieverSpans": [{"name": "no identifier"}]})");
  CHECK(line.format == "deepeval");
  REQUIRE(line.spans.size() == 3);
  CHECK(line.dropped == std::vector<std::string>{"a span has no uuid"});
  const TraceSpan &agent = line.spans[0], &model = line.spans[1], &tool = line.spans[2];
  CHECK((agent.kind == TraceKind::kAgent && agent.input == "q" && agent.session == "s" && agent.user == "u"));
  CHECK((model.kind == TraceKind::kModel && model.parent_id == "a" && model.input == "q" && model.output == "a" && *model.input_tokens == 303 && model.error_message == "bad"));
  CHECK(*model.cost_usd == Approx(0.419));
  CHECK((tool.kind == TraceKind::kTool && tool.component == "find" && tool.end_ms == tool.start_ms));
}

TEST_CASE("a record is one request; without an identifier it is named by what it says") {
  const TraceSpan span = one_span(R"({"ts": "2026-03-03 10:00:00", "id": "r1", "session": "s", "user": "u", "route": "chat", "lang": "de", "prompt_version": "v2", "model": "m", "input": "q", "output": "a", "finish": "stop", "in_tok": 5, "out_tok": "2", "latency_ms": 250, "ttft_ms": 90, "cost": 0.01,
    "tools": ["find", {"name": "book", "arguments": {"n": 1}}], "scores": {"thumb": 1}})", "records");
  CHECK((span.trace_id == "r1" && span.input == "q" && span.output == "a" && span.route == "chat" && span.language == "de" && span.prompt_version == "v2" && *span.input_tokens == 5 && *span.output_tokens == 2 && *span.ttft_ms == 90));
  CHECK(dump_json(span.tool_calls) == R"([{"name":"find","arguments":{}},{"name":"book","arguments":{"n":1}}])");
  CHECK(span.end_ms - span.start_ms == 250);
  const TraceSpan other = one_span(R"({"ts": 1772532000, "input": "q"})", "records"), again = one_span(R"({"ts": 1772532000, "input": "q"})", "records"), later = one_span(R"({"ts": 1772532001, "input": "q"})", "records");
  CHECK(other.trace_id.starts_with("line-"));
  CHECK((other.trace_id == again.trace_id && other.trace_id != later.trace_id));
  CHECK_FALSE((other.input_tokens.has_value() || other.cost_usd.has_value()));
  CHECK(dropped(R"({"input": "q"})") == "a record has no 'ts'");
  CHECK(dropped(R"({"input": "q", "ts": "soon"})") == "the 'ts' of a record is no time");
  CHECK(dropped(R"({"input": null, "ts": 1})") == "a record has no 'input'");
  CHECK(dropped(R"({"input": "q", "ts": 1, "latency_ms": -1})") == "the 'latency_ms' of a record is negative");
}

TEST_CASE("a moment is seconds, milliseconds, microseconds or nanoseconds by its size, or text with or without a zone") {
  const auto at = [](const std::string& value) { return moment_ms(*parse_json("{\"t\": " + value + "}", "t"), "t"); };
  for (const char* same : {"1772532000", "1772532000000", "1772532000000000", "1772532000000000000", "\"1772532000\"", "\"2026-03-03T10:00:00Z\"", "\"2026-03-03T11:00:00+01:00\"", "\"2026-03-03 10:00:00.000000\"", "\"2026-03-03T10:00:00\""}) {
    INFO(same);
    CHECK(at(same) == 1772532000000.0);
  }
  CHECK(at("\"2026-03-03\"") == 1772496000000.0);
  for (const char* none : {"\"soon\"", "true", "null", "[]", "1e300", "\"2026-13-03T10:00:00Z\""}) {
    INFO(none);
    CHECK_FALSE(at(none).has_value());
  }
}

TEST_CASE("bytes that are no UTF-8 and half surrogates are repaired, and the line is kept") {
  const TraceLine cut = parse_trace_line("{\"ts\": 1, \"input\": \"gr\xC3\"}");
  REQUIRE(cut.spans.size() == 1);
  CHECK((cut.is_repaired && cut.spans[0].input == "gr\xEF\xBF\xBD"));
  const TraceLine half = parse_trace_line(R"({"ts": 1, "input": "a\ud83d b \ude00 c 😀 \\ud83d"})");
  REQUIRE(half.spans.size() == 1);
  CHECK((half.is_repaired && half.spans[0].input == "a\xEF\xBF\xBD b \xEF\xBF\xBD c \xF0\x9F\x98\x80 \\ud83d"));
  CHECK_FALSE(parse_trace_line(R"({"ts": 1, "input": "plain"})").is_repaired);
  CHECK(dropped("{\"ts\": 1, \"input\": \"cut") == "malformed JSON");
}

TEST_CASE("equal lines without an identifier are as many requests, and the same ones when the file is read again") {
  const test::TempDir directory;
  const auto path = directory.write("a.jsonl", "{\"ts\": 1, \"input\": \"q\"}\n{\"ts\": 1, \"input\": \"q\"}\n{\"ts\": 1, \"input\": \"q\"}\n");
  const auto names = [&] {
    auto reader = TraceLineReader::open(path, "a.jsonl");
    REQUIRE(reader);
    std::vector<std::string> found;
    TraceLine line;
    while (*reader->next(line)) found.push_back(line.spans[0].trace_id);
    return found;
  };
  const auto first = names();
  REQUIRE(first.size() == 3);
  CHECK((first[1] == first[0] + "-2" && first[2] == first[0] + "-3"));
  CHECK(names() == first);
}

TEST_CASE("a map says where the fields of a log stand, and tables are records") {
  const test::TempDir directory;
  const auto spans_in = [&](const std::string& name, const std::string& bytes, const std::vector<std::string>& assignments) {
    auto reader = TraceLineReader::open(directory.write(name, bytes), name, *parse_field_map(assignments));
    REQUIRE(reader);
    std::string found;
    TraceLine line;
    while (*reader->next(line)) {
      for (const TraceSpan& span : line.spans) found += json_to_text(span.input) + "@" + std::to_string(static_cast<int64_t>(span.start_ms)) + (span.session.empty() ? "" : "#" + span.session) + " ";
      for (const std::string& reason : line.dropped) found += "(" + reason + ") ";
    }
    return found;
  };
  CHECK(spans_in("a.jsonl", "{\"at\": 5, \"req\": {\"text\": \"q\"}, \"input\": \"not this\", \"who\": [\"s\"]}\n{\"at\": 6}\n[1]\n", {"ts=/at", "input=/req/text", "session=/who/0"}) == "q@5000#s (a record has no 'input') (not an object) ");
  CHECK(spans_in("a.csv", "ts,input,session\n5,\"q, and more\",s\n6,,s\n", {}) == "q, and more@5000#s @6000#s ");
  CHECK(spans_in("b.csv", "when,said\n2026-03-03,hello\n", {"ts=/when", "input=/said"}) == "hello@1772496000000 ");
  const auto refusal = [](const std::vector<std::string>& assignments) { return parse_field_map(assignments).error().message; };
  CHECK(refusal({"input"}) == "'input' is no FIELD=POINTER");
  CHECK(refusal({"imput=/a"}) == "unknown field 'imput'");
  CHECK(parse_field_map({"imput=/a"}).error().hint == "did you mean 'input'?");
  CHECK(refusal({"input=/a", "input=/b"}) == "field 'input' is given twice");
  CHECK(refusal({"input=a"}) == "'a' is no JSON pointer");
}

TEST_CASE("the traces of other tools are told by what they hold") {
  const auto root = test::data_root();
  if (!root) return test::note_left_out("traces");
  struct Expected { size_t spans = 0, halves = 0; std::string format; };
  const std::map<std::string, Expected> kFiles = {{"handwritten_otlp_genai.jsonl", {6, 0, "OTLP/JSON"}}, {"handwritten_openinference_spans.jsonl", {6, 0, "OpenInference"}}, {"handwritten_langfuse_observations.jsonl", {10, 0, "Langfuse"}},
      {"handwritten_openai_batch_input.jsonl", {0, 10, "OpenAI batch"}}, {"handwritten_openai_batch_output.jsonl", {0, 10, "OpenAI batch"}}, {"deepeval_langgraph_multiple_tools.json", {11, 0, "deepeval"}}, {"deepeval_llamaindex_rag.json", {13, 0, "deepeval"}}};
  for (const auto& [name, expected] : kFiles) {
    INFO(name);
    auto reader = TraceLineReader::open(*root / "traces" / name, name);
    REQUIRE(reader);
    size_t spans = 0, halves = 0;
    TraceLine line;
    while (*reader->next(line)) {
      CHECK(line.format == expected.format);
      CHECK(line.dropped.empty());
      CHECK_FALSE(line.is_repaired);
      spans += line.spans.size();
      halves += line.halves.size();
      for (const TraceSpan& span : line.spans) CHECK(span.start_ms > 1.7e12);
    }
    CHECK(spans == expected.spans);
    CHECK(halves == expected.halves);
  }
  auto reader = TraceLineReader::open(*root / "traces" / "inspect_ai_popularity.json", "inspect");
  REQUIRE(reader);
  TraceLine line;
  REQUIRE(*reader->next(line));
  CHECK((line.is_evaluation && line.spans.empty()));
}

}  // namespace llmops
