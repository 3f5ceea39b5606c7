// What servers say about when to come back: Retry-After (RFC 9110, 10.2.3) in seconds or as an HTTP date (5.6.7), and the
// headers of OpenAI and Azure that are finer than a second.
#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cmath>

#include "core/http/retry.h"

namespace llmops {
namespace {

constexpr double kLongestMs = 1e15;

std::optional<double> number(std::string_view text) {
  double value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
  if (problem != std::errc() || end != text.data() + text.size() || !std::isfinite(value) || value < 0) {
    return std::nullopt;
  }
  return value;
}

std::optional<int> whole_number(std::string_view text) {
  int value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc() || end != text.data() + text.size() || value < 0) return std::nullopt;
  return value;
}

int64_t whole_ms(double ms) { return static_cast<int64_t>(std::ceil(std::min(ms, kLongestMs))); }

std::vector<std::string_view> words_of(std::string_view text, std::string_view separators) {
  std::vector<std::string_view> words;
  while (true) {
    const size_t first = text.find_first_not_of(separators);
    if (first == std::string_view::npos) return words;
    text.remove_prefix(first);
    const size_t length = std::min(text.find_first_of(separators), text.size());
    words.push_back(text.substr(0, length));
    text.remove_prefix(length);
  }
}

std::optional<int> month_of(std::string_view name) {
  static constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                               "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto found = std::find(kMonths.begin(), kMonths.end(), name);
  if (found == kMonths.end()) return std::nullopt;
  return static_cast<int>(found - kMonths.begin()) + 1;
}

// "Sun, 06 Nov 1994 08:49:37 GMT", and the obsolete "Sunday, 06-Nov-94 08:49:37 GMT" and "Sun Nov  6 08:49:37 1994" that
// a recipient must read too.
std::optional<int64_t> http_date_ms(std::string_view text) {
  const std::vector<std::string_view> words = words_of(text, " ,-");
  if (words.size() < 5) return std::nullopt;
  const bool is_asctime = month_of(words[1]).has_value();
  const std::optional<int> day = whole_number(is_asctime ? words[2] : words[1]);
  const std::optional<int> month = month_of(is_asctime ? words[1] : words[2]);
  const std::string_view year_word = is_asctime ? words[4] : words[3];
  std::optional<int> year = whole_number(year_word);
  const std::vector<std::string_view> clock = words_of(is_asctime ? words[3] : words[4], ":");
  if (!day || !month || !year || clock.size() != 3) return std::nullopt;
  if (year_word.size() == 2) *year += *year < 70 ? 2000 : 1900;
  const std::optional<int> hour = whole_number(clock[0]), minute = whole_number(clock[1]), second = whole_number(clock[2]);
  const std::chrono::year_month_day date(std::chrono::year(*year), std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day)));
  if (!hour || !minute || !second || *hour > 23 || *minute > 59 || *second > 60 || !date.ok()) return std::nullopt;
  const int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  return (((days * 24 + *hour) * 60 + *minute) * 60 + *second) * 1000;
}

// Go's time.Duration as OpenAI prints it: "1s", "6m0s", "1h2m3.5s", "20ms"; a bare number counts seconds.
std::optional<double> duration_ms(std::string_view text) {
  if (const std::optional<double> seconds = number(text)) return *seconds * 1000;
  static constexpr std::array<std::pair<std::string_view, double>, 6> kUnits = {
      {{"h", 3'600'000.0}, {"m", 60'000.0}, {"s", 1000.0}, {"ms", 1.0}, {"us", 1e-3}, {"\u00B5s", 1e-3}}};
  if (text.empty()) return std::nullopt;
  double total = 0;
  while (!text.empty()) {
    const size_t digits = std::min(text.find_first_not_of("0123456789."), text.size());
    const std::optional<double> value = number(text.substr(0, digits));
    text.remove_prefix(digits);
    const size_t unit_length = std::min(text.find_first_of("0123456789."), text.size());
    const std::string_view unit = text.substr(0, unit_length);
    text.remove_prefix(unit_length);
    const auto found = std::find_if(kUnits.begin(), kUnits.end(), [unit](const auto& row) { return row.first == unit; });
    if (!value || found == kUnits.end()) return std::nullopt;
    total += *value * found->second;
  }
  return total;
}

}  // namespace

std::optional<int64_t> retry_after_ms(const HttpResponse& response, int64_t now_unix_ms) {
  if (const auto text = response.header("retry-after-ms")) {
    if (const auto ms = number(*text)) return whole_ms(*ms);
  }
  if (const auto text = response.header("retry-after")) {
    if (const auto seconds = number(*text)) return whole_ms(*seconds * 1000);
    if (const auto at_ms = http_date_ms(*text)) return std::max<int64_t>(0, *at_ms - now_unix_ms);
  }
  // OpenAI sends this one with every answer, also with those that were not throttled.
  if (response.status != 429) return std::nullopt;
  if (const auto text = response.header("x-ratelimit-reset-requests")) {
    if (const auto ms = duration_ms(*text)) return whole_ms(*ms);
  }
  return std::nullopt;
}

}  // namespace llmops
