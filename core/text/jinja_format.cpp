// Python's printf-style formatting ("%-5s|%05.2f" % (a, b)), for the operator % and the filter format
// (Python library reference, "printf-style String Formatting").
#include <fmt/format.h>

#include <cmath>

#include "core/text/codepoint.h"
#include "core/text/jinja_eval.h"

namespace llmops::jinja {

namespace {

constexpr int64_t kMostDigits = 10'000;

struct Directive {
  bool left = false, zero = false, plus = false, space = false, alternate = false;
  int64_t width = 0, precision = -1;
  char letter = 's';
};

class Formatter {
 public:
  Formatter(Evaluator& evaluator, const Value& format, const Value& arguments)
      : evaluator_(evaluator), format_(format.str()), escapes_(format.safe), arguments_(arguments), is_tuple_(type_name(arguments) == "tuple") {}

  Result<std::string> run() {
    while (position_ < format_.size()) {
      const size_t percent = std::min(format_.find('%', position_), format_.size());
      out_ += format_.substr(position_, percent - position_);
      position_ = percent + 1;
      if (percent < format_.size()) LLMOPS_CHECK(directive());
      LLMOPS_CHECK(evaluator_.fits(out_.size()));
    }
    const bool all = is_tuple_ ? used_ >= list_size(arguments_) : used_ > 0 || arguments_.is(Kind::kDict);
    if (!all) return type_error("format has fewer places than arguments", "write one place like %s for each argument");
    return std::move(out_);
  }

 private:
  char peek() const { return position_ < format_.size() ? format_[position_] : '\0'; }

  Result<Value> next() {
    if (!is_tuple_ && used_ == 0) { ++used_; return arguments_; }
    if (!is_tuple_ || used_ >= list_size(arguments_)) return type_error("format has more places than arguments", "write one argument for each place, and a percent sign as %%");
    return list_at(arguments_, used_++);
  }

  Result<int64_t> number() {
    if (peek() == '*') {
      ++position_;
      LLMOPS_ASSIGN(const Value value, next());
      if (!value.is(Kind::kInt)) return type_error("'*' in a format takes an integer", "write the width into the format, as in %5d");
      return value.integer;
    }
    int64_t value = 0;
    for (; peek() >= '0' && peek() <= '9'; ++position_) value = std::min<int64_t>(value * 10 + (peek() - '0'), INT32_MAX);
    return value;
  }

  Status directive() {
    if (peek() == '%') { ++position_; out_ += '%'; return {}; }
    std::optional<Value> keyed;
    if (peek() == '(') {
      const size_t close = format_.find(')', position_);
      if (close == std::string_view::npos) return type_error("format has '(' without ')'", "write named places like %(name)s");
      const std::string_view key = format_.substr(position_ + 1, close - position_ - 1);
      position_ = close + 1;
      if (!arguments_.is(Kind::kDict)) return type_error("format with names takes a dict", "name the arguments, as in format(name=1)");
      keyed = dict_find(arguments_, Value::view(key));
      if (!keyed) return type_error(fmt::format("format names '{}', which the arguments have not", key), "add the argument, or remove the place");
    }
    Directive d;
    for (;; ++position_) {
      const char c = peek();
      if (c == '-') d.left = true;
      else if (c == '0') d.zero = true;
      else if (c == '+') d.plus = true;
      else if (c == ' ') d.space = true;
      else if (c == '#') d.alternate = true;
      else break;
    }
    LLMOPS_ASSIGN(d.width, number());
    if (d.width < 0) d.left = true, d.width = -d.width;
    if (peek() == '.') {
      ++position_;
      LLMOPS_ASSIGN(d.precision, number());
    }
    while (peek() == 'l' || peek() == 'h' || peek() == 'L') ++position_;
    d.letter = peek();
    ++position_;
    if (d.letter == '\0') return type_error("format ends inside a place", "write a percent sign as %%");
    Value value;
    if (keyed) {
      value = *keyed;
    } else {
      LLMOPS_ASSIGN(value, next());
    }
    return write(d, value);
  }

  Status write(const Directive& d, const Value& value) {
    switch (d.letter) {
      case 's': case 'r': case 'a': return write_text(d, value);
      case 'd': case 'i': case 'u': case 'x': case 'X': case 'o': return write_integer(d, value);
      case 'e': case 'E': case 'f': case 'F': case 'g': case 'G': return write_real(d, value);
      case 'c': return write_character(d, value);
      default: return type_error(fmt::format("format has the unknown letter '{}'", d.letter), "write %s for any value, and a percent sign as %%");
    }
  }

  void pad(const Directive& d, std::string_view sign, std::string_view body, bool number) {
    const auto length = static_cast<int64_t>(text::count_code_points(body) + sign.size());
    const auto missing = static_cast<size_t>(std::max<int64_t>(d.width - length, 0));
    if (!d.left && !(number && d.zero)) out_.append(missing, ' ');
    out_ += sign;
    if (!d.left && number && d.zero) out_.append(missing, '0');
    out_ += body;
    if (d.left) out_.append(missing, ' ');
  }

  Status fits(const Directive& d) const {
    LLMOPS_CHECK(evaluator_.fits(static_cast<size_t>(d.width)));
    if (d.precision > kMostDigits && d.letter != 's') return type_error(fmt::format("format asks for more than {} digits", kMostDigits), "ask for fewer digits");
    return {};
  }

  Status write_text(const Directive& d, const Value& value) {
    LLMOPS_CHECK(fits(d));
    LLMOPS_ASSIGN(std::string text, evaluator_.text_of(value));
    if (d.letter != 's') {
      text.clear();
      append_repr(text, value);
    }
    if (escapes_ && !value.safe) text = escape_html(text);   // a format that is markup stays so
    if (d.precision >= 0) text.resize(text::offset_of(text, static_cast<size_t>(d.precision)));
    pad(d, "", text, false);
    return {};
  }

  Status write_integer(const Directive& d, const Value& value) {
    LLMOPS_CHECK(fits(d));
    const bool decimal = d.letter == 'd' || d.letter == 'i' || d.letter == 'u';
    int64_t number = 0;
    if (value.is(Kind::kInt)) number = value.integer;
    else if (value.is(Kind::kBool)) number = value.boolean ? 1 : 0;
    else if (value.is(Kind::kFloat) && decimal && std::fabs(value.real) < 9e18) number = static_cast<int64_t>(value.real);
    else return type_error(fmt::format("%{} takes an integer, not {}", d.letter, type_phrase(value)), "write %s, or convert the value with the filter int");
    const uint64_t magnitude = number < 0 ? uint64_t{0} - static_cast<uint64_t>(number) : static_cast<uint64_t>(number);
    std::string digits = decimal ? fmt::format("{}", magnitude) : d.letter == 'x' ? fmt::format("{:x}", magnitude)
                         : d.letter == 'X' ? fmt::format("{:X}", magnitude) : fmt::format("{:o}", magnitude);
    if (d.precision > static_cast<int64_t>(digits.size())) digits.insert(0, static_cast<size_t>(d.precision) - digits.size(), '0');
    std::string sign = number < 0 ? "-" : d.plus ? "+" : d.space ? " " : "";
    if (d.alternate && !decimal) sign += d.letter == 'o' ? "0o" : d.letter == 'x' ? "0x" : "0X";
    pad(d, sign, digits, true);
    return {};
  }

  Status write_real(const Directive& d, const Value& value) {
    LLMOPS_CHECK(fits(d));
    if (!value.is_number()) return type_error(fmt::format("%{} takes a number, not {}", d.letter, type_phrase(value)), "write %s, or convert the value with the filter float");
    const double number = as_double(value);
    const int precision = d.precision < 0 ? 6 : static_cast<int>(d.precision);
    const double magnitude = std::fabs(number);
    std::string body;
    switch (d.letter) {
      case 'e': body = d.alternate ? fmt::format("{:#.{}e}", magnitude, precision) : fmt::format("{:.{}e}", magnitude, precision); break;
      case 'E': body = d.alternate ? fmt::format("{:#.{}E}", magnitude, precision) : fmt::format("{:.{}E}", magnitude, precision); break;
      case 'g': body = d.alternate ? fmt::format("{:#.{}g}", magnitude, precision) : fmt::format("{:.{}g}", magnitude, precision); break;
      case 'G': body = d.alternate ? fmt::format("{:#.{}G}", magnitude, precision) : fmt::format("{:.{}G}", magnitude, precision); break;
      default: body = d.alternate ? fmt::format("{:#.{}f}", magnitude, precision) : fmt::format("{:.{}f}", magnitude, precision); break;
    }
    pad(d, std::signbit(number) ? "-" : d.plus ? "+" : d.space ? " " : "", body, true);
    return {};
  }

  Status write_character(const Directive& d, const Value& value) {
    LLMOPS_CHECK(fits(d));
    std::string text;
    const bool whole = value.is(Kind::kInt) || value.is(Kind::kBool);
    const int64_t code = value.is(Kind::kBool) ? int64_t{value.boolean} : value.is(Kind::kInt) ? value.integer : -1;
    if (whole && code >= 0 && code <= 0x10FFFF) {
      text::append_utf8(text, static_cast<int32_t>(code));
    } else if (value.is(Kind::kString) && text::count_code_points(value.str()) == 1) {
      text = value.str();
    } else {
      return type_error("%c takes one character", "write %s for longer texts");
    }
    pad(d, "", text, false);
    return {};
  }

  Evaluator& evaluator_;
  std::string_view format_;
  bool escapes_;
  const Value& arguments_;
  bool is_tuple_;
  size_t position_ = 0;
  size_t used_ = 0;
  std::string out_;
};

}  // namespace

Result<std::string> format_percent(Evaluator& evaluator, const Value& format, const Value& arguments) {
  return Formatter(evaluator, format, arguments).run();
}

}  // namespace llmops::jinja
