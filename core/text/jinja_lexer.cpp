// Tokens of a template, as Jinja 3.1 divides it (jinja2/lexer.py): data up to {{, {% or {#, then the tokens of a tag up to
// its end, which counts only outside of brackets. White-space control works on the data around a tag: `-` strips all white
// space, `+` keeps what lstrip_blocks and trim_blocks (compatible mode) would take. Line ends of the template's own text
// become \n, as in Jinja.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <iterator>

#include "core/text/codepoint.h"
#include "core/text/jinja_ast.h"

namespace llmops::jinja {

namespace {

constexpr std::string_view kOperators[] = {"**", "//", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]",
                                           "(", ")", "{", "}", ">", "<", "=", ".", ":", "|", ",", ";"};

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_name_char(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || static_cast<unsigned char>(c) >= 0x80;
}

std::string with_unix_line_ends(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\r') { out.push_back(text[i]); continue; }
    out.push_back('\n');
    if (i + 1 < text.size() && text[i + 1] == '\n') ++i;
  }
  return out;
}

class Lexer {
 public:
  Lexer(const Source& source, bool trims) : source_(source), text_(source.text), trims_(trims) {
    // Jinja drops one trailing line end unless keep_trailing_newline; chat templates rely on it.
    if (trims_ && text_.ends_with('\n')) text_.remove_suffix(1);
    if (trims_ && text_.ends_with('\r')) text_.remove_suffix(1);
  }

  Result<std::vector<Token>> run() {
    while (position_ < text_.size()) LLMOPS_CHECK(data_and_tag());
    add(TokenKind::kEnd, text_.size(), 0);
    return std::move(tokens_);
  }

 private:
  bool at(std::string_view what, size_t offset) const { return text_.substr(offset, what.size()) == what; }

  Token& add(TokenKind kind, size_t offset, size_t length) {
    Token& token = tokens_.emplace_back();
    token.kind = kind;
    token.offset = offset;
    token.length = length;
    return token;
  }

  Error fail(size_t offset, std::string message, std::string hint = {}) const {
    return source_.locate(offset, 1, Error(ErrorCode::kConfig, std::move(message), std::move(hint)));
  }

  size_t skip_space(size_t offset) const { return text_.size() - text::strip_left(text_.substr(offset)).size(); }

  size_t find_tag(size_t from) const {
    for (size_t i = text_.find('{', from); i + 1 < text_.size(); i = text_.find('{', i + 1)) {
      if (i == std::string_view::npos) break;
      if (text_[i + 1] == '{' || text_[i + 1] == '%' || text_[i + 1] == '#') return i;
    }
    return std::string_view::npos;
  }

  void add_data(size_t begin, size_t end, char sign, bool block) {
    std::string_view data = text_.substr(begin, end - begin);
    if (sign == '-') {
      data = text::strip_right(data);
    } else if (sign != '+' && trims_ && block) {
      const size_t newline = data.find_last_of("\r\n");
      const size_t line = newline == std::string_view::npos ? 0 : newline + 1;
      const bool starts_line = line > 0 || begin == 0 || text_[begin - 1] == '\n' || text_[begin - 1] == '\r';
      if (starts_line && text::strip_left(data.substr(line)).empty()) data = data.substr(0, line);
    }
    if (!data.empty()) add(TokenKind::kData, begin, data.size()).text = with_unix_line_ends(data);
  }

  Status data_and_tag() {
    const size_t start = position_;
    const size_t tag = find_tag(start);
    if (tag == std::string_view::npos) {
      add_data(start, text_.size(), '+', false);
      position_ = text_.size();
      return {};
    }
    const char opener = text_[tag + 1];
    const char after = tag + 2 < text_.size() ? text_[tag + 2] : '\0';
    const char sign = after == '-' || after == '+' ? after : '\0';
    const size_t inside = tag + (sign ? 3 : 2);
    add_data(start, tag, sign, opener != '{');
    if (opener == '#') return comment(tag, inside);
    if (opener == '{') return tag_tokens(tag, inside, TokenKind::kPrintBegin, TokenKind::kPrintEnd, "}}");
    if (const size_t body = raw_body(inside); body != 0) return raw(tag, body);
    return tag_tokens(tag, inside, TokenKind::kBlockBegin, TokenKind::kBlockEnd, "%}");
  }

  // Whether the end mark stands at `offset`, with its sign; the offset behind it and what it swallows, else 0.
  size_t end_of_tag(size_t offset, std::string_view mark) const {
    if (at(mark, offset)) {
      size_t behind = offset + mark.size();
      if (trims_ && mark != "}}") {
        if (at("\r\n", behind)) behind += 2;
        else if (at("\n", behind) || at("\r", behind)) ++behind;
      }
      return behind;
    }
    const char sign = offset < text_.size() ? text_[offset] : '\0';
    if ((sign != '-' && (sign != '+' || mark == "}}")) || !at(mark, offset + 1)) return 0;
    const size_t behind = offset + 1 + mark.size();
    return sign == '-' ? skip_space(behind) : behind;
  }

  Status comment(size_t tag, size_t inside) {
    for (size_t i = inside; i < text_.size(); ++i) {
      if (text_[i] != '#' && text_[i] != '-' && text_[i] != '+') continue;
      if (const size_t behind = end_of_tag(i, "#}"); behind != 0) {
        position_ = behind;
        return {};
      }
    }
    return fail(tag, "comment is not closed", "close it with #}");
  }

  // The offset behind {% raw %}, or 0.
  size_t raw_body(size_t inside) const {
    size_t i = skip_space(inside);
    if (!at("raw", i) || (i + 3 < text_.size() && is_name_char(text_[i + 3]))) return 0;
    i = skip_space(i + 3);
    if (at("%}", i)) return i + 2;
    return at("-%}", i) ? skip_space(i + 3) : 0;
  }

  Status raw(size_t tag, size_t body) {
    for (size_t i = text_.find("{%", body); i != std::string_view::npos; i = text_.find("{%", i + 1)) {
      const char after = i + 2 < text_.size() ? text_[i + 2] : '\0';
      const char sign = after == '-' || after == '+' ? after : '\0';
      size_t word = skip_space(i + (sign ? 3 : 2));
      if (!at("endraw", word)) continue;
      const size_t behind = end_of_tag(skip_space(word + 6), "%}");
      if (behind == 0) continue;
      add_data(body, i, sign, true);
      position_ = behind;
      return {};
    }
    return fail(tag, "'raw' is not closed", "close it with {% endraw %}");
  }

  Status tag_tokens(size_t tag, size_t inside, TokenKind begin, TokenKind end, std::string_view mark) {
    add(begin, tag, inside - tag);
    std::string brackets;   // the closing ones that are awaited
    for (size_t i = skip_space(inside);; i = skip_space(position_)) {
      if (i >= text_.size()) {
        return fail(tag, fmt::format("'{}' is not closed", text_.substr(tag, 2)), fmt::format("close it with {}", mark));
      }
      if (brackets.empty()) {
        if (const size_t behind = end_of_tag(i, mark); behind != 0) {
          add(end, i, mark.size());
          position_ = behind;
          return {};
        }
      }
      LLMOPS_CHECK(token(i, brackets));
    }
  }

  Status token(size_t i, std::string& brackets) {
    const char c = text_[i];
    if (is_digit(c)) return number(i);
    if (is_name_char(c)) {
      position_ = i;
      while (position_ < text_.size() && is_name_char(text_[position_])) ++position_;
      add(TokenKind::kName, i, position_ - i).text = text_.substr(i, position_ - i);
      return {};
    }
    if (c == '"' || c == '\'') return string(i);
    for (const std::string_view op : kOperators) {
      if (!at(op, i)) continue;
      if (c == '(') brackets.push_back(')');
      if (c == '[') brackets.push_back(']');
      if (c == '{') brackets.push_back('}');
      if (c == ')' || c == ']' || c == '}') {
        if (brackets.empty() || brackets.back() != c) {
          if (brackets.empty()) return fail(i, fmt::format("unexpected '{}'", c), "remove it, or open the bracket first");
          return fail(i, fmt::format("unexpected '{}', expected '{}'", c, brackets.back()), fmt::format("close the bracket with {} first", brackets.back()));
        }
        brackets.pop_back();
      }
      add(TokenKind::kOperator, i, op.size()).text = op;
      position_ = i + op.size();
      return {};
    }
    return fail(i, fmt::format("unexpected character '{}'", text_.substr(i, text::decode_at(text_, i).size)), "put text in quotes, or remove it");
  }

  // Digits with single underscores between them; the offset behind.
  size_t skip_digits(size_t i, int base) const {
    const auto fits = [&](size_t at_offset) {
      if (at_offset >= text_.size()) return false;
      const char c = text_[at_offset];
      if (base == 16) return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
      return c >= '0' && c < '0' + base;
    };
    while (fits(i) || (i < text_.size() && text_[i] == '_' && fits(i + 1))) ++i;
    return i;
  }

  Status number(size_t i) {
    int base = 10;
    size_t digits = i;
    if (text_[i] == '0' && i + 1 < text_.size()) {
      const char letter = static_cast<char>(text_[i + 1] | 0x20);
      base = letter == 'x' ? 16 : letter == 'o' ? 8 : letter == 'b' ? 2 : 10;
      if (base != 10) digits = i + 2;
    }
    size_t end = skip_digits(digits, base);
    bool real = false;
    const bool after_dot = i > 0 && text_[i - 1] == '.';   // the 1.5 of x.1.5 is no float
    if (base == 10 && !after_dot) {
      if (end + 1 < text_.size() && text_[end] == '.' && is_digit(text_[end + 1])) end = skip_digits(end + 1, 10), real = true;
      if (end < text_.size() && (text_[end] | 0x20) == 'e') {
        const size_t sign = end + 1 < text_.size() && (text_[end + 1] == '+' || text_[end + 1] == '-') ? 1 : 0;
        if (end + 1 + sign < text_.size() && is_digit(text_[end + 1 + sign])) end = skip_digits(end + 1 + sign, 10), real = true;
      }
    }
    std::string written;
    for (const char c : text_.substr(digits, end - digits)) if (c != '_') written.push_back(c);
    Token& token = add(real ? TokenKind::kFloat : TokenKind::kInt, i, end - i);
    token.text = text_.substr(i, end - i);
    position_ = end;
    const bool leading_zero = base == 10 && !real && !after_dot && written[0] == '0' && written.find_first_not_of('0') != std::string::npos;
    if (leading_zero) return fail(i, fmt::format("number '{}' begins with 0", token.text), "leave the leading zeros out");
    const char* last = written.data() + written.size();
    const auto parsed = real ? std::from_chars(written.data(), last, token.real) : std::from_chars(written.data(), last, token.integer, base);
    if (real && parsed.ec == std::errc::result_out_of_range) {   // as Python reads it; from_chars leaves the value alone
      token.real = written.find("e-") == std::string::npos && written.find("E-") == std::string::npos ? HUGE_VAL : 0.0;
      return {};
    }
    if (parsed.ec != std::errc() || parsed.ptr != last) return fail(i, fmt::format("number '{}' is out of range", token.text), "write it in quotes if text is meant");
    return {};
  }

  Status string(size_t i) {
    size_t end = i + 1;
    while (end < text_.size() && text_[end] != text_[i]) end += text_[end] == '\\' ? 2 : 1;
    if (end >= text_.size()) return fail(i, "string is not closed", fmt::format("close it with {}", text_[i]));
    Token& token = add(TokenKind::kString, i, end + 1 - i);
    position_ = end + 1;
    return unescape(i + 1, with_unix_line_ends(text_.substr(i + 1, end - i - 1)), token.text);
  }

  // The escapes of Python's string literals; an unknown one stays as it is written.
  Status unescape(size_t offset, std::string_view in, std::string& out) const {
    for (size_t i = 0; i < in.size(); ++i) {
      if (in[i] != '\\' || i + 1 == in.size()) { out.push_back(in[i]); continue; }
      const char c = in[++i];
      constexpr std::string_view kLetters = "ntrabfv\\'\"";
      constexpr std::string_view kMeant = "\n\t\r\a\b\f\v\\'\"";
      if (const size_t row = kLetters.find(c); row != std::string_view::npos) {
        out.push_back(kMeant[row]);
      } else if (c == '\n') {
        continue;
      } else if (c == 'x' || c == 'u' || c == 'U') {
        const size_t width = c == 'x' ? 2 : c == 'u' ? 4 : 8;
        int32_t code = 0;
        if (!read_code(in.substr(i + 1), width, 16, code)) return fail(offset + i, fmt::format("escape '\\{}' needs {} hexadecimal digits", c, width), "double the backslash if it is meant as one");
        i += width;
        int32_t low = 0;
        if (code >= 0xD800 && code < 0xDC00 && in.substr(i + 1, 2) == "\\u" && read_code(in.substr(i + 3), 4, 16, low) &&
            low >= 0xDC00 && low < 0xE000) {
          code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
          i += 6;
        }
        text::append_utf8(out, code);
      } else if (c >= '0' && c <= '7') {
        size_t width = 1;
        while (width < 3 && i + width < in.size() && in[i + width] >= '0' && in[i + width] <= '7') ++width;
        int32_t code = 0;
        read_code(in.substr(i), width, 8, code);
        text::append_utf8(out, code);
        i += width - 1;
      } else {
        out.push_back('\\');
        out.push_back(c);
      }
    }
    return {};
  }

  static bool read_code(std::string_view in, size_t width, int base, int32_t& code) {
    if (in.size() < width) return false;
    uint32_t value = 0;
    const auto parsed = std::from_chars(in.data(), in.data() + width, value, base);
    if (parsed.ec != std::errc() || parsed.ptr != in.data() + width || value > 0x10FFFF) return false;
    code = static_cast<int32_t>(value);
    return true;
  }

  const Source& source_;
  std::string_view text_;
  bool trims_;
  size_t position_ = 0;
  std::vector<Token> tokens_;
};

}  // namespace

Result<std::vector<Token>> tokenize(const Source& source, TemplateMode mode) {
  return Lexer(source, mode == TemplateMode::kCompatible).run();
}

Source::Source(std::string source_text, TemplateOrigin source_origin) : text(std::move(source_text)), origin(std::move(source_origin)) {
  line_starts.push_back(0);
  for (size_t i = text.find('\n'); i != std::string::npos; i = text.find('\n', i + 1)) line_starts.push_back(i + 1);
}

Error Source::locate(size_t offset, size_t length, Error error) const {
  offset = std::min(offset, text.size());
  const auto next = std::upper_bound(line_starts.begin(), line_starts.end(), offset);
  const int line = static_cast<int>(next - line_starts.begin());
  const size_t start = *std::prev(next);
  const int column = static_cast<int>(offset - start) + 1;
  error.where = origin.place;
  if (!origin.exact) {
    error.message = fmt::format("line {}:{} of the template: {}", line, column, error.message);
    return error;
  }
  std::string_view line_text = std::string_view(text).substr(start, text.find('\n', start) - start);
  if (line_text.ends_with('\r')) line_text.remove_suffix(1);
  error.where.line = std::max(origin.place.line, 1) + line - 1;
  if (line == 1) error.where.column = std::max(origin.place.column, 1) + column - 1;
  else error.where.column = column;
  // The first line of a text inside a file is only a piece of the file's line: where that is known, it is the one to show.
  if (line > 1 || origin.place.line_text.empty()) error.where.line_text = line_text;
  const size_t rest = start + line_text.size() > offset ? start + line_text.size() - offset : 1;
  error.where.length = static_cast<int>(std::max<size_t>(1, std::min(length, rest)));
  return error;
}

}  // namespace llmops::jinja
