#include "core/base/clock.h"

#include <time.h>

#include <cstdio>
#include <fmt/format.h>

namespace llmops {
namespace {

class SystemClock : public Clock {
 public:
  int64_t unix_ms() override { return read(CLOCK_REALTIME) / 1'000'000; }
  int64_t steady_ns() override { return read(CLOCK_MONOTONIC); }

 private:
  static int64_t read(clockid_t id) {
    timespec now{};
    clock_gettime(id, &now);
    return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
  }
};

}  // namespace

Clock& system_clock_source() {
  static SystemClock clock;
  return clock;
}

std::string format_utc(int64_t unix_ms) {
  int64_t seconds = unix_ms / 1000, milliseconds = unix_ms % 1000;
  if (milliseconds < 0) { milliseconds += 1000; --seconds; }
  const time_t time = static_cast<time_t>(seconds);
  tm parts{};
  gmtime_r(&time, &parts);
  std::string text = fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec);
  if (milliseconds != 0) text += fmt::format(".{:03}", milliseconds);
  return text + "Z";
}

Result<int64_t> parse_utc(std::string_view text) {
  const Error malformed(ErrorCode::kData, fmt::format("'{}' is not a time in RFC 3339", text), "write it like 2026-11-22T08:00:00Z");
  const std::string copy(text);
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, used = 0;
  if (std::sscanf(copy.c_str(), "%4d-%2d-%2d%*1[Tt ]%2d:%2d:%2d%n", &year, &month, &day, &hour, &minute, &second, &used) != 6) return malformed;
  std::string_view rest = std::string_view(copy).substr(static_cast<size_t>(used));
  int64_t milliseconds = 0;
  if (!rest.empty() && rest[0] == '.') {
    rest.remove_prefix(1);
    int64_t scale = 100;
    if (rest.empty() || rest[0] < '0' || rest[0] > '9') return malformed;
    while (!rest.empty() && rest[0] >= '0' && rest[0] <= '9') {
      milliseconds += scale * (rest[0] - '0');
      scale /= 10;
      rest.remove_prefix(1);
    }
  }
  int64_t offset_minutes = 0;
  if (rest.size() == 6 && (rest[0] == '+' || rest[0] == '-') && rest[3] == ':') {
    const auto digit = [&](size_t i) { return rest[i] - '0'; };
    offset_minutes = (digit(1) * 10 + digit(2)) * 60 + digit(4) * 10 + digit(5);
    if (rest[0] == '-') offset_minutes = -offset_minutes;
  } else if (rest != "Z" && rest != "z") {
    return malformed;
  }
  if (month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 60) return malformed;
  tm parts{};
  parts.tm_year = year - 1900;
  parts.tm_mon = month - 1;
  parts.tm_mday = day;
  parts.tm_hour = hour;
  parts.tm_min = minute;
  parts.tm_sec = second;
  return (int64_t{timegm(&parts)} - offset_minutes * 60) * 1000 + milliseconds;
}

}  // namespace llmops
