// Methods of strings, dicts and lists that templates call (Python's library reference, "Built-in Types"). Methods that
// would change a value are refused by name: values of a rendering never change.
#include <fmt/format.h>

#include <algorithm>

#include "core/text/codepoint.h"
#include "core/text/jinja_eval.h"

namespace llmops::jinja {

namespace {

using text::CodePoint;
using text::decode_at;

Result<Value> upper(const Call& call) { return call.evaluator.make_text(text::to_upper(call.subject.str()), call.subject.safe); }
Result<Value> lower(const Call& call) { return call.evaluator.make_text(text::to_lower(call.subject.str()), call.subject.safe); }
Result<Value> title(const Call& call) { return call.evaluator.make_text(text::to_title(call.subject.str()), call.subject.safe); }
Result<Value> capitalize(const Call& call) { return call.evaluator.make_text(text::capitalize(call.subject.str()), call.subject.safe); }

Result<Value> swapcase(const Call& call) {
  std::string out;
  for (size_t offset = 0; offset < call.subject.size;) {
    const CodePoint point = decode_at(call.subject.str(), offset);
    const std::string_view character = call.subject.str().substr(offset, point.size);
    out += text::is_upper(point.value) ? text::to_lower(character) : text::to_upper(character);
    offset += point.size;
  }
  return call.evaluator.make_text(std::move(out), call.subject.safe);
}

// A part of the subject, sharing its bytes.
Value piece(const Value& of, std::string_view part) {
  Value value = of;
  value.text = part.data();
  value.size = part.size();
  return value;
}

template <bool kLeft, bool kRight>
Result<Value> strip(const Call& call) {
  const std::string_view all = call.subject.str();
  if (!call[0] || call[0]->is(Kind::kNone)) {
    const std::string_view right = kRight ? text::strip_right(all) : all;
    return piece(call.subject, kLeft ? text::strip_left(right) : right);
  }
  LLMOPS_ASSIGN(const std::string_view chars, string_argument(call, 0, "chars", ""));
  return piece(call.subject, strip_chars(all, chars, kLeft, kRight));
}

template <bool kStart>
Result<Value> affixed(const Call& call) {
  const Value& affix = *call[0];
  const auto has = [&](const Value& value) {
    return kStart ? call.subject.str().starts_with(value.str()) : call.subject.str().ends_with(value.str());
  };
  if (affix.is(Kind::kString)) return Value::of(has(affix));
  if (type_name(affix) != "tuple") return type_error(fmt::format("argument 'prefix' must be a string or a tuple, not {}", type_phrase(affix)));
  bool found = false;
  for (size_t i = 0; i < list_size(affix); ++i) {
    const Value one = list_at(affix, i);
    if (!one.is(Kind::kString)) return type_error(fmt::format("argument 'prefix' must hold strings, not {}", type_phrase(one)));
    found = found || has(one);
  }
  return Value::of(found);
}

template <bool kStart>
Result<Value> remove_affix(const Call& call) {
  LLMOPS_ASSIGN(const std::string_view affix, string_argument(call, 0, "prefix", ""));
  std::string_view rest = call.subject.str();
  if (kStart && rest.starts_with(affix)) rest.remove_prefix(affix.size());
  if (!kStart && rest.ends_with(affix)) rest.remove_suffix(affix.size());
  return piece(call.subject, rest);
}

void split_at_space(std::string_view rest, int64_t most, std::vector<std::string_view>& parts) {
  for (rest = text::strip_left(rest); !rest.empty(); rest = text::strip_left(rest)) {
    if (most >= 0 && static_cast<int64_t>(parts.size()) == most) {
      parts.push_back(rest);
      return;
    }
    size_t end = 0;
    while (end < rest.size()) {
      const CodePoint point = decode_at(rest, end);
      if (text::is_python_space(point.value)) break;
      end += point.size;
    }
    parts.push_back(rest.substr(0, end));
    rest.remove_prefix(end);
  }
}

void rsplit_at_space(std::string_view rest, int64_t most, std::vector<std::string_view>& parts) {
  for (rest = text::strip_right(rest); !rest.empty(); rest = text::strip_right(rest)) {
    if (most >= 0 && static_cast<int64_t>(parts.size()) == most) {
      parts.push_back(rest);
      break;
    }
    std::string_view head = rest;
    size_t start = 0;
    for (size_t offset = 0; offset < head.size();) {
      const CodePoint point = decode_at(head, offset);
      offset += point.size;
      if (text::is_python_space(point.value)) start = offset;
    }
    parts.push_back(rest.substr(start));
    rest = rest.substr(0, start);
  }
  std::reverse(parts.begin(), parts.end());
}

template <bool kRight>
Result<Value> split(const Call& call) {
  LLMOPS_ASSIGN(const int64_t most, integer_argument(call, 1, "maxsplit", -1));
  std::vector<std::string_view> parts;
  std::string_view rest = call.subject.str();
  LLMOPS_CHECK(call.evaluator.charge(rest.size() / 16));
  if (!call[0] || call[0]->is(Kind::kNone)) {
    // rsplit without a count gives what split gives, in linear time.
    if (kRight && most >= 0) {
      LLMOPS_CHECK(call.evaluator.charge(rest.size() / 16 * static_cast<size_t>(std::min<int64_t>(most, 1000))));
      rsplit_at_space(rest, most, parts);
    } else {
      split_at_space(rest, most, parts);
    }
  } else {
    LLMOPS_ASSIGN(const std::string_view separator, string_argument(call, 0, "sep", ""));
    if (separator.empty()) return type_error("separator of 'split' is empty");
    while (most < 0 || static_cast<int64_t>(parts.size()) < most) {
      const size_t found = kRight ? rest.rfind(separator) : rest.find(separator);
      if (found == std::string_view::npos) break;
      parts.push_back(kRight ? rest.substr(found + separator.size()) : rest.substr(0, found));
      rest = kRight ? rest.substr(0, found) : rest.substr(found + separator.size());
    }
    parts.push_back(rest);
    if (kRight) std::reverse(parts.begin(), parts.end());
  }
  std::vector<Value> items;
  for (const std::string_view part : parts) items.push_back(piece(call.subject, part));
  return call.evaluator.make_list(std::move(items));
}

template <bool kRight>
Result<Value> partition(const Call& call) {
  LLMOPS_ASSIGN(const std::string_view separator, string_argument(call, 0, "sep", ""));
  if (separator.empty()) return type_error("separator of 'partition' is empty");
  const std::string_view all = call.subject.str();
  const size_t found = kRight ? all.rfind(separator) : all.find(separator);
  std::vector<Value> items(3, Value::view(""));
  if (found == std::string_view::npos) {
    items[kRight ? 2 : 0] = call.subject;
  } else {
    items[0] = piece(call.subject, all.substr(0, found));
    items[1] = piece(call.subject, all.substr(found, separator.size()));
    items[2] = piece(call.subject, all.substr(found + separator.size()));
  }
  return call.evaluator.make_list(std::move(items), ListStyle::kTuple);
}

Result<Value> splitlines(const Call& call) {
  std::vector<Value> items;
  for (const std::string_view line : split_lines(call.subject.str())) items.push_back(piece(call.subject, line));
  return call.evaluator.make_list(std::move(items));
}

Result<Value> replace(const Call& call) {
  LLMOPS_ASSIGN(const std::string_view from, string_argument(call, 0, "old", ""));
  LLMOPS_ASSIGN(const std::string_view to, string_argument(call, 1, "new", ""));
  LLMOPS_ASSIGN(const int64_t count, integer_argument(call, 2, "count", -1));
  LLMOPS_ASSIGN(std::string text, replace_text(call.evaluator, call.subject.str(), from, to, count));
  return call.evaluator.make_text(std::move(text), call.subject.safe);
}

Result<Value> join(const Call& call) {
  LLMOPS_ASSIGN(const std::vector<Value> items, call.evaluator.items_of(*call[0]));
  std::string text;
  for (size_t i = 0; i < items.size(); ++i) {
    if (!items[i].is(Kind::kString)) return type_error(fmt::format("'join' takes strings, not {}", type_phrase(items[i])));
    if (i > 0) text += call.subject.str();
    text += items[i].str();
    LLMOPS_CHECK(call.evaluator.fits(text.size()));
  }
  return call.evaluator.make_text(std::move(text), call.subject.safe);
}

template <bool kRight, bool kMust>
Result<Value> find(const Call& call) {
  LLMOPS_ASSIGN(const std::string_view wanted, string_argument(call, 0, "sub", ""));
  const size_t found = kRight ? call.subject.str().rfind(wanted) : call.subject.str().find(wanted);
  if (found != std::string_view::npos) return Value::of(static_cast<int64_t>(text::count_code_points(call.subject.str().substr(0, found))));
  if (kMust) return type_error(fmt::format("'{}' is not in the string", wanted));
  return Value::of(int64_t{-1});
}

Result<Value> count(const Call& call) {
  LLMOPS_ASSIGN(const std::string_view wanted, string_argument(call, 0, "sub", ""));
  const std::string_view all = call.subject.str();
  if (wanted.empty()) return Value::of(static_cast<int64_t>(text::count_code_points(all)) + 1);
  int64_t found = 0;
  for (size_t at = all.find(wanted); at != std::string_view::npos; at = all.find(wanted, at + wanted.size())) ++found;
  return Value::of(found);
}

template <bool (*kTest)(int32_t)>
Result<Value> all_are(const Call& call) {
  const std::string_view all = call.subject.str();
  for (size_t offset = 0; offset < all.size();) {
    const CodePoint point = decode_at(all, offset);
    if (!kTest(point.value)) return Value::of(false);
    offset += point.size;
  }
  return Value::of(!all.empty());
}

bool is_alnum(int32_t c) { return text::is_letter(c) || text::is_numeric(c); }

template <int kSide>   // -1 left, 0 centre, 1 right
Result<Value> pad(const Call& call) {
  LLMOPS_ASSIGN(const int64_t width, integer_argument(call, 0, "width", 0));
  LLMOPS_ASSIGN(const std::string_view fill, string_argument(call, 1, "fillchar", " "));
  if (text::count_code_points(fill) != 1) return type_error("argument 'fillchar' must be one character");
  LLMOPS_ASSIGN(std::string text, center_text(call.evaluator, call.subject.str(), width, fill, kSide));
  return call.evaluator.make_text(std::move(text), call.subject.safe);
}

Result<Value> zfill(const Call& call) {
  LLMOPS_ASSIGN(const int64_t width, integer_argument(call, 0, "width", 0));
  const std::string_view all = call.subject.str();
  const size_t sign = all.starts_with('-') || all.starts_with('+') ? 1 : 0;
  LLMOPS_ASSIGN(std::string digits, center_text(call.evaluator, all.substr(sign), width - static_cast<int64_t>(sign), "0", 1));
  return call.evaluator.make_text(std::string(all.substr(0, sign)) + digits);
}

Result<Value> no_format(const Call&) {
  return type_error("method 'format' is not supported", "join pieces with ~, or use the filter 'format'");
}

Result<Value> no_change(const Call&) {
  return type_error("values of a template cannot be changed", "make a new value, as in {% set x = x + [item] %}");
}

Result<Value> dict_get(const Call& call) {
  if (std::optional<Value> found = dict_find(call.subject, *call[0])) return *found;
  return call[1] ? *call[1] : Value::none();
}

template <ListStyle kStyle>
Result<Value> dict_view(const Call& call) {
  std::vector<Value> items;
  for (size_t i = 0; i < dict_size(call.subject); ++i) {
    const Value key = dict_key(call.subject, i), value = dict_value(call.subject, i);
    if (kStyle == ListStyle::kItems) {
      LLMOPS_ASSIGN(Value pair, call.evaluator.make_list({key, value}, ListStyle::kTuple));
      items.push_back(std::move(pair));
    } else {
      items.push_back(kStyle == ListStyle::kKeys ? key : value);
    }
  }
  return call.evaluator.make_list(std::move(items), kStyle);
}

Result<Value> copy(const Call& call) { return call.subject; }

Result<Value> list_index(const Call& call) {
  LLMOPS_CHECK(call.evaluator.charge(list_size(call.subject)));
  for (size_t i = 0; i < list_size(call.subject); ++i) {
    if (equal(list_at(call.subject, i), *call[0])) return Value::of(static_cast<int64_t>(i));
  }
  return type_error("value is not in the list");
}

Result<Value> list_count(const Call& call) {
  LLMOPS_CHECK(call.evaluator.charge(list_size(call.subject)));
  int64_t found = 0;
  for (size_t i = 0; i < list_size(call.subject); ++i) found += equal(list_at(call.subject, i), *call[0]) ? 1 : 0;
  return Value::of(found);
}

constexpr Callable kStringMethods[] = {
    {"upper", upper}, {"lower", lower}, {"title", title}, {"capitalize", capitalize}, {"swapcase", swapcase}, {"casefold", lower},
    {"strip", strip<true, true>, {"chars"}}, {"lstrip", strip<true, false>, {"chars"}}, {"rstrip", strip<false, true>, {"chars"}},
    {"startswith", affixed<true>, {"prefix"}, 1}, {"endswith", affixed<false>, {"suffix"}, 1},
    {"removeprefix", remove_affix<true>, {"prefix"}, 1}, {"removesuffix", remove_affix<false>, {"suffix"}, 1},
    {"split", split<false>, {"sep", "maxsplit"}}, {"rsplit", split<true>, {"sep", "maxsplit"}}, {"splitlines", splitlines},
    {"partition", partition<false>, {"sep"}, 1}, {"rpartition", partition<true>, {"sep"}, 1},
    {"replace", replace, {"old", "new", "count"}, 2}, {"join", join, {"iterable"}, 1},
    {"find", find<false, false>, {"sub"}, 1}, {"rfind", find<true, false>, {"sub"}, 1},
    {"index", find<false, true>, {"sub"}, 1}, {"rindex", find<true, true>, {"sub"}, 1}, {"count", count, {"sub"}, 1},
    {"isdigit", all_are<text::is_digit>}, {"isdecimal", all_are<text::is_digit>}, {"isnumeric", all_are<text::is_numeric>},
    {"isalpha", all_are<text::is_letter>}, {"isalnum", all_are<is_alnum>}, {"isspace", all_are<text::is_python_space>},
    {"center", pad<0>, {"width", "fillchar"}, 1}, {"ljust", pad<-1>, {"width", "fillchar"}, 1},
    {"rjust", pad<1>, {"width", "fillchar"}, 1}, {"zfill", zfill, {"width"}, 1}, {"format", no_format, {"..."}}};

constexpr Callable kDictMethods[] = {
    {"get", dict_get, {"key", "default"}, 1, true}, {"items", dict_view<ListStyle::kItems>}, {"keys", dict_view<ListStyle::kKeys>},
    {"values", dict_view<ListStyle::kValues>}, {"copy", copy}, {"update", no_change, {"..."}}, {"pop", no_change, {"..."}},
    {"setdefault", no_change, {"..."}}, {"clear", no_change, {"..."}}, {"popitem", no_change, {"..."}}};

constexpr Callable kListMethods[] = {
    {"index", list_index, {"value"}, 1}, {"count", list_count, {"value"}, 1}, {"copy", copy}, {"append", no_change, {"..."}},
    {"extend", no_change, {"..."}}, {"insert", no_change, {"..."}}, {"pop", no_change, {"..."}}, {"remove", no_change, {"..."}},
    {"reverse", no_change, {"..."}}, {"sort", no_change, {"..."}}, {"clear", no_change, {"..."}}};

}  // namespace

std::span<const Callable> string_methods() { return kStringMethods; }
std::span<const Callable> dict_methods() { return kDictMethods; }
std::span<const Callable> list_methods() { return kListMethods; }

std::vector<std::string_view> split_lines(std::string_view text) {
  std::vector<std::string_view> lines;
  size_t start = 0;
  for (size_t offset = 0; offset < text.size();) {
    const CodePoint point = decode_at(text, offset);
    const int32_t c = point.value;
    size_t next = offset + point.size;
    const bool ends = (c >= 0x0A && c <= 0x0D) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 || c == 0x2029;
    if (ends) {
      if (c == '\r' && next < text.size() && text[next] == '\n') ++next;
      lines.push_back(text.substr(start, offset - start));
      start = next;
    }
    offset = next;
  }
  if (start < text.size()) lines.push_back(text.substr(start));
  return lines;
}

std::string_view strip_chars(std::string_view text, std::string_view chars, bool left, bool right) {
  const auto listed = [&](std::string_view character) {
    for (size_t offset = 0; offset < chars.size();) {
      const size_t size = decode_at(chars, offset).size;
      if (chars.substr(offset, size) == character) return true;
      offset += size;
    }
    return false;
  };
  size_t begin = text.size(), end = 0;
  for (size_t offset = 0; offset < text.size();) {
    const size_t size = decode_at(text, offset).size;
    if (!listed(text.substr(offset, size))) {
      begin = std::min(begin, offset);
      end = offset + size;
    }
    offset += size;
  }
  if (!left) begin = 0;
  if (!right) end = text.size();
  return begin < end ? text.substr(begin, end - begin) : text.substr(0, 0);
}

Result<std::string> replace_text(Evaluator& evaluator, std::string_view text, std::string_view from, std::string_view to, int64_t count) {
  std::string out;
  size_t position = 0;
  for (int64_t done = 0; count < 0 || done < count; ++done) {
    if (from.empty()) {   // Python puts `to` before each character and at the end
      out += to;
      LLMOPS_CHECK(evaluator.fits(out.size()));
      if (position >= text.size()) { ++position; break; }
      const size_t size = decode_at(text, position).size;
      out += text.substr(position, size);
      position += size;
      continue;
    }
    const size_t found = text.find(from, position);
    if (found == std::string_view::npos) break;
    out += text.substr(position, found - position);
    out += to;
    LLMOPS_CHECK(evaluator.fits(out.size()));
    position = found + from.size();
  }
  if (position < text.size()) out += text.substr(position);
  return out;
}

// side: -1 puts the text left, 1 right, 0 in the centre (the extra space goes as CPython's str.center puts it).
Result<std::string> center_text(Evaluator& evaluator, std::string_view text, int64_t width, std::string_view fill, int side) {
  const auto length = static_cast<int64_t>(text::count_code_points(text));
  if (width <= length) return std::string(text);
  LLMOPS_CHECK(evaluator.fits(static_cast<size_t>(width)));
  const int64_t margin = width - length;
  const int64_t before = side < 0 ? 0 : side > 0 ? margin : margin / 2 + (margin & width & 1);
  std::string out;
  for (int64_t i = 0; i < before; ++i) out += fill;
  out += text;
  for (int64_t i = before; i < margin; ++i) out += fill;
  return out;
}

}  // namespace llmops::jinja
