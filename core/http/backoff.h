// How long to wait before the next try, waiting that ends when the work is cancelled, and what is
// worth another try. retry.h has the public part.
#pragma once

#include <cstdint>

#include "core/http/retry.h"

namespace llmops {

// The wait before try `attempt` + 1 (attempt counts from 0): uniform in [0.5, 1] * min(max_delay, base * 2^attempt), a
// function of policy.seed, `call` and `attempt` alone. `call` numbers the calls of the process, so that calls that failed
// together do not come back together.
int64_t backoff_ms(const RetryPolicy& policy, uint64_t call, int attempt);

// False: cancelled, at most 50 ms late.
bool wait_ms(int64_t milliseconds, const CancelToken& cancel);

// The same request may succeed later: 408, 409, 425, 429, 500, 502, 503, 504, 529.
bool is_retryable_status(int status);

}  // namespace llmops
