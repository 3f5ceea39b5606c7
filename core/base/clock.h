// Time, passed in so that tests own it. Core never reads the system's clock elsewhere.
#pragma once

#include <cstdint>
#include <string>

#include "core/base/result.h"

namespace llmops {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual int64_t unix_ms() = 0;       // UTC, milliseconds since 1970
  virtual int64_t steady_ns() = 0;     // monotonic, nanoseconds since an arbitrary start
};

// The system's clocks. SOURCE_DATE_EPOCH is not read here. Thread-safe.
Clock& system_clock_source();

// "2026-11-22T08:00:00Z" (RFC 3339, UTC), with milliseconds when they are not zero.
std::string format_utc(int64_t unix_ms);
// Errors (kData): not RFC 3339.
Result<int64_t> parse_utc(std::string_view text);

}  // namespace llmops
