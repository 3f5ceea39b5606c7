// The response cache: a reply is reused only when everything that shaped it is the same.
#include "core/provider/response_cache.h"

#include "tests/core/store/store_fixture.h"

using namespace llmops;
using namespace llmops::test;

namespace {

// Answers with a count, so that a reused reply can be told from a new one.
class Counting final : public Provider {
 public:
  Result<ChatReply> chat(const ChatRequest& request, const CancelToken&) override {
    ++calls;
    if (fails) return Error(ErrorCode::kProvider, "no").with_kind("http_500", true);
    ChatReply reply;
    if (!empty) reply.content = text.empty() ? "reply " + std::to_string(calls) + " to " + dump_json(request.messages) : text;
    reply.usage.input_tokens = 3;
    return reply;
  }
  bool is_local() const override { return local; }
  const char* name() const override { return "counting"; }
  int calls = 0;
  bool fails = false, empty = false, local = false;
  std::string text;
};

ChatRequest ask(const std::string& text = "hello") {
  ChatRequest request;
  request.model = "m";
  request.messages = Json::array({Json{{"role", "user"}, {"content", text}}});
  request.params = Json{{"temperature", 0.1}, {"top_p", 1}};
  return request;
}

struct Cached {
  TestStore files;
  Counting provider;
  SecretScrubber scrubber;
  Result<CachedChat> chat(const ChatRequest& request, CacheUse use = CacheUse::kReadAndWrite, const CacheIdentity& identity = {"openai", "http://x/v1"}) {
    return chat_through_cache(provider, response_key_parts(identity, request), request, files.store.get(), use, scrubber, 1, CancelToken());
  }
};

}  // namespace

TEST_CASE("the second call of the same request is a hit with the same reply") {
  Cached cached;
  const auto first = cached.chat(ask());
  REQUIRE(first);
  CHECK_FALSE(first->hit);
  const auto second = cached.chat(ask());
  REQUIRE(second);
  CHECK(second->hit);
  CHECK(second->reply.content == first->reply.content);
  CHECK(*second->reply.usage.input_tokens == 3);
  CHECK(cached.provider.calls == 1);
}

TEST_CASE("whatever shapes a reply is part of its key") {
  Cached cached;
  REQUIRE(cached.chat(ask()));
  std::vector<ChatRequest> others(7, ask());
  others[0].model = "other";
  others[1].messages[0]["content"] = "other";
  others[2].params["temperature"] = 0.2;
  others[3].tools = Json::array({Json{{"type", "function"}}});
  others[4].response_format = Json{{"type", "json_object"}};
  others[5].repeat = 1;
  others[6].extra = Json{{"match", "x"}};
  for (const ChatRequest& other : others) CHECK_FALSE(cached.chat(other)->hit);
  CHECK_FALSE(cached.chat(ask(), CacheUse::kReadAndWrite, {"openai", "http://other/v1"})->hit);
  CHECK_FALSE(cached.chat(ask(), CacheUse::kReadAndWrite, {"other", "http://x/v1"})->hit);
  CHECK(cached.chat(ask())->hit);
}

TEST_CASE("the order of keys and the spelling of numbers shape no reply") {
  Cached cached;
  REQUIRE(cached.chat(ask()));
  ChatRequest same = ask();
  same.params = *parse_json(R"({"top_p": 1.0, "temperature": 0.10})", "p");
  CHECK(cached.chat(same)->hit);
  same.timeout_s = 1;
  CHECK(cached.chat(same)->hit);
}

TEST_CASE("errors and empty replies are never kept") {
  Cached cached;
  cached.provider.fails = true;
  CHECK_FALSE(cached.chat(ask()));
  cached.provider.fails = false;
  cached.provider.empty = true;
  CHECK_FALSE(cached.chat(ask())->hit);
  cached.provider.empty = false;
  CHECK_FALSE(cached.chat(ask())->hit);
  CHECK(cached.chat(ask())->hit);
}

TEST_CASE("a local provider is always asked, and so is everyone with the cache off") {
  Cached cached;
  cached.provider.local = true;
  REQUIRE(cached.chat(ask()));
  CHECK_FALSE(cached.chat(ask())->hit);
  cached.provider.local = false;
  REQUIRE(cached.chat(ask(), CacheUse::kOff));
  CHECK_FALSE(cached.chat(ask(), CacheUse::kOff)->hit);
  CHECK_FALSE(cached.chat(ask(), CacheUse::kWriteOnly)->hit);
  CHECK_FALSE(cached.chat(ask(), CacheUse::kWriteOnly)->hit);
  CHECK(cached.chat(ask())->hit);
}

TEST_CASE("a secret in a reply is handed on once and kept scrubbed") {
  Cached cached;
  cached.scrubber.add(Secret("KEY", "hunter2-hunter2"));
  cached.provider.text = "your key is hunter2-hunter2";
  CHECK(cached.chat(ask())->reply.content == "your key is hunter2-hunter2");
  CHECK(cached.chat(ask())->reply.content == "your key is [secret KEY]");
}

TEST_CASE("a reply survives its JSON form whole") {
  ChatReply reply;
  reply.content = "text";
  reply.tool_calls = *parse_json(R"([{"id": "1", "name": "f", "arguments": {"a": 1}}])", "t");
  reply.finish_reason = "tool_calls";
  reply.model_served = "m-1";
  reply.fingerprint = "fp";
  reply.response_id = "r1";
  reply.usage = {1, 2, 3, 4};
  reply.logprobs = Json{{"content", Json::array()}};
  reply.latency_ms = 12.5;
  reply.ttft_ms = 3.5;
  reply.retries = 2;
  const auto again = chat_reply_from_json(chat_reply_to_json(reply));
  REQUIRE(again);
  CHECK(dump_json(chat_reply_to_json(*again)) == dump_json(chat_reply_to_json(reply)));
  CHECK(*again->usage.reasoning_tokens == 4);
  CHECK(*again->ttft_ms == 3.5);
  const auto plain = chat_reply_from_json(chat_reply_to_json(ChatReply()));
  REQUIRE(plain);
  CHECK_FALSE(plain->usage.input_tokens.has_value());
  CHECK_FALSE(plain->ttft_ms.has_value());
  CHECK(plain->tool_calls.is_null());
  CHECK(chat_reply_from_json(Json::array()).error().message == "a cached reply is damaged");
  CHECK(chat_reply_from_json(Json::array()).error().hint == "run `llmops eval cache clear`");
}
