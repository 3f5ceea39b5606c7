#include "core/provider/anthropic.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <map>
#include <thread>

#include "tests/support/loopback_anthropic.h"

namespace llmops {
namespace {

using test::AnthropicBehaviour;
using test::anthropic_error_json;
using test::anthropic_handler;
using test::LoopbackHandler;
using test::LoopbackReply;
using test::LoopbackRequest;
using test::LoopbackServer;
using test::message_event;
using test::message_json;

// A provider on the loopback server, with short waits.
struct AnthropicSetup {
  std::unique_ptr<Transport> transport = make_curl_transport({});
  AdaptiveLimiter limiter{8};
  SecretScrubber scrubber;
  AnthropicOptions options;
  std::unique_ptr<Provider> provider;

  explicit AnthropicSetup(const LoopbackServer& server, int max_retries = 2) {
    options.base_url = server.url();
    options.retry.base_delay_ms = 2;
    options.retry.max_delay_ms = 5;
    options.retry.max_retries = max_retries;
  }
  Provider& get() {
    if (!provider) provider = make_anthropic_provider(options, *transport, limiter, scrubber);
    return *provider;
  }
};

Json json(std::string_view text) {
  Result<Json> parsed = parse_json(text, "test");
  if (!parsed) FAIL(parsed.error().message);
  return *parsed;
}

ChatRequest request_of(std::string_view messages, Json params = nullptr) {
  ChatRequest request;
  request.model = "claude-x";
  request.messages = json(messages);
  request.params = std::move(params);
  request.timeout_s = 10;
  return request;
}

ChatRequest ask_claude(const std::string& text, Json params = nullptr) {
  return request_of(R"([{"role": "user", "content": )" + dump_json(Json(text)) + "}]", std::move(params));
}

Json stream_on() { return json(R"({"stream": true})"); }

Result<ChatReply> claude_reply(LoopbackHandler handler, Json params = nullptr, int max_retries = 0) {
  const LoopbackServer server(std::move(handler));
  AnthropicSetup setup(server, max_retries);
  return setup.get().chat(ask_claude("hello", std::move(params)), {});
}

LoopbackHandler answers(int status, std::string body) {
  return [status, body](const LoopbackRequest&, LoopbackReply& reply) { reply.send(status, body); };
}

LoopbackHandler streams(std::vector<std::string> all) {
  return [all](const LoopbackRequest&, LoopbackReply& reply) {
    reply.begin_events();
    for (const std::string& one : all) reply.chunk(one);
    reply.end();
  };
}

// The body that is sent for the request.
Json sent_body(const ChatRequest& request) {
  const LoopbackServer server(anthropic_handler({}));
  AnthropicSetup setup(server);
  const Result<ChatReply> reply = setup.get().chat(request, {});
  if (!reply) FAIL(reply.error().message);
  return json(server.requests().at(0).body);
}

Error refusal(const ChatRequest& request) {
  const LoopbackServer server(anthropic_handler({}));
  AnthropicSetup setup(server);
  const Result<ChatReply> reply = setup.get().chat(request, {});
  REQUIRE_FALSE(reply);
  CHECK(server.request_count() == 0);
  CHECK_FALSE(reply.error().hint.empty());
  return reply.error();
}

}  // namespace

TEST_CASE("a message of the Messages API is read in full", "[anthropic]") {
  const LoopbackServer server(anthropic_handler({}));
  AnthropicSetup setup(server);
  const Result<ChatReply> reply = setup.get().chat(ask_claude("hello there"), {});
  REQUIRE(reply);
  CHECK(reply->content == "hello there");
  CHECK(reply->finish_reason == "stop");
  CHECK(reply->model_served == "claude-test");
  CHECK(reply->response_id == "msg_1");
  CHECK(reply->usage.input_tokens == 11);   // 5 plain, 4 read from the cache, 2 written to it
  CHECK(reply->usage.cached_input_tokens == 4);
  CHECK(reply->usage.output_tokens == 12);
  CHECK(reply->usage.reasoning_tokens == std::nullopt);
  CHECK(reply->tool_calls.is_null());
  CHECK(reply->latency_ms > 0);
  CHECK(reply->ttft_ms == std::nullopt);
  CHECK(reply->retries == 0);
}

TEST_CASE("a Messages request has the key, the version and max_tokens", "[anthropic]") {
  const LoopbackServer server(anthropic_handler({}));
  AnthropicSetup setup(server);
  setup.options.api_key = Secret("ANTHROPIC_API_KEY", "sk-ant-test-0123456789");
  setup.options.headers.emplace_back("anthropic-beta", Secret("BETA", "beta-2025"));
  REQUIRE(setup.get().chat(ask_claude("hi"), {}));
  const LoopbackRequest seen = server.requests().at(0);
  CHECK(seen.method == "POST");
  CHECK(seen.target == "/v1/messages");
  CHECK(seen.header("x-api-key") == "sk-ant-test-0123456789");
  CHECK(seen.header("authorization").empty());
  CHECK(seen.header("anthropic-version") == "2023-06-01");
  CHECK(seen.header("anthropic-beta") == "beta-2025");
  CHECK(seen.header("content-type") == "application/json");
  CHECK(seen.body == R"({"model":"claude-x","max_tokens":4096,"messages":[{"role":"user","content":"hi"}]})");
}

TEST_CASE("base_url of the Messages API may end in '/' or in the version", "[anthropic]") {
  for (const char* path : {"", "/", "/v1", "/v1/", "/proxy/v1"}) {
    const LoopbackServer server(anthropic_handler({}));
    AnthropicSetup setup(server);
    setup.options.base_url = server.url(path);
    CAPTURE(path);
    REQUIRE(setup.get().chat(ask_claude("hi"), {}));
    CHECK(server.requests().at(0).target == (std::string(path) == "/proxy/v1" ? "/proxy/v1/messages" : "/v1/messages"));
  }
}

TEST_CASE("system messages at the start become the system text", "[anthropic]") {
  const Json body = sent_body(request_of(R"([{"role": "system", "content": "Be brief."}, {"role": "developer", "content": [{"type": "text", "text": "Be kind."}]},
                                             {"role": "user", "content": "hi"}])"));
  CHECK(body["system"] == "Be brief.\n\nBe kind.");
  CHECK(dump_json(body["messages"]) == R"([{"role":"user","content":"hi"}])");
}

TEST_CASE("calls and results of tools become content blocks", "[anthropic]") {
  const Json body = sent_body(request_of(R"([
    {"role": "user", "content": "Weather?"},
    {"role": "assistant", "content": "I look.", "tool_calls": [
      {"id": "a", "type": "function", "function": {"name": "get_weather", "arguments": "{\"city\": \"Oslo\"}"}},
      {"id": "b", "type": "function", "function": {"name": "get_time", "arguments": ""}}]},
    {"role": "tool", "tool_call_id": "a", "content": "3 degrees"},
    {"role": "tool", "tool_call_id": "b", "content": [{"type": "text", "text": "noon"}]},
    {"role": "user", "content": "And?"},
    {"role": "assistant", "content": null, "tool_calls": [{"id": "c", "name": "get_time", "arguments": {"zone": 1}}]},
    {"role": "tool", "tool_call_id": "c", "content": "one"}])"));
  CHECK(dump_json(body["messages"]) ==
        R"([{"role":"user","content":"Weather?"},)"
        R"({"role":"assistant","content":[{"type":"text","text":"I look."},{"type":"tool_use","id":"a","name":"get_weather","input":{"city":"Oslo"}},)"
        R"({"type":"tool_use","id":"b","name":"get_time","input":{}}]},)"
        R"({"role":"user","content":[{"type":"tool_result","tool_use_id":"a","content":"3 degrees"},)"
        R"({"type":"tool_result","tool_use_id":"b","content":[{"type":"text","text":"noon"}]},{"type":"text","text":"And?"}]},)"
        R"({"role":"assistant","content":[{"type":"tool_use","id":"c","name":"get_time","input":{"zone":1}}]},)"
        R"({"role":"user","content":[{"type":"tool_result","tool_use_id":"c","content":"one"}]}])");
}

TEST_CASE("images become image blocks by address or by data", "[anthropic]") {
  const Json body = sent_body(request_of(R"([{"role": "user", "content": [{"type": "text", "text": "What?"},
    {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]}])"));
  CHECK(dump_json(body["messages"][0]["content"]) ==
        R"([{"type":"text","text":"What?"},{"type":"image","source":{"type":"url","url":"https://example.org/a.png"}},)"
        R"({"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAA"}}])");
}

TEST_CASE("params take the names of the Messages API", "[anthropic]") {
  const Json body = sent_body(ask_claude("hi", json(R"({"temperature": 0.5, "max_completion_tokens": 7, "stop": "END", "user": "u1", "top_k": 3, "n": 1,
    "tool_choice": "required", "parallel_tool_calls": false, "seed": null, "model": "other", "stream_options": {"include_usage": true}})")));
  CHECK(body["model"] == "claude-x");
  CHECK(body["max_tokens"] == 7);
  CHECK(body["temperature"] == 0.5);
  CHECK(dump_json(body["stop_sequences"]) == R"(["END"])");
  CHECK(dump_json(body["metadata"]) == R"({"user_id":"u1"})");
  CHECK(dump_json(body["tool_choice"]) == R"({"type":"any","disable_parallel_tool_use":true})");
  CHECK_FALSE(body.contains("stream_options"));
  CHECK(dump_json(sent_body(ask_claude("hi", json(R"({"stop": ["a", "b"], "parallel_tool_calls": false})")))["tool_choice"]) ==
        R"({"type":"auto","disable_parallel_tool_use":true})");
  const Json named = sent_body(ask_claude("hi", json(R"({"parallel_tool_calls": false, "tool_choice": {"type": "function", "function": {"name": "f"}}})")));
  CHECK(dump_json(named["tool_choice"]) == R"({"type":"tool","name":"f","disable_parallel_tool_use":true})");
}

TEST_CASE("tools lose their wrapper and a json_schema becomes the output format", "[anthropic]") {
  ChatRequest request = ask_claude("hi");
  request.tools = json(R"([{"type": "function", "function": {"name": "f", "description": "F", "parameters": {"type": "object", "properties": {}}}},
                           {"type": "function", "function": {"name": "g"}}, {"type": "web_search_20250305", "name": "web_search"}])");
  request.response_format = json(R"({"type": "json_schema", "json_schema": {"name": "answer", "strict": true, "schema": {"type": "object"}}})");
  const Json body = sent_body(request);
  CHECK(dump_json(body["tools"]) == R"([{"name":"f","description":"F","input_schema":{"type":"object","properties":{}}},)"
                                    R"({"name":"g","input_schema":{"type":"object"}},{"type":"web_search_20250305","name":"web_search"}])");
  CHECK(dump_json(body["output_config"]) == R"({"format":{"type":"json_schema","schema":{"type":"object"}}})");
  request.response_format = json(R"({"type": "text"})");
  CHECK_FALSE(sent_body(request).contains("output_config"));
}

TEST_CASE("what the Messages API has no word for is refused before anything is sent", "[anthropic]") {
  const std::map<std::string, std::pair<std::string, std::string>> params = {
      {R"({"seed": 1})", {"provider 'anthropic' has no param 'seed'", "remove it from the params of model 'claude-x'"}},
      {R"({"logprobs": true})", {"provider 'anthropic' has no param 'logprobs'", "remove it from the params of model 'claude-x'"}},
      {R"({"n": 2})", {"provider 'anthropic' has no param 'n'", "remove it from the params of model 'claude-x'"}},
      {R"({"temprature": 1})", {"provider 'anthropic' has no param 'temprature'", "did you mean 'temperature'?"}},
      {R"({"tool_choice": "perhaps"})", {"param 'tool_choice' is neither auto, none, required nor a function", "write one of them"}},
  };
  for (const auto& [text, expected] : params) {
    const Error error = refusal(ask_claude("hi", json(text)));
    CHECK(error.code == ErrorCode::kConfig);
    CHECK(error.message == expected.first);
    CHECK(error.hint == expected.second);
  }
  ChatRequest request = ask_claude("hi");
  request.response_format = json(R"({"type": "json_object"})");
  CHECK(refusal(request).message == "provider 'anthropic' has no response_format 'json_object'");
  request = ask_claude("hi");
  request.tools = json(R"([{"type": "function"}])");
  CHECK(refusal(request).message == "a tool has no function with a name");
}

TEST_CASE("messages that the Messages API cannot hold are refused", "[anthropic]") {
  CHECK(refusal(request_of("[]")).message == "provider 'anthropic' needs a message that is not a system message");
  CHECK(refusal(request_of(R"([{"role": "system", "content": "x"}])")).message == "provider 'anthropic' needs a message that is not a system message");
  CHECK(refusal(request_of(R"([{"role": "user", "content": "x"}, {"role": "system", "content": "y"}])")).message ==
        "provider 'anthropic' takes system messages only before all others");
  CHECK(refusal(request_of(R"([{"role": "narrator", "content": "x"}])")).message == "provider 'anthropic' knows no role 'narrator'");
  CHECK(refusal(request_of(R"([{"role": "user", "content": [{"type": "input_audio"}]}])")).message ==
        "provider 'anthropic' takes no content of type 'input_audio'");
  CHECK(refusal(request_of(R"([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png,AAAA"}}]}])")).message ==
        "image of a message is a data address without base64");
  const Error error = refusal(request_of(R"([{"role": "user", "content": "x"},
    {"role": "assistant", "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": "{\"a\": "}}]}])"));
  CHECK(error.code == ErrorCode::kData);
  CHECK(error.message == "arguments of the call of tool 'f' are no JSON object");
}

TEST_CASE("a streamed message equals the one that is not, and has the time to its first token", "[anthropic]") {
  const bool calls_tools = GENERATE(false, true);
  AnthropicBehaviour behaviour;
  behaviour.piece_delay_ms = 15;
  behaviour.calls_tools = calls_tools;
  const LoopbackServer server(anthropic_handler(behaviour));
  AnthropicSetup setup(server);
  const Result<ChatReply> plain = setup.get().chat(ask_claude("some text for a few pieces"), {});
  const Result<ChatReply> streamed = setup.get().chat(ask_claude("some text for a few pieces", stream_on()), {});
  REQUIRE(plain);
  REQUIRE(streamed);
  CHECK(streamed->content == plain->content);
  CHECK(streamed->finish_reason == plain->finish_reason);
  CHECK(streamed->model_served == plain->model_served);
  CHECK(streamed->response_id == plain->response_id);
  CHECK(streamed->usage.input_tokens == plain->usage.input_tokens);
  CHECK(streamed->usage.output_tokens == plain->usage.output_tokens);
  CHECK(streamed->usage.cached_input_tokens == plain->usage.cached_input_tokens);
  CHECK(dump_json(streamed->tool_calls) == dump_json(plain->tool_calls));
  REQUIRE(streamed->ttft_ms);
  CHECK(*streamed->ttft_ms >= 28);   // behind the start of the message and of the block; thinking is no content
  CHECK(*streamed->ttft_ms < streamed->latency_ms);
  CHECK(plain->finish_reason == (calls_tools ? "tool_calls" : "stop"));
  if (calls_tools) {
    CHECK(plain->content == "I look.");
    CHECK(dump_json(plain->tool_calls) == R"([{"id":"toolu_1","name":"get_weather","arguments":{"city":"Berlin"}},)"
                                          R"({"id":"toolu_2","name":"get_time","arguments":{}}])");
  }
}

TEST_CASE("stop reasons of the Messages API have our names", "[anthropic]") {
  const std::map<std::string, std::string> names = {{"end_turn", "stop"}, {"stop_sequence", "stop"}, {"max_tokens", "length"}, {"refusal", "content_filter"},
                                                    {"model_context_window_exceeded", "length"}, {"pause_turn", "pause_turn"}};
  for (const auto& [theirs, ours] : names) {
    AnthropicBehaviour behaviour;
    behaviour.stop_reason = theirs;
    for (const bool is_streamed : {false, true}) {
      const Result<ChatReply> reply = claude_reply(anthropic_handler(behaviour), is_streamed ? stream_on() : Json());
      CAPTURE(theirs, is_streamed);
      REQUIRE(reply);
      CHECK(reply->finish_reason == ours);
    }
  }
}

TEST_CASE("input of a tool that is not a JSON object stays text", "[anthropic]") {
  const Result<ChatReply> reply = claude_reply(
      streams({test::kMessageStart, message_event(R"({"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"t","name":"f","input":{}}})"),
               message_event(R"({"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{\"a\": "}})"),
               test::message_delta_event("max_tokens"), test::kMessageStop}),
      stream_on());
  REQUIRE(reply);
  CHECK(dump_json(reply->tool_calls) == R"([{"id":"t","name":"f","arguments":"{\"a\": "}])");
  CHECK(reply->finish_reason == "length");
}

TEST_CASE("a server that answers a streaming Messages request at once is understood", "[anthropic]") {
  const Result<ChatReply> reply = claude_reply(answers(200, message_json("all at once")), stream_on());
  REQUIRE(reply);
  CHECK(reply->content == "all at once");
  CHECK(reply->ttft_ms == std::nullopt);
}

TEST_CASE("errors of the Messages API come in its words, with a hint", "[anthropic]") {
  const auto error_of = [](int status, std::string body) {
    const Result<ChatReply> reply = claude_reply(answers(status, std::move(body)));
    REQUIRE_FALSE(reply);
    CHECK(reply.error().code == ErrorCode::kProvider);
    CHECK(reply.error().kind == "http_" + std::to_string(status));
    return reply.error();
  };
  const Error invalid = error_of(400, anthropic_error_json("invalid_request_error", "temperature: range: 0..1"));
  CHECK(invalid.message == "anthropic answered 400 for model 'claude-x': temperature: range: 0..1");
  CHECK(invalid.hint == "check the params of model 'claude-x'");
  CHECK_FALSE(invalid.retryable);
  CHECK(error_of(400, anthropic_error_json("invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum")).hint ==
        "shorten the input, or choose a model with a longer context");
  CHECK(error_of(400, anthropic_error_json("invalid_request_error", "Your credit balance is too low")).hint ==
        "check the plan and the balance of the account");
  CHECK(error_of(401, anthropic_error_json("authentication_error", "invalid x-api-key")).hint == "set api_key for this model: the server asks for one");
  CHECK(error_of(402, anthropic_error_json("billing_error", "pay")).hint == "check the plan and the balance of the account");
  CHECK(error_of(429, anthropic_error_json("rate_limit_error", "slow down")).hint == "lower -j, or set rate_limit for this model");
  CHECK(error_of(529, anthropic_error_json("overloaded_error", "Overloaded")).message == "anthropic answered 529 for model 'claude-x': Overloaded");
  for (const int status : {408, 429, 500, 502, 503, 504, 529}) CHECK(error_of(status, "").retryable);
  for (const int status : {400, 401, 403, 404, 413}) CHECK_FALSE(error_of(status, "").retryable);
}

TEST_CASE("no error of the Messages API holds the key, wherever the server echoes it", "[anthropic]") {
  const std::string secret = "top-secret-value-4711";
  const std::vector<LoopbackHandler> echoes = {
      answers(401, anthropic_error_json("authentication_error", "invalid x-api-key " + secret)),
      answers(500, "<html>" + std::string(290, 'x') + secret + "</html>"),
      answers(200, "not JSON, but " + secret),
      answers(200, anthropic_error_json("api_error", secret)),
      streams({test::kMessageStart, message_event("{\"" + secret + "\": oops}")}),
      streams({test::kMessageStart, message_event(anthropic_error_json("api_error", secret))}),
  };
  for (size_t i = 0; i < echoes.size(); ++i) {
    const LoopbackServer server(echoes[i]);
    AnthropicSetup setup(server, 0);
    setup.options.api_key = Secret("MY_KEY", secret);
    const Result<ChatReply> reply = setup.get().chat(ask_claude("hi", stream_on()), {});
    CAPTURE(i);
    REQUIRE_FALSE(reply);
    CHECK((reply.error().message + reply.error().hint).find("secret-value") == std::string::npos);
  }
}

TEST_CASE("an overloaded Messages server is asked again, after Retry-After", "[anthropic]") {
  AnthropicBehaviour behaviour;
  behaviour.fail_every = 2;   // the second request is the first of the second chat
  behaviour.retry_after_s = 1;
  const LoopbackServer server(anthropic_handler(behaviour));
  AnthropicSetup setup(server);
  REQUIRE(setup.get().chat(ask_claude("one"), {}));
  const auto start = std::chrono::steady_clock::now();
  const Result<ChatReply> reply = setup.get().chat(ask_claude("two"), {});
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  REQUIRE(reply);
  CHECK(reply->content == "two");
  CHECK(reply->retries == 1);
  CHECK(took.count() >= 1.0);
  CHECK(reply->latency_ms < 900);
}

TEST_CASE("429, 5xx and 529 of the Messages API are tried again until the tries are used up", "[anthropic]") {
  for (const int status : {429, 500, 503, 529}) {
    for (const bool is_streamed : {false, true}) {
      const LoopbackServer server([status](const LoopbackRequest& request, LoopbackReply& reply) {
        if (request.number % 3 != 0) return reply.send(status, anthropic_error_json("api_error", "not now"));
        anthropic_handler({})(request, reply);
      });
      AnthropicSetup setup(server);
      CAPTURE(status, is_streamed);
      const Result<ChatReply> reply = setup.get().chat(ask_claude("hi", is_streamed ? stream_on() : Json()), {});
      REQUIRE(reply);
      CHECK(reply->retries == 2);
      AnthropicSetup hasty(server, 1);
      const Result<ChatReply> failed = hasty.get().chat(ask_claude("hi"), {});
      REQUIRE_FALSE(failed);
      CHECK(failed.error().details == std::vector<std::string>{"tried 2 times"});
    }
  }
}

TEST_CASE("an error event inside a stream is an error, and tried again when it may pass", "[anthropic]") {
  AnthropicBehaviour behaviour;
  behaviour.breaks_streams = true;
  const LoopbackServer server(anthropic_handler(behaviour));
  AnthropicSetup setup(server);
  const Result<ChatReply> reply = setup.get().chat(ask_claude("hi", stream_on()), {});
  REQUIRE_FALSE(reply);
  CHECK(reply.error().message == "anthropic answered 529 for model 'claude-x': Overloaded");
  CHECK(reply.error().kind == "http_529");
  CHECK(reply.error().retryable);
  CHECK(server.request_count() == 3);
  const Result<ChatReply> last = claude_reply(
      streams({test::kMessageStart, message_event(anthropic_error_json("invalid_request_error", "too long"))}), stream_on(), 3);
  REQUIRE_FALSE(last);
  CHECK(last.error().kind == "http_400");
  CHECK_FALSE(last.error().retryable);
}

TEST_CASE("a cut message stream is asked for again, and reported when the tries are used up", "[anthropic]") {
  std::atomic<int> broken{1};
  const LoopbackServer server([&broken](const LoopbackRequest& request, LoopbackReply& reply) {
    AnthropicBehaviour behaviour;
    behaviour.cuts_streams = request.number <= broken;
    anthropic_handler(behaviour)(request, reply);
  });
  AnthropicSetup setup(server);
  const Result<ChatReply> reply = setup.get().chat(ask_claude("the whole text", stream_on()), {});
  REQUIRE(reply);
  CHECK(reply->content == "the whole text");
  CHECK(reply->retries == 1);
  broken = 1000;
  const Result<ChatReply> failed = setup.get().chat(ask_claude("the whole text", stream_on()), {});
  REQUIRE_FALSE(failed);
  CHECK(failed.error().kind == "cut_stream");
  CHECK(failed.error().retryable);
  CHECK(server.request_count() == 5);
}

TEST_CASE("a message stream that ends without a stop is cut, one without message_stop is whole", "[anthropic]") {
  const Result<ChatReply> cut = claude_reply(streams({test::kMessageStart, test::text_delta_event("half")}), stream_on());
  REQUIRE_FALSE(cut);
  CHECK(cut.error().kind == "cut_stream");
  CHECK(cut.error().message == "the stream stopped before the end of the reply (model 'claude-x')");
  const Result<ChatReply> whole = claude_reply(streams({test::kMessageStart, test::text_delta_event("whole"), test::message_delta_event("end_turn")}), stream_on());
  REQUIRE(whole);
  CHECK(whole->content == "whole");
  CHECK(whole->usage.output_tokens == 12);
}

TEST_CASE("unknown events and blocks of a message stream are left out", "[anthropic]") {
  const Result<ChatReply> reply = claude_reply(
      streams({test::kMessageStart, message_event(R"({"type":"news","x":1})"), message_event("[1]"), ": comment\n\n",
               message_event(R"({"type":"content_block_start","index":0,"content_block":{"type":"server_tool_use","id":"s","name":"web_search","input":{}}})"),
               message_event(R"({"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"a"}})"),
               message_event(R"({"type":"content_block_delta","index":1,"delta":{"type":"citations_delta","citation":{}}})"),
               test::message_delta_event("end_turn"), test::kMessageStop}),
      stream_on());
  REQUIRE(reply);
  CHECK(reply->content == "a");
  CHECK(reply->tool_calls.is_null());
}

TEST_CASE("text that is not JSON instead of a message is invalid_json", "[anthropic]") {
  const LoopbackServer server(answers(200, "<html>Welcome to nginx!</html>"));
  AnthropicSetup setup(server);
  const Result<ChatReply> reply = setup.get().chat(ask_claude("hi"), {});
  REQUIRE_FALSE(reply);
  CHECK(reply.error().kind == "invalid_json");
  CHECK(reply.error().message == "anthropic answered with text that is not JSON for model 'claude-x': <html>Welcome to nginx!</html>");
  CHECK(reply.error().hint == "check that base_url '" + server.url() + "' is that of Anthropic's Messages API");
  CHECK(server.request_count() == 1);
  const Result<ChatReply> chunk = claude_reply(streams({test::kMessageStart, message_event("{oops}"), test::kMessageStop}), stream_on());
  REQUIRE_FALSE(chunk);
  CHECK(chunk.error().kind == "invalid_json");
  CHECK_THAT(chunk.error().message, Catch::StartsWith("anthropic sent a chunk that is not JSON for model 'claude-x': "));
}

TEST_CASE("a lying Content-Length of a Messages server is never a reply", "[anthropic]") {
  const Result<ChatReply> longer = claude_reply([](const LoopbackRequest&, LoopbackReply& reply) { reply.send_lying(200, message_json("x"), 100'000); });
  REQUIRE_FALSE(longer);
  CHECK(longer.error().kind == "cut_stream");
  const Result<ChatReply> shorter = claude_reply([](const LoopbackRequest&, LoopbackReply& reply) { reply.send_lying(200, message_json("x"), 40); });
  REQUIRE_FALSE(shorter);
  CHECK(shorter.error().kind == "invalid_json");
}

TEST_CASE("a message without content is empty_reply, one that ended without text is a reply", "[anthropic]") {
  const Result<ChatReply> none = claude_reply(answers(200, "{}"));
  REQUIRE_FALSE(none);
  CHECK(none.error().kind == "empty_reply");
  CHECK(none.error().message == "anthropic answered without content for model 'claude-x'");
  const Result<ChatReply> thought = claude_reply(answers(200, R"({"content":[{"type":"thinking","thinking":"..."}],"stop_reason":"max_tokens"})"));
  REQUIRE_FALSE(thought);
  CHECK(thought.error().hint == "raise max_tokens: thinking used them all");
  const Result<ChatReply> silent = claude_reply(answers(200, R"({"content":[],"stop_reason":"end_turn","usage":{"input_tokens":-1,"output_tokens":"7"}})"));
  REQUIRE(silent);
  CHECK(silent->content.empty());
  CHECK(silent->usage.input_tokens == std::nullopt);
  CHECK(silent->usage.output_tokens == std::nullopt);
  const Result<ChatReply> refused = claude_reply(answers(200, R"({"content":[],"stop_reason":"refusal"})"));
  REQUIRE(refused);
  CHECK(refused->finish_reason == "content_filter");
}

TEST_CASE("a Messages server that hangs times out, and cancelling ends the wait", "[anthropic]") {
  const LoopbackServer server([](const LoopbackRequest&, LoopbackReply& reply) { reply.hang(); });
  AnthropicSetup setup(server, 1);
  ChatRequest request = ask_claude("hi");
  request.timeout_s = 0.1;
  const Result<ChatReply> reply = setup.get().chat(request, {});
  REQUIRE_FALSE(reply);
  CHECK(reply.error().kind == "timeout");
  CHECK(server.request_count() == 2);
  const CancelToken cancel;
  const std::jthread canceller([cancel] {
    std::this_thread::sleep_for(std::chrono::milliseconds(60));
    cancel.cancel();
  });
  const auto start = std::chrono::steady_clock::now();
  const Result<ChatReply> cancelled = setup.get().chat(ask_claude("hi", stream_on()), cancel);
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::milliseconds(900));
  REQUIRE_FALSE(cancelled);
  CHECK(cancelled.error().code == ErrorCode::kInterrupted);
}

TEST_CASE("the Messages API has no embeddings", "[anthropic]") {
  const LoopbackServer server(anthropic_handler({}));
  AnthropicSetup setup(server);
  const Result<EmbedReply> reply = setup.get().embed("claude-x", {"text"}, {});
  REQUIRE_FALSE(reply);
  CHECK(reply.error().code == ErrorCode::kUsage);
  CHECK(reply.error().message == "provider 'anthropic' has no embeddings");
  CHECK(server.request_count() == 0);
}

}  // namespace llmops
