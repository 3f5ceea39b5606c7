// Private to core/telemetry: the formats in which traces come, one row each.
#pragma once

#include <span>

#include "core/telemetry/span_fields.h"
#include "core/telemetry/trace_lines.h"

namespace llmops {

struct TraceFormat {
  const char* name;                          // shown: "OTLP/JSON"
  bool (*claims)(const Json& object);        // by its keys
  void (*read)(const Json& object, TraceLine& line);
};
// The first row that claims an object reads it: those whose keys say more stand first.
std::span<const TraceFormat> trace_formats();

bool is_otlp(const Json& object);
void read_otlp(const Json& object, TraceLine& line);
bool is_openinference(const Json& object);
void read_openinference(const Json& object, TraceLine& line);
bool is_langfuse(const Json& object);
void read_langfuse(const Json& object, TraceLine& line);
bool is_openai_batch(const Json& object);
void read_openai_batch(const Json& object, TraceLine& line);
bool is_openai_log(const Json& object);
void read_openai_log(const Json& object, TraceLine& line);
bool is_deepeval(const Json& object);
void read_deepeval(const Json& object, TraceLine& line);
bool is_inspect_log(const Json& object);
void read_inspect_log(const Json& object, TraceLine& line);
bool is_plain_span(const Json& object);
void read_plain_span(const Json& object, TraceLine& line);
bool is_plain_record(const Json& object);
void read_plain_record(const Json& object, TraceLine& line);

// Attributes by the names of OpenInference, which also stand in spans of OTLP. Those that were understood are taken out.
bool has_openinference_names(const Json& attributes);
void read_openinference_attributes(Json& attributes, TraceSpan& span);

// {id, model, choices: [...], usage}, or {object: "response", output: [...], usage}: what OpenAI's interfaces answer.
void read_openai_answer(const Json& answer, TraceSpan& span);
// {model, messages} or {model, input, instructions}: what they are asked.
void read_openai_request(const Json& request, TraceSpan& span);

}  // namespace llmops
