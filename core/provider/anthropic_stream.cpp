// message_start, then for each content block start, deltas and stop, then message_delta with the stop reason and the
// usage so far, then message_stop; ping and error may come at any time, and unknown events are to be left out.
// Source: Claude API documentation, "Streaming messages", "Handling stop reasons", "Prompt caching" (usage).
#include "core/provider/anthropic_stream.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/provider/chat_json.h"

namespace llmops {
namespace {

std::optional<int64_t> token_count(const Json& usage, const char* name) {
  const Json& value = member(usage, name);
  if (!value.is_number_integer() || value.get<int64_t>() < 0) return std::nullopt;
  return value.get<int64_t>();
}

// input_tokens counts what was neither read from a cache nor written to one.
TokenUsage message_usage(const Json& usage) {
  TokenUsage out;
  out.input_tokens = token_count(usage, "input_tokens");
  out.output_tokens = token_count(usage, "output_tokens");
  out.cached_input_tokens = token_count(usage, "cache_read_input_tokens");
  if (out.input_tokens) {
    *out.input_tokens += out.cached_input_tokens.value_or(0) + token_count(usage, "cache_creation_input_tokens").value_or(0);
  }
  return out;
}

std::string finish_reason_of(const std::string& stop_reason) {
  constexpr std::pair<std::string_view, std::string_view> kReasons[] = {
      {"end_turn", "stop"}, {"stop_sequence", "stop"}, {"max_tokens", "length"}, {"model_context_window_exceeded", "length"},
      {"tool_use", "tool_calls"}, {"refusal", "content_filter"}};
  for (const auto& [theirs, ours] : kReasons) if (stop_reason == theirs) return std::string(ours);
  return stop_reason;
}

}  // namespace

MessageStream::MessageStream() : parser_([this](std::string_view data) { return on_event(data); }) {}

bool MessageStream::feed(std::string_view bytes, int64_t now_ns) {
  now_ns_ = now_ns;
  if (!has_events()) raw_ += bytes;
  const bool goes_on = parser_.feed(bytes);
  if (has_events()) raw_.clear();
  return goes_on;
}

void MessageStream::finish() {
  is_finishing_ = true;
  parser_.finish();
  if (has_events()) raw_.clear();
}

bool MessageStream::on_event(std::string_view data) {
  if (data.find_first_not_of(" \t\n") == std::string_view::npos) return true;
  Result<Json> event = parse_json(data, "stream");
  if (!event) {
    if (is_finishing_) return false;  // the cut end of the last event
    ++event_count_;
    broken_chunk_ = event.error().message;
    return false;
  }
  ++event_count_;
  const std::string type = text_member(*event, "type");
  if (type == "message_start") on_message_start(member(*event, "message"));
  else if (type == "content_block_start") on_block_start(*event);
  else if (type == "content_block_delta") on_block_delta(*event);
  else if (type == "message_delta") on_message_delta(*event);
  else if (type == "message_stop") is_done_ = true;
  else if (type == "error" || !member(*event, "error").is_null()) error_ = member(*event, "error").is_null() ? *event : member(*event, "error");
  return error_.is_null();
}

void MessageStream::on_message_start(const Json& message) {
  has_message_ = true;
  id_ = text_member(message, "id");
  model_ = text_member(message, "model");
  add_usage(member(message, "usage"));
}

MessageStream::Block& MessageStream::block_at(const Json& event) {
  const Json& index = member(event, "index");
  const int64_t wanted = index.is_number_integer() ? index.get<int64_t>() : blocks_.empty() ? 0 : blocks_.back().index;
  const auto found = std::find_if(blocks_.begin(), blocks_.end(), [&](const Block& block) { return block.index == wanted; });
  if (found != blocks_.end()) return *found;
  return blocks_.emplace_back(Block{wanted, {}, {}, {}, {}, {}});
}

void MessageStream::on_block_start(const Json& event) {
  const Json& content = member(event, "content_block");
  Block& block = block_at(event);
  block.type = text_member(content, "type");
  block.id = text_member(content, "id");
  block.name = text_member(content, "name");
  block.text = text_member(content, "text");
  const Json& input = member(content, "input");
  if (input.is_object() && !input.empty()) block.input = dump_json(input);
  if (block.type == "tool_use" || !block.text.empty()) note_first_token();
}

void MessageStream::on_block_delta(const Json& event) {
  const Json& delta = member(event, "delta");
  const std::string type = text_member(delta, "type");
  Block& block = block_at(event);
  if (type == "text_delta") {
    const std::string text = text_member(delta, "text");
    if (!text.empty()) note_first_token();
    if (block.type.empty()) block.type = "text";
    block.text += text;
  } else if (type == "input_json_delta") {
    note_first_token();
    block.input += text_member(delta, "partial_json");
  }
}

void MessageStream::on_message_delta(const Json& event) {
  if (const std::string reason = text_member(member(event, "delta"), "stop_reason"); !reason.empty()) stop_reason_ = reason;
  add_usage(member(event, "usage"));
}

// Counts are those of the whole message so far: later ones replace earlier ones.
void MessageStream::add_usage(const Json& usage) {
  if (!usage.is_object()) return;
  for (const auto& [name, value] : usage.items()) if (!value.is_null()) usage_[name] = value;
}

void MessageStream::note_first_token() {
  if (!first_token_ns_) first_token_ns_ = now_ns_;
}

Json MessageStream::message() const {
  Json out = Json::object();
  out["id"] = id_;
  out["model"] = model_;
  out["stop_reason"] = stop_reason_;
  out["usage"] = usage_;
  if (!has_message_ && blocks_.empty()) return out;
  out["content"] = Json::array();
  for (const Block& block : blocks_) {
    Json one = Json::object();
    one["type"] = block.type;
    if (block.type == "text") one["text"] = block.text;
    if (block.type == "tool_use") {
      one["id"] = block.id;
      one["name"] = block.name;
      one["input"] = block.input;
    }
    out["content"].push_back(std::move(one));
  }
  return out;
}

Result<ChatReply> read_message(const Json& message, const ServerContext& context) {
  const Json& content = member(message, "content");
  if (!content.is_array()) {
    return reply_error("answered without content", "empty_reply", false, {},
                       fmt::format("check that base_url '{}' is that of {}", context.base_url, context.api), context);
  }
  ChatReply reply;
  Json calls = Json::array();
  for (const Json& block : content) {
    const std::string type = text_member(block, "type");
    if (type == "text") reply.content += text_member(block, "text");
    if (type != "tool_use") continue;
    Json call = Json::object();
    call["id"] = text_member(block, "id");
    call["name"] = text_member(block, "name");
    call["arguments"] = member(block, "input");
    calls.push_back(std::move(call));
  }
  reply.tool_calls = tool_calls_of(calls);
  reply.finish_reason = finish_reason_of(text_member(message, "stop_reason"));
  if (reply.content.empty() && reply.tool_calls.is_null() && reply.finish_reason == "length") {
    return reply_error("answered with an empty message", "empty_reply", false, "finish_reason 'length'",
                       "raise max_tokens: thinking used them all", context);
  }
  reply.model_served = text_member(message, "model");
  reply.response_id = text_member(message, "id");
  reply.usage = message_usage(member(message, "usage"));
  return reply;
}

}  // namespace llmops
