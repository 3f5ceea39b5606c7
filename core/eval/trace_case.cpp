#include "core/eval/trace_case.h"

#include <algorithm>
#include <map>

#include "core/telemetry/trace.h"

namespace llmops {
namespace {

const char* span_kind(TraceKind kind) {
  switch (kind) {
    case TraceKind::kModel: return "model";
    case TraceKind::kTool: return "tool";
    case TraceKind::kRetrieval: return "retrieve";
    case TraceKind::kEmbedding:
    case TraceKind::kAgent:
    case TraceKind::kOther: break;
  }
  return "external";
}

std::string dump_or_empty(const Json& value) { return value.is_null() ? "" : dump_json(value); }

SpanRecord record_of(const TraceSpan& span, const std::string& component, int sequence, int parent) {
  SpanRecord record;
  record.sequence = sequence;
  record.parent = parent;
  record.step = component;
  record.kind = span_kind(span.kind);
  record.name = span.kind == TraceKind::kModel ? span.model_asked : span.name;
  record.prompt = dump_or_empty(span.messages);
  if (record.prompt.empty()) record.input = dump_or_empty(span.input);
  record.output = dump_or_empty(span.output);
  record.model_asked = span.model_asked;
  record.model_served = span.model_served;
  record.input_tokens = span.input_tokens;
  record.output_tokens = span.output_tokens;
  record.cost_usd = span.cost_usd;
  record.start_ms = static_cast<int64_t>(span.start_ms);
  record.latency_ms = span.end_ms - span.start_ms;
  record.ttft_ms = span.ttft_ms;
  record.error_code = span.error_type;
  record.error_message = span.error_message.empty() ? span.error_type : span.error_message;
  Json attributes = Json::object();
  if (!span.finish_reason.empty()) attributes["finish_reason"] = span.finish_reason;
  if (span.cached_input_tokens) attributes["cached_input_tokens"] = *span.cached_input_tokens;
  if (!span.tool_calls.is_null()) attributes["tool_calls"] = span.tool_calls;
  if (!attributes.empty()) record.attributes = dump_json(attributes);
  return record;
}

class TraceCase {
 public:
  TraceCase(const Chain& chain, const Json& row) : row_(row) {
    for (const StepSpec& step : chain.steps) result_.steps[step.id] = {{"skipped", true}, {"error", nullptr}};
  }

  CaseResult make() {
    read_spans();
    for (size_t i = 0; i < spans_.size(); ++i) add_step(i);
    add_usage();
    if (const auto latency = row_.find("latency_ms"); latency != row_.end()) result_.latency_ms = latency->get<double>();
    finish();
    return std::move(result_);
  }

 private:
  void read_spans() {
    std::map<std::string, int> numbers;
    for (const Json& json : row_["spans"]) {
      Json whole = json;
      whole["trace"] = row_["id"];
      auto span = span_from_json(whole);
      if (!span) continue;
      const auto parent = numbers.find(span->parent_id);
      parents_.push_back(parent == numbers.end() ? -1 : parent->second);
      const int number = static_cast<int>(spans_.size());
      numbers.emplace(span->span_id, number);
      components_.push_back(json["component"].get<std::string>());
      result_.spans.push_back(record_of(*span, components_.back(), number, parents_.back()));
      spans_.push_back(std::move(*span));
    }
  }

  bool is_below(size_t span, size_t above) const {
    for (int at = parents_[span]; at >= 0; at = parents_[static_cast<size_t>(at)]) if (static_cast<size_t>(at) == above) return true;
    return false;
  }

  // Later spans of a component overwrite what it gave before, but for the list of all.
  void add_step(size_t i) {
    const TraceSpan& span = spans_[i];
    Json& entry = result_.steps[components_[i]];
    Json outputs = entry.is_object() && entry.contains("outputs") ? std::move(entry["outputs"]) : Json::array();
    entry = {{"skipped", false}, {"error", nullptr}};
    if (!span.error_type.empty()) entry["error"] = result_.spans[i].error_message;
    if (!span.input.is_null()) entry["input"] = span.input;
    if (!span.output.is_null()) {
      entry["output"] = span.output;
      outputs.push_back(span.output);
    }
    entry["outputs"] = std::move(outputs);
    Json calls = span.tool_calls.is_array() ? span.tool_calls : Json::array(), turns = Json::array();
    for (size_t k = i + 1; k < spans_.size(); ++k) {
      if (!is_below(k, i)) continue;
      if (spans_[k].kind == TraceKind::kTool) {
        Json call = {{"name", components_[k]}, {"arguments", spans_[k].input}, {"result", spans_[k].output}};
        if (!spans_[k].error_type.empty()) call["error"] = result_.spans[k].error_message;
        calls.push_back(std::move(call));
      } else if (spans_[k].kind == TraceKind::kModel) {
        turns.push_back({{"messages", spans_[k].messages}, {"output", spans_[k].output}});
      }
    }
    const bool calls_tools = span.kind == TraceKind::kModel || span.kind == TraceKind::kAgent || !calls.empty();
    if (calls_tools) entry["tool_calls"] = std::move(calls);
    if (!turns.empty()) entry["turns"] = std::move(turns);
  }

  // From the leaves up: what has an account below it is a sum.
  void add_usage() {
    bool any = false, cost_known = true, tokens_known = true;
    double cost = 0;
    int64_t input = 0, output = 0;
    for (size_t i = 0; i < spans_.size(); ++i) {
      const TraceSpan& span = spans_[i];
      const bool counts = span.kind == TraceKind::kModel || span.cost_usd || span.input_tokens || span.output_tokens;
      if (!counts) continue;
      bool is_sum = false;
      for (size_t k = 0; k < spans_.size(); ++k) {
        const bool has_account = spans_[k].kind == TraceKind::kModel || spans_[k].cost_usd || spans_[k].input_tokens || spans_[k].output_tokens;
        is_sum = is_sum || (k != i && has_account && is_below(k, i));
      }
      if (is_sum) continue;
      any = true;
      cost_known = cost_known && span.cost_usd;
      tokens_known = tokens_known && span.input_tokens && span.output_tokens;
      cost += span.cost_usd.value_or(0);
      input += span.input_tokens.value_or(0);
      output += span.output_tokens.value_or(0);
    }
    if (any && cost_known) result_.cost_usd = cost;
    if (any && tokens_known) {
      result_.input_tokens = input;
      result_.output_tokens = output;
    }
  }

  void finish() {
    if (const auto error = row_.find("error"); error != row_.end()) {
      for (size_t i = 0; i < spans_.size(); ++i) {
        if (spans_[i].error_type.empty()) continue;
        // The deepest one that failed is the cause.
        if (result_.error_step.empty() || is_below(i, cause_)) {
          cause_ = i;
          result_.error_step = components_[i];
        }
      }
      result_.error = Error(ErrorCode::kProvider, json_to_text(*error)).with_kind(spans_.empty() ? "error" : spans_[cause_].error_type, false);
      return;
    }
    if (const auto output = row_.find("output"); output != row_.end()) result_.output = *output;
    else result_.error = Error(ErrorCode::kData, "the trace has no output", "let the application record its messages (OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT)");
  }

  const Json& row_;
  std::vector<TraceSpan> spans_;
  std::vector<int> parents_;
  std::vector<std::string> components_;
  size_t cause_ = 0;
  CaseResult result_;
};

}  // namespace

CaseResult result_of_trace(const Chain& chain, const Json& row) { return TraceCase(chain, row).make(); }

}  // namespace llmops
