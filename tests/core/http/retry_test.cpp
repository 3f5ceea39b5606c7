#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <deque>
#include <thread>

#include "core/http/backoff.h"
#include "core/http/retry.h"

using namespace llmops;

namespace {

// Answers from a list; the last entry is repeated.
class ScriptedTransport final : public Transport {
 public:
  explicit ScriptedTransport(std::deque<Result<HttpResponse>> script) : script_(std::move(script)) {}
  Result<HttpResponse> send(const HttpRequest&, const CancelToken&) override {
    ++sent;
    Result<HttpResponse> next = script_.front();
    if (script_.size() > 1) script_.pop_front();
    return next;
  }
  int sent = 0;

 private:
  std::deque<Result<HttpResponse>> script_;
};

HttpResponse answer(int status, HttpHeaders headers = {}) {
  HttpResponse response;
  response.status = status;
  response.headers = std::move(headers);
  return response;
}

Error transport_error(const char* kind) { return Error(ErrorCode::kProvider, "failed").with_kind(kind, true); }

RetryPolicy quick() {
  RetryPolicy policy;
  policy.base_delay_ms = 2;
  policy.max_delay_ms = 8;
  return policy;
}

Result<RetriedResponse> run(ScriptedTransport& transport, const RetryPolicy& policy) {
  AdaptiveLimiter limiter(4);
  return send_with_retries(transport, {}, policy, limiter, nullptr, {});
}

double ms_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

int64_t after(HttpHeaders headers, int status = 429) {
  // 1994-11-06T08:49:00Z
  return retry_after_ms(answer(status, std::move(headers)), 784111740000).value_or(-1);
}

}  // namespace

TEST_CASE("the statuses that a retry may mend are retried, others are not") {
  for (int status = 200; status < 600; ++status) {
    ScriptedTransport transport({answer(status), answer(200)});
    RetryPolicy policy = quick();
    policy.base_delay_ms = 0;
    const Result<RetriedResponse> sent = run(transport, policy);
    const bool is_retried = status == 408 || status == 409 || status == 425 || status == 429 || status == 500 || status == 502 ||
                            status == 503 || status == 504 || status == 529;
    CAPTURE(status);
    REQUIRE(sent);
    CHECK(sent->retries == (is_retried ? 1 : 0));
    CHECK(sent->response.status == (is_retried ? 200 : status));
  }
}

TEST_CASE("timeouts, refused connections and cut answers are retried, other errors are not") {
  for (const char* kind : {"timeout", "connect", "cut"}) {
    ScriptedTransport transport({transport_error(kind), answer(200)});
    const Result<RetriedResponse> sent = run(transport, quick());
    REQUIRE(sent);
    CHECK(sent->retries == 1);
    CHECK(sent->waited_ms >= 1);
  }
  for (const char* kind : {"dns", "tls", "too_large", "protocol"}) {
    ScriptedTransport transport({transport_error(kind), answer(200)});
    CHECK(run(transport, quick()).error().kind == kind);
    CHECK(transport.sent == 1);
  }
  ScriptedTransport transport({Error(ErrorCode::kOffline, "offline"), answer(200)});
  CHECK(run(transport, quick()).error().code == ErrorCode::kOffline);
}

TEST_CASE("when the tries are used up the last answer, or the last error, is the result") {
  ScriptedTransport busy({answer(500), answer(500), answer(503)});
  RetryPolicy policy = quick();
  policy.max_retries = 2;
  const Result<RetriedResponse> sent = run(busy, policy);
  REQUIRE(sent);
  CHECK(sent->response.status == 503);
  CHECK(sent->retries == 2);
  CHECK(busy.sent == 3);
  ScriptedTransport cut({transport_error("cut")});
  CHECK(run(cut, policy).error().kind == "cut");
  CHECK(cut.sent == 3);
  policy.max_retries = 0;
  ScriptedTransport once({answer(500)});
  CHECK(run(once, policy)->response.status == 500);
  CHECK(once.sent == 1);
}

TEST_CASE("before_try is called before each try") {
  ScriptedTransport transport({answer(500), answer(500), answer(200)});
  AdaptiveLimiter limiter(1);
  int tries = 0;
  REQUIRE(send_with_retries(transport, {}, quick(), limiter, nullptr, {}, [&tries] { ++tries; }));
  CHECK(tries == 3);
}

TEST_CASE("Retry-After is waited for, and one that is too long ends the tries") {
  ScriptedTransport transport({answer(429, {{"retry-after-ms", "60"}}), answer(200)});
  const auto start = std::chrono::steady_clock::now();
  const Result<RetriedResponse> sent = run(transport, quick());
  REQUIRE(sent);
  CHECK(sent->response.status == 200);
  CHECK(sent->waited_ms == 60);
  CHECK(ms_since(start) >= 60);
  ScriptedTransport far({answer(429, {{"retry-after", "121"}}), answer(200)});
  const Result<RetriedResponse> ended = run(far, quick());
  REQUIRE(ended);
  CHECK(ended->response.status == 429);
  CHECK(far.sent == 1);
}

TEST_CASE("every form of Retry-After is read") {
  CHECK(after({{"retry-after", "7"}}) == 7000);
  CHECK(after({{"retry-after", "0.25"}}) == 250);
  CHECK(after({{"retry-after-ms", "1500.5"}, {"retry-after", "9"}}) == 1501);
  CHECK(after({{"retry-after", "Sun, 06 Nov 1994 08:49:37 GMT"}}) == 37'000);
  CHECK(after({{"retry-after", "Sunday, 06-Nov-94 08:49:37 GMT"}}) == 37'000);
  CHECK(after({{"retry-after", "Sun Nov  6 08:49:37 1994"}}) == 37'000);
  CHECK(after({{"retry-after", "Sun, 06 Nov 1994 08:48:37 GMT"}}) == 0);
  CHECK(after({{"x-ratelimit-reset-requests", "1s"}}) == 1000);
  CHECK(after({{"x-ratelimit-reset-requests", "6m0s"}}) == 360'000);
  CHECK(after({{"x-ratelimit-reset-requests", "1h2m3.5s"}}) == 3'723'500);
  CHECK(after({{"x-ratelimit-reset-requests", "20ms"}}) == 20);
  CHECK(after({{"x-ratelimit-reset-requests", "12"}}) == 12'000);
  CHECK(after({{"retry-after", "soon"}, {"x-ratelimit-reset-requests", "2s"}}) == 2000);
}

TEST_CASE("what is no Retry-After is none") {
  CHECK(after({}) == -1);
  for (const char* text : {"", "-1", "soon", "1e3", "Sun, 31 Feb 1994 08:49:37 GMT", "Sun, 06 Nov 1994", "06 11 1994 08:49:37 GMT x",
                           "Sun, 06 Nov 1994 25:49:37 GMT", "nan", "inf"}) {
    CAPTURE(text);
    CHECK(after({{"retry-after", text}}) == -1);
    CHECK(after({{"x-ratelimit-reset-requests", text}}) == -1);
  }
  CHECK(after({{"x-ratelimit-reset-requests", "1s"}}, 500) == -1);  // sent with every answer, also an unrelated failure
}

TEST_CASE("waits double up to the limit, and lie between half and all of it") {
  RetryPolicy policy;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    policy.seed = seed;
    for (int attempt = 0; attempt < 70; ++attempt) {
      int64_t longest = policy.base_delay_ms;
      for (int k = 0; k < attempt && longest < policy.max_delay_ms; ++k) longest *= 2;
      longest = std::min(longest, policy.max_delay_ms);
      const int64_t wait = backoff_ms(policy, seed * 3, attempt);
      CAPTURE(seed, attempt);
      CHECK(wait >= longest / 2);
      CHECK(wait <= longest);
    }
  }
}

TEST_CASE("the jitter depends on seed, call and attempt, and on nothing else") {
  RetryPolicy policy;
  CHECK(backoff_ms(policy, 1, 0) == backoff_ms(policy, 1, 0));
  int differing_calls = 0, differing_seeds = 0;
  double sum = 0;
  for (uint64_t call = 0; call < 1000; ++call) {
    differing_calls += backoff_ms(policy, call, 6) != backoff_ms(policy, call + 1, 6) ? 1 : 0;
    RetryPolicy other = policy;
    other.seed = 99;
    differing_seeds += backoff_ms(policy, call, 6) != backoff_ms(other, call, 6) ? 1 : 0;
    sum += static_cast<double>(backoff_ms(policy, call, 6));
  }
  CHECK(differing_calls > 990);
  CHECK(differing_seeds > 990);
  CHECK(sum / 1000 == Approx(22'500).margin(500));  // the middle of [15 s, 30 s]
}

TEST_CASE("a wait ends at once when it is cancelled") {
  ScriptedTransport transport({answer(429, {{"retry-after", "60"}})});
  AdaptiveLimiter limiter(1);
  const CancelToken cancel;
  const std::jthread canceller([cancel] {
    std::this_thread::sleep_for(std::chrono::milliseconds(80));
    cancel.cancel();
  });
  const auto start = std::chrono::steady_clock::now();
  const Result<RetriedResponse> sent = send_with_retries(transport, {}, quick(), limiter, nullptr, cancel);
  CHECK(ms_since(start) < 900);
  CHECK(sent.error().code == ErrorCode::kInterrupted);
}

TEST_CASE("the limiter halves when throttled, at most once a second") {
  AdaptiveLimiter limiter(16);
  CHECK(limiter.limit() == 16);
  limiter.on_throttled();
  CHECK(limiter.limit() == 8);
  for (int i = 0; i < 10; ++i) limiter.on_throttled();
  CHECK(limiter.limit() == 8);
  AdaptiveLimiter smallest(1);
  smallest.on_throttled();
  CHECK(smallest.limit() == 1);
}

TEST_CASE("the limiter grows by one after as many successes as there are places, up to where it started") {
  AdaptiveLimiter limiter(6);
  limiter.on_throttled();
  REQUIRE(limiter.limit() == 3);
  for (int i = 0; i < 3; ++i) limiter.on_success();
  CHECK(limiter.limit() == 4);
  for (int i = 0; i < 3; ++i) limiter.on_success();
  CHECK(limiter.limit() == 4);
  limiter.on_success();
  CHECK(limiter.limit() == 5);
  for (int i = 0; i < 100; ++i) limiter.on_success();
  CHECK(limiter.limit() == 6);
}

TEST_CASE("answers of 429 and 503 shrink the limiter, other failures do not") {
  for (const int status : {429, 503, 500, 404}) {
    ScriptedTransport transport({answer(status), answer(200)});
    AdaptiveLimiter limiter(8);
    REQUIRE(send_with_retries(transport, {}, quick(), limiter, nullptr, {}));
    CAPTURE(status);
    CHECK(limiter.limit() == (status == 429 || status == 503 ? 4 : 8));
  }
}

TEST_CASE("no more calls hold a place than the limiter has") {
  AdaptiveLimiter limiter(3);
  std::atomic<int> inside{0}, most{0};
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 12; ++i) {
      threads.emplace_back([&] {
        if (!limiter.acquire({})) return;
        const int now = ++inside;
        for (int seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
        --inside;
        limiter.release();
      });
    }
  }
  CHECK(most <= 3);
  CHECK(most >= 1);
}

TEST_CASE("waiting for a place ends when it is cancelled") {
  AdaptiveLimiter limiter(1);
  REQUIRE(limiter.acquire({}));
  const CancelToken cancel;
  cancel.cancel();
  CHECK_FALSE(limiter.acquire(cancel));
  limiter.release();
}

TEST_CASE("a wait between tries leaves the place to others") {
  ScriptedTransport transport({answer(500), answer(200)});
  AdaptiveLimiter limiter(1);
  RetryPolicy policy;
  policy.base_delay_ms = policy.max_delay_ms = 400;
  std::jthread caller([&] { REQUIRE(send_with_retries(transport, {}, policy, limiter, nullptr, {})); });
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  const auto start = std::chrono::steady_clock::now();
  REQUIRE(limiter.acquire({}));
  CHECK(ms_since(start) < 150);
  limiter.release();
}

TEST_CASE("the rate limiter spaces starts evenly") {
  RateLimiter rate(1200);  // one each 50 ms
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < 5; ++i) REQUIRE(rate.acquire({}));
  CHECK(ms_since(start) >= 199);
}

TEST_CASE("without a rate nobody waits, and a cancel ends a wait") {
  RateLimiter none(0);
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < 1000; ++i) REQUIRE(none.acquire({}));
  CHECK(ms_since(start) < 500);
  RateLimiter slow(1);
  const CancelToken cancel;
  REQUIRE(slow.acquire(cancel));
  cancel.cancel();
  CHECK_FALSE(slow.acquire(cancel));
}
