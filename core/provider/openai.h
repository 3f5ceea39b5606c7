// Any OpenAI-compatible server: POST {base_url}/chat/completions and /embeddings.
// Source: OpenAI API reference (chat completions, streaming events, embeddings).
#pragma once

#include <memory>
#include <string>

#include "core/base/secret.h"
#include "core/http/retry.h"
#include "core/provider/provider.h"

namespace llmops {

struct OpenAiOptions {
  std::string base_url = "https://api.openai.com/v1";  // with or without a trailing '/'
  Secret api_key;                                       // empty: no Authorization header
  std::vector<std::pair<std::string, Secret>> headers;  // further headers (Azure's api-key, an organisation)
  std::vector<std::pair<std::string, std::string>> query;  // further query parameters (Azure's api-version)
  RetryPolicy retry;
  double requests_per_minute = 0;
  double embed_timeout_s = 60;                          // of one call of /embeddings
};

// `params.stream: true` streams (stream_options.include_usage is added) and measures the time to the first token; a
// stream that ends without finish_reason or [DONE] is kProvider "cut_stream". Both shapes give the same ChatReply.
// transport, limiter and scrubber must outlive the provider.
std::unique_ptr<Provider> make_openai_provider(OpenAiOptions options, Transport& transport, AdaptiveLimiter& limiter,
                                               const SecretScrubber& scrubber);

}  // namespace llmops
