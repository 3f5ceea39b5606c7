// Traces of deepeval (Confident AI): one document with its spans by kind, each with its parent (https://deepeval.com/docs/evaluation-llm-tracing). And the
// logs of inspect, which are evaluations and are told so.
#include "core/telemetry/genai_messages.h"
#include "core/telemetry/trace_formats.h"

namespace llmops {
namespace {

struct Group { const char* key; TraceKind kind; };
constexpr Group kGroups[] = {{"agentSpans", TraceKind::kAgent}, {"baseSpans", TraceKind::kOther}, {"llmSpans", TraceKind::kModel}, {"retrieverSpans", TraceKind::kRetrieval}, {"toolSpans", TraceKind::kTool}};

// What belongs to the whole trace.
struct Whole { std::string id, session, user, environment; };

std::string read_span(const Json& object, const Whole& whole, TraceKind kind, TraceSpan& span) {
  if (!object.is_object()) return "a span is no object";
  span.trace_id = whole.id;
  span.session = whole.session;
  span.user = whole.user;
  span.environment = whole.environment;
  span.span_id = text_field(object, {"uuid"});
  if (span.span_id.empty()) return "a span has no uuid";
  span.parent_id = text_field(object, {"parentUuid"});
  span.name = text_field(object, {"name"});
  span.kind = kind;
  const auto start = moment_field(object, {"startTime"}), end = moment_field(object, {"endTime"});
  if (!start) return "a span has no startTime";
  span.start_ms = *start;
  span.end_ms = end.value_or(*start);
  if (span.end_ms < span.start_ms) return "a span ends before it starts";
  const Json none, *input = field(object, {"input"}), *output = field(object, {"output"});
  if (kind == TraceKind::kModel || kind == TraceKind::kAgent) {
    set_exchange(input == nullptr ? none : *input, output == nullptr ? none : *output, span);
    // An agent's state holds the whole conversation; what it was asked is enough, its models hold the rest.
    if (kind == TraceKind::kAgent) span.messages = nullptr;
  } else {
    if (input != nullptr) span.input = value_or_text(*input);
    if (output != nullptr) span.output = value_or_text(*output);
  }
  if (kind == TraceKind::kTool) span.component = span.name;
  span.model_asked = text_field(object, {"model"});
  span.provider = text_field(object, {"provider"});
  span.input_tokens = integer_field(object, {"inputTokenCount"});
  span.output_tokens = integer_field(object, {"outputTokenCount"});
  const auto input_price = number_field(object, {"costPerInputToken"}), output_price = number_field(object, {"costPerOutputToken"});
  if (input_price && output_price && span.input_tokens && span.output_tokens) span.cost_usd = *input_price * static_cast<double>(*span.input_tokens) + *output_price * static_cast<double>(*span.output_tokens);
  if (const std::string status = text_field(object, {"status"}); status == "ERRORED") {
    span.error_type = "error";
    span.error_message = text_field(object, {"error"});
  }
  if (const Json* metrics = list_field(object, {"metricsData"})) {
    for (const Json& metric : *metrics) if (const auto score = number_field(metric, {"score"})) span.scores[text_field(metric, {"name"})] = *score;
  }
  for (const char* name : {"integration", "metadata", "retrievalContext"}) if (const Json* value = field(object, {name})) span.attributes[name] = *value;
  return {};
}

}  // namespace

bool is_deepeval(const Json& object) { return object.contains("uuid") && object.contains("baseSpans") && object.contains("llmSpans"); }

void read_deepeval(const Json& object, TraceLine& line) {
  const Whole whole{text_field(object, {"uuid"}), text_field(object, {"threadId"}), text_field(object, {"userId"}), text_field(object, {"environment"})};
  if (whole.id.empty()) {
    line.dropped.emplace_back("a trace has no uuid");
    return;
  }
  for (const auto& [key, kind] : kGroups) {
    const Json* spans = list_field(object, {key});
    if (spans == nullptr) continue;
    for (const Json& one : *spans) {
      TraceSpan span;
      std::string problem = read_span(one, whole, kind, span);
      if (problem.empty()) line.spans.push_back(std::move(span));
      else line.dropped.push_back(std::move(problem));
    }
  }
}

bool is_inspect_log(const Json& object) { return object.contains("version") && object.contains("eval") && object.contains("plan") && object_field(object, {"eval"}) != nullptr; }

void read_inspect_log(const Json&, TraceLine& line) {
  line.is_evaluation = true;
  line.dropped.emplace_back("an evaluation's log of inspect, no production");
}

}  // namespace llmops
