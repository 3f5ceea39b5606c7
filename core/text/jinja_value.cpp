// Values of templates with Python's notions of truth, equality, order and text (Python 3 Language Reference, 3.1, 6.10).
#include "core/text/jinja_value.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "core/text/codepoint.h"
#include "core/text/jinja_ast.h"

namespace llmops::jinja {

Value Value::none() { Value v; v.kind = Kind::kNone; return v; }
Value Value::of(bool value) { Value v; v.kind = Kind::kBool; v.boolean = value; return v; }
Value Value::of(int64_t value) { Value v; v.kind = Kind::kInt; v.integer = value; return v; }
Value Value::of(double value) { Value v; v.kind = Kind::kFloat; v.real = value; return v; }

Value Value::view(std::string_view text) {
  Value v;
  v.kind = Kind::kString;
  v.text = text.data();
  v.size = text.size();
  return v;
}

Value Value::own(std::string text) {
  auto owner = std::make_shared<const std::string>(std::move(text));
  Value v = view(*owner);
  v.owner = std::move(owner);
  return v;
}

Value Value::from(const Json& value) {
  Value v;
  switch (value.type()) {
    case Json::value_t::boolean: return of(*value.get_ptr<const Json::boolean_t*>());
    case Json::value_t::number_integer: return of(int64_t{*value.get_ptr<const Json::number_integer_t*>()});
    case Json::value_t::number_unsigned: {
      const uint64_t number = *value.get_ptr<const Json::number_unsigned_t*>();
      if (number <= uint64_t{INT64_MAX}) return of(static_cast<int64_t>(number));
      v.kind = Kind::kBigInt;
      v.big = number;
      return v;
    }
    case Json::value_t::number_float: return of(*value.get_ptr<const Json::number_float_t*>());
    case Json::value_t::string: return view(*value.get_ptr<const Json::string_t*>());
    case Json::value_t::array: v.kind = Kind::kList; break;
    case Json::value_t::object: v.kind = Kind::kDict; break;
    default: return none();
  }
  v.from_json = true;
  v.json = &value;
  return v;
}

int depth_of(const Value& value) {
  if (value.is(Kind::kList) && !value.from_json) return value.list->depth;
  if (value.is(Kind::kDict) && !value.from_json) return value.dict->depth;
  if (value.is(Kind::kMethod)) return 1 + depth_of(value.method->receiver);
  return 0;
}

size_t weight_of(const Value& value) {
  if (value.is(Kind::kString)) return 1 + value.size / 64;
  if (value.is(Kind::kList) && !value.from_json) return value.list->weight;
  if (value.is(Kind::kDict) && !value.from_json) return value.dict->weight;
  if (value.is(Kind::kMethod)) return 1 + weight_of(value.method->receiver);
  return 1;
}

std::string_view type_name(const Value& value) {
  switch (value.kind) {
    case Kind::kUndefined: return "undefined";
    case Kind::kNone: return "none";
    case Kind::kBool: return "boolean";
    case Kind::kInt: case Kind::kBigInt: return "integer";
    case Kind::kFloat: return "float";
    case Kind::kString: return "string";
    case Kind::kList: return style_of(value) == ListStyle::kTuple || style_of(value) == ListStyle::kGroup ? "tuple" : "list";
    case Kind::kDict: return "dict";
    case Kind::kRange: return "range";
    case Kind::kNamespace: return "namespace";
    case Kind::kLoop: return "loop";
    case Kind::kMacro: return "macro";
    case Kind::kFunction: return "function";
    case Kind::kMethod: return "method";
    case Kind::kCycler: return "cycler";
  }
  return "value";
}

ListStyle style_of(const Value& list) {
  return list.is(Kind::kList) && !list.from_json ? list.list->style : ListStyle::kList;
}

size_t list_size(const Value& list) {
  if (list.is(Kind::kRange)) return list.range->length;
  return list.from_json ? list.json->size() : list.list->items.size();
}

Value list_at(const Value& list, size_t index) {
  if (list.is(Kind::kRange)) return Value::of(list.range->at(static_cast<int64_t>(index)));
  return list.from_json ? Value::from((*list.json)[index]) : list.list->items[index];
}

size_t dict_size(const Value& dict) { return dict.from_json ? dict.json->size() : dict.dict->entries.size(); }

namespace {
const Json::object_t::value_type& member_at(const Value& dict, size_t index) {
  return dict.json->get_ptr<const Json::object_t*>()->data()[index];
}
}  // namespace

Value dict_key(const Value& dict, size_t index) {
  return dict.from_json ? Value::view(member_at(dict, index).first) : dict.dict->entries[index].first;
}

Value dict_value(const Value& dict, size_t index) {
  return dict.from_json ? Value::from(member_at(dict, index).second) : dict.dict->entries[index].second;
}

const Json* json_member(const Json& object, std::string_view key) {
  for (const auto& [name, value] : *object.get_ptr<const Json::object_t*>()) if (name == key) return &value;
  return nullptr;
}

std::optional<Value> dict_find(const Value& dict, const Value& key) {
  if (dict.from_json) {
    if (!key.is(Kind::kString)) return std::nullopt;
    const Json* found = json_member(*dict.json, key.str());
    return found ? std::optional(Value::from(*found)) : std::nullopt;
  }
  for (const auto& [name, value] : dict.dict->entries) if (equal(name, key)) return value;
  return std::nullopt;
}

bool truth(const Value& value) {
  switch (value.kind) {
    case Kind::kUndefined: case Kind::kNone: return false;
    case Kind::kBool: return value.boolean;
    case Kind::kInt: return value.integer != 0;
    case Kind::kFloat: return value.real != 0;
    case Kind::kString: return value.size > 0;
    case Kind::kList: case Kind::kRange: return list_size(value) > 0;
    case Kind::kDict: return dict_size(value) > 0;
    default: return true;
  }
}

double as_double(const Value& number) {
  switch (number.kind) {
    case Kind::kBool: return number.boolean ? 1 : 0;
    case Kind::kInt: return static_cast<double>(number.integer);
    case Kind::kBigInt: return static_cast<double>(number.big);
    default: return number.real;
  }
}

namespace {

int64_t as_integer(const Value& v) { return v.is(Kind::kBool) ? int64_t{v.boolean} : v.integer; }

// Integers against doubles: by value where a double holds the integer, as Python does beyond that up to rounding.
std::partial_ordering compare_numbers(const Value& a, const Value& b) {
  if (a.is(Kind::kFloat) || b.is(Kind::kFloat)) return as_double(a) <=> as_double(b);
  if (a.is(Kind::kBigInt) && b.is(Kind::kBigInt)) return a.big <=> b.big;
  if (a.is(Kind::kBigInt)) return std::partial_ordering::greater;
  if (b.is(Kind::kBigInt)) return std::partial_ordering::less;
  return as_integer(a) <=> as_integer(b);
}

bool is_tuple(const Value& v) { return style_of(v) == ListStyle::kTuple || style_of(v) == ListStyle::kGroup; }

bool equal_lists(const Value& a, const Value& b) {
  if (a.kind != b.kind || is_tuple(a) != is_tuple(b)) return false;
  if (a.from_json && b.from_json && a.json == b.json) return true;
  const size_t size = list_size(a);
  if (size != list_size(b)) return false;
  for (size_t i = 0; i < size; ++i) if (!equal(list_at(a, i), list_at(b, i))) return false;
  return true;
}

bool equal_dicts(const Value& a, const Value& b) {
  if (dict_size(a) != dict_size(b)) return false;
  if (a.from_json && b.from_json && a.json == b.json) return true;
  for (size_t i = 0; i < dict_size(a); ++i) {
    if (equal(dict_key(a, i), dict_key(b, i))) {   // mostly the order is the same
      if (!equal(dict_value(a, i), dict_value(b, i))) return false;
      continue;
    }
    const std::optional<Value> other = dict_find(b, dict_key(a, i));
    if (!other || !equal(dict_value(a, i), *other)) return false;
  }
  return true;
}

}  // namespace

bool equal(const Value& a, const Value& b) {
  if (a.is_number() && b.is_number()) return compare_numbers(a, b) == 0;
  if (a.kind != b.kind) return false;
  switch (a.kind) {
    case Kind::kUndefined: case Kind::kNone: return true;
    case Kind::kString: return a.str() == b.str();
    case Kind::kList: case Kind::kRange: return equal_lists(a, b);
    case Kind::kDict: return equal_dicts(a, b);
    case Kind::kMethod: return a.method->name == b.method->name && equal(a.method->receiver, b.method->receiver);
    default: return a.space == b.space;   // identity: all remaining kinds hold one pointer
  }
}

std::optional<std::partial_ordering> compare(const Value& a, const Value& b) {
  if (a.is_number() && b.is_number()) return compare_numbers(a, b);
  if (a.is(Kind::kString) && b.is(Kind::kString)) return a.str() <=> b.str();   // UTF-8 keeps the order of code points
  if (!a.is(Kind::kList) || !b.is(Kind::kList) || is_tuple(a) != is_tuple(b)) return std::nullopt;
  const size_t size = std::min(list_size(a), list_size(b));
  for (size_t i = 0; i < size; ++i) {
    const Value x = list_at(a, i), y = list_at(b, i);
    if (!equal(x, y)) return compare(x, y);
  }
  return list_size(a) <=> list_size(b);
}

std::string float_text(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific).ptr;
  std::string_view text(buffer, static_cast<size_t>(end - buffer));
  const size_t mark = text.find('e');
  int exponent = 0;
  const std::string_view written = text.substr(text[mark + 1] == '+' ? mark + 2 : mark + 1);
  std::from_chars(written.data(), written.data() + written.size(), exponent);
  std::string sign(text[0] == '-' ? "-" : "");
  std::string digits;
  for (const char c : text.substr(sign.size(), mark - sign.size())) if (c != '.') digits.push_back(c);
  // repr() writes an exponent below 1e-4 and from 1e16 on.
  if (exponent < -4 || exponent >= 16) {
    if (digits.size() > 1) digits.insert(1, ".");
    return fmt::format("{}{}e{}{:02}", sign, digits, exponent < 0 ? '-' : '+', std::abs(exponent));
  }
  if (exponent < 0) return sign + "0." + std::string(static_cast<size_t>(-exponent - 1), '0') + digits;
  const auto whole = static_cast<size_t>(exponent) + 1;
  if (digits.size() <= whole) return sign + digits + std::string(whole - digits.size(), '0') + ".0";
  return sign + digits.substr(0, whole) + "." + digits.substr(whole);
}

namespace {

void append_quoted(std::string& out, std::string_view text) {
  const bool single = text.find('\'') == std::string_view::npos || text.find('"') != std::string_view::npos;
  const char quote = single ? '\'' : '"';
  out.push_back(quote);
  for (size_t offset = 0; offset < text.size();) {
    const text::CodePoint point = text::decode_at(text, offset);
    const int32_t c = point.value;
    if (c == quote || c == '\\') { out.push_back('\\'); out.push_back(static_cast<char>(c)); }
    else if (c == '\n') out += "\\n";
    else if (c == '\r') out += "\\r";
    else if (c == '\t') out += "\\t";
    else if (!point.valid || text::is_printable(c)) out += text.substr(offset, point.size);
    else if (c < 0x100) out += fmt::format("\\x{:02x}", c);
    else if (c < 0x10000) out += fmt::format("\\u{:04x}", c);
    else out += fmt::format("\\U{:08x}", c);
    offset += point.size;
  }
  out.push_back(quote);
}

void append_list(std::string& out, const Value& list, size_t limit) {
  const ListStyle style = style_of(list);
  const bool tuple = is_tuple(list);
  if (style == ListStyle::kKeys) out += "dict_keys(";
  if (style == ListStyle::kValues) out += "dict_values(";
  if (style == ListStyle::kItems) out += "dict_items(";
  out.push_back(tuple ? '(' : '[');
  const size_t size = list_size(list);
  for (size_t i = 0; i < size && out.size() <= limit; ++i) {
    if (i > 0) out += ", ";
    append_repr(out, list_at(list, i), limit);
  }
  if (tuple && size == 1) out.push_back(',');
  out.push_back(tuple ? ')' : ']');
  if (style == ListStyle::kKeys || style == ListStyle::kValues || style == ListStyle::kItems) out.push_back(')');
}

void append_dict(std::string& out, const Value& dict, size_t limit) {
  out.push_back('{');
  for (size_t i = 0; i < dict_size(dict) && out.size() <= limit; ++i) {
    if (i > 0) out += ", ";
    append_repr(out, dict_key(dict, i), limit);
    out += ": ";
    append_repr(out, dict_value(dict, i), limit);
  }
  out.push_back('}');
}

void append_range(std::string& out, const RangeData& range) {
  if (range.step == 1) out += fmt::format("range({}, {})", range.start, range.stop);
  else out += fmt::format("range({}, {}, {})", range.start, range.stop, range.step);
}

}  // namespace

void append_repr(std::string& out, const Value& value, size_t limit) {
  switch (value.kind) {
    case Kind::kUndefined: out += "Undefined"; break;
    case Kind::kNone: out += "None"; break;
    case Kind::kBool: out += value.boolean ? "True" : "False"; break;
    case Kind::kInt: fmt::format_to(std::back_inserter(out), "{}", value.integer); break;
    case Kind::kBigInt: fmt::format_to(std::back_inserter(out), "{}", value.big); break;
    case Kind::kFloat: out += float_text(value.real); break;
    case Kind::kString: append_quoted(out, value.str()); break;
    case Kind::kList: append_list(out, value, limit); break;
    case Kind::kDict: append_dict(out, value, limit); break;
    case Kind::kRange: append_range(out, *value.range); break;
    case Kind::kNamespace: out += "<Namespace>"; break;   // not its entries: a namespace may hold itself
    case Kind::kLoop: out += fmt::format("<LoopContext {}/{}>", value.loop->index + 1, value.loop->length); break;
    case Kind::kMacro: out += fmt::format("<Macro '{}'>", value.macro->definition->name); break;
    case Kind::kFunction: out += fmt::format("<function {}>", value.function->name); break;
    case Kind::kMethod: out += fmt::format("<method {}>", value.method->name); break;
    case Kind::kCycler: out += value.cycler->is_joiner ? "<Joiner>" : "<Cycler>"; break;
  }
}

void append_text(std::string& out, const Value& value, size_t limit) {
  if (value.is(Kind::kString)) out += value.str();
  else if (!value.is(Kind::kUndefined)) append_repr(out, value, limit);
}

std::string to_text(const Value& value, size_t limit) {
  std::string out;
  append_text(out, value, limit);
  return out;
}

std::optional<Json> to_json(const Value& value) {
  switch (value.kind) {
    case Kind::kNone: return Json(nullptr);
    case Kind::kBool: return Json(value.boolean);
    case Kind::kInt: return Json(value.integer);
    case Kind::kBigInt: return Json(value.big);
    case Kind::kFloat: return Json(value.real);
    case Kind::kString: return Json(std::string(value.str()));
    case Kind::kList: case Kind::kRange: {
      if (value.from_json) return *value.json;
      Json array = Json::array();
      for (size_t i = 0; i < list_size(value); ++i) {
        std::optional<Json> item = to_json(list_at(value, i));
        if (!item) return std::nullopt;
        array.push_back(std::move(*item));
      }
      return array;
    }
    case Kind::kDict: {
      if (value.from_json) return *value.json;
      Json object = Json::object();
      for (const auto& [key, entry] : value.dict->entries) {
        std::optional<Json> item = to_json(entry);
        if (!item) return std::nullopt;
        object[to_text(key)] = std::move(*item);
      }
      return object;
    }
    default: return std::nullopt;
  }
}

std::string escape_html(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '\'': out += "&#39;"; break;
      case '"': out += "&#34;"; break;
      default: out.push_back(c);
    }
  }
  return out;
}

}  // namespace llmops::jinja

namespace llmops {
bool json_truthy(const Json& value) { return jinja::truth(jinja::Value::from(value)); }
}  // namespace llmops
