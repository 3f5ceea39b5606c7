// OTLP/JSON as OpenTelemetry's file exporter writes it (https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding).
#include <charconv>
#include <map>

#include "core/telemetry/genai_messages.h"
#include "core/telemetry/trace_formats.h"

namespace llmops {
namespace {

// {"intValue": "47"} -> 47: OTLP writes 64-bit integers as text.
Json plain_value(const Json& value, int depth = 0) {
  if (!value.is_object() || depth > 32) return nullptr;
  for (const auto& [type, inner] : value.items()) {
    if (type == "stringValue" || type == "boolValue" || type == "doubleValue" || type == "bytesValue") return inner;
    if (type == "intValue") {
      if (inner.is_number_integer()) return inner;
      const std::string text = json_to_text(inner);
      int64_t number = 0;
      const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
      return failed == std::errc() && end == text.data() + text.size() ? Json(number) : Json(text);
    }
    if (type == "arrayValue") {
      Json list = Json::array();
      if (inner.is_object() && inner.contains("values") && inner["values"].is_array()) for (const Json& one : inner["values"]) list.push_back(plain_value(one, depth + 1));
      return list;
    }
    if (type == "kvlistValue") {
      Json object = Json::object();
      if (inner.is_object() && inner.contains("values") && inner["values"].is_array()) {
        for (const Json& one : inner["values"]) if (one.is_object() && one.contains("key")) object[json_to_text(one["key"])] = plain_value(one.value("value", Json()), depth + 1);
      }
      return object;
    }
  }
  return nullptr;
}

Json plain_attributes(const Json& holder) {
  Json attributes = Json::object();
  if (const Json* list = list_field(holder, {"attributes"})) {
    for (const Json& one : *list) if (one.is_object() && one.contains("key") && one.contains("value")) attributes[json_to_text(one["key"])] = plain_value(one["value"]);
  }
  return attributes;
}

// Takes attributes by their names, the newest first, and leaves the rest.
class Attributes {
 public:
  explicit Attributes(Json attributes) : attributes_(std::move(attributes)) {}
  Json take(std::initializer_list<const char*> names) {
    Json first;
    for (const char* name : names) {
      const auto found = attributes_.find(name);
      if (found == attributes_.end()) continue;
      if (first.is_null()) first = std::move(*found);
      attributes_.erase(found);
    }
    return first;
  }
  std::string text(std::initializer_list<const char*> names) {
    const Json value = take(names);
    return value.is_null() ? "" : json_to_text(value);
  }
  std::optional<int64_t> integer(std::initializer_list<const char*> names) {
    const Json value = take(names);
    if (value.is_number_integer()) return value.get<int64_t>();
    if (value.is_number()) return static_cast<int64_t>(value.get<double>());
    return std::nullopt;
  }
  std::optional<double> number(std::initializer_list<const char*> names) {
    const Json value = take(names);
    return value.is_number() ? std::optional(value.get<double>()) : std::nullopt;
  }
  // "gen_ai.prompt.0.role", "gen_ai.prompt.0.content" -> [{role, content}]; null: none.
  Json take_numbered(const std::string& prefix) {
    std::map<int, Json> numbered;
    std::vector<std::string> taken;
    for (const auto& [name, value] : attributes_.items()) {
      if (!name.starts_with(prefix)) continue;
      int number = 0;
      const char *from = name.data() + prefix.size(), *stop = name.data() + name.size();
      const auto [end, failed] = std::from_chars(from, stop, number);
      if (failed != std::errc() || end == stop || *end != '.') continue;
      const std::string field(end + 1, stop);
      if (field == "role" || field == "content") numbered[number][field] = value;
      taken.push_back(name);
    }
    for (const std::string& name : taken) attributes_.erase(name);
    if (numbered.empty()) return nullptr;
    Json messages = Json::array();
    for (auto& [number, message] : numbered) messages.push_back(std::move(message));
    return messages;
  }
  void merge(const Json& more) { for (const auto& [name, value] : more.items()) if (!attributes_.contains(name)) attributes_[name] = value; }
  Json rest() { return std::move(attributes_); }

 private:
  Json attributes_;
};

std::optional<double> nano_to_ms(const Json& span, const char* key) {
  const auto found = span.find(key);
  if (found == span.end()) return std::nullopt;
  if (found->is_number()) return found->get<double>() * 1e-6;
  if (!found->is_string()) return std::nullopt;
  const std::string& text = found->get_ref<const std::string&>();
  uint64_t nanoseconds = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), nanoseconds);
  if (failed != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return static_cast<double>(nanoseconds / 1000) * 1e-3;
}

TraceKind kind_of(const std::string& operation) {
  if (operation == "chat" || operation == "text_completion" || operation == "generate_content" || operation == "completion") return TraceKind::kModel;
  if (operation == "execute_tool") return TraceKind::kTool;
  if (operation == "retrieval") return TraceKind::kRetrieval;
  if (operation == "embeddings") return TraceKind::kEmbedding;
  if (operation == "invoke_agent" || operation == "invoke_workflow" || operation == "create_agent") return TraceKind::kAgent;
  return TraceKind::kOther;
}

void read_messages(Attributes& attributes, TraceSpan& span) {
  Json asked = attributes.take({"gen_ai.input.messages", "gen_ai.prompt"});
  if (asked.is_null()) asked = attributes.take_numbered("gen_ai.prompt.");
  Json answered = attributes.take({"gen_ai.output.messages", "gen_ai.completion"});
  if (answered.is_null()) answered = attributes.take_numbered("gen_ai.completion.");
  const Json system = attributes.take({"gen_ai.system_instructions"});
  if (!asked.is_null()) {
    set_messages(chat_messages(asked), span);
  }
  if (!system.is_null()) {
    const Json said = chat_messages(Json::array({{{"role", "system"}, {"parts", value_or_text(system)}}}));
    if (!span.messages.is_array()) span.messages = Json::array();
    span.messages.insert(span.messages.begin(), said[0]);
  }
  if (!answered.is_null()) set_answer(chat_messages(answered), span);
}

void read_operation(Attributes& attributes, const std::string& operation, TraceSpan& span) {
  span.kind = kind_of(operation);
  if (span.kind == TraceKind::kTool) {
    span.component = attributes.text({"gen_ai.tool.name"});
    span.input = value_or_text(attributes.take({"gen_ai.tool.call.arguments"}));
    span.output = value_or_text(attributes.take({"gen_ai.tool.call.result"}));
  } else if (span.kind == TraceKind::kAgent) {
    span.component = attributes.text({"gen_ai.agent.name", "gen_ai.workflow.name"});
  } else if (span.kind == TraceKind::kRetrieval) {
    span.input = attributes.take({"gen_ai.retrieval.query.text"});
    span.output = value_or_text(attributes.take({"gen_ai.retrieval.documents"}));
  }
}

// What went wrong, from the status, `error.type` and the exception that was recorded.
void read_error(const Json& otlp, Attributes& attributes, TraceSpan& span) {
  span.error_type = attributes.text({"error.type"});
  const auto status = otlp.find("status");
  const Json code = status != otlp.end() && status->is_object() ? status->value("code", Json()) : Json();
  const bool failed = code == 2 || code == "STATUS_CODE_ERROR";
  if (failed) span.error_message = text_field(*status, {"message"});
  if (const Json* events = list_field(otlp, {"events"})) {
    for (const Json& event : *events) {
      if (text_field(event, {"name"}) != "exception") continue;
      Attributes exception(plain_attributes(event));
      if (span.error_message.empty()) span.error_message = exception.text({"exception.message"});
      if (span.error_type.empty()) span.error_type = exception.text({"exception.type"});
    }
  }
  if (failed && span.error_type.empty()) span.error_type = "error";
}

// Content and evaluations that stand in events of the span.
void read_events(const Json& otlp, Attributes& attributes, TraceSpan& span) {
  const Json* events = list_field(otlp, {"events"});
  if (events == nullptr) return;
  for (const Json& event : *events) {
    const std::string name = text_field(event, {"name"});
    if (name == "gen_ai.client.inference.operation.details") attributes.merge(plain_attributes(event));
    if (name != "gen_ai.evaluation.result") continue;
    const Json result = plain_attributes(event);
    const Json* value = field(result, {"gen_ai.evaluation.score.value", "gen_ai.evaluation.score.label"});
    if (const std::string metric = text_field(result, {"gen_ai.evaluation.name"}); value != nullptr && !metric.empty()) span.scores[metric] = *value;
  }
}

// The resource and the scope speak for all their spans.
struct Origin { std::string service, version, environment, vid; };

std::string read_otlp_span(const Json& otlp, const Origin& origin, TraceSpan& span) {
  if (!otlp.is_object()) return "a span is no object";
  span.trace_id = text_field(otlp, {"traceId", "trace_id"});
  span.span_id = text_field(otlp, {"spanId", "span_id"});
  if (span.trace_id.empty() || span.span_id.empty()) return "a span has no traceId or no spanId";
  span.parent_id = text_field(otlp, {"parentSpanId", "parent_span_id"});
  span.name = text_field(otlp, {"name"});
  const auto start = nano_to_ms(otlp, otlp.contains("startTimeUnixNano") ? "startTimeUnixNano" : "start_time_unix_nano");
  const auto end = nano_to_ms(otlp, otlp.contains("endTimeUnixNano") ? "endTimeUnixNano" : "end_time_unix_nano");
  if (!start || !end) return "a span has no startTimeUnixNano or no endTimeUnixNano";
  if (*end < *start) return "a span ends before it starts";
  span.start_ms = *start;
  span.end_ms = *end;
  Attributes attributes(plain_attributes(otlp));
  read_events(otlp, attributes, span);
  const std::string operation = attributes.text({"gen_ai.operation.name"});
  read_operation(attributes, operation, span);
  span.provider = attributes.text({"gen_ai.provider.name", "gen_ai.system"});
  span.model_asked = attributes.text({"gen_ai.request.model"});
  span.model_served = attributes.text({"gen_ai.response.model"});
  // Instrumentations before the operation's name said what they asked: a model.
  if (operation.empty() && !span.model_asked.empty()) span.kind = TraceKind::kModel;
  read_messages(attributes, span);
  span.input_tokens = attributes.integer({"gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"});
  span.output_tokens = attributes.integer({"gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"});
  span.cached_input_tokens = attributes.integer({"gen_ai.usage.cache_read.input_tokens"});
  span.cost_usd = attributes.number({"gen_ai.usage.cost", "llmops.cost_usd"});
  if (const auto seconds = attributes.number({"gen_ai.response.time_to_first_chunk"})) span.ttft_ms = *seconds * 1000;
  if (const Json reasons = attributes.take({"gen_ai.response.finish_reasons"}); reasons.is_array() && !reasons.empty()) span.finish_reason = json_to_text(reasons[0]);
  if (const std::string step = attributes.text({"llmops.step"}); !step.empty()) span.component = step;
  span.session = attributes.text({"gen_ai.conversation.id", "session.id"});
  span.user = attributes.text({"user.id", "enduser.id"});
  span.prompt_name = attributes.text({"gen_ai.prompt.name"});
  span.prompt_version = attributes.text({"gen_ai.prompt.version", "llmops.prompt_version"});
  span.vid = attributes.text({"llmops.vid"});
  if (span.vid.empty()) span.vid = origin.vid;
  span.service = origin.service;
  span.service_version = origin.version;
  span.environment = origin.environment;
  span.route = attributes.text({"llmops.route", "http.route"});
  read_error(otlp, attributes, span);
  span.attributes = attributes.rest();
  if (has_openinference_names(span.attributes)) read_openinference_attributes(span.attributes, span);
  return {};
}

}  // namespace

// Metrics and logs of OTLP as well: they are no spans, and nothing is lost.
bool is_otlp(const Json& object) { return object.contains("resourceSpans") || object.contains("resource_spans") || object.contains("resourceMetrics") || object.contains("resourceLogs"); }

void read_otlp(const Json& object, TraceLine& line) {
  const Json* resource_spans = list_field(object, {"resourceSpans", "resource_spans"});
  if (resource_spans == nullptr) return;
  for (const Json& resource : *resource_spans) {
    if (!resource.is_object()) {
      line.dropped.push_back("an entry of resourceSpans is no object");
      continue;
    }
    Attributes of_resource(resource.contains("resource") ? plain_attributes(resource["resource"]) : Json::object());
    const Origin origin{of_resource.text({"service.name"}), of_resource.text({"service.version"}), of_resource.text({"deployment.environment.name", "deployment.environment"}), of_resource.text({"llmops.vid"})};
    const Json* scopes = list_field(resource, {"scopeSpans", "scope_spans"});
    if (scopes == nullptr) scopes = list_field(resource, {"instrumentationLibrarySpans"});
    if (scopes == nullptr) continue;
    for (const Json& scope : *scopes) {
      const Json* spans = list_field(scope, {"spans"});
      if (spans == nullptr) continue;
      for (const Json& otlp : *spans) {
        TraceSpan span;
        std::string problem = read_otlp_span(otlp, origin, span);
        if (problem.empty()) line.spans.push_back(std::move(span));
        else line.dropped.push_back(std::move(problem));
      }
    }
  }
}

}  // namespace llmops
