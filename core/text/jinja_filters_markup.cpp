// Filters for HTML and addresses (jinja2/filters.py, markupsafe).
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "core/text/codepoint.h"
#include "core/text/jinja_filters.h"

namespace llmops::jinja {

Result<Value> filter_escape(const Call& call) {
  LLMOPS_ASSIGN(const Value text, subject_text(call));
  if (text.safe) return text;
  return call.evaluator.make_text(escape_html(text.str()), true);
}

Result<Value> filter_forceescape(const Call& call) {
  LLMOPS_ASSIGN(const Value text, subject_text(call));
  return call.evaluator.make_text(escape_html(text.str()), true);
}

Result<Value> filter_safe(const Call& call) {
  LLMOPS_ASSIGN(Value text, subject_text(call));
  text.safe = true;
  return text;
}

namespace {

void append_quoted(std::string& out, std::string_view text, bool query) {
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
                       c == '-' || c == '~' || (c == '/' && !query);
    if (plain) out.push_back(c);
    else if (c == ' ' && query) out.push_back('+');
    else out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
}

}  // namespace

Result<Value> filter_urlencode(const Call& call) {
  const Value& subject = call.subject;
  std::string out;
  if (!subject.is(Kind::kDict) && !subject.is(Kind::kList)) {
    LLMOPS_ASSIGN(const Value text, subject_text(call));
    append_quoted(out, text.str(), false);
    return call.evaluator.make_text(std::move(out));
  }
  const size_t size = subject.is(Kind::kDict) ? dict_size(subject) : list_size(subject);
  for (size_t i = 0; i < size; ++i) {
    std::vector<Value> pair;
    if (subject.is(Kind::kDict)) {
      pair = {dict_key(subject, i), dict_value(subject, i)};
    } else {
      LLMOPS_ASSIGN(pair, call.evaluator.items_of(list_at(subject, i)));
    }
    if (pair.size() != 2) return type_error("'urlencode' takes a dict or a list of pairs", "give it a text, a dict or a list of pairs");
    LLMOPS_ASSIGN(const std::string key, call.evaluator.text_of(pair[0]));
    LLMOPS_ASSIGN(const std::string value, call.evaluator.text_of(pair[1]));
    if (i > 0) out += '&';
    append_quoted(out, key, true);
    out += '=';
    append_quoted(out, value, true);
  }
  return call.evaluator.make_text(std::move(out));
}

namespace {

// The text without <!-- comments --> and <tags>; what is opened and never closed stays.
std::string without_tags(std::string_view text) {
  std::string kept;
  for (size_t position = 0; position < text.size();) {
    const size_t open = text.find('<', position);
    kept += text.substr(position, open - position);
    if (open == std::string_view::npos) break;
    const bool comment = text.substr(open, 4) == "<!--";
    const size_t close = comment ? text.find("-->", open) : text.find('>', open);
    if (close == std::string_view::npos) return kept.append(text.substr(open));
    position = close + (comment ? 3 : 1);
  }
  return kept;
}

// The character of "amp", "#39" or "#x27"; none for other names, which stay as they are.
std::optional<int32_t> entity(std::string_view name) {
  constexpr std::pair<std::string_view, int32_t> kNamed[] = {{"amp", '&'}, {"lt", '<'}, {"gt", '>'}, {"quot", '"'},
                                                             {"apos", '\''}, {"nbsp", 0xA0}};
  for (const auto& [known, code] : kNamed) if (known == name) return code;
  if (name.size() < 2 || name[0] != '#') return std::nullopt;
  const bool hexadecimal = (name[1] | 0x20) == 'x';
  const std::string_view digits = name.substr(hexadecimal ? 2 : 1);
  int32_t code = 0;
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), code, hexadecimal ? 16 : 10);
  const bool whole = !digits.empty() && parsed.ec == std::errc() && parsed.ptr == digits.data() + digits.size();
  return whole && code > 0 && code <= 0x10FFFF ? std::optional(code) : std::nullopt;
}

std::string unescaped(std::string_view text) {
  std::string out;
  for (size_t position = 0; position < text.size();) {
    const size_t mark = std::min(text.find('&', position), text.size());
    out += text.substr(position, mark - position);
    if (mark == text.size()) break;
    const size_t length = text.substr(mark + 1, 12).find(';');
    const std::optional<int32_t> code = length == std::string_view::npos ? std::nullopt : entity(text.substr(mark + 1, length));
    if (code) text::append_utf8(out, *code);
    else out += '&';
    position = mark + 1 + (code ? length + 1 : 0);
  }
  return out;
}

}  // namespace

// Tags and comments go, runs of white space become one space, entities become their characters.
Result<Value> filter_striptags(const Call& call) {
  LLMOPS_ASSIGN(const Value text, subject_text(call));
  const std::string kept = without_tags(text.str());
  std::string words;
  for (std::string_view rest = text::strip_left(kept); !rest.empty(); rest = text::strip_left(rest)) {
    size_t end = 0;
    while (end < rest.size()) {
      const text::CodePoint point = text::decode_at(rest, end);
      if (text::is_python_space(point.value)) break;
      end += point.size;
    }
    if (!words.empty()) words += ' ';
    words += rest.substr(0, end);
    rest.remove_prefix(end);
  }
  return call.evaluator.make_text(unescaped(words));
}

Result<Value> filter_xmlattr(const Call& call) {
  LLMOPS_ASSIGN(const bool autospace, flag_argument(call, 0, true));
  if (!call.subject.is(Kind::kDict)) return type_error(fmt::format("'xmlattr' takes a dict, not {}", type_phrase(call.subject)), "write a dict of names and values");
  std::string out;
  for (size_t i = 0; i < dict_size(call.subject); ++i) {
    const Value value = dict_value(call.subject, i);
    if (value.is(Kind::kNone) || value.is(Kind::kUndefined)) continue;
    LLMOPS_ASSIGN(const std::string key, call.evaluator.text_of(dict_key(call.subject, i)));
    LLMOPS_ASSIGN(const std::string text, call.evaluator.text_of(value));
    if (autospace || !out.empty()) out += ' ';
    out += fmt::format("{}=\"{}\"", escape_html(key), value.safe ? text : escape_html(text));
    LLMOPS_CHECK(call.evaluator.fits(out.size()));
  }
  return call.evaluator.make_text(std::move(out));
}

}  // namespace llmops::jinja
