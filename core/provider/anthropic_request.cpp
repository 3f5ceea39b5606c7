// From OpenAI's chat form to the Messages API: roles are user and assistant only, everything else is a content block.
// Source: Claude API documentation, "Messages", "Tool use", "Vision", "Structured outputs".
#include "core/provider/anthropic_request.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/provider/chat_json.h"

namespace llmops {
namespace {

Error refused(std::string message, std::string hint) { return Error(ErrorCode::kConfig, std::move(message), std::move(hint)); }

Json block(const char* type) {
  Json out = Json::object();
  out["type"] = type;
  return out;
}

Json text_block(std::string text) {
  Json out = block("text");
  out["text"] = std::move(text);
  return out;
}

// {"url": "https://..."} or {"url": "data:image/png;base64,..."}
Result<Json> image_block(const Json& part) {
  const Json& image = member(part, "image_url");
  const std::string url = image.is_string() ? image.get<std::string>() : text_member(image, "url");
  Json source = Json::object();
  if (url.starts_with("data:")) {
    const size_t mark = url.find(";base64,");
    if (mark == std::string::npos) return refused("image of a message is a data address without base64", "write data:image/png;base64,...");
    source["type"] = "base64";
    source["media_type"] = url.substr(5, mark - 5);
    source["data"] = url.substr(mark + 8);
  } else {
    if (url.empty()) return refused("image of a message has no address", "write image_url: {url: ...}");
    source["type"] = "url";
    source["url"] = url;
  }
  Json out = block("image");
  out["source"] = std::move(source);
  return out;
}

// A string, or parts; blocks that are the API's own pass as they are.
Result<Json> content_of(const Json& content) {
  if (!content.is_array()) return Json(content_text(content));
  Json blocks = Json::array();
  for (const Json& part : content) {
    const std::string type = text_member(part, "type");
    if (part.is_string()) {
      blocks.push_back(text_block(part.get<std::string>()));
    } else if (type == "text" || type == "image" || type == "document" || type == "tool_result" || type == "tool_use") {
      blocks.push_back(part);
    } else if (type == "image_url") {
      LLMOPS_ASSIGN(Json image, image_block(part));
      blocks.push_back(std::move(image));
    } else {
      return refused(fmt::format("provider 'anthropic' takes no content of type '{}'", type), "send text or images");
    }
  }
  return blocks;
}

class MessageList {
 public:
  Status add(const Json& message) {
    const std::string role = text_member(message, "role");
    if (role == "system" || role == "developer") return add_system(message);
    if (role == "user") return add_user(message);
    if (role == "assistant") return add_assistant(message);
    if (role == "tool") return add_result(message);
    return refused(fmt::format("provider 'anthropic' knows no role '{}'", role), "use system, user, assistant or tool");
  }

  std::string system;
  Json messages = Json::array();

 private:
  void push(const char* role, Json content) {
    Json message = Json::object();
    message["role"] = role;
    message["content"] = std::move(content);
    messages.push_back(std::move(message));
    takes_results_ = false;
  }

  Status add_system(const Json& message) {
    if (!messages.empty()) {
      return refused("provider 'anthropic' takes system messages only before all others", "move the text to the start or into a user message");
    }
    const std::string text = content_text(member(message, "content"));
    if (!system.empty() && !text.empty()) system += "\n\n";
    system += text;
    return {};
  }

  // What the user says behind results of tools belongs to the same turn.
  Status add_user(const Json& message) {
    LLMOPS_ASSIGN(Json content, content_of(member(message, "content")));
    if (!takes_results_) {
      push("user", std::move(content));
      return {};
    }
    Json& blocks = messages.back()["content"];
    if (content.is_string()) blocks.push_back(text_block(content.get<std::string>()));
    else blocks.insert(blocks.end(), content.begin(), content.end());
    takes_results_ = false;
    return {};
  }

  Status add_assistant(const Json& message) {
    LLMOPS_ASSIGN(Json content, content_of(member(message, "content")));
    const Json calls = tool_calls_of(member(message, "tool_calls"));
    if (calls.is_null()) {
      push("assistant", std::move(content));
      return {};
    }
    Json blocks = Json::array();
    if (content.is_array()) blocks = std::move(content);
    else if (!content.get_ref<const std::string&>().empty()) blocks.push_back(text_block(content.get<std::string>()));
    for (const Json& call : calls) {
      if (!call["arguments"].is_object()) {
        return Error(ErrorCode::kData, fmt::format("arguments of the call of tool '{}' are no JSON object", text_member(call, "name")),
                     "leave the broken call out of the messages");
      }
      Json use = block("tool_use");
      use["id"] = call["id"];
      use["name"] = call["name"];
      use["input"] = call["arguments"];
      blocks.push_back(std::move(use));
    }
    push("assistant", std::move(blocks));
    return {};
  }

  // Results of one turn's calls stand together in one message of the user's.
  Status add_result(const Json& message) {
    LLMOPS_ASSIGN(Json content, content_of(member(message, "content")));
    Json result = block("tool_result");
    result["tool_use_id"] = text_member(message, "tool_call_id");
    result["content"] = std::move(content);
    if (takes_results_) {
      messages.back()["content"].push_back(std::move(result));
      return {};
    }
    push("user", Json::array({std::move(result)}));
    takes_results_ = true;
    return {};
  }

  bool takes_results_ = false;   // the last message holds results of tools and may take more
};

Result<Json> tools_of(const Json& tools) {
  Json out = Json::array();
  for (const Json& tool : tools) {
    const Json& function = member(tool, "function");
    if (!function.is_object() && !text_member(tool, "name").empty()) {   // the API's own form
      out.push_back(tool);
      continue;
    }
    if (text_member(function, "name").empty()) return refused("a tool has no function with a name", "write {type: function, function: {name: ...}}");
    Json one = Json::object();
    one["name"] = function["name"];
    if (!member(function, "description").is_null()) one["description"] = function["description"];
    one["input_schema"] = member(function, "parameters");
    if (!one["input_schema"].is_object()) {
      one["input_schema"] = Json::object();
      one["input_schema"]["type"] = "object";
    }
    if (!member(function, "strict").is_null()) one["strict"] = function["strict"];
    out.push_back(std::move(one));
  }
  return out;
}

// "auto", "none", "required", {type: function, function: {name}}, or the API's own object.
Result<Json> tool_choice_of(const Json& choice) {
  if (choice == "auto" || choice == "none") return block(choice.get_ref<const std::string&>().c_str());
  if (choice == "required") return block("any");
  const std::string type = text_member(choice, "type");
  if (type == "auto" || type == "any" || type == "tool" || type == "none") return choice;
  const std::string name = text_member(member(choice, "function"), "name");
  if (name.empty()) return refused("param 'tool_choice' is neither auto, none, required nor a function", "write one of them");
  Json out = block("tool");
  out["name"] = name;
  return out;
}

Status add_param(Json& body, const std::string& name, const Json& value, const std::string& model) {
  constexpr std::string_view kSame[] = {"max_tokens", "temperature", "top_p", "top_k", "stream", "stop_sequences", "metadata",
                                        "thinking", "service_tier", "output_config", "container", "mcp_servers", "inference_geo"};
  if (std::find(std::begin(kSame), std::end(kSame), name) != std::end(kSame)) {
    body[name] = value;
  } else if (name == "max_completion_tokens") {
    body["max_tokens"] = value;
  } else if (name == "stop") {
    body["stop_sequences"] = value.is_array() ? value : Json::array({value});
  } else if (name == "user") {
    body["metadata"]["user_id"] = value;
  } else if (name == "tool_choice") {
    const bool parallel = member(member(body, "tool_choice"), "disable_parallel_tool_use").is_null();
    LLMOPS_ASSIGN(body["tool_choice"], tool_choice_of(value));
    if (!parallel) body["tool_choice"]["disable_parallel_tool_use"] = true;
  } else if (name == "parallel_tool_calls") {
    if (value != false) return {};
    if (!body.contains("tool_choice")) body["tool_choice"] = block("auto");
    body["tool_choice"]["disable_parallel_tool_use"] = true;
  } else if (name == "n" && value == 1) {
    return {};
  } else {
    std::vector<std::string> known(std::begin(kSame), std::end(kSame));
    for (const char* other : {"max_completion_tokens", "stop", "user", "tool_choice", "parallel_tool_calls"}) known.emplace_back(other);
    const std::string close = closest_name(name, known);
    return refused(fmt::format("provider 'anthropic' has no param '{}'", name),
                   close.empty() ? fmt::format("remove it from the params of model '{}'", model) : fmt::format("did you mean '{}'?", close));
  }
  return {};
}

Status add_format(Json& body, const Json& format) {
  const std::string type = text_member(format, "type");
  if (format.is_null() || type == "text") return {};
  const Json& schema = member(member(format, "json_schema"), "schema");
  if (type != "json_schema" || !schema.is_object()) {
    return refused(fmt::format("provider 'anthropic' has no response_format '{}'", type.empty() ? "without a type" : type),
                   "give a json_schema with its schema, or ask for JSON in the prompt");
  }
  Json out = block("json_schema");
  out["schema"] = schema;
  body["output_config"]["format"] = std::move(out);
  return {};
}

}  // namespace

Result<Json> messages_body(const ChatRequest& request, int64_t default_max_tokens) {
  MessageList list;
  if (request.messages.is_array()) for (const Json& message : request.messages) LLMOPS_CHECK(list.add(message));
  if (list.messages.empty()) return refused("provider 'anthropic' needs a message that is not a system message", "add a user message to the prompt");
  Json body = Json::object();
  body["model"] = request.model;
  body["max_tokens"] = default_max_tokens;
  if (!list.system.empty()) body["system"] = list.system;
  body["messages"] = std::move(list.messages);
  if (request.params.is_object()) {
    for (const auto& [name, value] : request.params.items()) {
      // Usage comes with every stream.
      if (value.is_null() || name == "model" || name == "messages" || name == "stream_options") continue;
      LLMOPS_CHECK(add_param(body, name, value, request.model));
    }
  }
  if (request.tools.is_array() && !request.tools.empty()) {
    LLMOPS_ASSIGN(body["tools"], tools_of(request.tools));
  }
  LLMOPS_CHECK(add_format(body, request.response_format));
  return body;
}

}  // namespace llmops
