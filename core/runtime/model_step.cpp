// The body of a model step: messages from templates, examples and history; the call through the response cache; what it
// cost.
#include <fmt/format.h>

#include <algorithm>

#include "core/base/hash.h"
#include "core/runtime/step_runner.h"

namespace llmops {
namespace {

Status add_history(const Template& history, const TemplateScope& scope, Json& messages) {
  LLMOPS_ASSIGN(const Json list, history.evaluate(scope));
  if (list.is_null()) return {};
  if (!list.is_array()) return Error(ErrorCode::kData, "'history' must be a list of {role, content}");
  for (const Json& message : list) {
    if (!message.is_object() || !message.contains("role") || !message.contains("content")) return Error(ErrorCode::kData, "a message of 'history' needs 'role' and 'content'");
    messages.push_back({{"role", message["role"]}, {"content", message["content"]}});
  }
  return {};
}

void add_few_shots(const PreparedChain& prepared, const StepCall& call, const FewShotSpec& spec, Json& messages) {
  std::vector<std::pair<std::string, const FewShotExample*>> usable;
  const FewShotExamples& shots_of = prepared.few_shots.at(spec.from);
  const auto& examples = shots_of.examples;
  const std::vector<size_t> left_out = shots_of.of_case(*call.input);
  for (size_t i = 0; i < examples.size(); ++i) {
    if (std::binary_search(left_out.begin(), left_out.end(), i)) continue;
    // Random, and the same for the same case, seed and repetition on every machine: ordered by a hash.
    std::string order;
    if (spec.select == FewShotSelect::kRandom) order = sha256_hex(fmt::format("{}\n{}\n{}\n{}", prepared.context.seed, dump_json(call.input->inputs), call.input->repeat, i));
    usable.emplace_back(std::move(order), &examples[i]);
  }
  std::stable_sort(usable.begin(), usable.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  Json shots = Json::array();
  for (size_t i = 0; i < usable.size() && i < static_cast<size_t>(spec.k); ++i) {
    shots.push_back({{"role", "user"}, {"content", json_to_text(usable[i].second->input)}});
    shots.push_back({{"role", "assistant"}, {"content", json_to_text(usable[i].second->output)}});
  }
  // Before the last user message, after everything that sets the scene.
  size_t at = messages.size();
  while (at > 0 && messages[at - 1]["role"] != "user") --at;
  at = at == 0 ? messages.size() : at - 1;
  messages.insert(messages.begin() + static_cast<std::ptrdiff_t>(at), shots.begin(), shots.end());
}

Result<Json> render_messages(const PreparedChain& prepared, const StepCall& call, const ModelStep& body) {
  Json messages = Json::array();
  for (const MessageSpec& message : body.messages) {
    if (message.history) {
      LLMOPS_CHECK(add_history(*message.history, call.scope, messages));
      continue;
    }
    LLMOPS_ASSIGN(std::string content, message.content->render(call.scope));
    messages.push_back({{"role", message.role}, {"content", std::move(content)}});
  }
  if (body.few_shot) add_few_shots(prepared, call, *body.few_shot, messages);
  return messages;
}

Json tool_definitions(const Chain& chain, const ModelStep& body) {
  if (body.tools.empty()) return nullptr;
  Json tools = Json::array();
  for (const std::string& name : body.tools) {
    const ToolSpec& tool = chain.tools.at(name);
    Json function = {{"name", tool.name}, {"description", tool.description}};
    if (!tool.input_schema.is_null()) function["parameters"] = tool.input_schema;
    tools.push_back({{"type", "function"}, {"function", std::move(function)}});
  }
  return tools;
}

std::optional<double> cost_of(const ModelSpec& model, const TokenUsage& usage) {
  if (!model.price || !usage.input_tokens || !usage.output_tokens) return std::nullopt;
  double input = static_cast<double>(*usage.input_tokens), cached = 0;
  if (model.price->cache_read_usd_per_mtok && usage.cached_input_tokens) {
    cached = static_cast<double>(*usage.cached_input_tokens);
    input -= cached;
  }
  return (input * model.price->input_usd_per_mtok + cached * model.price->cache_read_usd_per_mtok.value_or(0) +
          static_cast<double>(*usage.output_tokens) * model.price->output_usd_per_mtok) * 1e-6;
}

// Under a budget, a call whose amount nobody knows cannot be allowed to pass as free.
Status charge(const RuntimeContext& context, const Provider& provider, const ModelSpec& model, const TokenUsage& usage, std::optional<double> cost) {
  if (context.budget == nullptr || provider.is_local()) return {};
  std::optional<int64_t> tokens;
  if (usage.input_tokens && usage.output_tokens) tokens = *usage.input_tokens + *usage.output_tokens;
  context.budget->spend(cost, tokens);
  if ((context.budget->limits_usd() && !cost) || (context.budget->limits_tokens() && !tokens)) {
    return Error(ErrorCode::kProvider, fmt::format("model '{}' did not report its token usage, so the budget cannot be kept", model.name), "run without a budget, or ask the server for usage").with_kind("missing_usage", false);
  }
  return {};
}

void describe(const ChatReply& reply, const Json& parts, SpanRecord& span) {
  span.model_served = reply.model_served;
  span.input_tokens = reply.usage.input_tokens;
  span.output_tokens = reply.usage.output_tokens;
  span.latency_ms = reply.latency_ms;
  span.ttft_ms = reply.ttft_ms;
  span.retries = reply.retries;
  Json attributes = Json::object();
  attributes["response_key"] = parts;
  if (!reply.finish_reason.empty()) attributes["finish_reason"] = reply.finish_reason;
  if (!reply.fingerprint.empty()) attributes["system_fingerprint"] = reply.fingerprint;
  if (!reply.response_id.empty()) attributes["response_id"] = reply.response_id;
  if (reply.usage.cached_input_tokens) attributes["cached_input_tokens"] = *reply.usage.cached_input_tokens;
  if (reply.usage.reasoning_tokens) attributes["reasoning_tokens"] = *reply.usage.reasoning_tokens;
  if (!reply.tool_calls.is_null()) attributes["tool_calls"] = reply.tool_calls;
  if (!reply.logprobs.is_null()) attributes["logprobs"] = reply.logprobs;
  span.attributes = dump_json(attributes);
}

}  // namespace

void run_model_step(PreparedChain& prepared, const StepCall& call, const ModelStep& body, StepOutcome& outcome, const CancelToken& cancel) {
  const RuntimeContext& context = prepared.context;
  PreparedModel& model = prepared.models.at(body.model);
  SpanRecord& span = outcome.spans[0];
  span.model_asked = model.spec->model.empty() ? model.spec->name : model.spec->model;
  span.name = span.model_asked;
  auto messages = render_messages(prepared, call, body);
  if (!messages) {
    outcome.error = std::move(messages).error();
    return;
  }
  span.prompt = dump_json(*messages);
  ChatRequest request;
  request.model = model.spec->model;
  request.messages = std::move(*messages);
  request.params = model.spec->params;
  request.tools = tool_definitions(*prepared.chain, body);
  request.response_format = body.response_format;
  request.repeat = call.input->repeat;
  request.timeout_s = model.spec->timeout_s;
  if (model.spec->replay_match) {
    auto match = model.spec->replay_match->evaluate(call.scope);
    if (!match) {
      outcome.error = std::move(match).error();
      return;
    }
    request.extra = {{"match", std::move(*match)}};
  }
  const Json parts = model.provider->is_local() ? Json{{"provider", model.identity.provider}} : response_key_parts(model.identity, request);
  auto reply = chat_through_cache(*model.provider, parts, request, context.store, context.cache, *context.scrubber, span.start_ms, cancel);
  if (!reply) {
    outcome.error = std::move(reply).error();
    span.attributes = dump_json(Json{{"response_key", parts}});
    return;
  }
  describe(reply->reply, parts, span);
  span.cost_usd = cost_of(*model.spec, reply->reply.usage);
  if (reply->hit) {
    span.cache = SpanCache::kResponse;
    span.retries = 0;
  } else if (auto charged = charge(context, *model.provider, *model.spec, reply->reply.usage, span.cost_usd); !charged) {
    outcome.error = std::move(charged).error();
    return;
  }
  outcome.tool_calls = reply->reply.tool_calls;
  outcome.output = std::move(reply->reply.content);
}

}  // namespace llmops
