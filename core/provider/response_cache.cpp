#include "core/provider/response_cache.h"

#include "core/base/hash.h"

namespace llmops {
namespace {

// Canonical where the value has a canonical form (order of keys and 0.10 vs 0.1 do not matter), else as written.
std::string part_digest(const Json& value) {
  auto canonical = canonical_json(value);
  return sha256_hex(canonical ? *canonical : dump_json(value)).substr(0, 16);
}

std::optional<int64_t> optional_integer(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number_integer()) return std::nullopt;
  return found->get<int64_t>();
}

std::string text_or_empty(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() || !found->is_string() ? "" : found->get<std::string>();
}

}  // namespace

Json response_key_parts(const CacheIdentity& identity, const ChatRequest& request) {
  Json parts = {{"provider", identity.provider},
                {"base_url", identity.base_url},
                {"model", request.model},
                {"messages", part_digest(request.messages)},
                {"params", part_digest(request.params)},
                {"tools", part_digest(request.tools)},
                {"response_format", part_digest(request.response_format)},
                {"match", part_digest(request.extra)},
                {"repeat", request.repeat}};
  if (!identity.program.empty()) parts["program"] = identity.program;
  return parts;
}

std::string response_key(const Json& parts) {
  const Sha256Digest digest = sha256("llmops-response-v1\n" + dump_json(parts));
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

Json chat_reply_to_json(const ChatReply& reply) {
  Json document = {{"content", reply.content}};
  if (!reply.tool_calls.is_null()) document["tool_calls"] = reply.tool_calls;
  if (!reply.finish_reason.empty()) document["finish_reason"] = reply.finish_reason;
  if (!reply.model_served.empty()) document["model_served"] = reply.model_served;
  if (!reply.fingerprint.empty()) document["fingerprint"] = reply.fingerprint;
  if (!reply.response_id.empty()) document["response_id"] = reply.response_id;
  Json usage = Json::object();
  if (reply.usage.input_tokens) usage["input_tokens"] = *reply.usage.input_tokens;
  if (reply.usage.output_tokens) usage["output_tokens"] = *reply.usage.output_tokens;
  if (reply.usage.cached_input_tokens) usage["cached_input_tokens"] = *reply.usage.cached_input_tokens;
  if (reply.usage.reasoning_tokens) usage["reasoning_tokens"] = *reply.usage.reasoning_tokens;
  if (!usage.empty()) document["usage"] = std::move(usage);
  if (!reply.logprobs.is_null()) document["logprobs"] = reply.logprobs;
  document["latency_ms"] = reply.latency_ms;
  if (reply.ttft_ms) document["ttft_ms"] = *reply.ttft_ms;
  document["retries"] = reply.retries;
  return document;
}

Result<ChatReply> chat_reply_from_json(const Json& document) {
  if (!document.is_object() || !document.contains("content")) return Error(ErrorCode::kCorrupt, "a cached reply is damaged", "run `llmops eval cache clear`");
  ChatReply reply;
  reply.content = text_or_empty(document, "content");
  if (document.contains("tool_calls")) reply.tool_calls = document["tool_calls"];
  reply.finish_reason = text_or_empty(document, "finish_reason");
  reply.model_served = text_or_empty(document, "model_served");
  reply.fingerprint = text_or_empty(document, "fingerprint");
  reply.response_id = text_or_empty(document, "response_id");
  if (const auto usage = document.find("usage"); usage != document.end() && usage->is_object()) {
    reply.usage.input_tokens = optional_integer(*usage, "input_tokens");
    reply.usage.output_tokens = optional_integer(*usage, "output_tokens");
    reply.usage.cached_input_tokens = optional_integer(*usage, "cached_input_tokens");
    reply.usage.reasoning_tokens = optional_integer(*usage, "reasoning_tokens");
  }
  if (document.contains("logprobs")) reply.logprobs = document["logprobs"];
  if (const auto latency = document.find("latency_ms"); latency != document.end() && latency->is_number()) reply.latency_ms = latency->get<double>();
  if (const auto ttft = document.find("ttft_ms"); ttft != document.end() && ttft->is_number()) reply.ttft_ms = ttft->get<double>();
  reply.retries = static_cast<int>(optional_integer(document, "retries").value_or(0));
  return reply;
}

Result<CachedChat> chat_through_cache(Provider& provider, const Json& parts, const ChatRequest& request, Store* store, CacheUse use,
                                      const SecretScrubber& scrubber, int64_t now_ms, const CancelToken& cancel) {
  if (provider.is_local() || store == nullptr || use == CacheUse::kOff) {
    LLMOPS_ASSIGN(ChatReply reply, provider.chat(request, cancel));
    return CachedChat{std::move(reply), false};
  }
  const std::string key = response_key(parts);
  if (use == CacheUse::kReadAndWrite) {
    if (auto found = store->find_response(key); found && found->has_value()) {
      if (auto document = parse_json((*found)->reply, "response cache")) {
        if (auto reply = chat_reply_from_json(*document)) return CachedChat{std::move(*reply), true};
      }
    }
  }
  LLMOPS_ASSIGN(ChatReply reply, provider.chat(request, cancel));
  if (!reply.content.empty() || !reply.tool_calls.is_null()) {
    LLMOPS_CHECK(store->put_response({key, dump_json(parts), scrubber.scrub(dump_json(chat_reply_to_json(reply))), now_ms}));
  }
  return CachedChat{std::move(reply), false};
}

}  // namespace llmops
