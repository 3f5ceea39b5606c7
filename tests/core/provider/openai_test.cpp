#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <thread>

#include "core/provider/openai.h"
#include "tests/support/loopback_server.h"

using namespace llmops;
using namespace llmops::test;

namespace {

// A provider on the loopback server, with short waits.
struct Setup {
  std::unique_ptr<Transport> transport = make_curl_transport({});
  AdaptiveLimiter limiter{8};
  SecretScrubber scrubber;
  OpenAiOptions options;
  std::unique_ptr<Provider> provider;

  explicit Setup(const LoopbackServer& server, int max_retries = 2) {
    options.base_url = server.url("/v1");
    options.retry.base_delay_ms = 2;
    options.retry.max_delay_ms = 5;
    options.retry.max_retries = max_retries;
  }
  Provider& get() {
    if (!provider) provider = make_openai_provider(options, *transport, limiter, scrubber);
    return *provider;
  }
};

ChatRequest ask(std::string text, Json params = nullptr) {
  ChatRequest request;
  request.model = "gpt-x";
  Json message = Json::object();
  message["role"] = "user";
  message["content"] = std::move(text);
  request.messages = Json::array();
  request.messages.push_back(std::move(message));
  request.params = std::move(params);
  request.timeout_s = 10;
  return request;
}

Json streaming() { return *parse_json(R"({"stream": true})", "params"); }

Result<ChatReply> reply_to(LoopbackHandler handler, Json params = nullptr, int max_retries = 0) {
  const LoopbackServer server(std::move(handler));
  Setup setup(server, max_retries);
  return setup.get().chat(ask("hello", std::move(params)), {});
}

LoopbackHandler always(int status, std::string body) {
  return [status, body](const LoopbackRequest&, LoopbackReply& reply) { reply.send(status, body); };
}

LoopbackHandler events(std::vector<std::string> all) {
  return [all](const LoopbackRequest&, LoopbackReply& reply) {
    reply.begin_events();
    for (const std::string& one : all) reply.chunk(one);
    reply.end();
  };
}

Error error_of(int status, std::string body) {
  const Result<ChatReply> reply = reply_to(always(status, std::move(body)));
  REQUIRE_FALSE(reply);
  CHECK(reply.error().code == ErrorCode::kProvider);
  CHECK(reply.error().kind == "http_" + std::to_string(status));
  return reply.error();
}

}  // namespace

TEST_CASE("a chat completion is read in full") {
  const LoopbackServer server(openai_handler({}));
  Setup setup(server);
  const Result<ChatReply> reply = setup.get().chat(ask("hello there"), {});
  REQUIRE(reply);
  CHECK(reply->content == "hello there");
  CHECK(reply->finish_reason == "stop");
  CHECK(reply->model_served == "test-model");
  CHECK(reply->fingerprint == "fp_1");
  CHECK(reply->response_id == "chatcmpl-1");
  CHECK(reply->usage.input_tokens == 9);
  CHECK(reply->usage.output_tokens == 12);
  CHECK(reply->usage.cached_input_tokens == 4);
  CHECK(reply->usage.reasoning_tokens == 5);
  CHECK(reply->tool_calls.is_null());
  CHECK(reply->logprobs.is_null());
  CHECK(reply->latency_ms > 0);
  CHECK(reply->ttft_ms == std::nullopt);
  CHECK(reply->retries == 0);
}

TEST_CASE("the request carries model, messages, params, tools and response_format") {
  const LoopbackServer server(openai_handler({}));
  Setup setup(server);
  setup.options.api_key = Secret("MY_KEY", "sk-test-0123456789");
  setup.options.headers.emplace_back("X-Organisation", Secret("ORG", "organisation-7"));
  setup.options.query.emplace_back("api-version", "2024-10-21 beta");
  ChatRequest request = ask("hi", *parse_json(R"({"temperature": 0.5, "model": "other", "max_tokens": 7})", "params"));
  request.tools = *parse_json(R"([{"type": "function", "function": {"name": "f"}}])", "tools");
  request.response_format = *parse_json(R"({"type": "json_object"})", "format");
  REQUIRE(setup.get().chat(request, {}));
  const LoopbackRequest seen = server.requests().at(0);
  CHECK(seen.method == "POST");
  CHECK(seen.target == "/v1/chat/completions?api-version=2024-10-21%20beta");
  CHECK(seen.header("authorization") == "Bearer sk-test-0123456789");
  CHECK(seen.header("x-organisation") == "organisation-7");
  CHECK(seen.header("content-type") == "application/json");
  CHECK(seen.body == R"({"model":"gpt-x","messages":[{"role":"user","content":"hi"}],"temperature":0.5,"max_tokens":7,)"
                     R"("tools":[{"type":"function","function":{"name":"f"}}],"response_format":{"type":"json_object"}})");
}

TEST_CASE("without a key there is no Authorization, and base_url may end in '/' or carry a query") {
  const LoopbackServer server(openai_handler({}));
  Setup setup(server);
  setup.options.base_url = server.url("/v1/?tenant=a");
  setup.options.query.emplace_back("b", "c");
  ChatRequest request = ask("hi");
  request.model = "";
  REQUIRE(setup.get().chat(request, {}));
  const LoopbackRequest seen = server.requests().at(0);
  CHECK(seen.header("authorization").empty());
  CHECK(seen.target == "/v1/chat/completions?tenant=a&b=c");
  CHECK(seen.body == R"({"messages":[{"role":"user","content":"hi"}]})");
}

TEST_CASE("a streamed reply equals the one that is not, and has the time to its first token") {
  const bool calls_tools = GENERATE(false, true);
  OpenAiBehaviour behaviour;
  behaviour.piece_delay_ms = 15;
  behaviour.calls_tools = calls_tools;
  const LoopbackServer server(openai_handler(behaviour));
  Setup setup(server);
  const Result<ChatReply> plain = setup.get().chat(ask("some text for a few pieces"), {});
  const Result<ChatReply> streamed = setup.get().chat(ask("some text for a few pieces", streaming()), {});
  REQUIRE(plain);
  REQUIRE(streamed);
  CHECK(streamed->content == plain->content);
  CHECK(streamed->finish_reason == plain->finish_reason);
  CHECK(streamed->model_served == plain->model_served);
  CHECK(streamed->response_id == plain->response_id);
  CHECK(streamed->usage.input_tokens == plain->usage.input_tokens);
  CHECK(streamed->usage.output_tokens == plain->usage.output_tokens);
  CHECK(streamed->usage.cached_input_tokens == plain->usage.cached_input_tokens);
  CHECK(streamed->usage.reasoning_tokens == plain->usage.reasoning_tokens);
  CHECK(dump_json(streamed->tool_calls) == dump_json(plain->tool_calls));
  REQUIRE(streamed->ttft_ms);
  CHECK(*streamed->ttft_ms >= 14);  // after the chunk that has only the role
  CHECK(*streamed->ttft_ms < streamed->latency_ms);
  CHECK(server.requests().at(1).body.find(R"("stream":true,"stream_options":{"include_usage":true})") != std::string::npos);
  if (calls_tools) {
    CHECK(dump_json(plain->tool_calls) == R"([{"id":"call_1","name":"get_weather","arguments":{"city":"Berlin"}},)"
                                          R"({"id":"call_2","name":"get_time","arguments":{}}])");
  }
}

TEST_CASE("usage that the server leaves out is absent, not zero") {
  OpenAiBehaviour behaviour;
  behaviour.has_usage = false;
  for (const bool is_streamed : {false, true}) {
    const Result<ChatReply> reply = reply_to(openai_handler(behaviour), is_streamed ? streaming() : Json());
    CAPTURE(is_streamed);
    REQUIRE(reply);
    CHECK(reply->usage.input_tokens == std::nullopt);
    CHECK(reply->usage.output_tokens == std::nullopt);
    CHECK(reply->usage.cached_input_tokens == std::nullopt);
    CHECK(reply->usage.reasoning_tokens == std::nullopt);
  }
}

TEST_CASE("a server that answers a streaming request at once is understood") {
  const Result<ChatReply> reply = reply_to(always(200, chat_completion_json("all at once")), streaming());
  REQUIRE(reply);
  CHECK(reply->content == "all at once");
  CHECK(reply->ttft_ms == std::nullopt);
}

TEST_CASE("401 points to the name of the key, never to the key") {
  const LoopbackServer server([](const LoopbackRequest& request, LoopbackReply& reply) {
    reply.send(401, error_json("Incorrect API key provided: " + request.header("authorization"), "invalid_request_error", "invalid_api_key"));
  });
  Setup setup(server);
  setup.options.api_key = Secret("MY_KEY", "top-secret-value-4711");
  const Result<ChatReply> reply = setup.get().chat(ask("hi"), {});
  REQUIRE_FALSE(reply);
  CHECK(reply.error().message == "openai answered 401 for model 'gpt-x': Incorrect API key provided: Bearer [secret MY_KEY]");
  CHECK(reply.error().hint == "check the value of MY_KEY");
  CHECK(reply.error().kind == "http_401");
  CHECK_FALSE(reply.error().retryable);
  CHECK(server.request_count() == 1);
}

TEST_CASE("no error holds a secret, wherever the server echoes it") {
  const std::string secret = "top-secret-value-4711";
  const std::vector<LoopbackHandler> echoes = {
      always(400, "{\"error\": \"key " + secret + "\"}"),
      always(500, "<html>" + std::string(290, 'x') + secret + "</html>"),
      always(200, "not JSON, but " + secret),
      always(200, "{\"error\": {\"message\": \"" + secret + "\", \"code\": 401}}"),
      always(418, std::string(100, ' ') + secret),
      events({kRoleEvent, event("{\"" + secret + "\": oops}")}),
      events({kRoleEvent, event(error_json("bad " + secret, "server_error", "x"))}),
      [&](const LoopbackRequest&, LoopbackReply& reply) { reply.send(302, "", {{"Location", "http://127.0.0.1/" + secret}}); },
      [&](const LoopbackRequest&, LoopbackReply& reply) { reply.raw(secret + " is not HTTP\r\n\r\n"); reply.cut(); },
  };
  for (size_t i = 0; i < echoes.size(); ++i) {
    for (const bool is_streamed : {false, true}) {
      const LoopbackServer server(echoes[i]);
      Setup setup(server, 0);
      setup.options.api_key = Secret("MY_KEY", secret);
      const Result<ChatReply> reply = setup.get().chat(ask("hi", is_streamed ? streaming() : Json()), {});
      CAPTURE(i, is_streamed);
      REQUIRE_FALSE(reply);
      const Error& error = reply.error();
      CHECK((error.message + error.hint + error.kind + error.where.line_text).find("secret-value") == std::string::npos);
      for (const std::string& detail : error.details) CHECK(detail.find("secret-value") == std::string::npos);
    }
  }
}

TEST_CASE("the first 300 characters of the server's words are shown, on one line") {
  const Error error = error_of(400, error_json("two\n  lines " + std::string(400, 'y'), "x", "y"));
  CHECK(error.message == "openai answered 400 for model 'gpt-x': two lines " + std::string(290, 'y') + "...");
}

TEST_CASE("each status has its hint") {
  CHECK(error_of(401, "").message == "openai answered 401 for model 'gpt-x'");
  CHECK(error_of(401, "").hint == "set api_key for this model: the server asks for one");
  CHECK(error_of(403, "no").hint == "set api_key for this model: the server asks for one");
  CHECK(error_of(400, "{\"detail\": \"bad temperature\"}").message == "openai answered 400 for model 'gpt-x': bad temperature");
  CHECK(error_of(400, "no").hint == "check the params of model 'gpt-x'");
  CHECK(error_of(422, "{\"detail\": [{\"loc\": [\"body\"], \"msg\": \"field required\"}]}").message ==
        "openai answered 422 for model 'gpt-x': field required");
  CHECK(error_of(400, error_json("This model's maximum context length is 8192 tokens", "invalid_request_error", "context_length_exceeded")).hint ==
        "shorten the input, or choose a model with a longer context");
  CHECK(error_of(429, "{\"error\": \"slow down\"}").message == "openai answered 429 for model 'gpt-x': slow down");
  CHECK(error_of(429, "slow down").hint == "lower -j, or set rate_limit for this model");
  CHECK(error_of(429, error_json("You exceeded your current quota", "insufficient_quota", "insufficient_quota")).hint ==
        "check the plan and the balance of the account");
  CHECK(error_of(500, "").hint == "try again later, or look into the log of the server if it is yours");
  CHECK(error_of(302, "").hint == "set base_url to the address that the server moved to: redirects are not followed");
  CHECK(error_of(504, "").hint == "raise timeout_s of the model, or ask for fewer tokens");
}

TEST_CASE("404 points to the model and to base_url") {
  const LoopbackServer server(always(404, error_json("The model 'gpt-x' does not exist", "invalid_request_error", "model_not_found")));
  Setup setup(server);
  const Result<ChatReply> reply = setup.get().chat(ask("hi"), {});
  REQUIRE_FALSE(reply);
  CHECK(reply.error().message == "openai answered 404 for model 'gpt-x': The model 'gpt-x' does not exist");
  CHECK(reply.error().hint == "check the name of the model and base_url '" + server.url("/v1") + "'");
}

TEST_CASE("which statuses may succeed later is in the error") {
  for (const int status : {408, 409, 425, 429, 500, 502, 503, 504, 529}) CHECK(error_of(status, "").retryable);
  for (const int status : {400, 401, 403, 404, 413, 422, 501}) CHECK_FALSE(error_of(status, "").retryable);
}

TEST_CASE("a 429 with Retry-After is waited for, shrinks the limiter, and then succeeds") {
  const LoopbackServer server([](const LoopbackRequest& request, LoopbackReply& reply) {
    if (request.number == 1) return reply.send(429, "{}", {{"Retry-After", "1"}});
    reply.send(200, chat_completion_json("at last"));
  });
  Setup setup(server);
  const auto start = std::chrono::steady_clock::now();
  const Result<ChatReply> reply = setup.get().chat(ask("hi"), {});
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  REQUIRE(reply);
  CHECK(reply->content == "at last");
  CHECK(reply->retries == 1);
  CHECK(took.count() >= 1.0);
  CHECK(reply->latency_ms < 900);  // of the try that succeeded, without the wait
  CHECK(setup.limiter.limit() == 4);
}

TEST_CASE("a 500 is tried again, and the error says how often when all tries failed") {
  for (const bool is_streamed : {false, true}) {
    const LoopbackServer server([](const LoopbackRequest& request, LoopbackReply& reply) {
      if (request.number % 3 != 0) return reply.send(500, error_json("engine died", "server_error", ""));
      openai_handler({})(request, reply);
    });
    Setup setup(server);
    const Result<ChatReply> reply = setup.get().chat(ask("hi", is_streamed ? streaming() : Json()), {});
    CAPTURE(is_streamed);
    REQUIRE(reply);
    CHECK(reply->content == "hi");
    CHECK(reply->retries == 2);
    Setup hasty(server, 1);
    const Result<ChatReply> failed = hasty.get().chat(ask("hi", is_streamed ? streaming() : Json()), {});
    REQUIRE_FALSE(failed);
    CHECK(failed.error().message == "openai answered 500 for model 'gpt-x': engine died");
    CHECK(failed.error().details == std::vector<std::string>{"tried 2 times"});
  }
}

TEST_CASE("a cut stream is asked for again, and reported when the tries are used up") {
  std::atomic<int> broken{1};
  const LoopbackServer server([&broken](const LoopbackRequest& request, LoopbackReply& reply) {
    OpenAiBehaviour behaviour;
    behaviour.cuts_streams = request.number <= broken;
    openai_handler(behaviour)(request, reply);
  });
  Setup setup(server);
  const Result<ChatReply> reply = setup.get().chat(ask("the whole text", streaming()), {});
  REQUIRE(reply);
  CHECK(reply->content == "the whole text");
  CHECK(reply->retries == 1);
  broken = 1000;
  const Result<ChatReply> failed = setup.get().chat(ask("the whole text", streaming()), {});
  REQUIRE_FALSE(failed);
  CHECK(failed.error().kind == "cut_stream");
  CHECK(failed.error().retryable);
  CHECK(server.request_count() == 5);
}

TEST_CASE("a stream that ends in order but without finish_reason or [DONE] is cut") {
  const Result<ChatReply> cut = reply_to(events({kRoleEvent, content_event("half")}), streaming());
  REQUIRE_FALSE(cut);
  CHECK(cut.error().kind == "cut_stream");
  CHECK(cut.error().message == "the stream stopped before the end of the reply (model 'gpt-x')");
  const Result<ChatReply> with_reason = reply_to(events({content_event("whole"), kFinishEvent}), streaming());
  REQUIRE(with_reason);
  CHECK(with_reason->content == "whole");
  const Result<ChatReply> with_done = reply_to(events({content_event("whole"), "data: [DONE]"}), streaming());
  REQUIRE(with_done);
  CHECK(with_done->finish_reason.empty());
}

TEST_CASE("a connection that breaks after the end of the reply does no harm") {
  const Result<ChatReply> reply = reply_to(
      [](const LoopbackRequest&, LoopbackReply& out) {
        out.begin_events();
        out.chunk(content_event("whole"));
        out.chunk(kFinishEvent);
        out.half_chunk(": x");
      },
      streaming());
  REQUIRE(reply);
  CHECK(reply->content == "whole");
  CHECK(reply->usage.input_tokens == std::nullopt);
  CHECK(reply->latency_ms > 0);
}

TEST_CASE("an error object inside a stream is an error, and tried again when it may pass") {
  OpenAiBehaviour behaviour;
  behaviour.breaks_streams = true;
  const LoopbackServer server(openai_handler(behaviour));
  Setup setup(server);
  const Result<ChatReply> reply = setup.get().chat(ask("hi", streaming()), {});
  REQUIRE_FALSE(reply);
  CHECK(reply.error().message == "openai answered 500 for model 'gpt-x': the engine ran out of memory");
  CHECK(reply.error().kind == "http_500");
  CHECK(server.request_count() == 3);
  const Result<ChatReply> final_one =
      reply_to(events({event(R"({"error":{"message":"prompt too long","type":"invalid_request_error","code":400}})")}), streaming(), 3);
  REQUIRE_FALSE(final_one);
  CHECK(final_one.error().kind == "http_400");
  CHECK_FALSE(final_one.error().retryable);
}

TEST_CASE("an error object with status 200 is an error") {
  const Result<ChatReply> reply = reply_to(always(200, R"({"error":{"message":"no credits","code":402}})"));
  REQUIRE_FALSE(reply);
  CHECK(reply.error().message == "openai answered 402 for model 'gpt-x': no credits");
}

TEST_CASE("text that is not JSON is invalid_json") {
  const LoopbackServer server(always(200, "<html>Welcome to nginx!</html>"));
  Setup setup(server);
  const Result<ChatReply> reply = setup.get().chat(ask("hi"), {});
  REQUIRE_FALSE(reply);
  CHECK(reply.error().kind == "invalid_json");
  CHECK(reply.error().message == "openai answered with text that is not JSON for model 'gpt-x': <html>Welcome to nginx!</html>");
  CHECK(reply.error().hint == "check that base_url '" + server.url("/v1") + "' is that of an OpenAI-compatible API");
  CHECK(server.request_count() == 1);
  const Result<ChatReply> chunk = reply_to(events({kRoleEvent, event("{oops}"), kDoneEvent}), streaming());
  REQUIRE_FALSE(chunk);
  CHECK(chunk.error().kind == "invalid_json");
  CHECK(chunk.error().message.rfind("openai sent a chunk that is not JSON for model 'gpt-x': ", 0) == 0);
}

TEST_CASE("a Content-Length that lies is a cut answer or invalid JSON, never a reply") {
  const Result<ChatReply> longer = reply_to([](const LoopbackRequest&, LoopbackReply& reply) {
    reply.send_lying(200, chat_completion_json("x"), 100'000);
  });
  REQUIRE_FALSE(longer);
  CHECK(longer.error().kind == "cut_stream");
  const Result<ChatReply> shorter = reply_to([](const LoopbackRequest&, LoopbackReply& reply) {
    reply.send_lying(200, chat_completion_json("x"), 40);
  });
  REQUIRE_FALSE(shorter);
  CHECK(shorter.error().kind == "invalid_json");
}

TEST_CASE("replies without choices or without a message are empty_reply") {
  const auto message_for = [](const char* body) {
    const Result<ChatReply> reply = reply_to(always(200, body));
    REQUIRE_FALSE(reply);
    CHECK(reply.error().kind == "empty_reply");
    return reply.error().message;
  };
  CHECK(message_for("{}") == "openai answered without choices for model 'gpt-x'");
  CHECK(message_for(R"({"choices": []})") == "openai answered without choices for model 'gpt-x'");
  CHECK(message_for("[1, 2]") == "openai answered without choices for model 'gpt-x'");
  CHECK(message_for(R"({"choices": [{}]})") == "openai answered without a message for model 'gpt-x'");
  CHECK(message_for(R"({"choices": [{"message": {"content": null}, "finish_reason": "length"}]})") ==
        "openai answered with an empty message for model 'gpt-x': finish_reason 'length'");
  const Result<ChatReply> stream = reply_to(events({kUsageEvent, kDoneEvent}), streaming());
  REQUIRE_FALSE(stream);
  CHECK(stream.error().kind == "empty_reply");
}

TEST_CASE("an empty text is a reply") {
  const Result<ChatReply> plain = reply_to(always(200, chat_completion_json("")));
  REQUIRE(plain);
  CHECK(plain->content.empty());
  const Result<ChatReply> stream = reply_to(events({kRoleEvent, kFinishEvent, kDoneEvent}), streaming());
  REQUIRE(stream);
  CHECK(stream->content.empty());
  CHECK(stream->ttft_ms == std::nullopt);
}

TEST_CASE("content in parts, refusals, logprobs and old function calls are read") {
  const Result<ChatReply> parts = reply_to(always(
      200, R"({"choices":[{"message":{"content":[{"type":"text","text":"a"},{"type":"image_url"},{"type":"text","text":"b"}]},)"
           R"("logprobs":{"content":[{"token":"a","logprob":-0.5}]}}]})"));
  REQUIRE(parts);
  CHECK(parts->content == "ab");
  CHECK(dump_json(parts->logprobs) == R"({"content":[{"token":"a","logprob":-0.5}]})");
  const Result<ChatReply> refusal = reply_to(always(200, R"({"choices":[{"message":{"content":null,"refusal":"I will not"}}]})"));
  REQUIRE(refusal);
  CHECK(refusal->content == "I will not");
  const Result<ChatReply> old = reply_to(
      always(200, R"({"choices":[{"message":{"content":null,"function_call":{"name":"f","arguments":"{\"a\":1}"}}}]})"));
  REQUIRE(old);
  CHECK(dump_json(old->tool_calls) == R"([{"id":"","name":"f","arguments":{"a":1}}])");
}

TEST_CASE("arguments of a tool call that are not a JSON object stay text") {
  const Result<ChatReply> reply = reply_to(always(
      200, R"({"choices":[{"message":{"tool_calls":[{"id":"1","function":{"name":"f","arguments":"{\"a\": "}},)"
           R"({"id":"2","function":{"name":"g","arguments":""}},{"id":"3","function":{"name":"h","arguments":"7"}},)"
           R"({"id":"4","function":{"name":"i","arguments":{"b":2}}}]}}]})"));
  REQUIRE(reply);
  CHECK(dump_json(reply->tool_calls) == R"([{"id":"1","name":"f","arguments":"{\"a\": "},{"id":"2","name":"g","arguments":{}},)"
                                        R"({"id":"3","name":"h","arguments":"7"},{"id":"4","name":"i","arguments":{"b":2}}])");
}

TEST_CASE("usage with numbers that are no counts is absent") {
  const Result<ChatReply> reply = reply_to(
      always(200, R"({"choices":[{"message":{"content":"x"}}],"usage":{"prompt_tokens":-1,"completion_tokens":"7","prompt_tokens_details":null}})"));
  REQUIRE(reply);
  CHECK(reply->usage.input_tokens == std::nullopt);
  CHECK(reply->usage.output_tokens == std::nullopt);
}

TEST_CASE("a timeout names the model and is retryable") {
  const LoopbackServer server([](const LoopbackRequest&, LoopbackReply& reply) { reply.hang(); });
  Setup setup(server, 1);
  ChatRequest request = ask("hi");
  request.timeout_s = 0.1;
  const Result<ChatReply> reply = setup.get().chat(request, {});
  REQUIRE_FALSE(reply);
  CHECK(reply.error().kind == "timeout");
  CHECK(reply.error().retryable);
  CHECK(reply.error().message ==
        "'127.0.0.1:" + std::to_string(server.port()) + "' did not finish its answer within 100 ms (model 'gpt-x')");
  CHECK(server.request_count() == 2);
}

TEST_CASE("a cancelled chat ends in under a second") {
  const LoopbackServer server([](const LoopbackRequest&, LoopbackReply& reply) { reply.hang(); });
  Setup setup(server);
  const CancelToken cancel;
  const std::jthread canceller([cancel] {
    std::this_thread::sleep_for(std::chrono::milliseconds(60));
    cancel.cancel();
  });
  const auto start = std::chrono::steady_clock::now();
  const Result<ChatReply> reply = setup.get().chat(ask("hi", streaming()), cancel);
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::milliseconds(900));
  REQUIRE_FALSE(reply);
  CHECK(reply.error().code == ErrorCode::kInterrupted);
}

TEST_CASE("many chats at once get each its own reply") {
  OpenAiBehaviour behaviour;
  behaviour.delay_ms = 5;
  const LoopbackServer server(openai_handler(behaviour));
  Setup setup(server);
  Provider& provider = setup.get();
  std::atomic<int> right{0};
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 40; ++i) {
      threads.emplace_back([&, i] {
        const std::string text = "question number " + std::to_string(i);
        const Result<ChatReply> reply = provider.chat(ask(text, i % 2 == 0 ? streaming() : Json()), {});
        if (reply && reply->content == text) ++right;
      });
    }
  }
  CHECK(right == 40);
  CHECK(server.most_at_once() <= 8);  // the limiter's places
}

TEST_CASE("embeddings come back one per text, in order") {
  const LoopbackServer server(openai_handler({}));
  Setup setup(server);
  std::vector<std::string> texts;
  for (size_t i = 0; i < 300; ++i) texts.push_back(std::string(i, 'x'));
  const Result<EmbedReply> reply = setup.get().embed("embedder", texts, {});
  REQUIRE(reply);
  REQUIRE(reply->vectors.size() == 300);
  for (size_t i = 0; i < 300; ++i) CHECK(reply->vectors[i].at(0) == static_cast<float>(i));
  CHECK(reply->usage.input_tokens == 300);
  CHECK(reply->usage.output_tokens == std::nullopt);
  CHECK(reply->model_served == "test-embedding");
  CHECK(server.request_count() == 2);
  CHECK(server.requests().at(0).path == "/v1/embeddings");
  CHECK(server.requests().at(1).body.rfind(R"({"model":"embedder","input":[")", 0) == 0);
}

TEST_CASE("embeddings follow their index, and smaller batches follow a 413") {
  const LoopbackServer server([](const LoopbackRequest& request, LoopbackReply& reply) {
    const Json body = *parse_json(request.body, "request");
    const size_t count = json_at(body, "/input")->size();
    if (count > 32) return reply.send(413, "{\"error\": \"batch size 64 > 32\"}");
    std::string data;
    for (size_t i = count; i-- > 0;) {
      const std::string text = (*json_at(body, "/input"))[i].get<std::string>();
      data += std::string(data.empty() ? "" : ",") + "{\"index\":" + std::to_string(i) + ",\"embedding\":[" + text + "]}";
    }
    reply.send(200, "{\"data\":[" + data + "]}");
  });
  Setup setup(server);
  std::vector<std::string> texts;
  for (int i = 0; i < 100; ++i) texts.push_back(std::to_string(i));
  const Result<EmbedReply> reply = setup.get().embed("m", texts, {});
  REQUIRE(reply);
  REQUIRE(reply->vectors.size() == 100);
  for (int i = 0; i < 100; ++i) CHECK(reply->vectors[static_cast<size_t>(i)] == std::vector<float>{static_cast<float>(i)});
  CHECK(reply->usage.input_tokens == std::nullopt);
}

TEST_CASE("embeddings that are missing or malformed are empty_reply") {
  for (const char* body : {"{}", R"({"data":[]})", R"({"data":[{"embedding":[]}]})", R"({"data":[{"index":5,"embedding":[1]}]})",
                           R"({"data":[{"embedding":["a"]}]})", R"({"data":[{"embedding":"AAAA"}]})"}) {
    const LoopbackServer server(always(200, body));
    Setup setup(server, 0);
    const Result<EmbedReply> reply = setup.get().embed("m", {"one"}, {});
    CAPTURE(body);
    REQUIRE_FALSE(reply);
    CHECK(reply.error().kind == "empty_reply");
    CHECK(reply.error().message == "openai did not answer with 1 embeddings for model 'm'");
  }
}

TEST_CASE("offline, a provider of another host says that the network is needed") {
  TransportOptions options;
  options.offline = true;
  const auto transport = make_curl_transport(options);
  AdaptiveLimiter limiter(1);
  const SecretScrubber scrubber;
  const auto provider = make_openai_provider({}, *transport, limiter, scrubber);
  const Result<ChatReply> reply = provider->chat(ask("hi"), {});
  REQUIRE_FALSE(reply);
  CHECK(reply.error().code == ErrorCode::kOffline);
  CHECK(reply.error().message == "the network is needed to reach 'api.openai.com' and LLMOPS_OFFLINE is set");
}
