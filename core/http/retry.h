// Retries with exponential backoff and full jitter that honour Retry-After, under a limiter that starts at N transfers at
// once, halves on 429 and 503 and grows by one after as many successes as there are places (AIMD).
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>

#include "core/http/transport.h"

namespace llmops {

struct RetryPolicy {
  int max_retries = 4;              // after the first try
  int64_t base_delay_ms = 500;      // the k-th wait is uniform in [0.5, 1] * min(max_delay, base * 2^k)
  int64_t max_delay_ms = 30'000;
  int64_t max_retry_after_ms = 120'000;  // a longer Retry-After ends the tries
  uint64_t seed = 0;                // of the jitter
};

// How many transfers may run at once; shared by all calls of a run. Thread-safe.
class AdaptiveLimiter {
 public:
  explicit AdaptiveLimiter(int limit);
  // Waits for a place. False: cancelled.
  bool acquire(const CancelToken& cancel);
  void release();
  void on_throttled();              // halves, not below 1, at most once per 1 s of the steady clock
  void on_success();
  int limit() const;

 private:
  mutable std::mutex mutex_;
  std::condition_variable room_;
  int max_, limit_, running_ = 0, successes_ = 0;
  int64_t last_shrink_ns_ = 0;
};

// Requests per minute over a sliding window, for `rate_limit: {requests_per_minute}`. 0: no limit. Thread-safe.
class RateLimiter {
 public:
  explicit RateLimiter(double requests_per_minute);
  // Waits until the next request may start. False: cancelled.
  bool acquire(const CancelToken& cancel);

 private:
  std::mutex mutex_;
  double interval_ms_;
  int64_t next_ns_ = 0;
};

struct RetriedResponse {
  HttpResponse response;
  int retries = 0;
  double waited_ms = 0;             // in backoff; not part of response.latency_ms
};

// Sends until a response that is not 408, 409, 425, 429, 500, 502, 503, 504 or 529, or until the tries are used up (the
// last response is then the result). Transport errors "timeout", "connect", "cut" are retried the same way; when a retry is
// no use (`may_retry` false: part of a stream was already handed on) the first error returns.
// The place in the limiter is held during a transfer, not during a wait.
Result<RetriedResponse> send_with_retries(Transport& transport, const HttpRequest& request, const RetryPolicy& policy,
                                          AdaptiveLimiter& limiter, RateLimiter* rate, const CancelToken& cancel,
                                          const std::function<void()>& before_try = {});

// Milliseconds from `retry-after-ms`, `retry-after` (seconds or an HTTP date), or, with status 429,
// `x-ratelimit-reset-requests` ("1s", "6m0s"); nullopt: none.
std::optional<int64_t> retry_after_ms(const HttpResponse& response, int64_t now_unix_ms);

}  // namespace llmops
