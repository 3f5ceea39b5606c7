// Langfuse: observations, traces and scores, as its API gives them (camelCase) and as its exports hold them (snake_case, times without a zone in UTC, bodies as
// JSON text; https://langfuse.com/docs/api-and-data-platform/overview).
#include <algorithm>
#include <array>

#include "core/telemetry/genai_messages.h"
#include "core/telemetry/trace_formats.h"

namespace llmops {
namespace {

struct TypeName { std::string_view name; TraceKind kind; };
constexpr std::array<TypeName, 10> kTypes{{{"GENERATION", TraceKind::kModel}, {"SPAN", TraceKind::kOther}, {"EVENT", TraceKind::kOther}, {"AGENT", TraceKind::kAgent}, {"TOOL", TraceKind::kTool}, {"CHAIN", TraceKind::kAgent},
    {"RETRIEVER", TraceKind::kRetrieval}, {"EMBEDDING", TraceKind::kEmbedding}, {"EVALUATOR", TraceKind::kOther}, {"GUARDRAIL", TraceKind::kOther}}};

const TypeName* find_type(const Json& object) {
  const std::string type = text_field(object, {"type"});
  const auto* found = std::find_if(kTypes.begin(), kTypes.end(), [&](const TypeName& one) { return one.name == type; });
  return found == kTypes.end() ? nullptr : &*found;
}

bool has_trace(const Json& object) { return object.contains("traceId") || object.contains("trace_id"); }
bool is_observation(const Json& object) { return has_trace(object) && find_type(object) != nullptr && (object.contains("startTime") || object.contains("start_time")); }
bool is_score(const Json& object) { return has_trace(object) && object.contains("name") && (object.contains("dataType") || object.contains("data_type")) && (object.contains("value") || object.contains("stringValue") || object.contains("string_value")); }
bool is_trace(const Json& object) {
  if (has_trace(object) || !object.contains("id") || !object.contains("timestamp")) return false;
  return object.contains("observations") || object.contains("sessionId") || object.contains("projectId") || object.contains("session_id") || object.contains("project_id");
}

// What belongs to the request as a whole stands in the trace, and in the observations of newer exports.
void read_owner(const Json& object, TraceSpan& span) {
  span.session = text_field(object, {"sessionId", "session_id"});
  span.user = text_field(object, {"userId", "user_id"});
  span.environment = text_field(object, {"environment"});
  span.service_version = text_field(object, {"release", "version"});
  const Json* metadata = field(object, {"metadata"});
  if (metadata == nullptr) return;
  const Json told = value_or_text(*metadata);
  span.route = text_field(told, {"route"});
  span.language = text_field(told, {"language", "lang"});
  span.prompt_version = text_field(told, {"prompt_version"});
  span.finish_reason = text_field(told, {"finish_reason"});
  if (!told.empty()) span.attributes["metadata"] = told;
}

void read_usage(const Json& object, TraceSpan& span) {
  if (const Json* usage = object_field(object, {"usageDetails", "usage_details", "usage"})) {
    span.input_tokens = integer_field(*usage, {"input", "promptTokens", "prompt_tokens", "input_tokens"});
    span.output_tokens = integer_field(*usage, {"output", "completionTokens", "completion_tokens", "output_tokens"});
    span.cached_input_tokens = integer_field(*usage, {"input_cached_tokens", "input_cache_read", "cache_read_input_tokens"});
  }
  if (const Json* cost = object_field(object, {"costDetails", "cost_details"})) span.cost_usd = number_field(*cost, {"total"});
  if (!span.cost_usd) span.cost_usd = number_field(object, {"totalCost", "total_cost", "calculatedTotalCost", "calculated_total_cost"});
}

std::string read_observation(const Json& object, TraceSpan& span) {
  span.trace_id = text_field(object, {"traceId", "trace_id"});
  span.span_id = text_field(object, {"id"});
  if (span.trace_id.empty() || span.span_id.empty()) return "an observation has no id or no trace id";
  span.parent_id = text_field(object, {"parentObservationId", "parent_observation_id"});
  span.name = text_field(object, {"name"});
  span.kind = find_type(object)->kind;
  const auto start = moment_field(object, {"startTime", "start_time"}), end = moment_field(object, {"endTime", "end_time"});
  if (!start) return "an observation has no start time";
  span.start_ms = *start;
  span.end_ms = end.value_or(*start);
  if (span.end_ms < span.start_ms) return "a span ends before it starts";
  read_owner(object, span);
  span.model_asked = text_field(object, {"model", "providedModelName", "provided_model_name"});
  const Json none, *input = field(object, {"input"}), *output = field(object, {"output"});
  if (span.kind == TraceKind::kModel) set_exchange(input == nullptr ? none : *input, output == nullptr ? none : *output, span);
  else {
    if (input != nullptr) span.input = value_or_text(*input);
    if (output != nullptr) span.output = value_or_text(*output);
  }
  if (const auto first = moment_field(object, {"completionStartTime", "completion_start_time"}); first && *first >= span.start_ms) span.ttft_ms = *first - span.start_ms;
  read_usage(object, span);
  span.prompt_name = text_field(object, {"promptName", "prompt_name"});
  if (const std::string version = text_field(object, {"promptVersion", "prompt_version"}); !version.empty()) span.prompt_version = version;
  if (text_field(object, {"level"}) == "ERROR") {
    span.error_type = "error";
    span.error_message = text_field(object, {"statusMessage", "status_message"});
  }
  if (const Json* parameters = field(object, {"modelParameters", "model_parameters"})) span.attributes["model_parameters"] = value_or_text(*parameters);
  return {};
}

void read_score(const Json& object, TraceLine& line) {
  const Json* value = field(object, {"value", "stringValue", "string_value"});
  TraceScore score{text_field(object, {"traceId", "trace_id"}), text_field(object, {"observationId", "observation_id"}), text_field(object, {"name"}), value == nullptr ? Json() : *value};
  if (score.trace_id.empty() || score.name.empty() || value == nullptr) line.dropped.emplace_back("a score has no trace, no name or no value");
  else line.scores.push_back(std::move(score));
}

// The trace itself is the root of its observations.
void read_trace(const Json& object, TraceLine& line) {
  TraceSpan root;
  root.trace_id = root.span_id = text_field(object, {"id"});
  root.name = text_field(object, {"name"});
  if (root.name.empty()) root.name = "trace";
  root.kind = TraceKind::kAgent;
  const auto start = moment_field(object, {"timestamp"});
  if (!start) {
    line.dropped.emplace_back("a trace has no timestamp");
    return;
  }
  root.start_ms = root.end_ms = *start;
  read_owner(object, root);
  if (const Json* input = field(object, {"input"})) root.input = value_or_text(*input);
  if (const Json* output = field(object, {"output"})) root.output = value_or_text(*output);
  if (const auto seconds = number_field(object, {"latency"})) root.end_ms = root.start_ms + *seconds * 1000;
  const size_t root_at = line.spans.size();
  line.spans.push_back(std::move(root));
  if (const Json* observations = list_field(object, {"observations"})) {
    for (const Json& one : *observations) {
      if (!one.is_object()) continue;      // ids alone
      TraceSpan span;
      std::string problem = is_observation(one) ? read_observation(one, span) : "an observation has no id, type or start time";
      if (!problem.empty()) {
        line.dropped.push_back(std::move(problem));
        continue;
      }
      if (span.parent_id.empty()) span.parent_id = line.spans[root_at].span_id;
      line.spans[root_at].end_ms = std::max(line.spans[root_at].end_ms, span.end_ms);
      line.spans.push_back(std::move(span));
    }
  }
  if (const Json* scores = list_field(object, {"scores"})) for (const Json& one : *scores) if (one.is_object()) read_score(one, line);
}

}  // namespace

bool is_langfuse(const Json& object) { return is_observation(object) || is_score(object) || is_trace(object); }

void read_langfuse(const Json& object, TraceLine& line) {
  if (is_score(object) && !is_observation(object)) return read_score(object, line);
  if (is_trace(object)) return read_trace(object, line);
  TraceSpan span;
  std::string problem = read_observation(object, span);
  if (problem.empty()) line.spans.push_back(std::move(span));
  else line.dropped.push_back(std::move(problem));
}

}  // namespace llmops
