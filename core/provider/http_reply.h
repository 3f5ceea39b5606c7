// What providers over HTTP have in common: addresses, sending with retries, and reading a JSON answer, at once or as
// server-sent events. Private to core/provider.
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/clock.h"
#include "core/http/retry.h"
#include "core/provider/openai_error.h"

namespace llmops {

// base_url may end in '/' and may carry a query of its own.
std::string endpoint_url(const std::string& base_url, std::string_view path,
                         const std::vector<std::pair<std::string, std::string>>& query);
// For messages: without user, password and query; "" when it is no URL.
std::string shown_base_url(const std::string& base_url);

struct Answer { Json body; double latency_ms = 0; int retries = 0; };

// One call's way to the server.
struct Sender {
  const RetryPolicy& retry;
  AdaptiveLimiter& limiter;
  RateLimiter& rate;
  // The answer with a status of 2xx; everything else is an error in the server's words.
  Result<RetriedResponse> send(Transport& transport, const HttpRequest& request, const ServerContext& context, const CancelToken& cancel);
};

// The answer's JSON; an error object with status 200 is an error.
Result<Answer> answer_of(const RetriedResponse& sent, const ServerContext& context);

// Retries see HTTP statuses and transport errors; this turns what goes wrong inside a stream into one or the other.
// Stream: feed(bytes, now_ns), finish(), has_events(), is_complete(), error(), broken_chunk(), raw(), first_token_ns().
template <class Stream>
class StreamingTransport final : public Transport {
 public:
  explicit StreamingTransport(Transport& inner) : inner_(inner) {}

  bool feed(std::string_view bytes) { return stream_->feed(bytes, system_clock_source().steady_ns()); }

  Result<HttpResponse> send(const HttpRequest& request, const CancelToken& cancel) override {
    stream_ = std::make_unique<Stream>();
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

  const Stream& stream() const { return *stream_; }
  std::optional<double> first_token_ms() const {
    if (!stream_->first_token_ns()) return std::nullopt;
    return static_cast<double>(*stream_->first_token_ns() - started_ns_) / 1e6;
  }

 private:
  Transport& inner_;
  std::unique_ptr<Stream> stream_ = std::make_unique<Stream>();
  int64_t started_ns_ = 0;
};

}  // namespace llmops
