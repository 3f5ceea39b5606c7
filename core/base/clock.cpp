#include "core/base/clock.h"

#include <time.h>

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
  // "dddd-dd-ddTdd:dd:dd": digits where digits belong, and nothing else there.
  constexpr std::string_view kShape = "dddd-dd-ddTdd:dd:dd";
  if (text.size() < kShape.size()) return malformed;
  for (size_t i = 0; i < kShape.size(); ++i) {
    const bool digit = text[i] >= '0' && text[i] <= '9';
    const bool fits = kShape[i] == 'd' ? digit : kShape[i] == 'T' ? text[i] == 'T' || text[i] == 't' || text[i] == ' ' : text[i] == kShape[i];
    if (!fits) return malformed;
  }
  const auto two = [&](size_t at) { return (text[at] - '0') * 10 + (text[at + 1] - '0'); };
  const int year = two(0) * 100 + two(2), month = two(5), day = two(8), hour = two(11), minute = two(14), second = two(17);
  std::string_view rest = text.substr(kShape.size());
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
    for (const size_t i : {1, 2, 4, 5}) if (rest[i] < '0' || rest[i] > '9') return malformed;
    const int offset_hour = (rest[1] - '0') * 10 + (rest[2] - '0'), offset_minute = (rest[4] - '0') * 10 + (rest[5] - '0');
    if (offset_hour > 23 || offset_minute > 59) return malformed;
    offset_minutes = offset_hour * 60 + offset_minute;
    if (rest[0] == '-') offset_minutes = -offset_minutes;
  } else if (rest != "Z" && rest != "z") {
    return malformed;
  }
  constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  if (month < 1 || month > 12 || hour > 23 || minute > 59 || second > 60) return malformed;
  const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  if (day < 1 || day > kDays[month - 1] + (month == 2 && leap ? 1 : 0)) return malformed;
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
