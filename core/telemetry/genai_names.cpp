#include "core/telemetry/genai_names.h"

namespace llmops {
namespace {

const char* operation_of(const SpanRecord& span) {
  if (span.kind == "model") return "chat";
  if (span.kind == "retrieve") return "retrieval";
  if (span.kind == "exec") return "execute_tool";
  return nullptr;   // extract, template: no operation of the conventions fits
}

}  // namespace

Json genai_attributes(const SpanRecord& span) {
  Json attributes = Json::object();
  if (const char* operation = operation_of(span)) attributes["gen_ai.operation.name"] = operation;
  Json reported = Json::object();
  if (!span.attributes.empty()) {
    if (auto parsed = parse_json(span.attributes, "store"); parsed && parsed->is_object()) reported = std::move(*parsed);
  }
  if (const auto key = reported.find("response_key"); key != reported.end() && key->is_object() && key->contains("provider")) attributes["gen_ai.provider.name"] = (*key)["provider"];
  if (!span.model_asked.empty()) attributes["gen_ai.request.model"] = span.model_asked;
  if (!span.model_served.empty()) attributes["gen_ai.response.model"] = span.model_served;
  if (reported.contains("response_id")) attributes["gen_ai.response.id"] = reported["response_id"];
  if (reported.contains("finish_reason")) attributes["gen_ai.response.finish_reasons"] = Json::array({reported["finish_reason"]});
  if (span.input_tokens) attributes["gen_ai.usage.input_tokens"] = *span.input_tokens;
  if (span.output_tokens) attributes["gen_ai.usage.output_tokens"] = *span.output_tokens;
  if (reported.contains("cached_input_tokens")) attributes["gen_ai.usage.cache_read.input_tokens"] = reported["cached_input_tokens"];
  if (reported.contains("reasoning_tokens")) attributes["gen_ai.usage.reasoning.output_tokens"] = reported["reasoning_tokens"];
  if (span.ttft_ms) attributes["gen_ai.response.time_to_first_chunk"] = *span.ttft_ms / 1000;
  if (!span.error_code.empty()) attributes["error.type"] = span.error_code;
  for (const char* other : {"system_fingerprint", "tool_calls", "logprobs", "response_key"}) {
    if (reported.contains(other)) attributes[std::string("llmops.") + other] = reported[other];
  }
  return attributes;
}

}  // namespace llmops
