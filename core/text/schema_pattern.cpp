// What is written alike but read differently in ECMA-262 (22.2, RegExp objects) and RE2 (https://github.com/google/re2/wiki/Syntax):
// `.` stops at four line ends in the one and at \n in the other, \s knows Unicode's spaces or ASCII's, `[]` is an empty class or
// the start of one, (?i), \A, \z, \p, \Q, [[:x:]] mean something in RE2 alone. Only what is known to agree passes.
#include "core/text/schema_pattern.h"

namespace llmops {
namespace {

constexpr std::string_view kSpaces = R"(\t\n\v\f\r \x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}\x{feff})";
constexpr std::string_view kPunctuation = "^$\\.*+?()[]{}|/-\"'!#%&,:;<=>@_`~ ";

bool is_digit(char c) { return c >= '0' && c <= '9'; }

class Translator {
 public:
  explicit Translator(std::string_view in) : in_(in) {}

  std::optional<std::string> run() {
    while (at_ < in_.size()) {
      if (!element()) return std::nullopt;
    }
    return std::move(out_);
  }

 private:
  bool element() {
    const char c = in_[at_];
    if (c == '\\') return escape();
    if (c == '[') return char_class();
    if (c == '(') return group();
    if (c == '{') return count();
    if (c == '.') return put(R"([^\n\r\x{2028}\x{2029}])", 1);
    if (c == '}' || c == ']') return false;
    return put(in_.substr(at_, 1), 1);
  }
  bool put(std::string_view text, size_t taken) {
    out_ += text;
    at_ += taken;
    return true;
  }
  bool group() {
    if (!in_.substr(at_).starts_with("(?")) return put("(", 1);
    return in_.substr(at_).starts_with("(?:") && put("(?:", 3);
  }
  // {n} {n,} {n,m}
  bool count() {
    size_t end = at_ + 1;
    while (end < in_.size() && is_digit(in_[end])) ++end;
    if (end == at_ + 1) return false;
    if (end < in_.size() && in_[end] == ',') ++end;
    while (end < in_.size() && is_digit(in_[end])) ++end;
    if (end >= in_.size() || in_[end] != '}') return false;
    return put(in_.substr(at_, end + 1 - at_), end + 1 - at_);
  }
  // The RE2 form of the escape at at_ when it is one character, in a class or not.
  bool single_escape() {
    const char c = at_ + 1 < in_.size() ? in_[at_ + 1] : '\0';
    constexpr std::string_view kControls = "tnrfv";
    if (c != '\0' && (kControls.find(c) != std::string_view::npos)) return put(in_.substr(at_, 2), 2);
    if (c == '\0' || kPunctuation.find(c) == std::string_view::npos) return false;
    if (c != '_' && c != ' ') out_ += '\\';
    return put(std::string_view(&c, 1), 2);
  }
  bool escape() {
    const char c = at_ + 1 < in_.size() ? in_[at_ + 1] : '\0';
    if (c == 's') return put("[" + std::string(kSpaces) + "]", 2);
    if (c == 'S') return put("[^" + std::string(kSpaces) + "]", 2);
    if (c == 'd' || c == 'D' || c == 'w' || c == 'W' || c == 'b' || c == 'B') return put(in_.substr(at_, 2), 2);
    return single_escape();
  }
  bool char_class() {
    put("[", 1);
    if (at_ < in_.size() && in_[at_] == '^') put("^", 1);
    const size_t first = at_;
    while (at_ < in_.size() && in_[at_] != ']') {
      const char c = in_[at_], next = at_ + 1 < in_.size() ? in_[at_ + 1] : '\0';
      if (c == '[') return false;
      if (c != '\\') { put(in_.substr(at_, 1), 1); continue; }
      if (next == 's') put(kSpaces, 2);
      else if (next == 'd' || next == 'D' || next == 'w' || next == 'W') put(in_.substr(at_, 2), 2);
      else if (!single_escape()) return false;
    }
    return at_ < in_.size() && at_ > first && put("]", 1);
  }

  std::string_view in_;
  size_t at_ = 0;
  std::string out_;
};

}  // namespace

std::optional<std::string> re2_of_ecmascript(std::string_view pattern) { return Translator(pattern).run(); }

}  // namespace llmops
