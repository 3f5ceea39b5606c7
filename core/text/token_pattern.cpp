// RE2's \s, \d and \w know ASCII alone, so they are spelled out; it has no look-ahead, so `\s+(?!\S)` becomes a group whose last character
// is given back. Where the two engines could differ the pattern is refused.
#include "core/text/token_pattern.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <optional>

#include "core/text/codepoint.h"

namespace llmops::text {
namespace {

constexpr std::string_view kSpaces = R"(\t-\r \x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000})";
constexpr std::string_view kWordCharacters = R"(\p{L}\p{M}\p{N}\p{Pc}\x{24b6}-\x{24e9})";   // Oniguruma's

constexpr size_t kMostPatternBytes = 16 << 10;   // the longest of real files have one KiB

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
  bool put(std::string_view text, size_t taken) {
    out_ += text;
    at_ += taken;
    return true;
  }
  std::string_view rest() const { return in_.substr(at_); }

  bool element() {
    const char c = in_[at_];
    if (c == '\\') return escape(false);
    if (c == '[') return char_class();
    if (c == '(') return rest().starts_with("(?:") ? put("(?:", 3) : rest().starts_with("(?i:") ? put("(?i:", 4) : !rest().starts_with("(?") && put("(?:", 1);
    if (c == '$') return put("(?m:$)", 1);   // Oniguruma's $ is the end of a line
    if (c == '^') return false;
    if (c == '{') return counted();
    if (c == '}') return false;
    const bool repeats = c == '+' || c == '*' || c == '?';
    put(in_.substr(at_, 1), 1);
    return !(repeats && rest().starts_with('+'));   // possessive
  }

  // {n}, {n,} and {n,m}, and a ? behind the latter two, which both engines read alike. Not so {,n}, {n}? and a + behind.
  bool counted() {
    size_t end = at_ + 1;
    const auto digits = [&] {
      const size_t first = end;
      while (end < in_.size() && in_[end] >= '0' && in_[end] <= '9') ++end;
      return end > first;
    };
    if (!digits()) return false;
    const bool exact = end < in_.size() && in_[end] == '}';
    if (!exact) {
      if (end >= in_.size() || in_[end++] != ',') return false;
      digits();
      if (end >= in_.size() || in_[end] != '}') return false;
    }
    put(in_.substr(at_, end + 1 - at_), end + 1 - at_);
    return !rest().starts_with('+') && !(exact && rest().starts_with('?'));
  }

  bool property() {
    const size_t close = in_.find('}', at_);
    if (close == std::string_view::npos || in_.substr(at_ + 2, 1) != "{") return false;
    for (const char c : in_.substr(at_ + 3, close - at_ - 3)) {
      if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '^')) return false;
    }
    return put(in_.substr(at_, close + 1 - at_), close + 1 - at_);
  }

  bool escape(bool in_class) {
    const char c = at_ + 1 < in_.size() ? in_[at_ + 1] : '\0';
    const auto shorthand = [&](std::string_view set, bool negated) {
      if (in_class) return !negated && put(set, 2);
      return put((negated ? "[^" : "[") + std::string(set) + "]", 2);
    };
    if (c == 's' || c == 'S') return shorthand(kSpaces, c == 'S');
    if (c == 'd' || c == 'D') return shorthand(R"(\p{Nd})", c == 'D');
    if (c == 'w' || c == 'W') return shorthand(kWordCharacters, c == 'W');
    if (c == 'p' || c == 'P') return property();
    if (c == 'r' || c == 'n' || c == 't' || c == 'f' || c == 'v') return put(in_.substr(at_, 2), 2);
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    return c != '\0' && static_cast<unsigned char>(c) < 0x80 && !letter && put(in_.substr(at_, 2), 2);
  }

  bool char_class() {
    put("[", 1);
    if (rest().starts_with("^")) put("^", 1);
    const size_t first = at_;
    size_t inner = 0;   // sets in the set, which add to it
    while (at_ < in_.size() && (inner > 0 || in_[at_] != ']')) {
      const char c = in_[at_], next = at_ + 1 < in_.size() ? in_[at_ + 1] : '\0';
      if (rest().starts_with("&&") || (c == '[' && (next == '^' || next == ':' || next == ']'))) return false;
      if (c == '[') ++inner, ++at_;
      else if (c == ']') --inner, ++at_;
      else if (c == '\\' ? !escape(true) : !put(in_.substr(at_, 1), 1)) return false;
    }
    return at_ < in_.size() && at_ > first && put("]", 1);
  }

  std::string_view in_;
  size_t at_ = 0;
  std::string out_;
};

Error refusal(const std::string& pattern, const std::string& name) {
  return {ErrorCode::kData, "'" + name + "' splits text by the pattern '" + pattern + "', which is not supported"};
}

}  // namespace

TokenPattern::~TokenPattern() = default;

Result<std::shared_ptr<const TokenPattern>> TokenPattern::make(const std::string& pattern, const std::string& name) {
  if (pattern.size() > kMostPatternBytes) return Error(ErrorCode::kData, fmt::format("'{}' splits text by a pattern of {} bytes, more than {}", name, pattern.size(), kMostPatternBytes));
  std::shared_ptr<TokenPattern> made(new TokenPattern());
  std::string_view rest = pattern;
  constexpr std::string_view kTail = R"(\s+(?!\S))";
  for (const std::string_view behind : {R"(|\s+)", R"(|\s)", ""}) {
    const std::string whole = std::string(kTail) + std::string(behind);
    if (made->space_tail_ || !rest.ends_with(whole)) continue;
    made->space_tail_ = true;
    made->single_tail_ = !behind.empty();
    rest.remove_suffix(whole.size());
    if (!rest.empty() && !rest.ends_with('|')) return refusal(pattern, name);
  }
  std::optional<std::string> translated = Translator(rest).run();
  if (!translated) return refusal(pattern, name);
  if (made->space_tail_) *translated += "([" + std::string(kSpaces) + "]+)";
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(64 << 20);
  made->expression_ = std::make_unique<re2::RE2>(*translated, options);
  if (!made->expression_->ok()) return refusal(pattern, name);
  return std::shared_ptr<const TokenPattern>(std::move(made));
}

bool TokenPattern::find(std::string_view text, size_t from, size_t& begin, size_t& end) const {
  while (from < text.size()) {
    re2::StringPiece groups[2];
    if (!expression_->Match(re2::StringPiece(text.data(), text.size()), from, text.size(), re2::RE2::UNANCHORED, groups, space_tail_ ? 2 : 1)) return false;
    begin = static_cast<size_t>(groups[0].data() - text.data());
    end = begin + groups[0].size();
    if (end == begin) {
      from = begin + (begin < text.size() ? decode_at(text, begin).size : 1);
      continue;
    }
    if (!space_tail_ || groups[1].data() == nullptr || end == text.size()) return true;
    size_t last = begin, count = 0;
    for (size_t at = begin; at < end; at += decode_at(text, at).size, ++count) last = at;
    if (count > 1) end = last;
    else if (!single_tail_) { from = end; continue; }   // one space before a word matches nothing
    return true;
  }
  return false;
}

}  // namespace llmops::text
