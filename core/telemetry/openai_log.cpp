// What is asked of OpenAI-compatible interfaces and what they answer: logs of request and response (chat completions and Responses), and batches, whose
// requests and answers lie in two files (https://platform.openai.com/docs/api-reference).
#include <fmt/format.h>

#include "core/telemetry/genai_messages.h"
#include "core/telemetry/trace_formats.h"

namespace llmops {
namespace {

constexpr std::initializer_list<const char*> kRequestKeys{"request", "req", "request_body", "body", "kwargs"};
constexpr std::initializer_list<const char*> kResponseKeys{"response", "res", "response_body", "completion"};

bool is_request(const Json& value) { return value.is_object() && value.contains("model") && (value.contains("messages") || value.contains("input") || value.contains("prompt")); }
bool is_answer(const Json& value) {
  if (!value.is_object()) return false;
  if (list_field(value, {"choices"}) != nullptr) return true;
  const std::string kind = text_field(value, {"object"});
  return kind == "chat.completion" || kind == "text_completion" || (kind == "response" && list_field(value, {"output"}) != nullptr);
}

// Input items of the Responses interface: messages, calls of functions and what they gave.
Json response_items(const Json& items) {
  Json messages = Json::array();
  for (const Json& item : items) {
    const std::string type = text_field(item, {"type"});
    if (type == "function_call") messages.push_back({{"role", "assistant"}, {"content", ""}, {"tool_calls", Json::array({item})}});
    else if (type == "function_call_output") messages.push_back({{"role", "tool"}, {"tool_call_id", text_field(item, {"call_id"})}, {"content", text_field(item, {"output"})}});
    else if (type.empty() || type == "message") messages.push_back(item);
  }
  return chat_messages(messages);
}

void read_usage(const Json& answer, TraceSpan& span) {
  const Json* usage = object_field(answer, {"usage"});
  if (usage == nullptr) return;
  span.input_tokens = integer_field(*usage, {"prompt_tokens", "input_tokens"});
  span.output_tokens = integer_field(*usage, {"completion_tokens", "output_tokens"});
  if (const Json* details = object_field(*usage, {"prompt_tokens_details", "input_tokens_details"})) span.cached_input_tokens = integer_field(*details, {"cached_tokens"});
}

void read_choices(const Json& choices, TraceSpan& span) {
  Json said = Json::array();
  for (const Json& choice : choices) {
    if (const Json* message = object_field(choice, {"message"})) {
      said.push_back(*message);
      if (const std::string refusal = text_field(*message, {"refusal"}); !refusal.empty()) {
        span.attributes["refusal"] = refusal;
        if (text_field(*message, {"content"}).empty()) said.back()["content"] = refusal;
      }
    } else if (const Json* text = field(choice, {"text"})) {
      said.push_back({{"role", "assistant"}, {"content", *text}});
    }
    if (span.finish_reason.empty()) span.finish_reason = text_field(choice, {"finish_reason"});
  }
  set_answer(chat_messages(said), span);
}

void read_error(const Json& error, TraceSpan& span) {
  const Json* object = error.is_object() && error.contains("error") ? object_field(error, {"error"}) : nullptr;
  const Json& told = object != nullptr ? *object : error;
  span.error_type = text_field(told, {"type", "code"});
  span.error_message = told.is_string() ? told.get<std::string>() : text_field(told, {"message"});
  if (span.error_type.empty()) span.error_type = "error";
}

std::string read_pair(const Json& object, TraceSpan& span) {
  const Json* request = object_field(object, kRequestKeys);
  const Json* response = object_field(object, kResponseKeys);
  if (request == nullptr && is_request(object)) request = &object;
  if (response == nullptr && is_answer(object)) response = &object;
  if (request != nullptr) read_openai_request(*request, span);
  if (response != nullptr) read_openai_answer(*response, span);
  const auto start = moment_field(object, {"start_time", "startTime", "ts", "timestamp", "time"});
  auto end = moment_field(object, {"end_time", "endTime"});
  const auto created = response == nullptr ? std::nullopt : moment_field(*response, {"created", "created_at"});
  if (!start && !created) return "a request has no time (ts, timestamp, or its response's created)";
  span.start_ms = start.value_or(created.value_or(0));
  if (const auto latency = number_field(object, {"latency_ms", "duration_ms", "response_ms"})) end = span.start_ms + *latency;
  span.end_ms = end.value_or(span.start_ms);
  if (span.end_ms < span.start_ms) return "a span ends before it starts";
  span.ttft_ms = number_field(object, {"ttft_ms"});
  span.cost_usd = number_field(object, {"cost", "cost_usd", "response_cost"});
  if (const Json* error = field(object, {"error"})) read_error(*error, span);
  span.span_id = text_field(object, {"id", "request_id", "call_id"});
  if (span.span_id.empty() && response != nullptr) span.span_id = text_field(*response, {"id"});
  span.trace_id = text_field(object, {"trace_id", "traceId"});
  if (span.trace_id.empty()) span.trace_id = span.span_id;
  if (span.span_id.empty()) return "a request has no id, and neither has its response";
  for (const auto& [key, into] : {std::pair{"session", &span.session}, {"session_id", &span.session}, {"conversation_id", &span.session}, {"route", &span.route}, {"service", &span.service}, {"vid", &span.vid}, {"prompt_version", &span.prompt_version}}) {
    if (into->empty()) *into = text_field(object, {key});
  }
  if (span.user.empty()) span.user = text_field(object, {"user", "user_id"});
  return {};
}

}  // namespace

void read_openai_request(const Json& request, TraceSpan& span) {
  span.kind = TraceKind::kModel;
  span.model_asked = text_field(request, {"model"});
  if (const Json* messages = list_field(request, {"messages"})) {
    set_messages(chat_messages(*messages), span);
  } else if (const Json* input = field(request, {"input", "prompt"})) {
    Json asked = input->is_array() ? response_items(*input) : chat_messages(*input);
    if (const std::string instructions = text_field(request, {"instructions"}); !instructions.empty() && asked.is_array()) asked.insert(asked.begin(), Json{{"role", "system"}, {"content", instructions}});
    set_messages(std::move(asked), span);
  }
  span.user = text_field(request, {"user", "safety_identifier"});
  if (const Json* metadata = object_field(request, {"metadata"})) {
    span.session = text_field(*metadata, {"session_id", "session", "conversation_id"});
    span.route = text_field(*metadata, {"route"});
    span.prompt_version = text_field(*metadata, {"prompt_version"});
  }
  for (const char* name : {"temperature", "top_p", "max_tokens", "max_completion_tokens", "max_output_tokens", "seed", "response_format"}) if (const Json* value = field(request, {name})) span.attributes[name] = *value;
}

void read_openai_answer(const Json& answer, TraceSpan& span) {
  span.kind = TraceKind::kModel;
  if (const std::string model = text_field(answer, {"model"}); !model.empty()) span.model_served = model;
  read_usage(answer, span);
  if (const Json* choices = list_field(answer, {"choices"})) read_choices(*choices, span);
  const Json* output = list_field(answer, {"output"});
  if (output != nullptr) {
    set_answer(response_items(*output), span);
    span.finish_reason = text_field(answer, {"status"});
    if (const Json* details = object_field(answer, {"incomplete_details"})) span.finish_reason = text_field(*details, {"reason"});
    if (span.finish_reason == "max_output_tokens") span.finish_reason = "length";
    if (const Json* conversation = object_field(answer, {"conversation"})) span.session = text_field(*conversation, {"id"});
    if (const Json* asked = field(answer, {"input"}); asked != nullptr && span.messages.is_null()) set_messages(asked->is_array() ? response_items(*asked) : chat_messages(*asked), span);
  }
  if (const Json* error = field(answer, {"error"})) read_error(*error, span);
  if (const std::string fingerprint = text_field(answer, {"system_fingerprint"}); !fingerprint.empty()) span.attributes["system_fingerprint"] = fingerprint;
}

bool is_openai_batch(const Json& object) { return object.contains("custom_id") && (object.contains("response") || (object.contains("method") && object.contains("body"))); }

void read_openai_batch(const Json& object, TraceLine& line) {
  BatchHalf half;
  half.custom_id = text_field(object, {"custom_id"});
  half.is_answer = object.contains("response") || object.contains("error");
  TraceSpan& span = half.span;
  span.kind = TraceKind::kModel;
  span.name = "batch";
  if (!half.is_answer) {
    const Json* body = object_field(object, {"body"});
    if (body == nullptr) return line.dropped.emplace_back("a request of a batch has no body"), void();
    read_openai_request(*body, span);
    line.halves.push_back(std::move(half));
    return;
  }
  span.span_id = text_field(object, {"id"});
  if (const Json* response = object_field(object, {"response"})) {
    const Json* body = object_field(*response, {"body"});
    const auto status = integer_field(*response, {"status_code"});
    if (body != nullptr) read_openai_answer(*body, span);
    if (body != nullptr) span.start_ms = span.end_ms = moment_field(*body, {"created", "created_at"}).value_or(0);
    if (status && *status != 200 && span.error_type.empty()) span.error_type = fmt::format("http_{}", *status);
  }
  if (const Json* error = field(object, {"error"})) read_error(*error, span);
  if (span.span_id.empty()) return line.dropped.emplace_back("an answer of a batch has no id"), void();
  span.trace_id = span.span_id;
  line.halves.push_back(std::move(half));
}

bool is_openai_log(const Json& object) {
  const Json* request = object_field(object, kRequestKeys);
  const Json* response = object_field(object, kResponseKeys);
  if (request != nullptr && is_request(*request)) return true;
  return (response != nullptr && is_answer(*response)) || is_answer(object);
}

void read_openai_log(const Json& object, TraceLine& line) {
  TraceSpan span;
  span.name = "chat";
  std::string problem = read_pair(object, span);
  if (problem.empty()) line.spans.push_back(std::move(span));
  else line.dropped.push_back(std::move(problem));
}

}  // namespace llmops
