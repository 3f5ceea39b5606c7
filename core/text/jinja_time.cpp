// strftime_now() of chat templates: a point in time of the scope, written in the format that the template asks for
// (C99 7.27.3.5 strftime, the C locale; `%-d` leaves zeros out, as glibc does). No clock is read here.
#include <fmt/format.h>

#include <charconv>
#include <chrono>

#include "core/text/jinja_eval.h"

namespace llmops::jinja {

namespace {

constexpr std::string_view kDays[] = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};
constexpr std::string_view kMonths[] = {"January", "February", "March", "April", "May", "June", "July", "August", "September",
                                        "October", "November", "December"};

struct CivilTime {
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
  unsigned weekday = 0, day_of_year = 0;
};

// The digits at `offset`, all of them digits.
bool read_digits(std::string_view text, size_t offset, size_t count, int& value) {
  if (text.size() < offset + count) return false;
  const char* begin = text.data() + offset;
  const auto parsed = std::from_chars(begin, begin + count, value);
  return parsed.ec == std::errc() && parsed.ptr == begin + count && value >= 0;
}

// "2024-07-26", "2024-07-26T08:00" or "2024-07-26 08:00:05"; what stands behind the seconds is left out.
std::optional<CivilTime> read_time(std::string_view text) {
  CivilTime t;
  if (text.size() < 10 || text[4] != '-' || text[7] != '-') return std::nullopt;
  if (!read_digits(text, 0, 4, t.year) || !read_digits(text, 5, 2, t.month) || !read_digits(text, 8, 2, t.day)) return std::nullopt;
  if (text.size() > 10) {
    const bool clock = (text[10] == 'T' || text[10] == ' ') && text.size() >= 16 && text[13] == ':';
    if (!clock || !read_digits(text, 11, 2, t.hour) || !read_digits(text, 14, 2, t.minute)) return std::nullopt;
    if (text.size() > 16 && (text[16] != ':' || !read_digits(text, 17, 2, t.second))) return std::nullopt;
  }
  const std::chrono::year_month_day date(std::chrono::year(t.year), std::chrono::month(static_cast<unsigned>(t.month)),
                                         std::chrono::day(static_cast<unsigned>(t.day)));
  if (!date.ok() || t.hour > 23 || t.minute > 59 || t.second > 60) return std::nullopt;
  const std::chrono::sys_days days(date);
  t.weekday = std::chrono::weekday(days).c_encoding();
  t.day_of_year = static_cast<unsigned>((days - std::chrono::sys_days(date.year() / 1 / 1)).count()) + 1;
  return t;
}

// One directive; false: there is none of this letter.
bool append_directive(std::string& out, const CivilTime& t, char letter, bool plain) {
  const auto number = [&](int value, int width) { out += plain ? fmt::format("{}", value) : fmt::format("{:0{}}", value, width); };
  const auto sub = [&](std::string_view format) { out += *format_time(fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", t.year, t.month, t.day,
                                                                                  t.hour, t.minute, t.second), format); };
  const std::string_view day = kDays[t.weekday], month = kMonths[static_cast<size_t>(t.month) - 1];
  const int hour12 = t.hour % 12 == 0 ? 12 : t.hour % 12;
  switch (letter) {
    case 'a': out += day.substr(0, 3); return true;
    case 'A': out += day; return true;
    case 'b': case 'h': out += month.substr(0, 3); return true;
    case 'B': out += month; return true;
    case 'c': sub("%a %b %e %H:%M:%S %Y"); return true;
    case 'C': number(t.year / 100, 2); return true;
    case 'd': number(t.day, 2); return true;
    case 'D': case 'x': sub("%m/%d/%y"); return true;
    case 'e': out += plain ? fmt::format("{}", t.day) : fmt::format("{:2}", t.day); return true;
    case 'f': out += "000000"; return true;
    case 'F': sub("%Y-%m-%d"); return true;
    case 'H': number(t.hour, 2); return true;
    case 'I': number(hour12, 2); return true;
    case 'j': number(static_cast<int>(t.day_of_year), 3); return true;
    case 'm': number(t.month, 2); return true;
    case 'M': number(t.minute, 2); return true;
    case 'n': out += '\n'; return true;
    case 'p': out += t.hour < 12 ? "AM" : "PM"; return true;
    case 'r': sub("%I:%M:%S %p"); return true;
    case 'R': sub("%H:%M"); return true;
    case 'S': number(t.second, 2); return true;
    case 't': out += '\t'; return true;
    case 'T': case 'X': sub("%H:%M:%S"); return true;
    case 'u': number(t.weekday == 0 ? 7 : static_cast<int>(t.weekday), 1); return true;
    case 'w': number(static_cast<int>(t.weekday), 1); return true;
    case 'y': number(t.year % 100, 2); return true;
    case 'Y': out += fmt::format("{}", t.year); return true;
    case 'z': case 'Z': return true;   // no time zone is known
    case '%': out += '%'; return true;
    default: return false;
  }
}

}  // namespace

std::optional<std::string> format_time(std::string_view now, std::string_view format) {
  const std::optional<CivilTime> t = read_time(now);
  if (!t) return std::nullopt;
  std::string out;
  for (size_t i = 0; i < format.size(); ++i) {
    const size_t letter = i + 1 < format.size() && format[i + 1] == '-' ? i + 2 : i + 1;
    if (format[i] == '%' && letter < format.size() && append_directive(out, *t, format[letter], letter == i + 2)) i = letter;
    else out.push_back(format[i]);
  }
  return out;
}

}  // namespace llmops::jinja
