#include "core/telemetry/genai_messages.h"

namespace llmops {
namespace {

std::string text_at(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found == json.end() || found->is_null() ? "" : json_to_text(*found);
}

void add_said(std::string_view said, std::string& text) {
  if (!text.empty()) text += '\n';
  text += said;
}

void add_part(const Json& part, Json& message, std::string& text) {
  if (part.is_string()) {
    add_said(part.get_ref<const std::string&>(), text);
    return;
  }
  if (!part.is_object()) return;
  const std::string type = text_at(part, "type");
  if (type == "tool_call") {
    message["tool_calls"].push_back({{"id", text_at(part, "id")}, {"name", text_at(part, "name")}, {"arguments", part.contains("arguments") ? value_or_text(part["arguments"]) : Json::object()}});
  } else if (type == "tool_call_response") {
    message["tool_call_id"] = text_at(part, "id");
    add_said(text_at(part, part.contains("result") ? "result" : "response"), text);
  } else if (type.empty() || type == "text" || type == "input_text" || type == "output_text") {
    const std::string content = text_at(part, part.contains("content") ? "content" : "text");
    if (!content.empty()) add_said(content, text);
  }
}

// Frameworks have their own words for who speaks.
std::string plain_role(const std::string& role) {
  if (role.empty() || role == "human" || role == "Human") return "user";
  return role == "ai" || role == "AI" || role == "model" ? "assistant" : role;
}

// OpenAI's own form of a call: {id, function: {name, arguments: "..."}}.
Json plain_calls(const Json& calls) {
  Json plain = Json::array();
  for (const Json& call : calls) {
    if (!call.is_object()) continue;
    const Json& function = call.contains("function") && call["function"].is_object() ? call["function"] : call;
    plain.push_back({{"id", text_at(call, "id")}, {"name", text_at(function, "name")}, {"arguments", function.contains("arguments") ? value_or_text(function["arguments"]) : Json::object()}});
  }
  return plain;
}

}  // namespace

Json value_or_text(Json value) {
  if (!value.is_string()) return value;
  const std::string& text = value.get_ref<const std::string&>();
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string::npos || (text[first] != '{' && text[first] != '[')) return value;
  auto parsed = parse_json(text, "attribute");
  return parsed ? std::move(*parsed) : std::move(value);
}

Json chat_messages(Json recorded) {
  const Json list = value_or_text(std::move(recorded));
  if (list.is_string()) return Json::array({{{"role", "user"}, {"content", list}}});
  if (!list.is_array()) return nullptr;
  Json messages = Json::array();
  for (const Json& entry : list) {
    if (!entry.is_object()) continue;
    Json message = Json::object();
    message["role"] = plain_role(text_at(entry, "role"));
    std::string text;
    const auto parts = entry.contains("parts") ? entry.find("parts") : entry.find("content");
    if (parts != entry.end() && parts->is_array()) for (const Json& part : *parts) add_part(part, message, text);
    else if (parts != entry.end()) add_part(*parts, message, text);
    if (const auto calls = entry.find("tool_calls"); calls != entry.end() && calls->is_array()) message["tool_calls"] = plain_calls(*calls);
    if (entry.contains("tool_call_id")) message["tool_call_id"] = text_at(entry, "tool_call_id");
    message["content"] = std::move(text);
    messages.push_back(std::move(message));
  }
  return messages;
}

std::string message_text(const Json& message) { return text_at(message, "content"); }

}  // namespace llmops
