// OpenAI's chat form, read leniently: servers that speak it differ in what they leave out.
// Source: OpenAI API reference, "Chat completions".
#include "core/provider/chat_json.h"

#include <algorithm>

namespace llmops {
namespace {

std::optional<int64_t> count_member(const Json& object, const char* name) {
  const Json& value = member(object, name);
  if (!value.is_number_integer() || value.get<int64_t>() < 0) return std::nullopt;
  return value.get<int64_t>();
}

std::optional<int64_t> first_of(std::optional<int64_t> a, std::optional<int64_t> b) { return a ? a : b; }

// Arguments travel as text that holds JSON. Models write broken JSON at times, which must stay visible as it was written.
Json arguments_of(const Json& arguments) {
  if (arguments.is_null()) return Json::object();
  if (!arguments.is_string()) return arguments;
  const std::string& text = arguments.get_ref<const std::string&>();
  if (text.find_first_not_of(" \t\r\n") == std::string::npos) return Json::object();
  Result<Json> parsed = parse_json(text, "arguments");
  return parsed && parsed->is_object() ? *std::move(parsed) : arguments;
}

}  // namespace

const Json& member(const Json& object, const char* name) {
  static const Json kNull;
  if (!object.is_object()) return kNull;
  const auto found = object.find(name);
  return found == object.end() ? kNull : *found;
}

std::string text_member(const Json& object, const char* name) {
  const Json& value = member(object, name);
  return value.is_string() ? value.get<std::string>() : std::string();
}

std::string content_text(const Json& content) {
  if (content.is_string()) return content.get<std::string>();
  std::string text;
  if (!content.is_array()) return text;
  for (const Json& part : content) {
    if (part.is_string()) text += part.get_ref<const std::string&>();
    if (text_member(part, "type") == "text" || text_member(part, "type") == "output_text") text += text_member(part, "text");
  }
  return text;
}

std::optional<std::string> last_user_text(const Json& messages) {
  if (!messages.is_array()) return std::nullopt;
  for (auto message = messages.rbegin(); message != messages.rend(); ++message) {
    if (text_member(*message, "role") == "user") return content_text(member(*message, "content"));
  }
  return std::nullopt;
}

Json tool_calls_of(const Json& calls) {
  if (!calls.is_array() || calls.empty()) return nullptr;
  Json out = Json::array();
  for (const Json& call : calls) {
    const Json& function = member(call, "function");
    const Json& named = function.is_object() ? function : call;
    Json one = Json::object();
    one["id"] = text_member(call, "id");
    one["name"] = text_member(named, "name");
    one["arguments"] = arguments_of(member(named, "arguments"));
    out.push_back(std::move(one));
  }
  return out;
}

TokenUsage usage_of(const Json& usage) {
  TokenUsage out;
  out.input_tokens = first_of(count_member(usage, "prompt_tokens"), count_member(usage, "input_tokens"));
  out.output_tokens = first_of(count_member(usage, "completion_tokens"), count_member(usage, "output_tokens"));
  out.cached_input_tokens = first_of(count_member(member(usage, "prompt_tokens_details"), "cached_tokens"),
                                     count_member(usage, "cached_input_tokens"));
  out.reasoning_tokens = first_of(count_member(member(usage, "completion_tokens_details"), "reasoning_tokens"),
                                  count_member(usage, "reasoning_tokens"));
  return out;
}

std::string shortened(std::string_view text, size_t characters) {
  std::string out;
  size_t written = 0;
  bool has_gap = false;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= 0x20 || byte == 0x7F) {
      has_gap = !out.empty();
      continue;
    }
    const bool starts_character = (byte & 0xC0) != 0x80;
    if (starts_character) {
      written += has_gap ? 2 : 1;
      if (written > characters) return out + "...";
    }
    if (has_gap) out += ' ';
    has_gap = false;
    out += c;
  }
  return out;
}

}  // namespace llmops
