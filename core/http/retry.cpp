// Exponential backoff with jitter (Brooker, "Exponential Backoff And Jitter", 2015): waits that double keep a struggling
// server alive, and their random part keeps calls that failed together from coming back together.
#include "core/http/retry.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <thread>

#include "core/http/backoff.h"

namespace llmops {
namespace {

constexpr int64_t kCancelCheckMs = 50;

// splitmix64 (Steele, Lea, Flood 2014): one multiplication chain from a counter to well-mixed bits.
uint64_t mix(uint64_t x) {
  x += 0x9E3779B97F4A7C15ULL;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
  return x ^ (x >> 31);
}

bool is_worth_a_retry(const Error& error) {
  return error.code == ErrorCode::kProvider && (error.kind == "timeout" || error.kind == "connect" || error.kind == "cut");
}

class LimiterPlace {
 public:
  explicit LimiterPlace(AdaptiveLimiter& limiter) : limiter_(limiter) {}
  ~LimiterPlace() { limiter_.release(); }
  LimiterPlace(const LimiterPlace&) = delete;
  LimiterPlace& operator=(const LimiterPlace&) = delete;

 private:
  AdaptiveLimiter& limiter_;
};

Result<HttpResponse> try_once(Transport& transport, const HttpRequest& request, AdaptiveLimiter& limiter, RateLimiter* rate,
                              const CancelToken& cancel, const std::function<void()>& before_try) {
  const Error interrupted(ErrorCode::kInterrupted, "interrupted");
  // The rate first: its wait can be long, and a place in the limiter is for calls that are under way.
  if (rate != nullptr && !rate->acquire(cancel)) return interrupted;
  if (!limiter.acquire(cancel)) return interrupted;
  const LimiterPlace place(limiter);
  if (before_try) before_try();
  Result<HttpResponse> sent = transport.send(request, cancel);
  if (!sent) return sent;
  if (sent->status == 429 || sent->status == 503) {
    limiter.on_throttled();
  } else if (sent->status < 400) {
    limiter.on_success();
  }
  return sent;
}

}  // namespace

bool is_retryable_status(int status) {
  static constexpr int kStatuses[] = {408, 409, 425, 429, 500, 502, 503, 504, 529};
  return std::find(std::begin(kStatuses), std::end(kStatuses), status) != std::end(kStatuses);
}

int64_t backoff_ms(const RetryPolicy& policy, uint64_t call, int attempt) {
  const double doubled = static_cast<double>(policy.base_delay_ms) * std::exp2(std::min(attempt, 62));
  const double longest = std::min(static_cast<double>(policy.max_delay_ms), doubled);
  const uint64_t bits = mix(mix(mix(policy.seed) ^ call) + static_cast<uint64_t>(attempt));
  const double uniform = static_cast<double>(bits >> 11) * 0x1p-53;
  return std::llround(longest * (0.5 + 0.5 * uniform));
}

bool wait_ms(int64_t milliseconds, const CancelToken& cancel) {
  const int64_t end_ns = system_clock_source().steady_ns() + milliseconds * 1'000'000;
  while (!cancel.cancelled()) {
    const int64_t left_ns = end_ns - system_clock_source().steady_ns();
    if (left_ns <= 0) return true;
    std::this_thread::sleep_for(std::chrono::nanoseconds(std::min(left_ns, kCancelCheckMs * 1'000'000)));
  }
  return false;
}

Result<RetriedResponse> send_with_retries(Transport& transport, const HttpRequest& request, const RetryPolicy& policy,
                                          AdaptiveLimiter& limiter, RateLimiter* rate, const CancelToken& cancel,
                                          const std::function<void()>& before_try) {
  static std::atomic<uint64_t> calls{0};
  const uint64_t call = calls.fetch_add(1, std::memory_order_relaxed);
  RetriedResponse out;
  while (true) {
    Result<HttpResponse> sent = try_once(transport, request, limiter, rate, cancel, before_try);
    const bool is_last = out.retries >= policy.max_retries;
    int64_t delay_ms = backoff_ms(policy, call, out.retries);
    if (!sent) {
      if (is_last || !is_worth_a_retry(sent.error())) return std::move(sent).error();
    } else {
      const std::optional<int64_t> asked_ms = retry_after_ms(*sent, system_clock_source().unix_ms());
      const bool is_too_long = asked_ms.value_or(0) > policy.max_retry_after_ms;
      if (is_last || is_too_long || !is_retryable_status(sent->status)) {
        out.response = *std::move(sent);
        return out;
      }
      if (asked_ms.value_or(0) > 0) delay_ms = *asked_ms;
    }
    if (!wait_ms(delay_ms, cancel)) return Error(ErrorCode::kInterrupted, "interrupted");
    out.waited_ms += static_cast<double>(delay_ms);
    ++out.retries;
  }
}

}  // namespace llmops
