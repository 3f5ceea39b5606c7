// What fills the role of a model. One interface, because tests and the offline providers (exec, replay, echo) need it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/cancel.h"
#include "core/base/json.h"

namespace llmops {

struct ChatRequest {
  std::string model;            // as asked; may be empty for providers that need none
  Json messages;                // [{role, content, tool_calls?, tool_call_id?}]: OpenAI's chat form
  Json params;                  // object: temperature, max_tokens, stream, logprobs ... passed through
  Json tools;                   // OpenAI's tools array, or null
  Json response_format;         // OpenAI's response_format, or null
  Json extra;                   // replay: the rendered `match` as {"match": value}; else null
  int repeat = 0;               // index of the repetition: part of every cache key
  double timeout_s = 60;
};

struct TokenUsage {             // absent: the provider did not say. Never 0 for unknown.
  std::optional<int64_t> input_tokens, output_tokens;
  std::optional<int64_t> cached_input_tokens, reasoning_tokens;
};

struct ChatReply {
  std::string content;
  Json tool_calls;              // array of {id, name, arguments (object; string when it is not JSON)}, or null
  std::string finish_reason;    // "stop", "length", "tool_calls", "content_filter", or empty
  std::string model_served;     // as the provider reports it; empty: it did not
  std::string fingerprint;      // system_fingerprint
  std::string response_id;
  TokenUsage usage;
  Json logprobs;                // as reported, or null
  double latency_ms = 0;        // of the try that succeeded
  std::optional<double> ttft_ms;// first content token; streaming only
  int retries = 0;
};

struct EmbedReply {
  std::vector<std::vector<float>> vectors;  // one per text, in order
  TokenUsage usage;
  std::string model_served;
  double latency_ms = 0;
  int retries = 0;
};

class Provider {
 public:
  virtual ~Provider() = default;
  // Errors: kProvider with kind http_401, http_404, http_429, http_500..., timeout, connect, cut_stream, invalid_json,
  // empty_reply, exec_failed, no_recorded_reply; kMissingSecret; kOffline; kInterrupted. Messages carry the provider's
  // own words (first 300 characters), scrubbed of secrets. Thread-safe.
  virtual Result<ChatReply> chat(const ChatRequest& request, const CancelToken& cancel) = 0;
  // Default: kUsage, "provider 'x' has no embeddings".
  virtual Result<EmbedReply> embed(const std::string& model, const std::vector<std::string>& texts, const CancelToken& cancel);
  // Deterministic and free: replies need no response cache (echo, replay).
  virtual bool is_local() const { return false; }
  virtual const char* name() const = 0;
};

}  // namespace llmops
