// OTLP/JSON as OpenTelemetry's file exporter writes it (https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding).
#include "core/telemetry/genai_messages.h"
#include "core/telemetry/otlp_span.h"

namespace llmops {
namespace {

OtlpAttributes plain_attributes(const Json& holder) {
  OtlpAttributes attributes;
  if (const Json* list = list_field(holder, {"attributes"})) {
    for (const Json& one : *list) {
      if (!one.is_object() || !one.contains("key") || !one.contains("value")) continue;
      Json plain;
      if (const Json& value = one["value"]; value.is_object()) {
        for (const auto& [type, inner] : value.items()) {
          auto known = otlp_value(type, inner);
          if (!known) continue;
          plain = std::move(*known);
          break;
        }
      }
      attributes.set(json_to_text(one["key"]), std::move(plain));
    }
  }
  return attributes;
}

TraceKind kind_of(const std::string& operation) {
  if (operation == "chat" || operation == "text_completion" || operation == "generate_content" || operation == "completion") return TraceKind::kModel;
  if (operation == "execute_tool") return TraceKind::kTool;
  if (operation == "retrieval") return TraceKind::kRetrieval;
  if (operation == "embeddings") return TraceKind::kEmbedding;
  if (operation == "invoke_agent" || operation == "invoke_workflow" || operation == "create_agent") return TraceKind::kAgent;
  return TraceKind::kOther;
}

void read_messages(OtlpAttributes& attributes, TraceSpan& span) {
  Json asked = attributes.take({"gen_ai.input.messages", "gen_ai.prompt"});
  if (asked.is_null()) asked = attributes.take_numbered("gen_ai.prompt.");
  Json answered = attributes.take({"gen_ai.output.messages", "gen_ai.completion"});
  if (answered.is_null()) answered = attributes.take_numbered("gen_ai.completion.");
  Json system = attributes.take({"gen_ai.system_instructions"});
  if (!asked.is_null()) {
    set_messages(chat_messages(std::move(asked)), span);
  }
  if (!system.is_null()) {
    Json whole = Json::object();
    whole["role"] = "system";
    whole["parts"] = value_or_text(std::move(system));
    Json said = chat_messages(Json::array({std::move(whole)}));
    if (!span.messages.is_array()) span.messages = Json::array();
    span.messages.insert(span.messages.begin(), std::move(said[0]));
  }
  if (!answered.is_null()) set_answer(chat_messages(std::move(answered)), span);
}

void read_operation(OtlpAttributes& attributes, const std::string& operation, TraceSpan& span) {
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
void read_error(const OtlpSpan& otlp, OtlpAttributes& attributes, TraceSpan& span) {
  span.error_type = attributes.text({"error.type"});
  const Json code = otlp.status != nullptr ? otlp.status->value("code", Json()) : Json();
  const bool failed = code == 2 || code == "STATUS_CODE_ERROR";
  if (failed) span.error_message = text_field(*otlp.status, {"message"});
  if (otlp.events != nullptr) {
    for (const Json& event : *otlp.events) {
      if (text_field(event, {"name"}) != "exception") continue;
      OtlpAttributes exception = plain_attributes(event);
      if (span.error_message.empty()) span.error_message = exception.text({"exception.message"});
      if (span.error_type.empty()) span.error_type = exception.text({"exception.type"});
    }
  }
  if (failed && span.error_type.empty()) span.error_type = "error";
}

// Content and evaluations that stand in events of the span.
void read_events(const OtlpSpan& otlp, OtlpAttributes& attributes, TraceSpan& span) {
  if (otlp.events == nullptr) return;
  for (const Json& event : *otlp.events) {
    const std::string name = text_field(event, {"name"});
    if (name == "gen_ai.client.inference.operation.details") attributes.merge(plain_attributes(event));
    if (name != "gen_ai.evaluation.result") continue;
    const Json result = plain_attributes(event).rest();
    const Json* value = field(result, {"gen_ai.evaluation.score.value", "gen_ai.evaluation.score.label"});
    if (const std::string metric = text_field(result, {"gen_ai.evaluation.name"}); value != nullptr && !metric.empty()) span.scores[metric] = *value;
  }
}

// A span as a value; the reason when it is none.
std::string take_apart(const Json& span, OtlpSpan& otlp) {
  if (!span.is_object()) return "a span is no object";
  otlp.trace_id = text_field(span, {"traceId", "trace_id"});
  otlp.span_id = text_field(span, {"spanId", "span_id"});
  otlp.parent_id = text_field(span, {"parentSpanId", "parent_span_id"});
  otlp.name = text_field(span, {"name"});
  const auto moment = [&](const char* name, const char* other_name) {
    const auto found = span.find(span.contains(name) ? name : other_name);
    return found == span.end() ? std::nullopt : otlp_moment_ms(*found);
  };
  otlp.start_ms = moment("startTimeUnixNano", "start_time_unix_nano");
  otlp.end_ms = moment("endTimeUnixNano", "end_time_unix_nano");
  otlp.attributes = plain_attributes(span);
  if (const auto status = span.find("status"); status != span.end() && status->is_object()) otlp.status = &*status;
  otlp.events = list_field(span, {"events"});
  return {};
}

}  // namespace

OtlpOrigin otlp_origin(OtlpAttributes of_resource) {
  return {of_resource.text({"service.name"}), of_resource.text({"service.version"}), of_resource.text({"deployment.environment.name", "deployment.environment"}), of_resource.text({"llmops.vid"})};
}

std::string read_otlp_span(OtlpSpan& otlp, const OtlpOrigin& origin, TraceSpan& span) {
  if (otlp.trace_id.empty() || otlp.span_id.empty()) return "a span has no traceId or no spanId";
  if (!otlp.start_ms || !otlp.end_ms) return "a span has no startTimeUnixNano or no endTimeUnixNano";
  if (*otlp.end_ms < *otlp.start_ms) return "a span ends before it starts";
  span.trace_id = std::move(otlp.trace_id);
  span.span_id = std::move(otlp.span_id);
  span.parent_id = std::move(otlp.parent_id);
  span.name = std::move(otlp.name);
  span.start_ms = *otlp.start_ms;
  span.end_ms = *otlp.end_ms;
  OtlpAttributes& attributes = otlp.attributes;
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
    const OtlpOrigin origin = otlp_origin(resource.contains("resource") ? plain_attributes(resource["resource"]) : OtlpAttributes());
    const Json* scopes = list_field(resource, {"scopeSpans", "scope_spans"});
    if (scopes == nullptr) scopes = list_field(resource, {"instrumentationLibrarySpans"});
    if (scopes == nullptr) continue;
    for (const Json& scope : *scopes) {
      const Json* spans = list_field(scope, {"spans"});
      if (spans == nullptr) continue;
      for (const Json& value : *spans) {
        OtlpSpan otlp;
        TraceSpan span;
        std::string problem = take_apart(value, otlp);
        if (problem.empty()) problem = read_otlp_span(otlp, origin, span);
        if (problem.empty()) line.spans.push_back(std::move(span));
        else line.dropped.push_back(std::move(problem));
      }
    }
  }
}

}  // namespace llmops
