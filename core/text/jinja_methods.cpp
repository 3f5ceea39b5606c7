// Methods of strings that templates call (Python's library reference, "String Methods").
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

// Only as part of the whole text has a capital sigma its lower case; both of them take the same room.
Result<Value> swapcase(const Call& call) {
  const std::string lowered = text::to_lower(call.subject.str());
  std::string out;
  size_t lower_offset = 0;
  for (size_t offset = 0; offset < call.subject.size;) {
    const CodePoint point = decode_at(call.subject.str(), offset);
    const std::string_view character = call.subject.str().substr(offset, point.size);
    const size_t lower_size = text::to_lower(character).size();
    out += text::is_upper(point.value) ? lowered.substr(lower_offset, lower_size) : text::to_upper(character);
    lower_offset += lower_size;
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
  LLMOPS_CHECK(call.evaluator.charge(all.size() * chars.size() / 64));
  return piece(call.subject, strip_chars(all, chars, kLeft, kRight));
}

// The part of the subject that the arguments start and stop (slots `first`, `first` + 1) bound, as a slice would; none when
// start is behind its end. `skipped`: the code points before it.
Result<std::optional<std::string_view>> bounded(const Call& call, size_t first, int64_t& skipped) {
  const std::string_view all = call.subject.str();
  skipped = 0;
  if (!call[first] && !call[first + 1]) return std::optional(all);
  LLMOPS_CHECK(call.evaluator.charge(all.size() / 64));
  const auto size = static_cast<int64_t>(text::count_code_points(all));
  LLMOPS_ASSIGN(int64_t start, integer_argument(call, first, "start", 0));
  LLMOPS_ASSIGN(int64_t stop, integer_argument(call, first + 1, "end", size));
  start = std::max<int64_t>(start < 0 ? std::max(start, -size) + size : start, 0);
  stop = std::min(stop < 0 ? std::max(stop, -size) + size : stop, size);
  if (start > stop) return std::optional<std::string_view>();
  skipped = start;
  const size_t begin = text::offset_of(all, static_cast<size_t>(start));
  return std::optional(all.substr(begin, text::offset_of(all, static_cast<size_t>(stop)) - begin));
}

template <bool kStart>
Result<Value> affixed(const Call& call) {
  const Value& affix = *call[0];
  int64_t skipped = 0;
  LLMOPS_ASSIGN(const std::optional<std::string_view> part, bounded(call, 1, skipped));
  const auto has = [&](const Value& value) { return part && (kStart ? part->starts_with(value.str()) : part->ends_with(value.str())); };
  if (affix.is(Kind::kString)) return Value::of(has(affix));
  if (type_name(affix) != "tuple") return type_error(fmt::format("argument 'prefix' must be a string or a tuple, not {}", type_phrase(affix)), "write a string, or several in ( )");
  bool found = false;
  for (size_t i = 0; i < list_size(affix); ++i) {
    const Value one = list_at(affix, i);
    if (!one.is(Kind::kString)) return type_error(fmt::format("argument 'prefix' must hold strings, not {}", type_phrase(one)), "write strings in it");
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
    LLMOPS_CHECK(call.evaluator.charge_search(rest, separator));
    if (separator.empty()) return type_error("separator of 'split' is empty", "leave it out to split at white space");
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
  if (separator.empty()) return type_error("separator of 'partition' is empty", "write the text to divide at");
  const std::string_view all = call.subject.str();
  LLMOPS_CHECK(call.evaluator.charge_search(all, separator));
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
  LLMOPS_ASSIGN(const bool keepends, flag_argument(call, 0, false));
  std::vector<Value> items;
  for (const std::string_view line : split_lines(call.subject.str(), keepends)) items.push_back(piece(call.subject, line));
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
    if (!items[i].is(Kind::kString)) return type_error(fmt::format("'join' takes strings, not {}", type_phrase(items[i])), "use the filter join, which converts its items");
    if (i > 0) text += call.subject.str();
    text += items[i].str();
    LLMOPS_CHECK(call.evaluator.fits(text.size()));
  }
  return call.evaluator.make_text(std::move(text), call.subject.safe);
}

template <bool kRight, bool kMust>
Result<Value> find(const Call& call) {
  LLMOPS_ASSIGN(const std::string_view wanted, string_argument(call, 0, "sub", ""));
  int64_t skipped = 0;
  LLMOPS_ASSIGN(const std::optional<std::string_view> part, bounded(call, 1, skipped));
  if (part) LLMOPS_CHECK(call.evaluator.charge_search(*part, wanted));
  const size_t found = !part ? std::string_view::npos : kRight ? part->rfind(wanted) : part->find(wanted);
  if (found != std::string_view::npos) return Value::of(skipped + static_cast<int64_t>(text::count_code_points(part->substr(0, found))));
  if (kMust) return type_error(fmt::format("'{}' is not in the string", wanted), "use find, which gives -1 then");
  return Value::of(int64_t{-1});
}

Result<Value> count(const Call& call) {
  LLMOPS_ASSIGN(const std::string_view wanted, string_argument(call, 0, "sub", ""));
  int64_t skipped = 0;
  LLMOPS_ASSIGN(const std::optional<std::string_view> part, bounded(call, 1, skipped));
  if (!part) return Value::of(int64_t{0});
  if (wanted.empty()) return Value::of(static_cast<int64_t>(text::count_code_points(*part)) + 1);
  LLMOPS_CHECK(call.evaluator.charge_search(*part, wanted));
  int64_t found = 0;
  for (size_t at = part->find(wanted); at != std::string_view::npos; at = part->find(wanted, at + wanted.size())) ++found;
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
bool is_ascii(int32_t c) { return c < 0x80; }
bool is_superscript(int32_t c) { return c == 0xB2 || c == 0xB3 || c == 0xB9 || c == 0x2070 || (c >= 0x2074 && c <= 0x2079) || (c >= 0x2080 && c <= 0x2089); }
bool is_digit_or_superscript(int32_t c) { return text::is_digit(c) || is_superscript(c); }

// isascii and isprintable hold for an empty string too.
template <bool (*kTest)(int32_t)>
Result<Value> none_is_not(const Call& call) {
  return call.subject.size == 0 ? Result<Value>(Value::of(true)) : all_are<kTest>(call);
}

// Letters with case are all upper (lower), and there is one.
template <bool (*kWanted)(int32_t), bool (*kOther)(int32_t)>
Result<Value> cased(const Call& call) {
  bool found = false;
  for (size_t offset = 0; offset < call.subject.size;) {
    const CodePoint point = decode_at(call.subject.str(), offset);
    if (kOther(point.value)) return Value::of(false);
    found = found || kWanted(point.value);
    offset += point.size;
  }
  return Value::of(found);
}

Result<Value> istitle(const Call& call) {
  bool found = false, inside = false;
  for (size_t offset = 0; offset < call.subject.size;) {
    const CodePoint point = decode_at(call.subject.str(), offset);
    const bool upper_case = text::is_upper(point.value), lower_case = text::is_lower(point.value);
    if ((upper_case && inside) || (lower_case && !inside)) return Value::of(false);
    inside = upper_case || lower_case;
    found = found || inside;
    offset += point.size;
  }
  return Value::of(found);
}

Result<Value> isidentifier(const Call& call) {
  const std::string_view all = call.subject.str();
  for (size_t offset = 0; offset < all.size();) {
    const CodePoint point = decode_at(all, offset);
    const bool starts = point.value == '_' || text::is_letter(point.value);
    if (!starts && (offset == 0 || !(text::is_digit(point.value) || text::is_mark(point.value)))) return Value::of(false);
    offset += point.size;
  }
  return Value::of(!all.empty());
}

// Character by character through the upper case: ß becomes ss, and no sigma is final.
Result<Value> casefold(const Call& call) {
  std::string out;
  for (size_t offset = 0; offset < call.subject.size;) {
    const CodePoint point = decode_at(call.subject.str(), offset);
    const std::string_view character = call.subject.str().substr(offset, point.size);
    const std::string upper_case = point.value == 0x131 ? std::string(character) : text::to_upper(character);
    for (size_t i = 0; i < upper_case.size();) {
      const size_t size = decode_at(upper_case, i).size;
      out += text::to_lower(std::string_view(upper_case).substr(i, size));
      i += size;
    }
    offset += point.size;
  }
  return call.evaluator.make_text(std::move(out), call.subject.safe);
}

Result<Value> expandtabs(const Call& call) {
  LLMOPS_ASSIGN(const int64_t size, integer_argument(call, 0, "tabsize", 8));
  LLMOPS_CHECK(call.evaluator.fits(static_cast<size_t>(std::max<int64_t>(size, 0))));
  std::string out;
  int64_t column = 0;
  for (size_t offset = 0; offset < call.subject.size;) {
    const CodePoint point = decode_at(call.subject.str(), offset);
    if (point.value == '\t') {
      const int64_t fill = size > 0 ? size - column % size : 0;
      out.append(static_cast<size_t>(fill), ' ');
      column += fill;
      LLMOPS_CHECK(call.evaluator.fits(out.size()));
    } else {
      out += call.subject.str().substr(offset, point.size);
      column = point.value == '\n' || point.value == '\r' ? 0 : column + 1;
    }
    offset += point.size;
  }
  return call.evaluator.make_text(std::move(out), call.subject.safe);
}

template <int kSide>   // -1 left, 0 centre, 1 right
Result<Value> pad(const Call& call) {
  LLMOPS_ASSIGN(const int64_t width, integer_argument(call, 0, "width", 0));
  LLMOPS_ASSIGN(const std::string_view fill, string_argument(call, 1, "fillchar", " "));
  if (text::count_code_points(fill) != 1) return type_error("argument 'fillchar' must be one character", "write one character in quotes");
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

Result<Value> format(const Call& call) {
  LLMOPS_ASSIGN(std::string text, format_braces(call.evaluator, call.subject.str(), call.arguments));
  return call.evaluator.make_text(std::move(text));
}

constexpr Callable kStringMethods[] = {
    {"upper", upper}, {"lower", lower}, {"title", title}, {"capitalize", capitalize}, {"swapcase", swapcase}, {"casefold", casefold},
    {"strip", strip<true, true>, {"chars"}}, {"lstrip", strip<true, false>, {"chars"}}, {"rstrip", strip<false, true>, {"chars"}},
    {"startswith", affixed<true>, {"prefix", "start", "end"}, 1}, {"endswith", affixed<false>, {"suffix", "start", "end"}, 1},
    {"removeprefix", remove_affix<true>, {"prefix"}, 1}, {"removesuffix", remove_affix<false>, {"suffix"}, 1},
    {"split", split<false>, {"sep", "maxsplit"}}, {"rsplit", split<true>, {"sep", "maxsplit"}}, {"splitlines", splitlines, {"keepends"}},
    {"partition", partition<false>, {"sep"}, 1}, {"rpartition", partition<true>, {"sep"}, 1},
    {"replace", replace, {"old", "new", "count"}, 2}, {"join", join, {"iterable"}, 1},
    {"find", find<false, false>, {"sub", "start", "end"}, 1}, {"rfind", find<true, false>, {"sub", "start", "end"}, 1},
    {"index", find<false, true>, {"sub", "start", "end"}, 1}, {"rindex", find<true, true>, {"sub", "start", "end"}, 1}, {"count", count, {"sub", "start", "end"}, 1},
    {"isupper", cased<text::is_upper, text::is_lower>}, {"islower", cased<text::is_lower, text::is_upper>}, {"istitle", istitle},
    {"isascii", none_is_not<is_ascii>}, {"isprintable", none_is_not<text::is_printable>}, {"isidentifier", isidentifier},
    {"expandtabs", expandtabs, {"tabsize"}},
    {"isdigit", all_are<is_digit_or_superscript>}, {"isdecimal", all_are<text::is_digit>}, {"isnumeric", all_are<text::is_numeric>},
    {"isalpha", all_are<text::is_letter>}, {"isalnum", all_are<is_alnum>}, {"isspace", all_are<text::is_python_space>},
    {"center", pad<0>, {"width", "fillchar"}, 1}, {"ljust", pad<-1>, {"width", "fillchar"}, 1},
    {"rjust", pad<1>, {"width", "fillchar"}, 1}, {"zfill", zfill, {"width"}, 1}, {"format", format, {"..."}}};

}  // namespace

std::span<const Callable> string_methods() { return kStringMethods; }

}  // namespace llmops::jinja
