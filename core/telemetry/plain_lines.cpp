// The formats of our own: a span as a small object, with the names that an exec step reports, and a request as one record.
#include <algorithm>
#include <array>

#include "core/base/hash.h"
#include "core/telemetry/genai_messages.h"
#include "core/telemetry/trace_formats.h"

namespace llmops {
namespace {

void read_error(const Json& object, TraceSpan& span) {
  const Json* error = field(object, {"error"});
  if (error == nullptr || *error == "" || *error == false) return;
  span.error_type = error->is_object() ? text_field(*error, {"type"}) : "error";
  span.error_message = error->is_object() ? text_field(*error, {"message"}) : json_to_text(*error);
  if (span.error_type.empty()) span.error_type = "error";
}

TraceKind kind_named(const std::string& name) {
  for (size_t i = 0; i < 6; ++i) if (trace_kind_name(static_cast<TraceKind>(i)) == name) return static_cast<TraceKind>(i);
  return name == "retrieve" ? TraceKind::kRetrieval : TraceKind::kOther;
}

std::string read_span(const Json& object, TraceSpan& span) {
  span.trace_id = text_field(object, {"trace", "trace_id"});
  span.span_id = text_field(object, {"id", "span_id"});
  span.name = text_field(object, {"name"});
  if (span.trace_id.empty()) return "a span has no 'trace'";
  if (span.span_id.empty()) return "a span has no 'id'";
  if (span.name.empty()) return "a span has no 'name'";
  span.parent_id = text_field(object, {"parent", "parent_id"});
  span.component = text_field(object, {"step"});
  span.model_asked = text_field(object, {"model"});
  const std::string kind = text_field(object, {"kind"});
  span.kind = kind.empty() && !span.model_asked.empty() ? TraceKind::kModel : kind_named(kind);
  if (object.contains("input")) span.input = object["input"];
  if (object.contains("output")) span.output = object["output"];
  if (object.contains("messages")) span.messages = chat_messages(object["messages"]);
  if (object.contains("tool_calls") && object["tool_calls"].is_array()) span.tool_calls = object["tool_calls"];
  const bool nested = object.contains("tokens") && object["tokens"].is_object();
  span.input_tokens = nested ? integer_field(object["tokens"], {"input"}) : integer_field(object, {"input_tokens"});
  span.output_tokens = nested ? integer_field(object["tokens"], {"output"}) : integer_field(object, {"output_tokens"});
  span.cost_usd = number_field(object, {"cost"});
  const auto start = moment_ms(object, "start"), end = moment_ms(object, "end");
  if (object.contains("start") && !start) return "the 'start' of a span is no time";
  if (object.contains("end") && !end) return "the 'end' of a span is no time";
  span.start_ms = start.value_or(0);
  span.end_ms = end.value_or(span.start_ms);
  if (const auto latency = number_field(object, {"latency_ms"})) span.end_ms = span.start_ms + *latency;
  if (span.end_ms < span.start_ms) return "a span ends before it starts";
  read_error(object, span);
  span.session = text_field(object, {"session"});
  span.user = text_field(object, {"user"});
  span.service = text_field(object, {"service"});
  span.vid = text_field(object, {"vid"});
  span.route = text_field(object, {"route"});
  span.language = text_field(object, {"language", "lang"});
  span.prompt_version = text_field(object, {"prompt_version"});
  if (const Json* scores = object_field(object, {"scores"})) span.scores = *scores;
  if (object.contains("attributes") && object["attributes"].is_object()) span.attributes = object["attributes"];
  return {};
}

constexpr std::initializer_list<const char*> kTimeKeys{"ts", "timestamp", "time", "created_at"};
constexpr std::initializer_list<const char*> kInputKeys{"input", "prompt", "question", "query"};

Json tool_calls_of(const Json& tools) {
  Json calls = Json::array();
  for (const Json& tool : tools) {
    if (tool.is_string()) calls.push_back({{"name", tool}, {"arguments", Json::object()}});
    else if (tool.is_object()) calls.push_back({{"name", text_field(tool, {"name"})}, {"arguments", tool.value("arguments", Json::object())}});
  }
  return calls;
}

std::string read_record(const Json& object, TraceSpan& span) {
  const auto start = moment_field(object, kTimeKeys);
  if (!start) return field(object, kTimeKeys) == nullptr ? "a record has no 'ts'" : "the 'ts' of a record is no time";
  span.start_ms = *start;
  const auto latency = number_field(object, {"latency_ms"});
  if (latency && *latency < 0) return "the 'latency_ms' of a record is negative";
  span.end_ms = span.start_ms + latency.value_or(0);
  if (const Json* messages = list_field(object, {"messages"})) set_messages(chat_messages(*messages), span);
  if (const Json* input = field(object, kInputKeys)) span.input = *input;
  if (span.input.is_null()) return "a record has no 'input'";
  if (const std::string system = text_field(object, {"system"}); !system.empty() && span.messages.is_null()) span.messages = Json::array({{{"role", "system"}, {"content", system}}, {{"role", "user"}, {"content", json_to_text(span.input)}}});
  span.name = "request";
  span.span_id = "request";
  span.trace_id = text_field(object, {"id"});
  if (const Json* output = field(object, {"output", "response", "answer"})) span.output = *output;
  span.kind = TraceKind::kModel;
  span.model_asked = text_field(object, {"model"});
  span.model_served = text_field(object, {"served"});
  span.finish_reason = text_field(object, {"finish", "finish_reason"});
  span.input_tokens = integer_field(object, {"in_tok", "input_tokens"});
  span.output_tokens = integer_field(object, {"out_tok", "output_tokens"});
  span.ttft_ms = number_field(object, {"ttft_ms"});
  span.cost_usd = number_field(object, {"cost", "cost_usd"});
  if (const Json* tools = list_field(object, {"tools", "tool_calls"})) span.tool_calls = tool_calls_of(*tools);
  if (const Json* scores = object_field(object, {"scores"})) span.scores = *scores;
  read_error(object, span);
  span.session = text_field(object, {"session", "session_id", "conversation"});
  span.user = text_field(object, {"user", "user_id"});
  span.route = text_field(object, {"route"});
  span.language = text_field(object, {"lang", "language"});
  span.prompt_version = text_field(object, {"prompt_version"});
  span.service = text_field(object, {"service"});
  span.service_version = text_field(object, {"version"});
  span.vid = text_field(object, {"vid"});
  return {};
}

}  // namespace

bool is_plain_span(const Json& object) { return (object.contains("trace") || object.contains("trace_id")) && (object.contains("id") || object.contains("span_id") || !is_plain_record(object)); }

void read_plain_span(const Json& object, TraceLine& line) {
  TraceSpan span;
  std::string problem = read_span(object, span);
  if (problem.empty()) line.spans.push_back(std::move(span));
  else line.dropped.push_back(std::move(problem));
}

bool is_plain_record(const Json& object) { return object.contains("input") || (field(object, kTimeKeys) != nullptr && (field(object, kInputKeys) != nullptr || list_field(object, {"messages"}) != nullptr)); }

void read_plain_record(const Json& object, TraceLine& line) {
  TraceSpan span;
  std::string problem = read_record(object, span);
  if (!problem.empty()) {
    line.dropped.push_back(std::move(problem));
    return;
  }
  constexpr size_t kDigits = 24;
  line.is_anonymous = span.trace_id.empty();
  if (line.is_anonymous) span.trace_id = "line-" + sha256_hex(dump_json(object)).substr(0, kDigits);
  line.spans.push_back(std::move(span));
}

std::span<const std::string_view> record_fields() {
  static constexpr std::array<std::string_view, 25> kFields{"ts", "id", "session", "user", "route", "lang", "prompt_version", "model", "served", "system", "messages", "input", "output", "finish", "in_tok", "out_tok", "latency_ms", "ttft_ms",
      "cost", "error", "tools", "scores", "service", "version", "vid"};
  return kFields;
}

}  // namespace llmops
