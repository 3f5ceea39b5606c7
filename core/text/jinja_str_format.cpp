// Python's str.format(): "{0} {name[key]!r:>8.2f}" (Python library reference, "Format String Syntax" and "Format
// Specification Mini-Language"). Attributes and items of a field are read as the template's own.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "core/text/codepoint.h"
#include "core/text/jinja_eval.h"

namespace llmops::jinja {

namespace {

constexpr int64_t kMostDigits = 10'000;

struct Spec {
  std::string fill = " ";
  char align = '\0', sign = '-', grouping = '\0', letter = '\0';
  bool alternate = false, zero = false;
  int64_t width = 0, precision = -1;
};

// [[fill]align][sign][#][0][width][grouping][.precision][type]; false: it is no specification.
bool read_spec(std::string_view text, Spec& spec) {
  size_t i = 0;
  const auto at = [&](std::string_view letters) { return i < text.size() && letters.find(text[i]) != std::string_view::npos; };
  const size_t first = text.empty() ? 0 : text::decode_at(text, 0).size;
  if (first > 0 && first < text.size() && std::string_view("<>=^").find(text[first]) != std::string_view::npos) {
    spec.fill = text.substr(0, first);
    i = first;
  }
  if (at("<>=^")) spec.align = text[i++];
  if (at("+- ")) spec.sign = text[i++];
  if (at("#")) spec.alternate = true, ++i;
  if (at("0")) spec.zero = true, ++i;
  const auto number = [&](int64_t& value) {
    for (value = 0; at("0123456789"); ++i) value = std::min<int64_t>(value * 10 + (text[i] - '0'), INT32_MAX);
  };
  number(spec.width);
  if (at(",_")) spec.grouping = text[i++];
  if (at(".")) {
    ++i;
    if (!at("0123456789")) return false;
    number(spec.precision);
  }
  if (i < text.size()) spec.letter = text[i++];
  return i == text.size();
}

// "1234567" with `separator` before every `size` digits from the right.
std::string grouped(std::string_view digits, char separator, size_t size) {
  std::string out;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % size == 0) out.push_back(separator);
    out.push_back(digits[i]);
  }
  return out;
}

// A float without a letter: like g, but with a point, and from one digit less on with an exponent.
std::string general_text(double magnitude, int precision, bool alternate) {
  const int digits = std::max(precision, 1);
  const std::string scientific = fmt::format("{:.{}e}", magnitude, digits - 1);
  int exponent = 0;
  const std::string_view written = std::string_view(scientific).substr(scientific.find('e') + 1);
  std::from_chars(written.data() + (written[0] == '+' ? 1 : 0), written.data() + written.size(), exponent);
  std::string text = alternate ? fmt::format("{:#.{}g}", magnitude, digits) : fmt::format("{:.{}g}", magnitude, digits);
  const bool has_exponent = text.find('e') != std::string::npos;
  if (exponent + 1 > digits - 1 && !has_exponent) {
    std::string mantissa = scientific.substr(0, scientific.find('e'));
    if (mantissa.find('.') != std::string::npos) mantissa.resize(mantissa.find_last_not_of("0.") == std::string::npos ? 1 : mantissa.find_last_not_of('0') + 1);
    if (mantissa.back() == '.') mantissa.pop_back();
    return mantissa + scientific.substr(scientific.find('e'));
  }
  if (!has_exponent && text.find('.') == std::string::npos) text += ".0";
  return text;
}

Error does_not_apply(std::string_view spec, std::string_view what) {
  return type_error(fmt::format("'{}' does not apply to {}", spec, what), "convert the value first, or write another letter");
}

class BraceFormatter {
 public:
  BraceFormatter(Evaluator& evaluator, const Arguments& arguments) : evaluator_(evaluator), arguments_(arguments) {}

  Result<std::string> run(std::string_view format, int depth) {
    std::string out;
    for (size_t i = 0; i < format.size(); ++i) {
      const char c = format[i];
      if (c != '{' && c != '}') { out.push_back(c); continue; }
      if (i + 1 < format.size() && format[i + 1] == c) { out.push_back(c); ++i; continue; }
      if (c == '}') return type_error("format has '}' without '{'", "write }} for a brace that is text");
      const size_t close = field_end(format, i + 1);
      if (close == std::string_view::npos) return type_error("format has '{' without '}'", "write {{ for a brace that is text");
      LLMOPS_ASSIGN(const std::string text, field(format.substr(i + 1, close - i - 1), depth));
      out += text;
      LLMOPS_CHECK(evaluator_.fits(out.size()));
      i = close;
    }
    return out;
  }

 private:
  static size_t field_end(std::string_view format, size_t begin) {
    int open = 1;
    for (size_t i = begin; i < format.size(); ++i) {
      open += format[i] == '{' ? 1 : format[i] == '}' ? -1 : 0;
      if (open == 0) return i;
    }
    return std::string_view::npos;
  }

  // name[!conversion][:specification]
  Result<std::string> field(std::string_view text, int depth) {
    if (depth > 1) return type_error("format nests deeper than 2 levels", "nest less deeply");
    LLMOPS_CHECK(evaluator_.charge(1));
    const size_t mark = text.find_first_of("!:");
    LLMOPS_ASSIGN(Value value, field_value(text.substr(0, mark)));
    std::string_view rest = mark == std::string_view::npos ? std::string_view() : text.substr(mark);
    if (rest.starts_with('!')) {
      const bool known = rest.size() >= 2 && (rest[1] == 'r' || rest[1] == 's' || rest[1] == 'a') && (rest.size() == 2 || rest[2] == ':');
      if (!known) return type_error("format has an unknown conversion behind '!'", "write !r, !s or !a");
      LLMOPS_ASSIGN(std::string written, evaluator_.text_of(value));
      if (rest[1] != 's') {
        written.clear();
        append_repr(written, value);
      }
      value = Value::own(std::move(written));
      rest.remove_prefix(2);
    }
    if (rest.starts_with(':')) rest.remove_prefix(1);
    LLMOPS_ASSIGN(const std::string spec, run(rest, depth + 1));
    return formatted(value, spec);
  }

  Result<Value> field_value(std::string_view path) {
    const size_t end = std::min(path.find_first_of(".["), path.size());
    LLMOPS_ASSIGN(Value value, argument(path.substr(0, end)));
    std::string_view rest = path.substr(end);
    while (!rest.empty()) {
      const bool keyed = rest.front() == '[';
      const size_t stop = keyed ? rest.find(']') : std::min(rest.find_first_of(".[", 1), rest.size());
      if (stop == std::string_view::npos) return type_error("format has '[' without ']'", "close it with ]");
      const std::string_view name = rest.substr(1, stop - 1);
      if (keyed) {
        int64_t index = 0;
        const bool number = read_index(name, index);
        LLMOPS_ASSIGN(value, evaluator_.item(value, number ? Value::of(index) : Value::view(name), nullptr));
      } else {
        LLMOPS_ASSIGN(value, evaluator_.attribute(value, name, nullptr));
      }
      LLMOPS_CHECK(evaluator_.need_defined(value));
      rest.remove_prefix(keyed ? stop + 1 : stop);
      if (keyed && !rest.empty() && rest.front() != '.' && rest.front() != '[') return type_error("format has text behind ']'", "go on with . or [ there");
    }
    return value;
  }

  static bool read_index(std::string_view text, int64_t& index) {
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), index);
    return !text.empty() && text[0] != '-' && parsed.ec == std::errc() && parsed.ptr == text.data() + text.size();
  }

  Result<Value> argument(std::string_view name) {
    int64_t index = 0;
    const bool numbered = read_index(name, index);
    if (name.empty() || numbered) {
      if (numbered ? next_ > 0 : is_numbered_) return type_error("format mixes numbered places with places without a number", "number all of them or none");
      is_numbered_ = is_numbered_ || numbered;
      if (!numbered) index = next_++;
      if (static_cast<size_t>(index) >= arguments_.positional.size()) return type_error(fmt::format("format has no argument {}", index), "give as many arguments as the format has places");
      return arguments_.positional[static_cast<size_t>(index)];
    }
    for (const auto& [known, value] : arguments_.keywords) if (known == name) return value;
    std::vector<std::string> known;
    for (const auto& keyword : arguments_.keywords) known.emplace_back(keyword.first);
    return type_error(fmt::format("format has no argument '{}'", name), known.empty() ? "write it as name=value behind the format" : name_hint(name, known));
  }

  Result<std::string> formatted(const Value& value, std::string_view text) {
    if (text.empty()) return evaluator_.text_of(value);
    Spec spec;
    if (!read_spec(text, spec)) return type_error(fmt::format("'{}' is no format specification", text), "write one like >8 or .2f");
    LLMOPS_CHECK(evaluator_.fits(static_cast<size_t>(spec.width) * spec.fill.size()));
    if (spec.precision > kMostDigits && !value.is(Kind::kString)) return type_error(fmt::format("format asks for more than {} digits", kMostDigits), "ask for fewer digits");
    if (value.is(Kind::kString)) return text_field(value, spec, text);
    const bool real_letter = spec.letter != '\0' && std::string_view("eEfFgG%").find(spec.letter) != std::string_view::npos;
    if (value.is(Kind::kFloat) || (value.is_number() && real_letter)) return real_field(value, spec, text);
    if (value.is(Kind::kInt) || value.is(Kind::kBool)) return integer_field(value, spec, text);
    return does_not_apply(text, type_phrase(value));
  }

  Result<std::string> text_field(const Value& value, const Spec& spec, std::string_view text) {
    const bool fits = (spec.letter == '\0' || spec.letter == 's') && spec.align != '=' && spec.sign == '-' && !spec.alternate && !spec.grouping;
    if (!fits) return does_not_apply(text, "a string");
    std::string_view shown = value.str();
    if (spec.precision >= 0) shown = shown.substr(0, text::offset_of(shown, static_cast<size_t>(spec.precision)));
    Spec padded = spec;
    if (spec.zero && !spec.align) padded.fill = "0";
    return padded_text(padded, "", shown, '<');
  }

  std::string sign_of(const Spec& spec, bool negative) const {
    return negative ? "-" : spec.sign == '-' ? "" : std::string(1, spec.sign);
  }

  Result<std::string> integer_field(const Value& value, const Spec& spec, std::string_view text) {
    const int64_t number = value.is(Kind::kBool) ? int64_t{value.boolean} : value.integer;
    const uint64_t magnitude = number < 0 ? uint64_t{0} - static_cast<uint64_t>(number) : static_cast<uint64_t>(number);
    std::string digits, prefix;
    size_t group = 3;
    switch (spec.letter) {
      case '\0': case 'd': case 'n': digits = fmt::format("{}", magnitude); break;
      case 'b': digits = fmt::format("{:b}", magnitude); prefix = "0b"; group = 4; break;
      case 'o': digits = fmt::format("{:o}", magnitude); prefix = "0o"; group = 4; break;
      case 'x': digits = fmt::format("{:x}", magnitude); prefix = "0x"; group = 4; break;
      case 'X': digits = fmt::format("{:X}", magnitude); prefix = "0X"; group = 4; break;
      case 'c':
        if (number < 0 || number > 0x10FFFF || spec.sign != '-' || spec.grouping) return does_not_apply(text, fmt::format("{}", number));
        text::append_utf8(digits, static_cast<int32_t>(number));
        return padded_text(spec, "", digits, '<');
      default: return does_not_apply(text, type_phrase(value));
    }
    if (spec.precision >= 0 || (spec.grouping == ',' && group == 4)) return does_not_apply(text, "an integer");
    return number_text(spec, sign_of(spec, number < 0) + (spec.alternate ? prefix : ""), digits, "", group);
  }

  Result<std::string> real_field(const Value& value, const Spec& spec, std::string_view text) {
    const double number = as_double(value);
    const double magnitude = std::fabs(number);
    const int precision = spec.precision < 0 ? 6 : static_cast<int>(spec.precision);
    std::string body;
    switch (spec.letter) {
      case 'e': body = fmt::format("{:.{}e}", magnitude, precision); break;
      case 'E': body = fmt::format("{:.{}E}", magnitude, precision); break;
      case 'f': case 'F': body = fmt::format("{:.{}f}", magnitude, precision); break;
      case 'g': case 'n': body = spec.alternate ? fmt::format("{:#.{}g}", magnitude, precision) : fmt::format("{:.{}g}", magnitude, precision); break;
      case 'G': body = fmt::format("{:.{}G}", magnitude, precision); break;
      case '%': body = fmt::format("{:.{}f}%", magnitude * 100, precision); break;
      case '\0': body = spec.precision < 0 || !std::isfinite(number) ? float_text(magnitude) : general_text(magnitude, precision, spec.alternate); break;
      default: return does_not_apply(text, "a float");
    }
    const size_t whole = std::min(body.find_first_not_of("0123456789"), body.size());
    return number_text(spec, sign_of(spec, std::signbit(number)), body.substr(0, whole), body.substr(whole), 3);
  }

  // Zeros of a width go between sign and digits; grouped ones are grouped with the digits.
  Result<std::string> number_text(const Spec& spec, const std::string& sign, std::string digits, const std::string& rest, size_t group) {
    const bool zeros = spec.zero && spec.align == '\0';
    if (spec.grouping) {
      const std::string plain = digits;
      digits = grouped(plain, spec.grouping, group);
      std::string wider = plain;
      const auto room = spec.width - static_cast<int64_t>(sign.size() + rest.size());
      while (zeros && static_cast<int64_t>(digits.size()) < room) {
        wider.insert(wider.begin(), '0');
        digits = grouped(wider, spec.grouping, group);
        LLMOPS_CHECK(evaluator_.charge(1 + digits.size() / 64));
      }
    }
    Spec padded = spec;
    if (zeros) padded.fill = "0", padded.align = '=';
    return padded_text(padded, sign, digits + rest, '>');
  }

  static Result<std::string> padded_text(const Spec& spec, std::string_view sign, std::string_view body, char otherwise) {
    const char align = spec.align ? spec.align : otherwise;
    const auto missing = std::max<int64_t>(spec.width - static_cast<int64_t>(sign.size() + text::count_code_points(body)), 0);
    const int64_t before = align == '<' ? 0 : align == '^' ? missing / 2 : missing;
    std::string out;
    if (align == '=') out += sign;
    for (int64_t i = 0; i < before; ++i) out += spec.fill;
    if (align != '=') out += sign;
    out += body;
    for (int64_t i = before; i < missing; ++i) out += spec.fill;
    return out;
  }

  Evaluator& evaluator_;
  const Arguments& arguments_;
  int64_t next_ = 0;
  bool is_numbered_ = false;
};

}  // namespace

Result<std::string> format_braces(Evaluator& evaluator, std::string_view format, const Arguments& arguments) {
  return BraceFormatter(evaluator, arguments).run(format, 0);
}

}  // namespace llmops::jinja
