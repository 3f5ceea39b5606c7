// Anthropic's Messages API: POST {base_url}/v1/messages. Requests come in OpenAI's chat form and are translated.
// Source: Claude API documentation ("Messages", "Streaming messages", "Tool use", "Structured outputs", "Errors").
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/base/secret.h"
#include "core/http/retry.h"
#include "core/provider/provider.h"

namespace llmops {

struct AnthropicOptions {
  std::string base_url = "https://api.anthropic.com";   // with or without a trailing '/' or "/v1"
  Secret api_key;                                       // x-api-key; empty: no such header
  std::string version = "2023-06-01";                   // anthropic-version
  std::vector<std::pair<std::string, Secret>> headers;  // further headers (anthropic-beta, those of a gateway)
  RetryPolicy retry;
  double requests_per_minute = 0;
};

// max_tokens of a request that names none: the API demands one.
inline constexpr int64_t kAnthropicMaxTokens = 4096;

// What is translated: system messages at the start become `system`; tool calls and results become content blocks; tools
// lose their wrapper; `stop`, `max_completion_tokens`, `user`, OpenAI's tool_choice and parallel_tool_calls take the API's
// names; a response_format with a json_schema becomes output_config.format. What the API has no word for (n, seed,
// logprobs, json_object, audio) is kConfig before anything is sent, as are messages it cannot hold.
// finish_reason: end_turn and stop_sequence are "stop", max_tokens is "length", tool_use "tool_calls", refusal
// "content_filter"; others stay as they are. Usage: input_tokens counts cached tokens too. Thinking is no content.
// `params.stream: true` streams; both ways give the same ChatReply; a stream without an end is kProvider "cut_stream".
// No embeddings. transport, limiter and scrubber must outlive the provider.
std::unique_ptr<Provider> make_anthropic_provider(AnthropicOptions options, Transport& transport, AdaptiveLimiter& limiter,
                                                  const SecretScrubber& scrubber);

}  // namespace llmops
