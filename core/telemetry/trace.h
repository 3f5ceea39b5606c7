// What an application recorded of itself: the spans of one request, whatever format they came in.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/base/json.h"

namespace llmops {

enum class TraceKind { kModel, kTool, kRetrieval, kEmbedding, kAgent, kOther };
std::string_view trace_kind_name(TraceKind kind);   // "model", "tool", "retrieval", "embedding", "agent", "other"

struct TraceSpan {
  std::string trace_id, span_id, parent_id;  // parent empty: a root
  std::string name;                          // as it was reported
  TraceKind kind = TraceKind::kOther;
  std::string component;                     // what it names itself beyond the span's name: a tool, an agent, a step; may be empty
  double start_ms = 0, end_ms = 0;           // unix
  std::string error_type, error_message;     // both empty: no error
  Json input, output;                        // null: not recorded; of a model the text of the last user turn, and of the answer
  Json messages;                             // of a model: what it was asked, [{role, content}]; null: not recorded
  Json tool_calls;                           // of a model: [{name, arguments}]; null: none
  std::string model_asked, model_served, provider, finish_reason;
  std::optional<int64_t> input_tokens, output_tokens, cached_input_tokens;
  std::optional<double> cost_usd, ttft_ms;
  // Of the request as a whole, where the span tells it.
  std::string session, user, service, service_version, environment, prompt_name, prompt_version, route, language, vid;
  Json scores = Json::object();              // what was judged of it: a name -> a number or a text
  Json attributes = Json::object();          // what else was reported
};

Json span_to_json(const TraceSpan& span);
// dump_json(span_to_json(span)), without the value in between.
std::string span_text(const TraceSpan& span);
// Errors (kData): not what span_to_json makes.
Result<TraceSpan> span_from_json(const Json& json);

struct Trace {
  std::string id;
  std::vector<TraceSpan> spans;              // by start, parents before children that start with them
};
// Sorts the spans and leaves out those reported twice; a parent that is not there, or that is its own, is none.
Trace make_trace(std::string id, std::vector<TraceSpan> spans);

// Names for components: the first pattern that fits a span's name or component; else the component; else the name, without the
// model for the conventional "chat gpt-4o". As a step id: letters, digits and '_'. Patterns are globs of '*' and '?'.
using ComponentPatterns = std::vector<std::pair<std::string, std::string>>;   // id, pattern
std::string component_of(const TraceSpan& span, const ComponentPatterns& patterns);

// A trace as a row of a dataset: id, input (the last user turn), history (the turns before it), output, session, user, service, version, environment,
// model, prompt, start (RFC 3339), latency_ms, error, attributes (of the roots), and spans: [{component, ...span_to_json}].
// What was not recorded is absent.
Json trace_to_row(const Trace& trace, const ComponentPatterns& patterns);

class TraceReader {
 public:
  virtual ~TraceReader() = default;
  // False: the end. Traces come in the order in which they began to be recorded.
  virtual Result<bool> next(Trace& trace) = 0;
};
// Where traces lie. Thread-safe; each reader begins anew.
class TraceSource {
 public:
  virtual ~TraceSource() = default;
  virtual Result<std::unique_ptr<TraceReader>> open() const = 0;
};

}  // namespace llmops
