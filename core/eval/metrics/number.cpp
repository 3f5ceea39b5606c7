// number: a numeric answer with tolerances, and how a number is read out of text.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>

#include "core/eval/metrics/kinds.h"
#include "core/eval/metrics/number_text.h"
#include "core/eval/metrics/scoring.h"
#include "core/text/unicode.h"

namespace llmops {
namespace {

constexpr std::array<std::string_view, 5> kCurrencySigns{"$", "\xE2\x82\xAC", "\xC2\xA3", "\xC2\xA5", "\xE2\x82\xB9"};
constexpr std::string_view kMinusSign = "\xE2\x88\x92";  // U+2212

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

size_t digits_at(std::string_view text, size_t at) {
  size_t count = 0;
  while (at + count < text.size() && is_digit(text[at + count])) ++count;
  return count;
}

// Length of the sign at the front, and whether it is a minus.
size_t sign_at(std::string_view text, bool& negative) {
  if (text.starts_with('+')) { negative = false; return 1; }
  if (text.starts_with('-')) { negative = true; return 1; }
  if (text.starts_with(kMinusSign)) { negative = true; return kMinusSign.size(); }
  return 0;
}

size_t currency_at(std::string_view text) {
  for (const std::string_view sign : kCurrencySigns) {
    if (text.starts_with(sign)) return sign.size();
  }
  return 0;
}

// Length of the whole part at the front: digits, or groups of three after one to three digits.
size_t whole_part(std::string_view text) {
  const size_t plain = digits_at(text, 0);
  size_t best = plain;
  if (plain == 0 || plain > 3) return best;
  for (size_t at = plain; at < text.size() && text[at] == ',';) {
    const size_t group = digits_at(text, at + 1);
    if (group < 3) break;
    at += 4;
    if (group > 3) break;
    best = at;
  }
  return best;
}

// Length of the unsigned number at the front; 0: none. With `trailing_point`, "18." is a number as a whole.
size_t number_at(std::string_view text, bool trailing_point) {
  size_t length = whole_part(text);
  if (length < text.size() && text[length] == '.') {
    const size_t decimals = digits_at(text, length + 1);
    if (decimals > 0 || (trailing_point && length > 0)) length += 1 + decimals;
  }
  if (length == 0) return 0;
  if (length < text.size() && (text[length] == 'e' || text[length] == 'E')) {
    size_t at = length + 1;
    if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
    if (const size_t digits = digits_at(text, at); digits > 0) length = at + digits;
  }
  return length;
}

std::optional<double> number_value(std::string_view text, bool negative) {
  std::string digits;
  for (const char c : text) {
    if (c != ',') digits += c;
  }
  double value = 0;
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (parsed.ec != std::errc() || parsed.ptr != digits.data() + digits.size()) return std::nullopt;  // past the range of a double
  return negative ? -value : value;
}

// Calls found(value) for the numbers from left to right until it returns false.
template <class Found>
void scan_numbers(std::string_view text, Found found) {
  for (size_t at = 0; at < text.size();) {
    const char before = at == 0 ? ' ' : text[at - 1];
    bool negative = false;
    size_t start = at;
    if (!is_digit(before) && !is_letter(before) && before != ')' && before != ']') start += sign_at(text.substr(at), negative);
    start += currency_at(text.substr(start));
    const bool point_after_digit = start > 0 && start < text.size() && text[start] == '.' && is_digit(text[start - 1]);
    const size_t length = point_after_digit ? 0 : number_at(text.substr(start), false);
    if (length == 0) { ++at; continue; }
    if (const auto value = number_value(text.substr(start, length), negative); value && !found(*value)) return;
    at = start + length;
  }
}

}  // namespace

std::optional<double> parse_number_text(std::string_view raw) {
  const std::string trimmed = trim_space(raw);
  std::string_view text = trimmed;
  const auto skip = [&](size_t count) {
    text.remove_prefix(count);
    while (count > 0 && text.starts_with(' ')) text.remove_prefix(1);
    return count > 0;
  };
  bool negative = false;
  const bool signed_first = skip(sign_at(text, negative));
  skip(currency_at(text));
  if (!signed_first) skip(sign_at(text, negative));
  const size_t length = number_at(text, true);
  if (length == 0) return std::nullopt;
  std::string rest = trim_space(text.substr(length));
  if (rest.starts_with('%')) rest = trim_space(std::string_view(rest).substr(1));
  if (const size_t sign = currency_at(rest); sign > 0) rest = trim_space(std::string_view(rest).substr(sign));
  if (!rest.empty()) return std::nullopt;
  return number_value(text.substr(0, length), negative);
}

std::optional<double> first_number_in(std::string_view text) {
  std::optional<double> first;
  scan_numbers(text, [&](double value) { first = value; return false; });
  return first;
}

std::optional<double> last_number_in(std::string_view text) {
  std::optional<double> last;
  scan_numbers(text, [&](double value) { last = value; return true; });
  return last;
}

namespace {

enum class Extract { kNone, kFirst, kLast };

std::optional<double> number_of(const Json& value, Extract extract) {
  if (value.is_number()) return value.get<double>();
  const std::string& text = value.get_ref<const std::string&>();
  if (extract == Extract::kFirst) return first_number_in(text);
  return extract == Extract::kLast ? last_number_in(text) : parse_number_text(text);
}

class Number : public Metric {
 public:
  explicit Number(Extract extract) : extract_(extract) {}

  Result<MetricScore> score(const MetricInput& input) const override {
    LLMOPS_ASSIGN(const Json* target, scored_target(input));
    if (!target->is_number() && !target->is_string()) return Error(ErrorCode::kData, fmt::format("'number' needs a number or text, got {}", json_type_word(*target)));
    LLMOPS_ASSIGN(const double expected, number_parameter(input, "expected", std::nullopt));
    LLMOPS_ASSIGN(const double absolute, number_parameter(input, "absolute", 0.0));
    LLMOPS_ASSIGN(const double relative, number_parameter(input, "relative", 0.0));
    if (absolute < 0 || relative < 0) return Error(ErrorCode::kData, "a tolerance is negative");
    const std::optional<double> got = number_of(*target, extract_);
    if (!got) return rate_score(false, extract_ == Extract::kNone ? shown_value(*target) + " is not one number" : "no number in " + shown_value(*target));
    const double distance = std::abs(*got - expected);
    // A tolerance is written in decimal: 1.1 counts as within 0.1 of 1, though its double is not.
    const double tolerance = std::max(absolute, relative * std::abs(expected));
    const double slack = tolerance > 0 ? 4 * std::numeric_limits<double>::epsilon() * std::max(std::abs(*got), std::abs(expected)) : 0;
    MetricScore score = rate_score(distance <= tolerance + slack, fmt::format("expected {}, got {}", expected, *got));
    score.detail = Json{{"got", *got}, {"difference", *got - expected}};
    return score;
  }

 private:
  static Result<double> number_parameter(const MetricInput& input, const char* name, std::optional<double> otherwise) {
    const auto value = scored_parameter(input, name);
    if (!value) {
      if (otherwise) return *otherwise;
      return value.error();
    }
    std::optional<double> number;
    if ((*value)->is_number() || (*value)->is_string()) number = number_of(**value, Extract::kNone);
    if (!number) return Error(ErrorCode::kData, fmt::format("'{}' is not a number: {}", name, shown_value(**value)));
    return *number;
  }

  Extract extract_;
};

Result<std::unique_ptr<Metric>> make_number(const MetricBuild& build) {
  LLMOPS_ASSIGN(const std::string extract, choice_parameter(*build.params, "number", "extract", {"none", "first", "last"}));
  if (const auto expected = build.params->find("expected"); expected != build.params->end() && !holds_template(*expected)) {
    const bool is_number = expected->is_number() || (expected->is_string() && number_of(*expected, Extract::kNone));
    if (!is_number) return Error(ErrorCode::kConfig, fmt::format("'expected' is not a number: {}", shown_value(*expected)), "write a number, or a template that gives one");
  }
  for (const char* name : {"absolute", "relative"}) {
    const auto found = build.params->find(name);
    if (found == build.params->end() || holds_template(*found)) continue;
    if (!found->is_number() || found->get<double>() < 0) {
      return Error(ErrorCode::kConfig, fmt::format("'{}' of 'number' must be a number, 0 or more, got {}", name, shown_value(*found)), "write a number, like 0.01");
    }
  }
  return std::unique_ptr<Metric>(std::make_unique<Number>(extract == "first" ? Extract::kFirst : extract == "last" ? Extract::kLast : Extract::kNone));
}

constexpr MetricParameter kNumberParameters[] = {
    {"expected", "number or text", true, "", "the right number, or a text that is one"},
    {"absolute", "number", false, "0", "largest difference that passes"},
    {"relative", "number", false, "0", "largest difference that passes, as a share of the expected number"},
    {"extract", "text", false, "none", "none: the text must be one number; first or last: take that number out of the text"}};

std::string number_signature(const Json& params) {
  const auto value = [&](const char* name, const char* otherwise) {
    const auto found = params.find(name);
    if (found == params.end()) return std::string(otherwise);
    return holds_template(*found) ? std::string("case") : found->is_number() ? fmt::format("{}", found->get<double>()) : json_to_text(*found);
  };
  return fmt::format("number|absolute:{}|relative:{}|extract:{}|v:1", value("absolute", "0"), value("relative", "0"), value("extract", "none"));
}

}  // namespace

const MetricKind kNumberKind{"number", "the target is the expected number, within the larger of two tolerances", "IEEE 754 doubles; decimal text",
                             "0 or 1", MetricDirection::kHigher, true, false, kNumberParameters, number_signature, make_number};

}  // namespace llmops
