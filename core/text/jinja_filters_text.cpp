// Filters that make text (jinja2/filters.py). The subject is taken as str() would print it; text marked safe stays so where
// Jinja's Markup does.
#include <fmt/format.h>

#include <algorithm>

#include "core/text/codepoint.h"
#include "core/text/jinja_filters.h"

namespace llmops::jinja {

namespace {

// The subject as a string value: itself, or what it prints.
Result<Value> subject_text(const Call& call) {
  if (call.subject.is(Kind::kString)) return call.subject;
  LLMOPS_ASSIGN(std::string text, call.evaluator.text_of(call.subject));
  return Value::own(std::move(text));
}

Result<Value> argument_text(const Call& call, size_t slot) {
  if (call[slot]->is(Kind::kString)) return *call[slot];
  LLMOPS_ASSIGN(std::string text, call.evaluator.text_of(*call[slot]));
  return Value::own(std::move(text));
}

bool is_word(int32_t c) { return c == '_' || text::is_letter(c) || text::is_numeric(c); }

}  // namespace

Result<Value> filter_upper(const Call& call) {
  LLMOPS_ASSIGN(const Value text, subject_text(call));
  return call.evaluator.make_text(text::to_upper(text.str()), text.safe);
}

Result<Value> filter_lower(const Call& call) {
  LLMOPS_ASSIGN(const Value text, subject_text(call));
  return call.evaluator.make_text(text::to_lower(text.str()), text.safe);
}

Result<Value> filter_capitalize(const Call& call) {
  LLMOPS_ASSIGN(const Value text, subject_text(call));
  return call.evaluator.make_text(text::capitalize(text.str()), text.safe);
}

// Words begin behind white space and - ( { [ <: unlike str.title(), an apostrophe divides nothing.
Result<Value> filter_title(const Call& call) {
  LLMOPS_ASSIGN(const Value value, subject_text(call));
  const std::string_view all = value.str();
  std::string out;
  bool begins = true;
  for (size_t offset = 0; offset < all.size();) {
    const text::CodePoint point = text::decode_at(all, offset);
    const int32_t c = point.value;
    const bool divides = text::is_python_space(c) || c == '-' || c == '(' || c == '{' || c == '[' || c == '<';
    if (divides || begins) {
      out += text::to_upper(all.substr(offset, point.size));
      begins = divides;
      offset += point.size;
      continue;
    }
    size_t end = offset;
    while (end < all.size()) {
      const text::CodePoint next = text::decode_at(all, end);
      if (text::is_python_space(next.value) || std::string_view("-({[<").find(all[end]) != std::string_view::npos) break;
      end += next.size;
    }
    out += text::to_lower(all.substr(offset, end - offset));
    offset = end;
  }
  return call.evaluator.make_text(std::move(out));
}

Result<Value> filter_trim(const Call& call) {
  LLMOPS_ASSIGN(Value text, subject_text(call));
  std::string_view rest = text.str();
  if (!call[0] || call[0]->is(Kind::kNone)) {
    rest = text::strip_left(text::strip_right(rest));
  } else {
    LLMOPS_ASSIGN(const std::string_view chars, string_argument(call, 0, "chars", ""));
    rest = strip_chars(rest, chars, true, true);
  }
  text.text = rest.data();
  text.size = rest.size();
  return text;
}

Result<Value> filter_replace(const Call& call) {
  LLMOPS_ASSIGN(const Value text, subject_text(call));
  LLMOPS_ASSIGN(const Value from, argument_text(call, 0));
  LLMOPS_ASSIGN(const Value to, argument_text(call, 1));
  LLMOPS_ASSIGN(const int64_t count, integer_argument(call, 2, "count", -1));
  LLMOPS_ASSIGN(std::string out, replace_text(call.evaluator, text.str(), from.str(), to.str(), count));
  return call.evaluator.make_text(std::move(out));
}

Result<Value> filter_indent(const Call& call) {
  LLMOPS_ASSIGN(const Value text, subject_text(call));
  LLMOPS_ASSIGN(const bool first, flag_argument(call, 1, false));
  LLMOPS_ASSIGN(const bool blank, flag_argument(call, 2, false));
  std::string indention(4, ' ');
  if (call[0] && call[0]->is(Kind::kString)) {
    indention = call[0]->str();
  } else {
    LLMOPS_ASSIGN(const int64_t width, integer_argument(call, 0, "width", 4));
    LLMOPS_CHECK(call.evaluator.fits(static_cast<size_t>(std::max<int64_t>(width, 0))));
    indention.assign(static_cast<size_t>(std::max<int64_t>(width, 0)), ' ');
  }
  const std::string all = std::string(text.str()) + "\n";   // so that a trailing line end keeps its empty last line
  std::string out = first ? indention : std::string();
  bool begins = true;
  for (const std::string_view line : split_lines(all)) {
    if (!begins) {
      out += '\n';
      if (blank || !line.empty()) out += indention;
    }
    begins = false;
    out += line;
    LLMOPS_CHECK(call.evaluator.fits(out.size()));
  }
  return call.evaluator.make_text(std::move(out), text.safe);
}

Result<Value> filter_truncate(const Call& call) {
  LLMOPS_ASSIGN(const Value text, subject_text(call));
  LLMOPS_ASSIGN(const int64_t length, integer_argument(call, 0, "length", 255));
  LLMOPS_ASSIGN(const bool cuts_words, flag_argument(call, 1, false));
  LLMOPS_ASSIGN(const std::string_view end, string_argument(call, 2, "end", "..."));
  LLMOPS_ASSIGN(const int64_t leeway, integer_argument(call, 3, "leeway", 5));
  const auto end_length = static_cast<int64_t>(text::count_code_points(end));
  if (length < end_length) return type_error(fmt::format("'truncate' needs a length of at least {}, not {}", end_length, length));
  if (leeway < 0) return type_error(fmt::format("'truncate' needs a leeway of at least 0, not {}", leeway));
  const auto size = static_cast<int64_t>(text::count_code_points(text.str()));
  if (size - leeway <= length) return text;
  std::string_view kept = text.str().substr(0, text::offset_of(text.str(), static_cast<size_t>(length - end_length)));
  if (!cuts_words) kept = kept.substr(0, std::min(kept.rfind(' '), kept.size()));
  return call.evaluator.make_text(std::string(kept).append(end));
}

Result<Value> filter_center(const Call& call) {
  LLMOPS_ASSIGN(const Value text, subject_text(call));
  LLMOPS_ASSIGN(const int64_t width, integer_argument(call, 0, "width", 80));
  LLMOPS_ASSIGN(std::string out, center_text(call.evaluator, text.str(), width, " ", 0));
  return call.evaluator.make_text(std::move(out), text.safe);
}

Result<Value> filter_wordcount(const Call& call) {
  LLMOPS_ASSIGN(const Value text, subject_text(call));
  int64_t words = 0;
  bool inside = false;
  for (size_t offset = 0; offset < text.size;) {
    const text::CodePoint point = text::decode_at(text.str(), offset);
    const bool word = is_word(point.value);
    words += word && !inside ? 1 : 0;
    inside = word;
    offset += point.size;
  }
  return Value::of(words);
}

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

Result<Value> filter_string(const Call& call) { return subject_text(call); }

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
    if (pair.size() != 2) return type_error("'urlencode' takes a dict or a list of pairs");
    LLMOPS_ASSIGN(const std::string key, call.evaluator.text_of(pair[0]));
    LLMOPS_ASSIGN(const std::string value, call.evaluator.text_of(pair[1]));
    if (i > 0) out += '&';
    append_quoted(out, key, true);
    out += '=';
    append_quoted(out, value, true);
  }
  return call.evaluator.make_text(std::move(out));
}

Result<Value> filter_format(const Call& call) {
  LLMOPS_ASSIGN(const Value text, subject_text(call));
  Value arguments;
  if (!call.arguments.keywords.empty()) {
    if (!call.arguments.positional.empty()) return type_error("'format' takes arguments with or without names, not both");
    std::vector<std::pair<Value, Value>> entries;
    for (const auto& [name, value] : call.arguments.keywords) entries.emplace_back(Value::own(std::string(name)), value);
    LLMOPS_ASSIGN(arguments, call.evaluator.make_dict(std::move(entries)));
  } else {
    LLMOPS_ASSIGN(arguments, call.evaluator.make_list(call.arguments.positional, ListStyle::kTuple));
  }
  LLMOPS_ASSIGN(std::string out, format_percent(call.evaluator, text.str(), arguments));
  return call.evaluator.make_text(std::move(out), text.safe);
}

// Strict mode writes what jinja2 writes: sorted keys, ASCII, and < > & ' as escapes. Compatible mode writes what the
// chat templates of models were made with (transformers' own tojson): keys in order, UTF-8, nothing escaped.
Result<Value> filter_tojson(const Call& call) {
  const bool strict = call.evaluator.strict();
  LLMOPS_ASSIGN(const bool ascii, flag_argument(call, 1, strict));
  LLMOPS_ASSIGN(const bool sorted, flag_argument(call, 3, strict));
  const Value* indent = call[0] && !call[0]->is(Kind::kNone) ? call[0] : nullptr;
  std::string item_separator = indent ? "," : ", ";
  std::string key_separator = ": ";
  if (call[2] && !call[2]->is(Kind::kNone)) {
    LLMOPS_ASSIGN(const std::vector<Value> pair, call.evaluator.items_of(*call[2]));
    if (pair.size() != 2) return type_error("argument 'separators' must be two strings");
    item_separator = to_text(pair[0]);
    key_separator = to_text(pair[1]);
  }
  LLMOPS_ASSIGN(const std::string json, dump_python_json(call.evaluator, call.subject, indent, ascii, sorted, item_separator, key_separator));
  if (!strict) return call.evaluator.make_text(json);
  std::string out;
  for (const char c : json) {
    if (c == '<' || c == '>' || c == '&' || c == '\'') out += fmt::format("\\u{:04x}", c);
    else out.push_back(c);
  }
  return call.evaluator.make_text(std::move(out), true);
}

}  // namespace llmops::jinja
