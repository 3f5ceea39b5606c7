// The Messages API over HTTP. As with OpenAI's streams, nothing of a stream is handed on before it is whole, so that a
// stream that was cut can be asked for again.
// Source: Claude API documentation, "Messages", "Streaming messages", "Errors" (429 and 529 may be tried again).
#include "core/provider/anthropic.h"

#include <algorithm>

#include "core/provider/anthropic_request.h"
#include "core/provider/anthropic_stream.h"
#include "core/provider/chat_json.h"
#include "core/provider/http_reply.h"

namespace llmops {
namespace {

// The path behind base_url, which people write with and without the version.
std::string_view messages_path(std::string_view base_url) {
  base_url = base_url.substr(0, base_url.find('?'));
  while (base_url.ends_with('/')) base_url.remove_suffix(1);
  return base_url.ends_with("/v1") ? "/messages" : "/v1/messages";
}

class AnthropicProvider final : public Provider {
 public:
  AnthropicProvider(AnthropicOptions options, Transport& transport, AdaptiveLimiter& limiter, const SecretScrubber& scrubber)
      : options_(std::move(options)), transport_(transport), limiter_(limiter), rate_(options_.requests_per_minute),
        scrubber_(scrubber), shown_base_url_(shown_base_url(options_.base_url)) {
    own_secrets_.add(options_.api_key);
    for (const auto& [name, secret] : options_.headers) own_secrets_.add(secret);
  }

  Result<ChatReply> chat(const ChatRequest& request, const CancelToken& cancel) override;
  const char* name() const override { return "anthropic"; }

 private:
  ServerContext context_for(const std::string& model) const;
  HttpRequest http_request(const Json& body, double timeout_s) const;
  Result<Answer> ask_streaming(HttpRequest request, const ServerContext& context, const CancelToken& cancel,
                               std::optional<double>& ttft_ms);
  Sender sender() { return {options_.retry, limiter_, rate_}; }

  const AnthropicOptions options_;
  Transport& transport_;
  AdaptiveLimiter& limiter_;
  RateLimiter rate_;
  const SecretScrubber& scrubber_;
  SecretScrubber own_secrets_;
  const std::string shown_base_url_;
};

ServerContext AnthropicProvider::context_for(const std::string& model) const {
  ServerContext context;
  context.provider = "anthropic";
  context.api = "Anthropic's Messages API";
  context.model = model;
  context.base_url = shown_base_url_;
  context.key_variable = options_.api_key.variable();
  for (const auto& [name, secret] : options_.headers) {
    if (context.key_variable.empty()) context.key_variable = secret.variable();
  }
  context.scrub = [this](std::string_view text) { return scrubber_.scrub(own_secrets_.scrub(text)); };
  return context;
}

HttpRequest AnthropicProvider::http_request(const Json& body, double timeout_s) const {
  HttpRequest request;
  request.url = endpoint_url(options_.base_url, messages_path(options_.base_url), {});
  request.headers.emplace_back("Content-Type", "application/json");
  request.headers.emplace_back("anthropic-version", options_.version);
  if (!options_.api_key.empty()) request.headers.emplace_back("x-api-key", options_.api_key.reveal());
  for (const auto& [name, secret] : options_.headers) request.headers.emplace_back(name, secret.reveal());
  request.body = dump_json(body);
  request.timeout_ms = std::max<int64_t>(1, static_cast<int64_t>(timeout_s * 1000));
  return request;
}

Result<Answer> AnthropicProvider::ask_streaming(HttpRequest request, const ServerContext& context, const CancelToken& cancel,
                                                std::optional<double>& ttft_ms) {
  StreamingTransport<MessageStream> streaming(transport_);
  request.headers.emplace_back("Accept", "text/event-stream");
  request.on_data = [&streaming](std::string_view bytes) { return streaming.feed(bytes); };
  LLMOPS_ASSIGN(const RetriedResponse sent, sender().send(streaming, request, context, cancel));
  const MessageStream& stream = streaming.stream();
  if (!stream.has_events()) return answer_of(sent, context);  // the server knows no streaming
  if (!stream.broken_chunk().empty()) {
    return reply_error("sent a chunk that is not JSON", "invalid_json", false,
                       shortened(context.scrub(stream.broken_chunk()), 300), "try again, or without stream", context);
  }
  ttft_ms = streaming.first_token_ms();
  return Answer{stream.message(), sent.response.latency_ms, sent.retries};
}

Result<ChatReply> AnthropicProvider::chat(const ChatRequest& request, const CancelToken& cancel) {
  const ServerContext context = context_for(request.model);
  LLMOPS_ASSIGN(const Json body, messages_body(request, kAnthropicMaxTokens));
  const bool is_streaming = member(body, "stream") == true;
  HttpRequest sending = http_request(body, request.timeout_s);
  std::optional<double> ttft_ms;
  Result<Answer> answer = Answer{};
  if (is_streaming) {
    answer = ask_streaming(std::move(sending), context, cancel, ttft_ms);
  } else {
    LLMOPS_ASSIGN(const RetriedResponse sent, sender().send(transport_, sending, context, cancel));
    answer = answer_of(sent, context);
  }
  if (!answer) return std::move(answer).error();
  LLMOPS_ASSIGN(ChatReply reply, read_message(answer->body, context));
  reply.latency_ms = answer->latency_ms;
  reply.ttft_ms = ttft_ms;
  reply.retries = answer->retries;
  return reply;
}

}  // namespace

std::unique_ptr<Provider> make_anthropic_provider(AnthropicOptions options, Transport& transport, AdaptiveLimiter& limiter,
                                                  const SecretScrubber& scrubber) {
  return std::make_unique<AnthropicProvider>(std::move(options), transport, limiter, scrubber);
}

}  // namespace llmops
