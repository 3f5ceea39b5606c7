// How many calls run at once, and how many start per minute.
// The first is TCP's rule, additive increase and multiplicative decrease (Chiu and Jain 1989): it finds the rate that a
// server accepts without being told, and leaves each of several clients its share.
#include <algorithm>
#include <chrono>

#include "core/http/backoff.h"

namespace llmops {
namespace {

constexpr auto kCancelCheck = std::chrono::milliseconds(50);
constexpr int64_t kShrinkPauseNs = 1'000'000'000;  // one burst of 429s is one signal, however many calls it met

}  // namespace

AdaptiveLimiter::AdaptiveLimiter(int limit) : max_(std::max(limit, 1)), limit_(std::max(limit, 1)) {}

bool AdaptiveLimiter::acquire(const CancelToken& cancel) {
  std::unique_lock lock(mutex_);
  while (running_ >= limit_) {
    if (cancel.cancelled()) return false;
    room_.wait_for(lock, kCancelCheck);
  }
  if (cancel.cancelled()) return false;
  ++running_;
  return true;
}

void AdaptiveLimiter::release() {
  {
    const std::lock_guard lock(mutex_);
    --running_;
  }
  room_.notify_one();
}

void AdaptiveLimiter::on_throttled() {
  const std::lock_guard lock(mutex_);
  successes_ = 0;
  const int64_t now_ns = system_clock_source().steady_ns();
  if (last_shrink_ns_ != 0 && now_ns - last_shrink_ns_ < kShrinkPauseNs) return;
  last_shrink_ns_ = now_ns;
  limit_ = std::max(1, limit_ / 2);
}

void AdaptiveLimiter::on_success() {
  {
    const std::lock_guard lock(mutex_);
    if (limit_ == max_ || ++successes_ < limit_) return;
    successes_ = 0;
    ++limit_;
  }
  room_.notify_one();
}

int AdaptiveLimiter::limit() const {
  const std::lock_guard lock(mutex_);
  return limit_;
}

RateLimiter::RateLimiter(double requests_per_minute)
    : interval_ms_(requests_per_minute > 0 ? 60'000.0 / requests_per_minute : 0) {}

// Starts are spaced evenly, so that no window of a minute, wherever it begins, holds more than its share. A call that is
// cancelled while it waits leaves its slot unused.
bool RateLimiter::acquire(const CancelToken& cancel) {
  if (interval_ms_ <= 0) return !cancel.cancelled();
  int64_t wait_ns = 0;
  {
    const std::lock_guard lock(mutex_);
    const int64_t now_ns = system_clock_source().steady_ns();
    const int64_t start_ns = std::max(now_ns, next_ns_);
    next_ns_ = start_ns + static_cast<int64_t>(interval_ms_ * 1e6);
    wait_ns = start_ns - now_ns;
  }
  return wait_ms((wait_ns + 999'999) / 1'000'000, cancel);
}

}  // namespace llmops
