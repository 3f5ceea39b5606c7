#include <catch2/catch.hpp>
#include <chrono>

#include "core/base/fs.h"
#include "core/provider/offline.h"
#include "tests/support/test_data.h"

using namespace llmops;
using namespace llmops::test;

namespace {

ChatRequest request_of(const char* messages) {
  ChatRequest request;
  request.messages = *parse_json(messages, "messages");
  return request;
}

ChatRequest user(const std::string& text) {
  ChatRequest request = request_of(R"([{"role": "user", "content": ""}])");
  request.messages[0]["content"] = text;
  return request;
}

ReplayOptions replay_of(const TempDir& folder, const std::string& bytes) {
  ReplayOptions options;
  options.path = folder.write("replies.jsonl", bytes);
  options.shown_path = "replies.jsonl";
  return options;
}

ChatReply replayed(const std::string& bytes, const ChatRequest& request) {
  const TempDir folder;
  Result<std::unique_ptr<Provider>> provider = make_replay_provider(replay_of(folder, bytes));
  REQUIRE(provider);
  Result<ChatReply> reply = (*provider)->chat(request, {});
  REQUIRE(reply);
  return *std::move(reply);
}

Error load_error(const std::string& bytes) {
  const TempDir folder;
  const Result<std::unique_ptr<Provider>> provider = make_replay_provider(replay_of(folder, bytes));
  REQUIRE_FALSE(provider);
  CHECK(provider.error().code == ErrorCode::kData);
  CHECK(provider.error().where.file == "replies.jsonl");
  return provider.error();
}

ProcessOptions script(std::string text) {
  ProcessOptions options;
  options.argv = {"sh", "-c", std::move(text)};
  options.directory = "/";
  return options;
}

}  // namespace

TEST_CASE("echo gives the last user message back and counts words") {
  const auto echo = make_echo_provider();
  CHECK(std::string(echo->name()) == "echo");
  CHECK(echo->is_local());
  const Result<ChatReply> reply = echo->chat(request_of(R"([{"role":"system","content":"be brief please"},)"
                                                        R"({"role":"user","content":"first"},{"role":"assistant","content":"a b"},)"
                                                        R"({"role":"user","content":[{"type":"text","text":" two  words\n"}]}])"),
                                             {});
  REQUIRE(reply);
  CHECK(reply->content == " two  words\n");
  CHECK(reply->finish_reason == "stop");
  CHECK(reply->usage.input_tokens == std::nullopt);
  CHECK(reply->usage.output_tokens == std::nullopt);
  CHECK(reply->latency_ms == 0);
  CHECK(echo->chat({}, {})->content.empty());
}

TEST_CASE("a provider without embeddings says so") {
  const Result<EmbedReply> reply = make_echo_provider()->embed("m", {"a"}, {});
  REQUIRE_FALSE(reply);
  CHECK(reply.error().code == ErrorCode::kUsage);
  CHECK(reply.error().message == "provider 'echo' has no embeddings");
  CHECK(reply.error().hint == "name an embedding model of provider openai or local");
}

TEST_CASE("replay answers by the text of the last user message, or by match") {
  const std::string rows = "{\"key\":\"a\",\"output\":\"reply a\"}\n\n{\"key\":\"b\",\"output\":\"reply b\"}\r\n";
  CHECK(replayed(rows, user("a")).content == "reply a");
  ChatRequest request = user("a");
  request.extra = *parse_json(R"({"match": "b"})", "extra");
  CHECK(replayed(rows, request).content == "reply b");
  CHECK(replayed(rows, request).finish_reason == "stop");
  CHECK(replayed(rows, request).latency_ms == 0);
  CHECK(replayed("[{\"key\":\"a\",\"output\":\"from an array\"}]", user("a")).content == "from an array");
}

TEST_CASE("key and reply may lie anywhere in a row") {
  const TempDir folder;
  ReplayOptions options = replay_of(folder, R"({"case":{"id":7},"got":{"text":["x","the reply"]}})");
  options.key = "/case/id";
  options.reply = "/got/text/1";
  const Result<std::unique_ptr<Provider>> provider = make_replay_provider(options);
  REQUIRE(provider);
  CHECK((*provider)->chat(user("7"), {})->content == "the reply");
}

TEST_CASE("keys that are not text meet the text that a template makes of them") {
  CHECK(replayed(R"({"key":42,"output":"n"})", user("42")).content == "n");
  CHECK(replayed(R"({"key":1.0,"output":"n"})", user("1")).content == "n");
  CHECK(replayed(R"({"key":{"b":1,"a":[true]},"output":"n"})", user(R"({"a":[true],"b":1})")).content == "n");
  ChatRequest request = user("x");
  request.extra = *parse_json(R"({"match": {"b": 1, "a": [true]}})", "extra");
  CHECK(replayed(R"({"key":{"a":[true],"b":1.0},"output":"n"})", request).content == "n");
}

TEST_CASE("a recorded object keeps tool calls, usage, model, logprobs and latency") {
  const ChatReply reply = replayed(
      R"({"key":"a","output":{"content":"text","tool_calls":[{"id":"1","name":"f","arguments":{"x":1}},)"
      R"({"id":"2","function":{"name":"g","arguments":"{\"y\":2}"}}],"usage":{"input_tokens":3,"completion_tokens":4},)"
      R"("model":"gpt-x-2024","logprobs":{"content":[]},"latency_ms":12.5}})",
      user("a"));
  CHECK(reply.content == "text");
  CHECK(dump_json(reply.tool_calls) == R"([{"id":"1","name":"f","arguments":{"x":1}},{"id":"2","name":"g","arguments":{"y":2}}])");
  CHECK(reply.finish_reason == "tool_calls");
  CHECK(reply.usage.input_tokens == 3);
  CHECK(reply.usage.output_tokens == 4);
  CHECK(reply.usage.cached_input_tokens == std::nullopt);
  CHECK(reply.model_served == "gpt-x-2024");
  CHECK(dump_json(reply.logprobs) == R"({"content":[]})");
  CHECK(reply.latency_ms == 12.5);
}

TEST_CASE("a list of replies gives one per turn of an agent") {
  const std::string rows = R"({"key":"q","output":[{"tool_calls":[{"id":"1","name":"f","arguments":{}}]},"the end"]})";
  CHECK(replayed(rows, user("q")).finish_reason == "tool_calls");
  const char* second_turn = R"([{"role":"user","content":"earlier"},{"role":"assistant","content":"x"},{"role":"user","content":"q"},)"
                            R"({"role":"assistant","tool_calls":[]},{"role":"tool","content":"result"}])";
  CHECK(replayed(rows, request_of(second_turn)).content == "the end");
  const TempDir folder;
  const Result<std::unique_ptr<Provider>> provider = make_replay_provider(replay_of(folder, rows));
  const Result<ChatReply> third = (*provider)->chat(
      request_of(R"([{"role":"user","content":"q"},{"role":"assistant"},{"role":"assistant"}])"), {});
  REQUIRE_FALSE(third);
  CHECK(third.error().kind == "no_recorded_reply");
  CHECK(third.error().message == "no recorded reply for turn 3 of 'q' in 'replies.jsonl'");
}

TEST_CASE("a key that was not recorded is an error that quotes its first 80 characters") {
  const TempDir folder;
  const Result<std::unique_ptr<Provider>> provider = make_replay_provider(replay_of(folder, R"({"key":"a","output":"x"})"));
  REQUIRE(provider);
  CHECK(std::string((*provider)->name()) == "replay");
  CHECK((*provider)->is_local());
  const Result<ChatReply> reply = (*provider)->chat(user(std::string(100, 'z')), {});
  REQUIRE_FALSE(reply);
  CHECK(reply.error().code == ErrorCode::kProvider);
  CHECK(reply.error().kind == "no_recorded_reply");
  CHECK_FALSE(reply.error().retryable);
  CHECK(reply.error().message == "no recorded reply for '" + std::string(80, 'z') + "...' in 'replies.jsonl'");
  CHECK(reply.error().hint == "record one with this text at '/key', or set `match`");
}

TEST_CASE("broken rows are refused with their line") {
  const Error broken = load_error("{\"key\":\"a\",\"output\":\"x\"}\n\n{\"key\":\"b\",\n");
  CHECK(broken.where.line == 3);
  const Error no_key = load_error("{\"key\":\"a\",\"output\":\"x\"}\n{\"output\":\"x\"}\n");
  CHECK(no_key.message == "recorded reply has no '/key'");
  CHECK(no_key.hint == "set `key` to where each row has its key");
  CHECK(no_key.where.line == 2);
  const Error no_reply = load_error("{\"key\":\"a\"}\n");
  CHECK(no_reply.message == "recorded reply has no '/output'");
  CHECK(no_reply.hint == "set `reply` to where each row has its reply");
  CHECK(load_error(R"([{"key":"a","output":"x"},{"key":"b"}])").message == "recorded reply 2 has no '/output'");
  for (const char* reply : {"null", "{}", "{\"text\":\"x\"}", "[]", "[[\"x\"]]", "[null]"}) {
    CAPTURE(reply);
    const Error error = load_error("{\"key\":\"a\",\"output\":" + std::string(reply) + "}");
    CHECK(error.message == "recorded reply is no reply at '/output'");
    CHECK(error.hint == "write a text, or an object with content or tool_calls");
  }
}

TEST_CASE("two rows with one key are refused, and both are named") {
  const Error lines = load_error("{\"key\":\"a\",\"output\":\"x\"}\n{\"key\":\"b\",\"output\":\"y\"}\n{\"key\":\"a\",\"output\":\"z\"}\n");
  CHECK(lines.message == "two recorded replies have the key 'a': line 1 and line 3");
  CHECK(lines.hint == "remove one of them, or set `key` to a value that tells them apart");
  CHECK(lines.where.line == 3);
  CHECK(load_error(R"([{"key":1,"output":"x"},{"key":"1","output":"y"}])").message ==
        "two recorded replies have the key '1': row 1 and row 2");
}

TEST_CASE("a file that is not there is not_found") {
  ReplayOptions options;
  options.path = "/nonexistent/replies.jsonl";
  const Result<std::unique_ptr<Provider>> provider = make_replay_provider(options);
  REQUIRE_FALSE(provider);
  CHECK(provider.error().code == ErrorCode::kNotFound);
}

TEST_CASE("800 long replies are read once, and quickly") {
  std::string rows;
  for (int i = 0; i < 800; ++i) {
    rows += "{\"key\":\"" + std::string(2000, 'q') + std::to_string(i) + "\",\"output\":\"" + std::string(4000, 'r') + std::to_string(i) + "\"}\n";
  }
  const TempDir folder;
  const auto start = std::chrono::steady_clock::now();
  const Result<std::unique_ptr<Provider>> provider = make_replay_provider(replay_of(folder, rows));
  REQUIRE(provider);
  for (int i = 0; i < 800; ++i) {
    const Result<ChatReply> reply = (*provider)->chat(user(std::string(2000, 'q') + std::to_string(i)), {});
    REQUIRE(reply);
    CHECK(reply->content.size() == 4000 + std::to_string(i).size());
  }
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(5));
}

TEST_CASE("the outputs of AlpacaEval are replayed by their instructions") {
  const auto root = data_root();
  if (!root) return note_left_out("replay of the AlpacaEval reference outputs");
  ReplayOptions options;
  options.path = *root / "alpaca_eval/outputs/text_davinci_003.json";
  options.shown_path = "text_davinci_003.json";
  options.key = "/instruction";
  const Result<std::unique_ptr<Provider>> provider = make_replay_provider(options);
  REQUIRE(provider);
  const Result<Json> rows = parse_json(*read_file(options.path), options.shown_path);
  REQUIRE(rows);
  REQUIRE(rows->size() == 805);
  for (const Json& row : *rows) {
    const Result<ChatReply> reply = (*provider)->chat(user(row["instruction"].get<std::string>()), {});
    REQUIRE(reply);
    CHECK(reply->content == row["output"].get<std::string>());
  }
}

TEST_CASE("exec sends messages, params and tools, and reads the reply") {
  const auto provider = make_exec_provider(script(
      R"(read line; echo "{\"content\": \"ok\", \"usage\": {\"input_tokens\": 5}, \"model\": \"mine\", \"logged\": $line}")"));
  CHECK(std::string(provider->name()) == "exec");
  CHECK_FALSE(provider->is_local());
  const Result<ChatReply> reply = provider->chat(user("hi"), {});
  REQUIRE(reply);
  CHECK(reply->content == "ok");
  CHECK(reply->finish_reason == "stop");
  CHECK(reply->usage.input_tokens == 5);
  CHECK(reply->usage.output_tokens == std::nullopt);
  CHECK(reply->model_served == "mine");
  CHECK(reply->latency_ms > 0);
}

TEST_CASE("exec's request line has the three documented members") {
  const auto provider = make_exec_provider(script(
      R"(read line; case "$line" in '{"messages":[{"role":"user","content":"hi"}],"params":{},"tools":null}') echo '{"content":"same"}';; *) echo '{"content":"other"}';; esac)"));
  CHECK(provider->chat(user("hi"), {})->content == "same");
}

TEST_CASE("exec replies with tool calls need no content, others do") {
  const auto calls = make_exec_provider(script(R"(echo '{"tool_calls":[{"id":"1","name":"f","arguments":{}}]}')"));
  const Result<ChatReply> reply = calls->chat(user("hi"), {});
  REQUIRE(reply);
  CHECK(reply->finish_reason == "tool_calls");
  CHECK(dump_json(reply->tool_calls) == R"([{"id":"1","name":"f","arguments":{}}])");
  const Result<ChatReply> empty = make_exec_provider(script("echo '{\"text\":\"x\"}'"))->chat(user("hi"), {});
  REQUIRE_FALSE(empty);
  CHECK(empty.error().kind == "empty_reply");
  CHECK(empty.error().message == "'sh' answered with neither content nor tool_calls");
  const Result<ChatReply> failed = make_exec_provider(script("echo '{\"error\":{\"message\":\"no model\"}}'"))->chat(user("hi"), {});
  REQUIRE_FALSE(failed);
  CHECK(failed.error().message == "no model");
}
