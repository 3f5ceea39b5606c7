// Filters on numbers: Python's int(), float(), abs() and round(), which rounds half to even on the exact binary value.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "core/text/codepoint.h"
#include "core/text/jinja_filters.h"

namespace llmops::jinja {

namespace {

// Digits as int() and float() accept them: no white space around, single underscores between digits left out.
std::optional<std::string> plain_digits(std::string_view text) {
  text = text::strip_left(text::strip_right(text));
  std::string out;
  const auto is_alnum = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '_') { out.push_back(text[i]); continue; }
    if (i == 0 || i + 1 == text.size() || !is_alnum(text[i - 1]) || !is_alnum(text[i + 1])) return std::nullopt;
  }
  return out;
}

enum class IntParse { kOk, kNotInteger, kTooLarge };

IntParse parse_int(std::string_view text, int64_t base, int64_t& value) {
  const std::optional<std::string> plain = plain_digits(text);
  if (!plain) return IntParse::kNotInteger;
  std::string_view rest = *plain;
  const bool negative = rest.starts_with('-');
  if (negative || rest.starts_with('+')) rest.remove_prefix(1);
  if (rest.size() > 2 && rest[0] == '0') {
    const char letter = static_cast<char>(rest[1] | 0x20);
    const int64_t named = letter == 'x' ? 16 : letter == 'o' ? 8 : letter == 'b' ? 2 : 0;
    if (named != 0 && (base == named || base == 0)) {
      rest.remove_prefix(2);
      base = named;
    }
  }
  if (base == 0) base = 10;
  uint64_t magnitude = 0;
  const auto parsed = std::from_chars(rest.data(), rest.data() + rest.size(), magnitude, static_cast<int>(base));
  if (rest.empty() || parsed.ptr != rest.data() + rest.size() || parsed.ec == std::errc::invalid_argument) return IntParse::kNotInteger;
  const uint64_t most = uint64_t{INT64_MAX} + (negative ? 1 : 0);
  if (parsed.ec != std::errc() || magnitude > most) return IntParse::kTooLarge;
  value = static_cast<int64_t>(negative ? uint64_t{0} - magnitude : magnitude);
  return IntParse::kOk;
}

Result<Value> truncated(double value) {
  if (std::isnan(value) || std::isinf(value)) return type_error(fmt::format("{} has no integer", float_text(value)), "check the number first");
  const double whole = std::trunc(value);
  if (whole < -9223372036854775808.0 || whole >= 9223372036854775808.0) return type_error("integer is beyond 64 bits", "keep it as text, or use the filter float");
  return Value::of(static_cast<int64_t>(whole));
}

}  // namespace

std::optional<double> parse_float(std::string_view text) {
  const std::optional<std::string> plain = plain_digits(text);
  if (!plain) return std::nullopt;
  std::string_view rest = *plain;
  const bool signed_text = rest.starts_with('-') || rest.starts_with('+');
  const bool negative = rest.starts_with('-');
  if (signed_text) rest.remove_prefix(1);
  const std::string word = text::to_lower(rest);
  double value = 0;
  if (word == "inf" || word == "infinity") {
    value = HUGE_VAL;
  } else if (word == "nan") {
    value = std::nan("");
  } else {
    if (rest.empty() || rest[0] == '-' || rest[0] == '+' || word[0] == 'n' || word[0] == 'i') return std::nullopt;
    const auto parsed = std::from_chars(rest.data(), rest.data() + rest.size(), value);
    if (parsed.ptr != rest.data() + rest.size() || parsed.ec == std::errc::invalid_argument) return std::nullopt;
    // Out of range: Python gives inf or 0; a negative exponent tells which.
    if (parsed.ec == std::errc::result_out_of_range) value = word.find("e-") == std::string::npos ? HUGE_VAL : 0.0;
  }
  return negative ? -value : value;
}

Result<Value> filter_abs(const Call& call) {
  const Value& value = call.subject;
  if (value.is(Kind::kFloat)) return Value::of(std::fabs(value.real));
  if (value.is(Kind::kBool)) return Value::of(int64_t{value.boolean});
  if (value.is(Kind::kBigInt)) return value;
  if (!value.is(Kind::kInt)) return type_error(fmt::format("'abs' takes a number, not {}", type_phrase(value)), "convert it first, as in x | float | abs");
  return value.integer < 0 ? call.evaluator.arithmetic(Op::kSub, Value::of(int64_t{0}), value) : Result<Value>(value);
}

Result<Value> filter_int(const Call& call) {
  const Value& value = call.subject;
  const Value otherwise = call[0] ? *call[0] : Value::of(int64_t{0});
  LLMOPS_ASSIGN(const int64_t base, integer_argument(call, 1, "base", 10));
  if (base != 0 && (base < 2 || base > 36)) return type_error("argument 'base' must be 0 or from 2 to 36", "leave it out for decimal numbers");
  switch (value.kind) {
    case Kind::kInt: case Kind::kBigInt: return value;
    case Kind::kBool: return Value::of(int64_t{value.boolean});
    case Kind::kFloat: return truncated(value.real);
    case Kind::kString: break;
    case Kind::kUndefined: return call.evaluator.undefined_error(value);
    default: return otherwise;
  }
  int64_t number = 0;
  switch (parse_int(value.str(), base, number)) {
    case IntParse::kOk: return Value::of(number);
    case IntParse::kTooLarge: return type_error("integer is beyond 64 bits", "keep it as text, or use the filter float");
    case IntParse::kNotInteger: break;
  }
  const std::optional<double> real = parse_float(value.str());
  if (!real || std::isnan(*real)) return otherwise;
  return truncated(*real);
}

Result<Value> filter_float(const Call& call) {
  const Value& value = call.subject;
  const Value otherwise = call[0] ? *call[0] : Value::of(0.0);
  if (value.is_number()) return Value::of(as_double(value));
  LLMOPS_CHECK(call.evaluator.need_defined(value));
  if (!value.is(Kind::kString)) return otherwise;
  const std::optional<double> real = parse_float(value.str());
  return real ? Value::of(*real) : otherwise;
}

namespace {

Result<Value> rounded_integer(int64_t value, int64_t precision) {
  if (precision >= 0) return Value::of(value);
  if (precision < -18) return Value::of(int64_t{0});
  int64_t unit = 1;
  for (int64_t i = 0; i > precision; --i) unit *= 10;
  const int64_t rest = ((value % unit) + unit) % unit;
  const int64_t low = value - rest;
  const bool up = rest > unit - rest || (rest == unit - rest && (low / unit) % 2 != 0);
  return Value::of(up ? low + unit : low);
}

double rounded_real(double value, int64_t precision) {
  if (!std::isfinite(value) || precision > 300) return value;
  if (precision >= 0) {
    const std::string text = fmt::format("{:.{}f}", value, static_cast<int>(precision));
    double result = 0;
    std::from_chars(text.data(), text.data() + text.size(), result);
    return result;
  }
  if (precision < -308) return std::copysign(0.0, value);
  const double unit = std::pow(10.0, static_cast<double>(-precision));
  return std::nearbyint(value / unit) * unit;
}

}  // namespace

Result<Value> filter_round(const Call& call) {
  const Value& value = call.subject;
  LLMOPS_ASSIGN(const int64_t precision, integer_argument(call, 0, "precision", 0));
  LLMOPS_ASSIGN(const std::string_view method, string_argument(call, 1, "method", "common"));
  if (!value.is_number() || value.is(Kind::kBigInt)) return type_error(fmt::format("'round' takes a number, not {}", type_phrase(value)), "convert it first, as in x | float | round");
  if (method == "common") {
    if (value.is(Kind::kFloat)) return Value::of(rounded_real(value.real, precision));
    return rounded_integer(value.is(Kind::kBool) ? int64_t{value.boolean} : value.integer, precision);
  }
  if (method != "ceil" && method != "floor") return type_error("argument 'method' must be common, ceil or floor", "leave it out to round to the nearest");
  const double unit = std::pow(10.0, static_cast<double>(precision));
  const double scaled = as_double(value) * unit;
  return Value::of((method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / unit);
}

// "4.2 kB": powers of 1000, or of 1024 when binary.
Result<Value> filter_filesizeformat(const Call& call) {
  LLMOPS_ASSIGN(const bool binary, flag_argument(call, 0, false));
  std::optional<double> number;
  if (call.subject.is_number()) number = as_double(call.subject);
  if (call.subject.is(Kind::kString)) number = parse_float(call.subject.str());
  if (!number) return type_error(fmt::format("'filesizeformat' takes a number, not {}", type_phrase(call.subject)), "convert it first with the filter float");
  constexpr std::string_view kDecimal[] = {"kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"};
  constexpr std::string_view kBinary[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"};
  const double bytes = *number, base = binary ? 1024 : 1000;
  if (bytes == 1) return Value::view("1 Byte");
  if (bytes < base) return call.evaluator.make_text(fmt::format("{} Bytes", static_cast<int64_t>(std::max(bytes, -9e18))));
  double unit = base;
  size_t row = 0;
  while (row < 7 && bytes >= unit * base) unit *= base, ++row;
  return call.evaluator.make_text(fmt::format("{:.1f} {}", bytes / unit, binary ? kBinary[row] : kDecimal[row]));
}

}  // namespace llmops::jinja
