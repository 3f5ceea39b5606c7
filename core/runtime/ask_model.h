// Private to core/runtime: one call of a model, and what it put into a span. Model steps, their repair and the turns of an
// agent share it.
#pragma once

#include "core/runtime/step_runner.h"

namespace llmops {

// Messages from templates, history and few-shot examples.
Result<Json> render_messages(const PreparedChain& prepared, const StepCall& call, const std::vector<MessageSpec>& specs, const std::optional<FewShotSpec>& few_shot, const CancelToken& cancel);

// OpenAI's tools array; null for none.
Json tool_definitions(const Chain& chain, const std::vector<std::string>& names);

// Everything of the request that the model and the case decide. Errors: `match` of a replay model.
Result<ChatRequest> make_request(const StepCall& call, const ModelSpec& model, Json messages);

// Through the response cache. Fills prompt, model, tokens, cost, latency, cache and attributes of the span, charges the
// budget, and leaves the span's error to the caller.
Result<ChatReply> ask_model(PreparedChain& prepared, PreparedModel& model, const ChatRequest& request, SpanRecord& span, const CancelToken& cancel);

// A span below the step's own (index 0): kind, "STEP/NAME", started now.
SpanRecord child_span(const PreparedChain& prepared, const StepCall& call, const char* kind, const std::string& name);
// Writes error code and message, scrubbed.
void set_error(const PreparedChain& prepared, const Error& error, SpanRecord& span);

}  // namespace llmops
