// OpenAI-compatible servers. A streamed answer is put together into the object that the server would have sent at once,
// and both are then read by the same function. Since nothing of a stream is handed on before it is whole, a stream that
// was cut is as safe to ask for again as any other failed try.
// Source: OpenAI API reference, "Chat completions", "Streaming events", "Embeddings".
#include "core/provider/openai.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/provider/chat_json.h"
#include "core/provider/http_reply.h"
#include "core/provider/openai_error.h"
#include "core/provider/openai_stream.h"

namespace llmops {
namespace {

constexpr size_t kEmbedBatch = 256;
constexpr size_t kSmallestEmbedBatch = 16;  // servers with a limit refuse more than this at the least

Json chat_body(const ChatRequest& request, bool is_streaming) {
  Json body = Json::object();
  if (!request.model.empty()) body["model"] = request.model;
  body["messages"] = request.messages;
  if (request.params.is_object()) {
    for (const auto& [key, value] : request.params.items()) {
      if (key != "model" && key != "messages") body[key] = value;
    }
  }
  if (is_streaming) {
    if (!member(body, "stream_options").is_object()) body["stream_options"] = Json::object();
    body["stream_options"]["include_usage"] = true;
  }
  if (request.tools.is_array() && !request.tools.empty()) body["tools"] = request.tools;
  if (!request.response_format.is_null()) body["response_format"] = request.response_format;
  return body;
}

Json legacy_calls(const Json& message) {
  const Json& function = member(message, "function_call");
  Json calls;
  if (function.is_object()) calls.emplace_back(Json::object())["function"] = function;
  return calls;
}

Result<ChatReply> read_completion(const Json& body, const ServerContext& context) {
  const Json& choices = member(body, "choices");
  const bool has_choice = choices.is_array() && !choices.empty();
  const Json& choice = has_choice ? choices.front() : member(Json(), "");
  const Json& message = member(choice, "message");
  if (!message.is_object()) {
    return reply_error(has_choice ? "answered without a message" : "answered without choices", "empty_reply", false, {},
                       "check that the server is a chat model behind an OpenAI-compatible API", context);
  }
  ChatReply reply;
  const Json& content = member(message, "content");
  const std::string refusal = text_member(message, "refusal");
  reply.content = content_text(content);
  if (content.is_null()) reply.content = refusal;
  reply.tool_calls = tool_calls_of(member(message, "tool_calls"));
  if (reply.tool_calls.is_null()) reply.tool_calls = tool_calls_of(legacy_calls(message));
  reply.finish_reason = text_member(choice, "finish_reason");
  if (content.is_null() && refusal.empty() && reply.tool_calls.is_null()) {
    const bool is_cut_short = reply.finish_reason == "length";
    return reply_error("answered with an empty message", "empty_reply", false,
                       reply.finish_reason.empty() ? "" : fmt::format("finish_reason '{}'", reply.finish_reason),
                       is_cut_short ? "raise max_tokens: reasoning used them all" : "", context);
  }
  reply.model_served = text_member(body, "model");
  reply.fingerprint = text_member(body, "system_fingerprint");
  reply.response_id = text_member(body, "id");
  reply.usage = usage_of(member(body, "usage"));
  reply.logprobs = member(choice, "logprobs");
  return reply;
}

// Vectors in the order of `index`, which servers may shuffle. False: not one vector per text.
bool read_vectors(const Json& body, size_t count, std::vector<std::vector<float>>& out) {
  const Json& data = member(body, "data");
  if (!data.is_array() || data.size() != count) return false;
  std::vector<std::vector<float>> vectors(count);
  for (size_t i = 0; i < count; ++i) {
    const Json& index = member(data[i], "index");
    const Json& numbers = member(data[i], "embedding");
    const size_t at = index.is_number_unsigned() ? index.get<size_t>() : i;
    if (at >= count || !vectors[at].empty() || !numbers.is_array() || numbers.empty()) return false;
    for (const Json& number : numbers) {
      if (!number.is_number()) return false;
      vectors[at].push_back(number.get<float>());
    }
  }
  for (std::vector<float>& vector : vectors) out.push_back(std::move(vector));
  return true;
}

void add_count(std::optional<int64_t>& sum, const std::optional<int64_t>& count, bool is_first) {
  sum = is_first ? count : (sum && count ? std::optional(*sum + *count) : std::nullopt);
}

class OpenAiProvider final : public Provider {
 public:
  OpenAiProvider(OpenAiOptions options, Transport& transport, AdaptiveLimiter& limiter, const SecretScrubber& scrubber)
      : options_(std::move(options)), transport_(transport), limiter_(limiter), rate_(options_.requests_per_minute),
        scrubber_(scrubber), shown_base_url_(shown_base_url(options_.base_url)) {
    own_secrets_.add(options_.api_key);
    for (const auto& [name, secret] : options_.headers) own_secrets_.add(secret);
  }

  Result<ChatReply> chat(const ChatRequest& request, const CancelToken& cancel) override;
  Result<EmbedReply> embed(const std::string& model, const std::vector<std::string>& texts,
                           const CancelToken& cancel) override;
  const char* name() const override { return "openai"; }

 private:
  ServerContext context_for(const std::string& model) const;
  HttpRequest http_request(std::string_view path, const Json& body, double timeout_s) const;
  Sender sender() { return {options_.retry, limiter_, rate_}; }
  Result<Answer> ask(const HttpRequest& request, const ServerContext& context, const CancelToken& cancel);
  Result<Answer> ask_streaming(HttpRequest request, const ServerContext& context, const CancelToken& cancel,
                               std::optional<double>& ttft_ms);

  const OpenAiOptions options_;
  Transport& transport_;
  AdaptiveLimiter& limiter_;
  RateLimiter rate_;
  const SecretScrubber& scrubber_;
  SecretScrubber own_secrets_;
  const std::string shown_base_url_;
};

ServerContext OpenAiProvider::context_for(const std::string& model) const {
  ServerContext context;
  context.model = model;
  context.base_url = shown_base_url_;
  context.key_variable = options_.api_key.variable();
  for (const auto& [name, secret] : options_.headers) {
    if (context.key_variable.empty()) context.key_variable = secret.variable();
  }
  context.scrub = [this](std::string_view text) { return scrubber_.scrub(own_secrets_.scrub(text)); };
  return context;
}

HttpRequest OpenAiProvider::http_request(std::string_view path, const Json& body, double timeout_s) const {
  HttpRequest request;
  request.url = endpoint_url(options_.base_url, path, options_.query);
  request.headers.emplace_back("Content-Type", "application/json");
  if (!options_.api_key.empty()) request.headers.emplace_back("Authorization", "Bearer " + options_.api_key.reveal());
  for (const auto& [name, secret] : options_.headers) request.headers.emplace_back(name, secret.reveal());
  request.body = dump_json(body);
  request.timeout_ms = std::max<int64_t>(1, static_cast<int64_t>(timeout_s * 1000));
  return request;
}

Result<Answer> OpenAiProvider::ask(const HttpRequest& request, const ServerContext& context,
                                                   const CancelToken& cancel) {
  LLMOPS_ASSIGN(const RetriedResponse sent, sender().send(transport_, request, context, cancel));
  return answer_of(sent, context);
}

Result<Answer> OpenAiProvider::ask_streaming(HttpRequest request, const ServerContext& context,
                                                             const CancelToken& cancel, std::optional<double>& ttft_ms) {
  StreamingTransport<ChatStream> streaming(transport_);
  request.headers.emplace_back("Accept", "text/event-stream");
  request.on_data = [&streaming](std::string_view bytes) { return streaming.feed(bytes); };
  LLMOPS_ASSIGN(const RetriedResponse sent, sender().send(streaming, request, context, cancel));
  const ChatStream& stream = streaming.stream();
  if (!stream.has_events()) return answer_of(sent, context);  // the server knows no streaming
  if (!stream.broken_chunk().empty()) {
    return reply_error("sent a chunk that is not JSON", "invalid_json", false,
                       shortened(context.scrub(stream.broken_chunk()), 300), {}, context);
  }
  ttft_ms = streaming.first_token_ms();
  return Answer{stream.completion(), sent.response.latency_ms, sent.retries};
}

Result<ChatReply> OpenAiProvider::chat(const ChatRequest& request, const CancelToken& cancel) {
  const ServerContext context = context_for(request.model);
  const Json& stream = member(request.params, "stream");
  const bool is_streaming = stream.is_boolean() && stream.get<bool>();
  HttpRequest sending = http_request("/chat/completions", chat_body(request, is_streaming), request.timeout_s);
  std::optional<double> ttft_ms;
  Result<Answer> answer = is_streaming ? ask_streaming(std::move(sending), context, cancel, ttft_ms) : ask(sending, context, cancel);
  if (!answer) return std::move(answer).error();
  LLMOPS_ASSIGN(ChatReply reply, read_completion(answer->body, context));
  reply.latency_ms = answer->latency_ms;
  reply.ttft_ms = ttft_ms;
  reply.retries = answer->retries;
  return reply;
}

// Texts go in batches; a server that refuses a batch for its size (413, 422) gets smaller ones.
Result<EmbedReply> OpenAiProvider::embed(const std::string& model, const std::vector<std::string>& texts,
                                         const CancelToken& cancel) {
  const ServerContext context = context_for(model);
  EmbedReply reply;
  size_t batch = kEmbedBatch;
  for (size_t done = 0; done < texts.size();) {
    const size_t count = std::min(batch, texts.size() - done);
    Json body = Json::object();
    if (!model.empty()) body["model"] = model;
    body["input"] = Json::array();
    for (size_t i = done; i < done + count; ++i) body["input"].push_back(texts[i]);
    Result<Answer> answer = ask(http_request("/embeddings", body, options_.embed_timeout_s), context, cancel);
    if (!answer) {
      const bool is_too_many = answer.error().kind == "http_413" || answer.error().kind == "http_422";
      if (!is_too_many || count <= kSmallestEmbedBatch) return std::move(answer).error();
      batch = count / 2;
      continue;
    }
    if (!read_vectors(answer->body, count, reply.vectors)) {
      return reply_error(fmt::format("did not answer with {} embeddings", count), "empty_reply", false, {},
                         "check that the model is an embedding model", context);
    }
    const TokenUsage usage = usage_of(member(answer->body, "usage"));
    add_count(reply.usage.input_tokens, usage.input_tokens, done == 0);
    if (reply.model_served.empty()) reply.model_served = text_member(answer->body, "model");
    reply.latency_ms += answer->latency_ms;
    reply.retries += answer->retries;
    done += count;
  }
  return reply;
}

}  // namespace

std::unique_ptr<Provider> make_openai_provider(OpenAiOptions options, Transport& transport, AdaptiveLimiter& limiter,
                                               const SecretScrubber& scrubber) {
  return std::make_unique<OpenAiProvider>(std::move(options), transport, limiter, scrubber);
}

}  // namespace llmops
