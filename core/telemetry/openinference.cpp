// Spans by the names of OpenInference (https://github.com/Arize-ai/openinference, spec/semantic_conventions.md): attributes are flat names with dots, also
// nested ones, beside a span's own fields as Phoenix exports them.
#include <algorithm>
#include <array>

#include "core/telemetry/genai_messages.h"
#include "core/telemetry/trace_formats.h"

namespace llmops {
namespace {

TraceKind kind_of(const std::string& kind) {
  if (kind == "LLM") return TraceKind::kModel;
  if (kind == "TOOL") return TraceKind::kTool;
  if (kind == "RETRIEVER" || kind == "RERANKER") return TraceKind::kRetrieval;
  if (kind == "EMBEDDING") return TraceKind::kEmbedding;
  return kind == "AGENT" || kind == "CHAIN" ? TraceKind::kAgent : TraceKind::kOther;
}

// {"0": {"message": {"role", "content" | "contents": {"0": {"message_content": {"type", "text"}}}, "tool_calls": {"0": {"tool_call": ...}}}}} -> messages
Json messages_of(const Json* list) {
  Json messages = Json::array();
  for (const Json* entry : numbered_members(list)) {
    const Json* message = object_field(*entry, {"message"});
    if (message == nullptr) continue;
    Json plain = {{"role", text_field(*message, {"role"})}};
    if (const Json* content = field(*message, {"content"})) plain["content"] = *content;
    Json parts = Json::array();
    for (const Json* part : numbered_members(object_field(*message, {"contents"}))) if (const Json* inner = object_field(*part, {"message_content"})) parts.push_back(*inner);
    if (!parts.empty() && !plain.contains("content")) plain["content"] = std::move(parts);
    Json calls = Json::array();
    for (const Json* call : numbered_members(object_field(*message, {"tool_calls"}))) if (const Json* inner = object_field(*call, {"tool_call"})) calls.push_back(*inner);
    if (!calls.empty()) plain["tool_calls"] = std::move(calls);
    if (const std::string id = text_field(*message, {"tool_call_id"}); !id.empty()) plain["tool_call_id"] = id;
    messages.push_back(std::move(plain));
  }
  return messages.empty() ? Json() : chat_messages(messages);
}

void read_model(const Json& llm, TraceSpan& span) {
  span.model_asked = text_field(llm, {"model_name"});
  if (const Json* request = object_field(llm, {"request"})) if (const std::string asked = text_field(*request, {"model_name"}); !asked.empty()) span.model_asked = asked;
  if (const Json* response = object_field(llm, {"response"})) span.model_served = text_field(*response, {"model_name"});
  span.provider = text_field(llm, {"provider", "system"});
  span.finish_reason = text_field(llm, {"finish_reason"});
  if (Json asked = messages_of(object_field(llm, {"input_messages"})); !asked.is_null()) set_messages(std::move(asked), span);
  if (const Json answered = messages_of(object_field(llm, {"output_messages"})); !answered.is_null()) set_answer(answered, span);
  if (const Json* counts = object_field(llm, {"token_count"})) {
    span.input_tokens = integer_field(*counts, {"prompt"});
    span.output_tokens = integer_field(*counts, {"completion"});
    if (const Json* details = object_field(*counts, {"prompt_details"})) span.cached_input_tokens = integer_field(*details, {"cache_read"});
  }
  if (const Json* cost = object_field(llm, {"cost"})) span.cost_usd = number_field(*cost, {"total"});
  if (const Json* prompt = object_field(llm, {"prompt_template"})) span.prompt_version = text_field(*prompt, {"version"});
}

Json documents_of(const Json* list) {
  Json documents = Json::array();
  for (const Json* entry : numbered_members(list)) {
    const Json* document = object_field(*entry, {"document"});
    if (document == nullptr) continue;
    Json plain = Json::object();
    for (const char* name : {"id", "score", "content"}) if (const Json* value = field(*document, {name})) plain[name] = *value;
    documents.push_back(std::move(plain));
  }
  return documents.empty() ? Json() : documents;
}

// Input and output that every kind has: text, or JSON text where the MIME type says so.
Json body_of(const Json& nested, const char* name) {
  const Json* body = object_field(nested, {name});
  const Json* value = body == nullptr ? nullptr : field(*body, {"value"});
  return value == nullptr ? Json() : value_or_text(*value);
}

void read_scores(const Json& nested, TraceSpan& span) {
  for (const auto& [group, member] : {std::pair{"evaluations", "evaluation"}, {"annotations", "annotation"}}) {
    for (const Json* entry : numbered_members(object_field(nested, {group}))) {
      const Json* one = object_field(*entry, {member});
      const Json* value = one == nullptr ? nullptr : field(*one, {"score", "label"});
      if (value == nullptr) continue;
      if (const std::string name = text_field(*one, {"name"}); !name.empty()) span.scores[name] = *value;
    }
  }
}

void take_known(Json& attributes) {
  constexpr std::array<std::string_view, 21> kKnown{"openinference.span.kind", "input.", "output.", "llm.input_messages.", "llm.output_messages.", "llm.model_name", "llm.request.model_name", "llm.response.model_name", "llm.provider",
      "llm.finish_reason", "llm.token_count.", "llm.cost.total", "llm.prompt_template.version", "retrieval.documents.", "embedding.embeddings.", "embedding.model_name", "tool.name", "tool.parameters", "exception.", "session.id", "user.id"};
  Json rest = Json::object();
  for (auto& [name, value] : attributes.items()) {
    const std::string_view known = name;
    const bool is_known = std::any_of(kKnown.begin(), kKnown.end(), [&](std::string_view one) { return one.ends_with('.') ? known.starts_with(one) : known == one; });
    if (!is_known) rest[name] = std::move(value);
  }
  attributes = std::move(rest);
}

const Json& attributes_in(const Json& object) {
  static const Json kNone = Json::object();
  const Json* found = object_field(object, {"attributes"});
  return found == nullptr ? kNone : *found;
}

std::string read_span(const Json& object, TraceSpan& span) {
  const Json* context = object_field(object, {"context"});
  span.trace_id = context != nullptr ? text_field(*context, {"trace_id", "traceId"}) : text_field(object, {"context.trace_id", "trace_id", "traceId"});
  span.span_id = context != nullptr ? text_field(*context, {"span_id", "spanId"}) : text_field(object, {"context.span_id", "span_id", "spanId"});
  if (span.trace_id.empty() || span.span_id.empty()) return "a span has no context.trace_id or no context.span_id";
  span.parent_id = text_field(object, {"parent_id", "parentId", "parent_span_id"});
  span.name = text_field(object, {"name"});
  const auto start = moment_field(object, {"start_time", "startTime"}), end = moment_field(object, {"end_time", "endTime"});
  if (!start) return "a span has no start_time";
  span.start_ms = *start;
  span.end_ms = end.value_or(*start);
  if (span.end_ms < span.start_ms) return "a span ends before it starts";
  span.kind = kind_of(text_field(object, {"span_kind", "spanKind"}));
  span.attributes = attributes_in(object);
  read_openinference_attributes(span.attributes, span);
  const std::string status = text_field(object, {"status_code", "statusCode"});
  if (status == "ERROR") {
    if (span.error_message.empty()) span.error_message = text_field(object, {"status_message", "statusMessage"});
    if (span.error_type.empty()) span.error_type = "error";
  }
  return {};
}

}  // namespace

bool has_openinference_names(const Json& attributes) {
  if (!attributes.is_object()) return false;
  if (attributes.contains("openinference.span.kind") || attributes.contains("llm.model_name")) return true;
  return std::any_of(attributes.items().begin(), attributes.items().end(), [](const auto& one) { return one.key().starts_with("llm.input_messages.") || one.key().starts_with("retrieval.documents."); });
}

void read_openinference_attributes(Json& attributes, TraceSpan& span) {
  const Json nested = nest_dotted(attributes);
  if (const Json* own = object_field(nested, {"openinference"})) {
    if (const Json* kind = object_field(*own, {"span"})) if (const std::string name = text_field(*kind, {"kind"}); !name.empty()) span.kind = kind_of(name);
  }
  if (const Json* llm = object_field(nested, {"llm"})) read_model(*llm, span);
  const Json input = body_of(nested, "input"), output = body_of(nested, "output");
  if (span.input.is_null()) span.input = input;
  if (span.output.is_null()) span.output = output;
  if (const Json* retrieval = object_field(nested, {"retrieval"})) if (Json documents = documents_of(object_field(*retrieval, {"documents"})); !documents.is_null()) span.output = std::move(documents);
  if (const Json* embedding = object_field(nested, {"embedding"})) {
    if (span.model_asked.empty()) span.model_asked = text_field(*embedding, {"model_name"});
    for (const Json* entry : numbered_members(object_field(*embedding, {"embeddings"}))) {
      const Json* one = object_field(*entry, {"embedding"});
      if (one != nullptr && span.input.is_null()) span.input = text_field(*one, {"text"});
    }
  }
  if (const Json* tool = object_field(nested, {"tool"})) {
    span.component = text_field(*tool, {"name"});
    if (const Json* parameters = field(*tool, {"parameters"}); parameters != nullptr && span.input.is_null()) span.input = value_or_text(*parameters);
  }
  if (const Json* session = object_field(nested, {"session"})) span.session = text_field(*session, {"id"});
  if (const Json* user = object_field(nested, {"user"})) span.user = text_field(*user, {"id"});
  if (const Json* metadata = field(nested, {"metadata"})) {
    const Json told = value_or_text(*metadata);
    if (span.prompt_version.empty()) span.prompt_version = text_field(told, {"prompt_version"});
    if (span.route.empty()) span.route = text_field(told, {"route"});
    if (span.language.empty()) span.language = text_field(told, {"language", "lang"});
  }
  if (const Json* exception = object_field(nested, {"exception"})) {
    if (span.error_type.empty()) span.error_type = text_field(*exception, {"type"});
    if (span.error_message.empty()) span.error_message = text_field(*exception, {"message"});
  }
  read_scores(nested, span);
  take_known(attributes);
}

bool is_openinference(const Json& object) {
  const Json* context = object_field(object, {"context"});
  const bool has_context = object.contains("context.trace_id") || (context != nullptr && (context->contains("trace_id") || context->contains("traceId")));
  return (has_context && (object.contains("attributes") || object.contains("span_kind"))) || has_openinference_names(attributes_in(object));
}

void read_openinference(const Json& object, TraceLine& line) {
  TraceSpan span;
  std::string problem = read_span(object, span);
  if (problem.empty()) line.spans.push_back(std::move(span));
  else line.dropped.push_back(std::move(problem));
}

}  // namespace llmops
