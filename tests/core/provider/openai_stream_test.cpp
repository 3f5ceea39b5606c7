#include <catch2/catch.hpp>
#include <random>

#include "core/provider/openai_stream.h"
#include "tests/support/loopback_server.h"

using namespace llmops;
using namespace llmops::test;

namespace {

// The events of a whole text by the rules of the standard, line by line: slow and obvious.
std::vector<std::string> reference_events(std::string text) {
  for (size_t at; (at = text.find("\r\n")) != std::string::npos;) text.replace(at, 2, "\n");
  for (char& c : text) c = c == '\r' ? '\n' : c;
  std::vector<std::string> events;
  std::optional<std::string> data;
  size_t start = 0;
  const auto flush = [&] {
    if (data) events.push_back(*data);
    data.reset();
  };
  while (start < text.size()) {
    const size_t end = std::min(text.find('\n', start), text.size());
    const std::string line = text.substr(start, end - start);
    start = end + 1;
    if (line.empty()) flush();
    std::string value;
    if (line == "data") {
      value = "";
    } else if (line.rfind("data:", 0) == 0) {
      value = line.substr(5);
      if (!value.empty() && value[0] == ' ') value.erase(0, 1);
    } else {
      continue;
    }
    data = data ? *data + "\n" + value : value;
  }
  flush();
  return events;
}

std::vector<std::string> events_of(const std::vector<std::string>& pieces) {
  std::vector<std::string> events;
  SseParser parser([&events](std::string_view data) {
    events.emplace_back(data);
    return true;
  });
  for (const std::string& piece : pieces) CHECK(parser.feed(piece));
  parser.finish();
  return events;
}

// All pieces fed at `step` ns apart.
void feed_all(ChatStream& stream, const std::vector<std::string>& pieces, int64_t step = 1) {
  int64_t now = 0;
  for (const std::string& piece : pieces) {
    now += step;
    if (!stream.feed(piece, now)) break;
  }
  stream.finish();
}

}  // namespace

TEST_CASE("events are split at empty lines, and other fields are left out") {
  CHECK(events_of({": comment\nevent: message\ndata: one\nid: 7\n\ndata:two\ndata: three\n\n\n\nretry: 5\n\n"}) ==
        std::vector<std::string>{"one", "two\nthree"});
  CHECK(events_of({"\xEF\xBB\xBF" "data: with a byte order mark\n\n"}) == std::vector<std::string>{"with a byte order mark"});
  CHECK(events_of({"data\n\ndataset: no\n\n"}) == std::vector<std::string>{""});
}

TEST_CASE("the last event counts without its empty line") {
  CHECK(events_of({"data: one\n\ndata: [DONE]"}) == std::vector<std::string>{"one", "[DONE]"});
}

TEST_CASE("events are the same however the bytes are split and the lines end") {
  std::mt19937_64 random(7);
  const std::vector<std::string> lines = {"data: a", "data:b", "data", ": c", "", "", "event: x", "data: {\"k\": 1}", "data:  two"};
  const std::vector<std::string> ends = {"\n", "\r\n", "\r"};
  for (int round = 0; round < 500; ++round) {
    const std::string line_end = ends[random() % 3];
    std::string text;
    for (uint64_t i = random() % 12; i > 0; --i) text += lines[random() % lines.size()] + line_end;
    std::vector<std::string> pieces;
    for (size_t at = 0; at < text.size();) {
      const size_t length = std::min<size_t>(1 + random() % 5, text.size() - at);
      pieces.push_back(text.substr(at, length));
      at += length;
    }
    CAPTURE(round, text);
    CHECK(events_of(pieces) == reference_events(text));
  }
}

TEST_CASE("a stream becomes the completion that it stands for") {
  ChatStream stream;
  feed_all(stream, {kRoleEvent, content_event("Hel"), content_event("lo \xE2\x82\xAC"), kFinishEvent, kUsageEvent, kDoneEvent}, 10);
  CHECK(stream.is_complete());
  CHECK(stream.error().is_null());
  const Json completion = stream.completion();
  CHECK(*json_at(completion, "/choices/0/message/content") == "Hello \xE2\x82\xAC");
  CHECK(*json_at(completion, "/choices/0/finish_reason") == "stop");
  CHECK(*json_at(completion, "/usage/completion_tokens") == 12);
  CHECK(*json_at(completion, "/model") == "test-model");
  CHECK(*json_at(completion, "/system_fingerprint") == "fp_1");
  CHECK(stream.first_token_ns() == 20);  // the role's empty content is no token
}

TEST_CASE("tool calls are put together by index") {
  ChatStream stream;
  feed_all(stream, tool_call_events());
  const Json completion = stream.completion();
  CHECK(*json_at(completion, "/choices/0/message/tool_calls/0/function/name") == "get_weather");
  CHECK(*json_at(completion, "/choices/0/message/tool_calls/0/function/arguments") == "{\"city\":\"Berlin\"}");
  CHECK(*json_at(completion, "/choices/0/message/tool_calls/0/id") == "call_1");
  CHECK(*json_at(completion, "/choices/0/message/tool_calls/1/function/name") == "get_time");
  CHECK(*json_at(completion, "/choices/0/message/tool_calls/1/function/arguments") == "{}");
  CHECK(*json_at(completion, "/choices/0/finish_reason") == "tool_calls");
  CHECK(stream.first_token_ns() == 2);
}

TEST_CASE("tool calls without an index are told apart by their ids") {
  ChatStream stream;
  feed_all(stream, {event(R"({"choices":[{"delta":{"tool_calls":[{"id":"a","function":{"name":"f","arguments":"{"}}]}}]})"),
                    event(R"({"choices":[{"delta":{"tool_calls":[{"function":{"arguments":"}"}}]}}]})"),
                    event(R"({"choices":[{"delta":{"tool_calls":[{"id":"b","function":{"name":"g","arguments":{"x":1}}}]}}]})"), kDoneEvent});
  const Json completion = stream.completion();
  const Json* calls = json_at(completion, "/choices/0/message/tool_calls");
  REQUIRE(calls != nullptr);
  REQUIRE(calls->size() == 2);
  CHECK(*json_at(*calls, "/0/function/arguments") == "{}");
  CHECK(*json_at(*calls, "/1/function/arguments") == "{\"x\":1}");
}

TEST_CASE("logprobs of the chunks are joined") {
  ChatStream stream;
  feed_all(stream, {event(R"({"choices":[{"delta":{"content":"a"},"logprobs":{"content":[{"token":"a","logprob":-1}],"refusal":null}}]})"),
                    event(R"({"choices":[{"delta":{"content":"b"},"logprobs":{"content":[{"token":"b","logprob":-2}],"refusal":null}}]})"),
                    event(R"({"choices":[{"delta":{},"logprobs":null,"finish_reason":"stop"}]})")});
  CHECK(dump_json(*json_at(stream.completion(), "/choices/0/logprobs")) ==
        R"({"content":[{"token":"a","logprob":-1},{"token":"b","logprob":-2}],"refusal":null})");
}

TEST_CASE("other choices than the first are left out") {
  ChatStream stream;
  feed_all(stream, {event(R"({"choices":[{"index":1,"delta":{"content":"no"}},{"index":0,"delta":{"content":"yes"}}]})"), kDoneEvent});
  CHECK(*json_at(stream.completion(), "/choices/0/message/content") == "yes");
}

TEST_CASE("an error object ends the stream") {
  ChatStream stream;
  feed_all(stream, {kRoleEvent, content_event("so"), event(error_json("out of memory", "server_error", "500")), content_event("more")});
  CHECK(*json_at(stream.error(), "/message") == "out of memory");
  ChatStream old_form;
  feed_all(old_form, {event(R"({"object":"error","message":"too long","code":400})")});
  CHECK(*json_at(old_form.error(), "/message") == "too long");
}

TEST_CASE("a chunk that is not JSON is broken, one that was cut is missing") {
  ChatStream broken;
  feed_all(broken, {kRoleEvent, event("{\"choices\": oops}"), content_event("more")});
  CHECK_FALSE(broken.broken_chunk().empty());
  ChatStream cut;
  feed_all(cut, {kRoleEvent, "data: {\"choices\": [{\"del"});
  CHECK(cut.broken_chunk().empty());
  CHECK_FALSE(cut.is_complete());
  CHECK(cut.has_events());
}

TEST_CASE("a body without events is kept as it was") {
  ChatStream stream;
  feed_all(stream, {"{\"id\": 1,\n", " \"data\": 2}\n"});
  CHECK_FALSE(stream.has_events());
  CHECK(stream.raw() == "{\"id\": 1,\n \"data\": 2}\n");
}

TEST_CASE("any split of a stream gives the same completion") {
  std::string text = ": ping\r\n\r\n";
  for (const std::string& one : tool_call_events()) text += one;
  text += content_event("na\xC3\xAFve \"quotes\" \n lines");
  text += kUsageEvent;
  text += kDoneEvent;
  ChatStream whole;
  feed_all(whole, {text});
  const std::string expected = dump_json(whole.completion());
  std::mt19937_64 random(11);
  for (int round = 0; round < 100; ++round) {
    std::vector<std::string> pieces;
    for (size_t at = 0; at < text.size();) {
      const size_t length = std::min<size_t>(1 + random() % 40, text.size() - at);
      pieces.push_back(text.substr(at, length));
      at += length;
    }
    ChatStream stream;
    feed_all(stream, pieces);
    CHECK(dump_json(stream.completion()) == expected);
  }
}
