// What a server of the Messages API says. Source of the shapes: Claude API documentation, "Messages", "Streaming messages".
#include "tests/support/loopback_anthropic.h"

#include <fmt/format.h>

#include "core/base/json.h"

namespace llmops::test {
namespace {

std::string json_string(std::string_view text) { return dump_json(Json(std::string(text))); }

constexpr std::string_view kMessageUsage =
    R"({"input_tokens":5,"cache_creation_input_tokens":2,"cache_read_input_tokens":4,"output_tokens":12,"service_tier":"standard"})";

std::string last_user_text_of(const Json& request) {
  std::string text;
  const Json* messages = json_at(request, "/messages");
  if (messages == nullptr) return text;
  for (const Json& message : *messages) {
    const Json* content = json_at(message, "/content");
    if (content != nullptr && message.value("role", "") == "user") text = json_to_text(*content);
  }
  return text;
}

std::string block_start(int index, std::string_view block) {
  return message_event(fmt::format(R"({{"type":"content_block_start","index":{},"content_block":{}}})", index, block));
}

std::string block_delta(int index, std::string_view delta) {
  return message_event(fmt::format(R"({{"type":"content_block_delta","index":{},"delta":{}}})", index, delta));
}

std::string block_stop(int index) { return message_event(fmt::format(R"({{"type":"content_block_stop","index":{}}})", index)); }

std::vector<std::string> text_events(const std::string& content) {
  std::vector<std::string> all = {kMessageStart, block_start(0, R"({"type":"text","text":""})"), message_event(R"({"type":"ping"})")};
  for (size_t at = 0; at < content.size(); at += 8) all.push_back(text_delta_event(content.substr(at, 8)));
  all.push_back(block_stop(0));
  return all;
}

void stream_message(const AnthropicBehaviour& behaviour, const std::string& content, LoopbackReply& reply) {
  reply.begin_events();
  for (const std::string& one : behaviour.calls_tools ? tool_use_events() : text_events(content)) {
    reply.chunk(one);
    if (behaviour.piece_delay_ms > 0) reply.sleep_ms(behaviour.piece_delay_ms);
  }
  if (behaviour.cuts_streams) return reply.cut();
  if (behaviour.breaks_streams) {
    reply.chunk(message_event(anthropic_error_json("overloaded_error", "Overloaded")));
    return reply.end();
  }
  reply.chunk(message_delta_event(behaviour.calls_tools ? "tool_use" : behaviour.stop_reason));
  reply.chunk(kMessageStop);
  reply.end();
}

}  // namespace

std::string message_event(std::string_view json) {
  const Result<Json> parsed = parse_json(json, "event");
  return fmt::format("event: {}\ndata: {}\n\n", parsed && parsed->is_object() ? parsed->value("type", "") : "broken", json);
}

const char* const kMessageStart =
    "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\","
    "\"content\":[],\"model\":\"claude-test\",\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{\"input_tokens\":5,"
    "\"cache_creation_input_tokens\":2,\"cache_read_input_tokens\":4,\"output_tokens\":1}}}\n\n";
const char* const kMessageStop = "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";

std::string text_delta_event(std::string_view text) {
  return block_delta(0, fmt::format(R"({{"type":"text_delta","text":{}}})", json_string(text)));
}

std::string message_delta_event(std::string_view stop_reason) {
  return message_event(fmt::format(R"({{"type":"message_delta","delta":{{"stop_reason":{},"stop_sequence":null}},"usage":{{"output_tokens":12}}}})",
                                   json_string(stop_reason)));
}

std::vector<std::string> tool_use_events() {
  return {
      kMessageStart,
      block_start(0, R"({"type":"thinking","thinking":"","signature":""})"),
      block_delta(0, R"({"type":"thinking_delta","thinking":"The city is Berlin."})"),
      block_delta(0, R"({"type":"signature_delta","signature":"EqQB"})"),
      block_stop(0),
      block_start(1, R"({"type":"text","text":""})"),
      block_delta(1, R"({"type":"text_delta","text":"I look."})"),
      block_stop(1),
      block_start(2, R"({"type":"tool_use","id":"toolu_1","name":"get_weather","input":{}})"),
      block_delta(2, R"({"type":"input_json_delta","partial_json":""})"),
      block_delta(2, R"({"type":"input_json_delta","partial_json":"{\"city\": \"Ber"})"),
      block_delta(2, R"({"type":"input_json_delta","partial_json":"lin\"}"})"),
      block_stop(2),
      block_start(3, R"({"type":"tool_use","id":"toolu_2","name":"get_time","input":{}})"),
      block_stop(3),
  };
}

std::string message_json(std::string_view text, std::string_view model) {
  return fmt::format(R"({{"id":"msg_1","type":"message","role":"assistant","model":{},"content":[{{"type":"text","text":{}}}],)"
                     R"("stop_reason":"end_turn","stop_sequence":null,"usage":{}}})",
                     json_string(model), json_string(text), kMessageUsage);
}

std::string tool_use_message_json() {
  return fmt::format(R"({{"id":"msg_1","type":"message","role":"assistant","model":"claude-test","content":[)"
                     R"({{"type":"thinking","thinking":"The city is Berlin.","signature":"EqQB"}},{{"type":"text","text":"I look."}},)"
                     R"({{"type":"tool_use","id":"toolu_1","name":"get_weather","input":{{"city":"Berlin"}}}},)"
                     R"({{"type":"tool_use","id":"toolu_2","name":"get_time","input":{{}}}}],"stop_reason":"tool_use","usage":{}}})",
                     kMessageUsage);
}

std::string anthropic_error_json(std::string_view type, std::string_view message) {
  return fmt::format(R"({{"type":"error","error":{{"type":{},"message":{}}},"request_id":"req_1"}})", json_string(type), json_string(message));
}

LoopbackHandler anthropic_handler(AnthropicBehaviour behaviour) {
  return [behaviour](const LoopbackRequest& request, LoopbackReply& reply) {
    if (behaviour.delay_ms > 0) reply.sleep_ms(behaviour.delay_ms);
    if (behaviour.fail_every > 0 && request.number % behaviour.fail_every == 0) {
      LoopbackReply::Headers headers = {{"Content-Type", "application/json"}};
      if (behaviour.retry_after_s >= 0) headers.emplace_back("Retry-After", std::to_string(behaviour.retry_after_s));
      return reply.send(behaviour.fail_status, anthropic_error_json("overloaded_error", "Overloaded"), headers);
    }
    const Result<Json> body = parse_json(request.body, "request");
    if (!body) return reply.send(400, anthropic_error_json("invalid_request_error", "the request is not JSON"));
    if (!request.path.ends_with("/v1/messages")) return reply.send(404, anthropic_error_json("not_found_error", "no such path"));
    if (json_at(*body, "/max_tokens") == nullptr) return reply.send(400, anthropic_error_json("invalid_request_error", "max_tokens: Field required"));
    const std::string content = behaviour.reply.empty() ? last_user_text_of(*body) : behaviour.reply;
    const Json* stream = json_at(*body, "/stream");
    if (stream != nullptr && *stream == true) return stream_message(behaviour, content, reply);
    Json message = *parse_json(behaviour.calls_tools ? tool_use_message_json() : message_json(content), "message");
    if (!behaviour.calls_tools) message["stop_reason"] = behaviour.stop_reason;
    reply.send(200, dump_json(message));
  };
}

}  // namespace llmops::test
