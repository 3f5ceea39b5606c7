// What an OpenAI-compatible server says. Source of the shapes: OpenAI API reference, "Chat completions", "Streaming
// events", "Embeddings".
#include <fmt/format.h>

#include <memory>

#include "core/base/json.h"
#include "tests/support/loopback_server.h"

namespace llmops::test {
namespace {

std::string quoted(std::string_view text) { return dump_json(Json(std::string(text))); }

std::string chunk_json(std::string_view choices, std::string_view usage) {
  return fmt::format(R"({{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"test-model",)"
                     R"("system_fingerprint":"fp_1","choices":{},"usage":{}}})",
                     choices, usage);
}

constexpr std::string_view kUsage =
    R"({"prompt_tokens":9,"completion_tokens":12,"total_tokens":21,"prompt_tokens_details":{"cached_tokens":4},)"
    R"("completion_tokens_details":{"reasoning_tokens":5}})";

std::string delta_json(std::string_view delta) {
  return chunk_json(fmt::format(R"([{{"index":0,"delta":{},"finish_reason":null}}])", delta), "null");
}

std::string last_user_message(const Json& request) {
  std::string text;
  const Json* messages = json_at(request, "/messages");
  if (messages == nullptr) return text;
  for (const Json& message : *messages) {
    const Json* role = json_at(message, "/role");
    const Json* content = json_at(message, "/content");
    if (role != nullptr && *role == "user" && content != nullptr) text = json_to_text(*content);
  }
  return text;
}

void stream_reply(const OpenAiBehaviour& behaviour, const std::string& content, LoopbackReply& reply) {
  reply.begin_events();
  std::vector<std::string> events = {kRoleEvent};
  for (size_t at = 0; at < content.size(); at += 8) events.push_back(content_event(content.substr(at, 8)));
  if (behaviour.calls_tools) events = tool_call_events();
  for (const std::string& one : events) {
    reply.chunk(one);
    if (behaviour.piece_delay_ms > 0) reply.sleep_ms(behaviour.piece_delay_ms);
  }
  if (behaviour.cuts_streams) return reply.cut();
  if (behaviour.breaks_streams) {
    reply.chunk(event(error_json("the engine ran out of memory", "server_error", "500")));
    return reply.end();
  }
  if (!behaviour.calls_tools) reply.chunk(kFinishEvent);
  if (behaviour.has_usage) reply.chunk(kUsageEvent);
  reply.chunk(kDoneEvent);
  reply.end();
}

std::string embeddings_json(const Json& request) {
  std::string data;
  const Json* input = json_at(request, "/input");
  const size_t count = input == nullptr ? 0 : input->is_array() ? input->size() : 1;
  for (size_t i = 0; i < count; ++i) {
    const std::string text = json_to_text(input->is_array() ? (*input)[i] : *input);
    data += fmt::format(R"({}{{"object":"embedding","index":{},"embedding":[{},{},1.0]}})", i == 0 ? "" : ",", i, text.size(), i);
  }
  return fmt::format(R"({{"object":"list","data":[{}],"model":"test-embedding","usage":{{"prompt_tokens":{},"total_tokens":{}}}}})",
                     data, count, count);
}

}  // namespace

std::string event(std::string_view json) { return fmt::format("data: {}\n\n", json); }

std::string content_event(std::string_view content) { return event(delta_json(fmt::format(R"({{"content":{}}})", quoted(content)))); }

const char* const kRoleEvent =
    "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"test-model\","
    "\"system_fingerprint\":\"fp_1\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},"
    "\"logprobs\":null,\"finish_reason\":null}],\"usage\":null}\n\n";
const char* const kFinishEvent =
    "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"model\":\"test-model\","
    "\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":null}\n\n";
const char* const kUsageEvent =
    "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"model\":\"test-model\",\"choices\":[],"
    "\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":12,\"total_tokens\":21,\"prompt_tokens_details\":{\"cached_tokens\":4},"
    "\"completion_tokens_details\":{\"reasoning_tokens\":5}}}\n\n";
const char* const kDoneEvent = "data: [DONE]\n\n";

std::vector<std::string> tool_call_events() {
  return {
      kRoleEvent,
      event(delta_json(R"({"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"get_weather","arguments":""}}]})")),
      event(delta_json(R"({"tool_calls":[{"index":0,"function":{"arguments":"{\"city\":"}}]})")),
      event(delta_json(R"({"tool_calls":[{"index":1,"id":"call_2","type":"function","function":{"name":"get_time","arguments":"{"}}]})")),
      event(delta_json(R"({"tool_calls":[{"index":0,"function":{"arguments":"\"Berlin\"}"}}]})")),
      event(delta_json(R"({"tool_calls":[{"index":1,"function":{"arguments":"}"}}]})")),
      event(chunk_json(R"([{"index":0,"delta":{},"finish_reason":"tool_calls"}])", "null")),
  };
}

std::string chat_completion_json(std::string_view content, std::string_view model) {
  return fmt::format(R"({{"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":{},"system_fingerprint":"fp_1",)"
                     R"("choices":[{{"index":0,"message":{{"role":"assistant","content":{}}},"logprobs":null,"finish_reason":"stop"}}],)"
                     R"("usage":{}}})",
                     quoted(model), quoted(content), kUsage);
}

std::string tool_call_completion_json() {
  return fmt::format(R"({{"id":"chatcmpl-1","object":"chat.completion","model":"test-model","choices":[{{"index":0,"message":)"
                     R"({{"role":"assistant","content":null,"tool_calls":[{{"id":"call_1","type":"function","function":)"
                     R"({{"name":"get_weather","arguments":"{{\"city\":\"Berlin\"}}"}}}},{{"id":"call_2","type":"function","function":)"
                     R"({{"name":"get_time","arguments":"{{}}"}}}}]}},"finish_reason":"tool_calls"}}],"usage":{}}})",
                     kUsage);
}

std::string error_json(std::string_view message, std::string_view type, std::string_view code) {
  return fmt::format(R"({{"error":{{"message":{},"type":{},"param":null,"code":{}}}}})", quoted(message), quoted(type), quoted(code));
}

LoopbackHandler openai_handler(OpenAiBehaviour behaviour) {
  return [behaviour](const LoopbackRequest& request, LoopbackReply& reply) {
    if (behaviour.delay_ms > 0) reply.sleep_ms(behaviour.delay_ms);
    if (behaviour.fail_every > 0 && request.number % behaviour.fail_every == 0) {
      LoopbackReply::Headers headers = {{"Content-Type", "application/json"}};
      if (behaviour.retry_after_s >= 0) headers.emplace_back("Retry-After", std::to_string(behaviour.retry_after_s));
      return reply.send(behaviour.fail_status, error_json("the test server refuses", "test_error", "refused"), headers);
    }
    const Result<Json> body = parse_json(request.body, "request");
    if (!body) return reply.send(400, error_json("the request is not JSON", "invalid_request_error", "bad_request"));
    if (request.path.ends_with("/embeddings")) return reply.send(200, embeddings_json(*body));
    if (!request.path.ends_with("/chat/completions")) {
      return reply.send(404, error_json("no such path", "invalid_request_error", "not_found"));
    }
    const std::string content = behaviour.reply.empty() ? last_user_message(*body) : behaviour.reply;
    const Json* stream = json_at(*body, "/stream");
    if (stream != nullptr && *stream == true) return stream_reply(behaviour, content, reply);
    if (behaviour.calls_tools) return reply.send(200, tool_call_completion_json());
    std::string answer = chat_completion_json(content);
    if (!behaviour.has_usage) answer = answer.substr(0, answer.rfind(R"(,"usage")")) + "}";
    reply.send(200, answer);
  };
}

}  // namespace llmops::test
