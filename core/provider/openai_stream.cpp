// Streams of chat completions. What servers do in practice (OpenAI, vLLM, llama.cpp): the first chunk often has a role and
// empty content; a chunk with empty `choices` carries the usage; arguments of tool calls come in pieces that `index` tells
// apart; an error arrives as an `error` object in an event of its own; the last empty line may be missing.
#include "core/provider/openai_stream.h"

#include <algorithm>

#include "core/provider/chat_json.h"

namespace llmops {

bool SseParser::feed(std::string_view bytes) {
  while (!bytes.empty() && !is_stopped_) {
    if (is_after_cr_ && bytes.front() == '\n') {  // the second half of CRLF
      is_after_cr_ = false;
      bytes.remove_prefix(1);
      continue;
    }
    is_after_cr_ = false;
    const size_t end = bytes.find_first_of("\r\n");
    line_ += bytes.substr(0, end);
    if (end == std::string_view::npos) return true;
    is_after_cr_ = bytes[end] == '\r';
    bytes.remove_prefix(end + 1);
    end_of_line();
  }
  return !is_stopped_;
}

void SseParser::finish() {
  if (is_stopped_) return;
  if (!line_.empty()) end_of_line();
  if (!is_stopped_) end_of_event();
}

void SseParser::end_of_line() {
  std::string_view line = line_;
  if (is_first_line_ && line.substr(0, 3) == "\xEF\xBB\xBF") line.remove_prefix(3);
  is_first_line_ = false;
  if (line.empty()) {
    end_of_event();
  } else if (line.substr(0, 4) == "data" && (line.size() == 4 || line[4] == ':')) {
    line.remove_prefix(std::min<size_t>(5, line.size()));
    if (!line.empty() && line.front() == ' ') line.remove_prefix(1);
    if (has_data_) data_ += '\n';
    data_ += line;
    has_data_ = true;
  }
  line_.clear();
}

void SseParser::end_of_event() {
  if (!has_data_) return;
  is_stopped_ = !on_event_(data_);
  data_.clear();
  has_data_ = false;
}

ChatStream::ChatStream() : parser_([this](std::string_view data) { return on_event(data); }) {}

bool ChatStream::feed(std::string_view bytes, int64_t now_ns) {
  now_ns_ = now_ns;
  if (!has_events()) raw_ += bytes;
  const bool goes_on = parser_.feed(bytes);
  if (has_events()) raw_.clear();
  return goes_on;
}

void ChatStream::finish() {
  is_finishing_ = true;
  parser_.finish();
  if (has_events()) raw_.clear();
}

bool ChatStream::on_event(std::string_view data) {
  const size_t first = data.find_first_not_of(" \t\n");
  if (first == std::string_view::npos) return true;
  if (data.substr(first, 6) == "[DONE]") {
    ++event_count_;
    is_done_ = true;
    return true;
  }
  Result<Json> chunk = parse_json(data, "stream");
  if (!chunk) {
    if (is_finishing_) return false;  // the cut end of the last chunk
    ++event_count_;
    broken_chunk_ = chunk.error().message;
    return false;
  }
  ++event_count_;
  const Json& error = member(*chunk, "error");
  if (!error.is_null()) {
    error_ = error;
  } else if (text_member(*chunk, "object") == "error") {
    error_ = *chunk;
  } else {
    on_chunk(*chunk);
  }
  return error_.is_null();
}

void ChatStream::on_chunk(const Json& chunk) {
  if (id_.empty()) id_ = text_member(chunk, "id");
  if (model_.empty()) model_ = text_member(chunk, "model");
  if (fingerprint_.empty()) fingerprint_ = text_member(chunk, "system_fingerprint");
  if (member(chunk, "usage").is_object()) usage_ = member(chunk, "usage");
  const Json& choices = member(chunk, "choices");
  if (!choices.is_array()) return;
  for (const Json& choice : choices) {
    const Json& index = member(choice, "index");
    if (index.is_number_integer() && index.get<int64_t>() != 0) continue;
    has_choice_ = true;
    on_delta(member(choice, "delta"));
    on_logprobs(member(choice, "logprobs"));
    if (const std::string reason = text_member(choice, "finish_reason"); !reason.empty()) finish_reason_ = reason;
  }
}

void ChatStream::on_delta(const Json& delta) {
  const std::string text = content_text(member(delta, "content"));
  if (!text.empty()) note_first_token();
  content_ += text;
  refusal_ += text_member(delta, "refusal");
  const Json& calls = member(delta, "tool_calls");
  if (!calls.is_array()) return;
  for (const Json& call : calls) {
    note_first_token();
    on_tool_call(call);
  }
}

ChatStream::ToolCall& ChatStream::tool_call_for(const Json& delta) {
  const Json& index = member(delta, "index");
  if (index.is_number_integer()) {
    const int64_t wanted = index.get<int64_t>();
    const auto found = std::find_if(tool_calls_.begin(), tool_calls_.end(), [&](const ToolCall& c) { return c.index == wanted; });
    if (found != tool_calls_.end()) return *found;
    return tool_calls_.emplace_back(ToolCall{wanted, {}, {}, {}});
  }
  // Without an index, an id that was not the last one's starts a new call.
  const std::string id = text_member(delta, "id");
  if (tool_calls_.empty() || (!id.empty() && tool_calls_.back().id != id)) return tool_calls_.emplace_back();
  return tool_calls_.back();
}

void ChatStream::on_tool_call(const Json& delta) {
  ToolCall& call = tool_call_for(delta);
  const Json& function = member(delta, "function");
  if (const std::string id = text_member(delta, "id"); !id.empty()) call.id = id;
  // The name comes whole; a server that repeats it in every piece does not mean a longer name.
  if (call.name.empty()) call.name = text_member(function, "name");
  const Json& arguments = member(function, "arguments");
  if (arguments.is_object()) {
    call.arguments += dump_json(arguments);
  } else {
    call.arguments += text_member(function, "arguments");
  }
}

void ChatStream::on_logprobs(const Json& logprobs) {
  if (!logprobs.is_object()) return;
  if (logprobs_.is_null()) logprobs_ = Json::object();
  for (const auto& [key, value] : logprobs.items()) {
    Json& whole = logprobs_[key];
    if (whole.is_array() && value.is_array()) {
      whole.insert(whole.end(), value.begin(), value.end());
    } else if (!value.is_null() || whole.is_null()) {
      whole = value;
    }
  }
}

void ChatStream::note_first_token() {
  if (!first_token_ns_) first_token_ns_ = now_ns_;
}

Json ChatStream::completion() const {
  Json out = Json::object();
  out["id"] = id_;
  out["model"] = model_;
  out["system_fingerprint"] = fingerprint_;
  out["choices"] = Json::array();
  out["usage"] = usage_;
  if (!has_choice_) return out;
  Json message = Json::object();
  message["content"] = content_;
  if (!refusal_.empty()) message["refusal"] = refusal_;
  for (const ToolCall& call : tool_calls_) {
    Json function = Json::object();
    function["name"] = call.name;
    function["arguments"] = call.arguments;
    Json one = Json::object();
    one["id"] = call.id;
    one["function"] = std::move(function);
    message["tool_calls"].push_back(std::move(one));
  }
  Json choice = Json::object();
  choice["message"] = std::move(message);
  choice["finish_reason"] = finish_reason_;
  choice["logprobs"] = logprobs_;
  out["choices"].push_back(std::move(choice));
  return out;
}

}  // namespace llmops
