// The body of a model step: one question, and where its reply must fit a schema, one chance to mend it.
#include <fmt/format.h>

#include "core/runtime/ask_model.h"

namespace llmops {
namespace {

// What does not fit, in words that go back to the model; empty: it fits.
Result<std::string> misfit_of(const SchemaChecker& schema, const std::string& content) {
  auto value = parse_json(content, "reply");
  if (!value) return "it is not JSON: " + value.error().message;
  LLMOPS_ASSIGN(const auto failure, schema.check(*value));
  return failure ? failure->message : std::string();
}

// Asks once more, with what was wrong. Sources for "once": further rounds seldom help where the first did not, and each costs a call.
Result<std::string> repaired(PreparedChain& prepared, const StepCall& call, PreparedModel& model, ChatRequest request, const std::string& content, const std::string& misfit, StepOutcome& outcome, const CancelToken& cancel) {
  request.messages.push_back({{"role", "assistant"}, {"content", content}});
  request.messages.push_back({{"role", "user"}, {"content", fmt::format("Your reply does not fit the JSON schema: {}. Reply again with the corrected JSON only.", misfit)}});
  outcome.spans.push_back(child_span(prepared, call, "model", "repair"));
  SpanRecord& span = outcome.spans.back();
  auto reply = ask_model(prepared, model, request, span, cancel);
  outcome.spans[0].latency_ms += span.latency_ms;
  if (!reply) {
    set_error(prepared, reply.error(), span);
    return std::move(reply).error();
  }
  span.output = dump_json(Json(reply->content));
  return std::move(reply->content);
}

}  // namespace

void run_model_step(PreparedChain& prepared, const StepCall& call, const ModelStep& body, StepOutcome& outcome, const CancelToken& cancel) {
  PreparedModel& model = prepared.models.at(body.model);
  const auto run = [&]() -> Status {
    LLMOPS_ASSIGN(Json messages, render_messages(prepared, call, body.messages, body.few_shot, cancel));
    LLMOPS_ASSIGN(ChatRequest request, make_request(call, *model.spec, std::move(messages)));
    request.tools = tool_definitions(*prepared.chain, body.tools);
    request.response_format = body.response_format;
    LLMOPS_ASSIGN(ChatReply reply, ask_model(prepared, model, request, outcome.spans[0], cancel));
    outcome.tool_calls = std::move(reply.tool_calls);
    // A reply that calls tools is not the structured answer yet.
    if (body.response_schema && outcome.tool_calls.is_null()) {
      LLMOPS_ASSIGN(std::string misfit, misfit_of(*body.response_schema, reply.content));
      if (!misfit.empty()) {
        LLMOPS_ASSIGN(reply.content, repaired(prepared, call, model, std::move(request), reply.content, misfit, outcome, cancel));
        LLMOPS_ASSIGN(misfit, misfit_of(*body.response_schema, reply.content));
      }
      if (!misfit.empty()) {
        return Error(ErrorCode::kData, fmt::format("the reply does not fit the schema, also after a repair: {}", misfit), "look at the prompt, or at the schema").with_kind("schema_mismatch", false);
      }
    }
    outcome.output = std::move(reply.content);
    return {};
  };
  if (auto done = run(); !done) outcome.error = std::move(done).error();
}

}  // namespace llmops
