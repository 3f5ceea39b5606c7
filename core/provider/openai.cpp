// OpenAI-compatible servers. A streamed answer is put together into the object that the server would have sent at once,
// and both are then read by the same function. Since nothing of a stream is handed on before it is whole, a stream that
// was cut is as safe to ask for again as any other failed try.
// Source: OpenAI API reference, "Chat completions", "Streaming events", "Embeddings".
#include "core/provider/openai.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/clock.h"
#include "core/provider/chat_json.h"
#include "core/provider/openai_error.h"
#include "core/provider/openai_stream.h"

namespace llmops {
namespace {

constexpr size_t kEmbedBatch = 256;
constexpr size_t kSmallestEmbedBatch = 16;  // servers with a limit refuse more than this at the least

std::string percent_encoded(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
                          c == '_' || c == '~';
    if (is_plain) {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned>(static_cast<unsigned char>(c)));
    }
  }
  return out;
}

// base_url may end in '/' and may carry a query of its own.
std::string endpoint_url(const OpenAiOptions& options, std::string_view path) {
  const size_t mark = options.base_url.find('?');
  std::string url = options.base_url.substr(0, mark);
  while (!url.empty() && url.back() == '/') url.pop_back();
  url += path;
  if (mark != std::string::npos) url += options.base_url.substr(mark);
  char separator = mark == std::string::npos ? '?' : '&';
  for (const auto& [name, value] : options.query) {
    url += separator + percent_encoded(name) + "=" + percent_encoded(value);
    separator = '&';
  }
  return url;
}

std::string shown_base_url(const std::string& base_url) {
  const Result<UrlParts> parts = parse_url(base_url);
  if (!parts) return {};
  const std::string path = parts->path.substr(0, parts->path.find('?'));
  return fmt::format("{}://{}:{}{}", parts->scheme, parts->host, parts->port, path == "/" ? "" : path);
}

// Retries see HTTP statuses and transport errors; this turns what goes wrong inside a stream into one or the other.
class StreamingTransport final : public Transport {
 public:
  explicit StreamingTransport(Transport& inner) : inner_(inner) {}

  bool feed(std::string_view bytes) { return stream_->feed(bytes, system_clock_source().steady_ns()); }

  Result<HttpResponse> send(const HttpRequest& request, const CancelToken& cancel) override {
    stream_ = std::make_unique<ChatStream>();
    started_ns_ = system_clock_source().steady_ns();
    Result<HttpResponse> sent = inner_.send(request, cancel);
    stream_->finish();
    if (!sent) {
      const bool is_ended = sent.error().kind == "cut" || sent.error().kind == "timeout";
      if (!is_ended || !stream_->is_complete()) return sent;
      HttpResponse response;  // all that matters had arrived
      response.status = 200;
      response.latency_ms = static_cast<double>(system_clock_source().steady_ns() - started_ns_) / 1e6;
      return response;
    }
    if (!stream_->error().is_null()) {
      sent->status = std::max(sent->status, status_of_error_object(stream_->error()));
      Json body = Json::object();
      body["error"] = stream_->error();
      sent->body = dump_json(body);
    } else if (!stream_->has_events()) {
      sent->body = stream_->raw();
    } else if (sent->status == 200 && !stream_->is_complete() && stream_->broken_chunk().empty()) {
      return Error(ErrorCode::kProvider, "the stream stopped before the end of the reply").with_kind("cut", true);
    }
    return sent;
  }

  const ChatStream& stream() const { return *stream_; }
  std::optional<double> first_token_ms() const {
    if (!stream_->first_token_ns()) return std::nullopt;
    return static_cast<double>(*stream_->first_token_ns() - started_ns_) / 1e6;
  }

 private:
  Transport& inner_;
  std::unique_ptr<ChatStream> stream_ = std::make_unique<ChatStream>();
  int64_t started_ns_ = 0;
};

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
  struct Answer { Json body; double latency_ms = 0; int retries = 0; };

  ServerContext context_for(const std::string& model) const;
  HttpRequest http_request(std::string_view path, const Json& body, double timeout_s) const;
  Result<RetriedResponse> send(Transport& transport, const HttpRequest& request, const ServerContext& context,
                               const CancelToken& cancel);
  Result<Answer> ask(const HttpRequest& request, const ServerContext& context, const CancelToken& cancel);
  Result<Answer> ask_streaming(HttpRequest request, const ServerContext& context, const CancelToken& cancel,
                               std::optional<double>& ttft_ms);
  Result<Answer> answer_of(const RetriedResponse& sent, const ServerContext& context) const;

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
  request.url = endpoint_url(options_, path);
  request.headers.emplace_back("Content-Type", "application/json");
  if (!options_.api_key.empty()) request.headers.emplace_back("Authorization", "Bearer " + options_.api_key.reveal());
  for (const auto& [name, secret] : options_.headers) request.headers.emplace_back(name, secret.reveal());
  request.body = dump_json(body);
  request.timeout_ms = std::max<int64_t>(1, static_cast<int64_t>(timeout_s * 1000));
  return request;
}

Result<RetriedResponse> OpenAiProvider::send(Transport& transport, const HttpRequest& request, const ServerContext& context,
                                             const CancelToken& cancel) {
  Result<RetriedResponse> sent = send_with_retries(transport, request, options_.retry, limiter_, &rate_, cancel);
  if (!sent) {
    Error error = std::move(sent).error();
    if (error.kind == "cut") error.kind = "cut_stream";
    if (error.code == ErrorCode::kProvider) error.message += fmt::format(" (model '{}')", context.model);
    return error;
  }
  const int status = sent->response.status;
  if (status < 200 || status > 299) return http_status_error(status, sent->response.body, sent->retries, context);
  return sent;
}

Result<OpenAiProvider::Answer> OpenAiProvider::answer_of(const RetriedResponse& sent, const ServerContext& context) const {
  Result<Json> body = parse_json(sent.response.body, "answer");
  if (!body) {
    return reply_error("answered with text that is not JSON", "invalid_json", false, server_words(sent.response.body, context),
                       fmt::format("check that base_url '{}' is that of an OpenAI-compatible API", context.base_url), context);
  }
  const Json& error = member(*body, "error");
  if (!error.is_null()) {  // some gateways answer 200 to everything
    return http_status_error(status_of_error_object(error), sent.response.body, sent.retries, context);
  }
  return Answer{*std::move(body), sent.response.latency_ms, sent.retries};
}

Result<OpenAiProvider::Answer> OpenAiProvider::ask(const HttpRequest& request, const ServerContext& context,
                                                   const CancelToken& cancel) {
  LLMOPS_ASSIGN(const RetriedResponse sent, send(transport_, request, context, cancel));
  return answer_of(sent, context);
}

Result<OpenAiProvider::Answer> OpenAiProvider::ask_streaming(HttpRequest request, const ServerContext& context,
                                                             const CancelToken& cancel, std::optional<double>& ttft_ms) {
  StreamingTransport streaming(transport_);
  request.headers.emplace_back("Accept", "text/event-stream");
  request.on_data = [&streaming](std::string_view bytes) { return streaming.feed(bytes); };
  LLMOPS_ASSIGN(const RetriedResponse sent, send(streaming, request, context, cancel));
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
    Result<Answer> answer = ask(http_request("/embeddings", body, 60), context, cancel);
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
