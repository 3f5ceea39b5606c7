// One call of a model: the request from templates, the reply through the cache, what it cost.
#include "core/runtime/ask_model.h"

#include <algorithm>
#include <fmt/format.h>

#include "core/base/hash.h"
#include "core/runtime/embedding.h"

namespace llmops {
namespace {

Status add_history(const Template& history, const TemplateScope& scope, Json& messages) {
  LLMOPS_ASSIGN(const Json list, history.evaluate(scope));
  if (list.is_null()) return {};
  if (!list.is_array()) return Error(ErrorCode::kData, "'history' must be a list of {role, content}", "give the input a list, or leave it out");
  for (const Json& message : list) {
    if (!message.is_object() || !message.contains("role") || !message.contains("content")) return Error(ErrorCode::kData, "a message of 'history' needs 'role' and 'content'", "write {role: user, content: ...}");
    messages.push_back({{"role", message["role"]}, {"content", message["content"]}});
  }
  return {};
}

// A shuffle is the same for every case and on every machine: places ordered by a hash.
void arrange(const FewShotSpec& spec, std::vector<size_t>& chosen) {
  if (spec.reversed) std::reverse(chosen.begin(), chosen.end());
  if (spec.shuffle == 0) return;
  std::vector<std::pair<std::string, size_t>> order;
  for (size_t place = 0; place < chosen.size(); ++place) order.emplace_back(sha256_hex(fmt::format("order {}\n{}", spec.shuffle, place)), chosen[place]);
  std::sort(order.begin(), order.end());
  for (size_t place = 0; place < chosen.size(); ++place) chosen[place] = order[place].second;
}

// Indices of the examples to show, in the order in which they are shown.
Result<std::vector<size_t>> choose_examples(const PreparedChain& prepared, const StepCall& call, const FewShotSpec& spec, const Json& messages, const CancelToken& cancel) {
  const FewShotExamples& shots = prepared.few_shots.at(call.step->id);
  const std::vector<size_t> left_out = shots.of_case(*call.input);
  const auto usable = [&](size_t i) { return !std::binary_search(left_out.begin(), left_out.end(), i); };
  const size_t k = static_cast<size_t>(spec.k);
  std::vector<size_t> chosen;
  if (spec.select == FewShotSelect::kNearest) {
    std::string query;
    for (const Json& message : messages) if (message["role"] == "user") query = json_to_text(message["content"]);
    LLMOPS_ASSIGN(const std::vector<size_t> ranked, rank_examples(prepared, shots, spec, query, cancel));
    for (const size_t i : ranked) if (usable(i) && chosen.size() < k) chosen.push_back(i);
  } else if (spec.select == FewShotSelect::kRandom) {
    // The same for the same case, seed and repetition on every machine: ordered by a hash.
    std::vector<std::pair<std::string, size_t>> order;
    const std::string inputs = dump_json(call.input->inputs);
    for (size_t i = 0; i < shots.examples.size(); ++i) {
      if (usable(i)) order.emplace_back(sha256_hex(fmt::format("{}\n{}\n{}\n{}", prepared.context.seed, inputs, call.input->repeat, i)), i);
    }
    std::sort(order.begin(), order.end());
    for (const auto& [hash, i] : order) if (chosen.size() < k) chosen.push_back(i);
  } else {
    for (size_t i = 0; i < shots.examples.size() && chosen.size() < k; ++i) if (usable(i)) chosen.push_back(i);
  }
  arrange(spec, chosen);
  return chosen;
}

Status add_few_shots(const PreparedChain& prepared, const StepCall& call, const FewShotSpec& spec, Json& messages, const CancelToken& cancel) {
  LLMOPS_ASSIGN(const std::vector<size_t> chosen, choose_examples(prepared, call, spec, messages, cancel));
  const auto& examples = prepared.few_shots.at(call.step->id).examples;
  Json shots = Json::array();
  for (const size_t i : chosen) {
    shots.push_back({{"role", "user"}, {"content", json_to_text(examples[i].input)}});
    shots.push_back({{"role", "assistant"}, {"content", json_to_text(examples[i].output)}});
  }
  // Before the last user message, after everything that sets the scene.
  size_t at = messages.size();
  while (at > 0 && messages[at - 1]["role"] != "user") --at;
  at = at == 0 ? messages.size() : at - 1;
  messages.insert(messages.begin() + static_cast<std::ptrdiff_t>(at), shots.begin(), shots.end());
  return {};
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

Status charge_budget(const RuntimeContext& context, const ModelSpec& model, const TokenUsage& usage, std::optional<double> cost) {
  if (context.budget == nullptr) return {};
  std::optional<int64_t> tokens;
  if (usage.input_tokens && usage.output_tokens) tokens = *usage.input_tokens + *usage.output_tokens;
  context.budget->spend(cost, tokens);
  if ((context.budget->limits_usd() && !cost) || (context.budget->limits_tokens() && !tokens)) {
    return Error(ErrorCode::kProvider, fmt::format("model '{}' did not report its token usage, so the budget cannot be kept", model.name), "run without a budget, or ask the server for usage").with_kind("missing_usage", false);
  }
  return {};
}

Result<Json> render_messages(const PreparedChain& prepared, const StepCall& call, const std::vector<MessageSpec>& specs, const std::optional<FewShotSpec>& few_shot, const CancelToken& cancel) {
  Json messages = Json::array();
  for (const MessageSpec& message : specs) {
    if (message.history) {
      LLMOPS_CHECK(add_history(*message.history, call.scope, messages));
      continue;
    }
    LLMOPS_ASSIGN(std::string content, message.content->render(call.scope));
    messages.push_back({{"role", message.role}, {"content", std::move(content)}});
  }
  if (few_shot) LLMOPS_CHECK(add_few_shots(prepared, call, *few_shot, messages, cancel));
  return messages;
}

Json tool_definitions(const Chain& chain, const std::vector<std::string>& names) {
  if (names.empty()) return nullptr;
  Json tools = Json::array();
  for (const std::string& name : names) {
    const ToolSpec& tool = chain.tools.at(name);
    Json function = {{"name", tool.name}, {"description", tool.description}};
    if (!tool.input_schema.is_null()) function["parameters"] = tool.input_schema;
    tools.push_back({{"type", "function"}, {"function", std::move(function)}});
  }
  return tools;
}

Result<ChatRequest> make_request(const StepCall& call, const ModelSpec& model, Json messages) {
  ChatRequest request;
  request.model = model.served_name();
  request.messages = std::move(messages);
  request.params = model.params;
  request.repeat = call.input->repeat;
  request.timeout_s = model.timeout_s;
  if (model.replay_match) {
    LLMOPS_ASSIGN(Json match, model.replay_match->evaluate(call.scope));
    request.extra = {{"match", std::move(match)}};
  }
  return request;
}

Result<ChatReply> ask_model(PreparedChain& prepared, PreparedModel& model, const ChatRequest& request, SpanRecord& span, const CancelToken& cancel) {
  const RuntimeContext& context = prepared.context;
  span.model_asked = request.model.empty() ? model.spec->name : request.model;
  span.name = span.model_asked;
  span.prompt = dump_json(request.messages);
  span.cache = SpanCache::kMiss;
  const bool is_local = model.provider->is_local();
  const Json parts = is_local ? Json{{"provider", model.identity.provider}} : response_key_parts(model.identity, request);
  auto reply = chat_through_cache(*model.provider, parts, request, context.store, context.cache, *context.scrubber, span.start_ms, cancel);
  if (!reply) {
    span.attributes = dump_json(Json{{"response_key", parts}});
    return std::move(reply).error();
  }
  describe(reply->reply, parts, span);
  span.cost_usd = cost_of(*model.spec, reply->reply.usage);
  if (reply->hit) {
    span.cache = SpanCache::kResponse;
    span.retries = 0;
  } else if (!is_local) {
    LLMOPS_CHECK(charge_budget(context, *model.spec, reply->reply.usage, span.cost_usd));
  }
  return std::move(reply->reply);
}

SpanRecord child_span(const PreparedChain& prepared, const StepCall& call, const char* kind, const std::string& name) {
  SpanRecord span;
  span.step = call.step->id + "/" + name;
  span.kind = kind;
  span.item = call.item_index;
  span.parent = 0;
  span.start_ms = prepared.context.clock->unix_ms();
  return span;
}

void set_error(const PreparedChain& prepared, const Error& error, SpanRecord& span) {
  span.error_code = error.kind.empty() ? std::string(error_code_name(error.code)) : error.kind;
  span.error_message = prepared.context.scrubber->scrub(error.message);
}

}  // namespace llmops
