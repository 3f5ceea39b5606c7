#include "core/base/duration.h"

#include <fmt/format.h>

#include <charconv>

namespace llmops {
namespace {

constexpr int64_t kSecond = 1000, kMinute = 60 * kSecond, kHour = 60 * kMinute, kDay = 24 * kHour, kWeek = 7 * kDay;

int64_t unit_of(char letter) {
  switch (letter) {
    case 's': return kSecond;
    case 'm': return kMinute;
    case 'h': return kHour;
    case 'd': return kDay;
    case 'w': return kWeek;
    default: return 0;
  }
}

}  // namespace

Result<int64_t> parse_duration_ms(std::string_view text) {
  int64_t number = 0;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, number);
  const int64_t unit = parsed.ec == std::errc() && parsed.ptr + 1 == end ? unit_of(*parsed.ptr) : 0;
  if (unit == 0 || number < 1 || number > 36'525 * kDay / unit) return Error(ErrorCode::kUsage, fmt::format("'{}' is not a length of time", text), "write a number and a unit: 90s, 15m, 24h, 7d or 2w");
  return number * unit;
}

std::string format_duration(int64_t ms) {
  if (ms % kDay == 0 && ms != kDay) return fmt::format("{}d", ms / kDay);
  if (ms % kHour == 0) return fmt::format("{}h", ms / kHour);
  if (ms % kMinute == 0) return fmt::format("{}m", ms / kMinute);
  return fmt::format("{}s", ms / kSecond);
}

}  // namespace llmops
