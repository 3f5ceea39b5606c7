// Filters that make text (jinja2/filters.py). The subject is taken as str() would print it; text marked safe stays so where
// Jinja's Markup does.
#include <fmt/format.h>

#include <algorithm>

#include "core/text/codepoint.h"
#include "core/text/jinja_filters.h"

namespace llmops::jinja {

Result<Value> subject_text(const Call& call) {
  if (call.subject.is(Kind::kString)) return call.subject;
  LLMOPS_ASSIGN(std::string text, call.evaluator.text_of(call.subject));
  return Value::own(std::move(text));
}

namespace {

Result<Value> argument_text(const Call& call, size_t slot) {
  if (call[slot]->is(Kind::kString)) return *call[slot];
  LLMOPS_ASSIGN(std::string text, call.evaluator.text_of(*call[slot]));
  return Value::own(std::move(text));
}

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
    LLMOPS_CHECK(call.evaluator.charge(rest.size() * chars.size() / 64));
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

Result<Value> filter_string(const Call& call) { return subject_text(call); }

Result<Value> filter_format(const Call& call) {
  LLMOPS_ASSIGN(const Value text, subject_text(call));
  Value arguments;
  if (!call.arguments.keywords.empty()) {
    if (!call.arguments.positional.empty()) return type_error("'format' takes arguments with or without names, not both", "name all arguments, or none");
    std::vector<std::pair<Value, Value>> entries;
    for (const auto& [name, value] : call.arguments.keywords) entries.emplace_back(Value::own(std::string(name)), value);
    LLMOPS_ASSIGN(arguments, call.evaluator.make_dict(std::move(entries)));
  } else {
    LLMOPS_ASSIGN(arguments, call.evaluator.make_list(call.arguments.positional, ListStyle::kTuple));
  }
  LLMOPS_ASSIGN(std::string out, format_percent(call.evaluator, text, arguments));
  return call.evaluator.make_text(std::move(out), text.safe);
}

// Strict mode writes what jinja2 writes: sorted keys, ASCII, and < > & ' as escapes. Compatible mode writes what the
// chat templates of models were made with (transformers' own tojson): keys in order, UTF-8, nothing escaped.
Result<Value> filter_tojson(const Call& call) {
  const bool strict = call.evaluator.strict();
  // transformers' tojson(value, ensure_ascii, indent, separators, sort_keys) names another parameter first.
  const bool swapped = !strict && !call.arguments.positional.empty();
  const size_t indent_slot = swapped ? 1 : 0, ascii_slot = swapped ? 0 : 1;
  LLMOPS_ASSIGN(const bool ascii, flag_argument(call, ascii_slot, strict));
  LLMOPS_ASSIGN(const bool sorted, flag_argument(call, 3, strict));
  const Value* indent = call[indent_slot] && !call[indent_slot]->is(Kind::kNone) ? call[indent_slot] : nullptr;
  std::string item_separator = indent ? "," : ", ";
  std::string key_separator = ": ";
  if (call[2] && !call[2]->is(Kind::kNone)) {
    LLMOPS_ASSIGN(const std::vector<Value> pair, call.evaluator.items_of(*call[2]));
    if (pair.size() != 2) return type_error("argument 'separators' must be two strings", "write separators=(',', ':')");
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
