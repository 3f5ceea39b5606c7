// JSON through json_cursor.h, and what that refuses through nlohmann's lexer with a document builder of our own: the library keeps the first of two equal
// keys, has no depth limit, and its ordered object looks every key up linearly while it parses.
#include "core/base/json.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <fmt/format.h>
#include <unordered_set>

#include "core/base/json_cursor.h"

namespace llmops {
namespace {

constexpr size_t kManyKeys = 16;  // from here on duplicates are found by a set

class DocumentBuilder : public nlohmann::json_sax<Json> {
 public:
  explicit DocumentBuilder(int max_depth) : max_depth_(max_depth) {}

  bool null() override { return add(Json(nullptr)); }
  bool boolean(bool value) override { return add(Json(value)); }
  bool number_integer(number_integer_t value) override { return add(Json(value)); }
  bool number_unsigned(number_unsigned_t value) override { return add(Json(value)); }
  bool number_float(number_float_t value, const string_t& text) override {
    if (!std::isfinite(value)) return refuse("number '" + text + "' is out of range");
    return add(Json(value));
  }
  bool string(string_t& value) override { return add(Json(std::move(value))); }
  bool binary(binary_t&) override { return refuse("binary value"); }
  bool start_object(std::size_t) override { return open(Json::object()); }
  bool start_array(std::size_t) override { return open(Json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(string_t& name) override {
    Level& level = levels_.back();
    if (is_duplicate(level, name)) return refuse("duplicate key '" + name + "'");
    level.key = std::move(name);
    return true;
  }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& error) override {
    position_ = position;
    message_ = error.what();
    return false;
  }

  Json take() { return std::move(root_); }
  bool refused() const { return refused_; }
  const std::string& message() const { return message_; }
  size_t position() const { return position_; }

 private:
  struct Level {
    Json* container;
    std::string key;
    std::unordered_set<std::string> keys;
  };

  bool is_duplicate(Level& level, const std::string& name) {
    auto& object = level.container->get_ref<Json::object_t&>();
    if (object.size() < kManyKeys) {
      return std::any_of(object.begin(), object.end(), [&](const auto& entry) { return entry.first == name; });
    }
    if (level.keys.empty()) {
      for (const auto& entry : object) level.keys.insert(entry.first);
    }
    return !level.keys.insert(name).second;
  }

  Json* place(Json&& value) {
    if (levels_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    Level& level = levels_.back();
    if (level.container->is_array()) {
      auto& array = level.container->get_ref<Json::array_t&>();
      array.push_back(std::move(value));
      return &array.back();
    }
    auto& object = level.container->get_ref<Json::object_t&>();
    static_cast<std::vector<std::pair<const std::string, Json>>&>(object).emplace_back(std::move(level.key), std::move(value));
    return &object.back().second;
  }
  bool add(Json&& value) {
    place(std::move(value));
    return true;
  }
  bool open(Json&& container) {
    if (static_cast<int>(levels_.size()) >= max_depth_) return refuse(fmt::format("nesting is deeper than {}", max_depth_));
    levels_.push_back({place(std::move(container)), {}, {}});
    return true;
  }
  bool close() {
    levels_.pop_back();
    return true;
  }
  bool refuse(std::string message) {
    refused_ = true;
    message_ = std::move(message);
    return false;
  }

  int max_depth_;
  Json root_;
  std::vector<Level> levels_;
  bool refused_ = false;
  std::string message_;
  size_t position_ = 0;
};

// The library's words are long and name its own functions; what helps is the cause after the last of "; " or "- ".
std::string plain_cause(std::string message) {
  if (const size_t at = message.find("parse error"); at != std::string::npos) message = message.substr(at);
  if (const size_t at = message.find("number overflow parsing "); at != std::string::npos) return "number " + message.substr(at + 24) + " is out of range";
  if (message.find("unexpected end of input") != std::string::npos) return "unexpected end of input";
  if (const size_t at = message.rfind("; expected "); at != std::string::npos) message = message.substr(0, at);
  if (const size_t at = message.find("last read: "); at != std::string::npos) {
    std::string read = message.substr(at + 11);
    if (read.size() > 42) read = read.substr(0, 40) + "...'";
    const size_t dash = message.find(" - ");
    if (dash != std::string::npos && dash + 3 < at) {
      std::string cause = message.substr(dash + 3, at - dash - 3);
      while (!cause.empty() && (cause.back() == ' ' || cause.back() == ';')) cause.pop_back();
      return cause + " near " + read;
    }
    return "unexpected " + read;
  }
  if (const size_t at = message.find("unexpected "); at != std::string::npos) return message.substr(at);
  return message;
}

// What to do about a cause, by the words of plain_cause and of the builder.
std::string remedy_for(std::string_view cause) {
  struct Remedy { std::string_view words, hint; };
  constexpr Remedy kRemedies[] = {
      {"duplicate key", "remove one of the two"},
      {"nesting is deeper", "nest less deeply"},
      {"is out of range", "write it in quotes if text is meant"},
      {"unexpected end of input", "close the quote, bracket or brace that is open"},
      {"UTF-8", "save the text as UTF-8"},
      {"control character", "write control characters as escapes, like \\n or \\u0000"},
      {"surrogate", "write both halves of the pair, or the character itself"},
      {"forbidden character after backslash", "double the backslash"},
      {"unexpected ']'", "remove the comma before it, or write the value that is missing"},
      {"unexpected '}'", "remove the comma before it, or write the value that is missing"},
      {"invalid literal", "write text in double quotes; other values are numbers, true, false and null"},
      {"invalid number", "write text in double quotes, and numbers like 0.5 or -12"},
      {"unexpected ','", "write the value that is missing before the comma"},
  };
  for (const Remedy& row : kRemedies) if (cause.find(row.words) != std::string_view::npos) return std::string(row.hint);
  return "look for a missing comma, colon or quote before this place";
}

SourcePlace place_in(std::string_view text, size_t offset, std::string_view file, int first_line) {
  offset = std::min(offset, text.size());
  size_t start = text.rfind('\n', offset == 0 ? 0 : offset - 1);
  start = start == std::string_view::npos || start >= offset ? 0 : start + 1;
  size_t end = text.find('\n', start);
  if (end == std::string_view::npos) end = text.size();
  SourcePlace place;
  place.file = file;
  place.line = first_line + static_cast<int>(std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(start), '\n'));
  place.column = static_cast<int>(offset - start) + 1;
  constexpr size_t kLongestShownLine = 400;
  if (end - start <= kLongestShownLine) place.line_text = text.substr(start, end - start);
  return place;
}

// Refusals of the builder have no position of their own, so a second pass counts the bytes consumed.
struct CountingIterator {
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;
  const char* at;
  const char** furthest;
  reference operator*() const { return *at; }
  CountingIterator& operator++() {
    ++at;
    if (furthest != nullptr) *furthest = at;
    return *this;
  }
  CountingIterator operator++(int) {
    const CountingIterator old = *this;
    ++*this;
    return old;
  }
  bool operator==(const CountingIterator& other) const { return at == other.at; }
  bool operator!=(const CountingIterator& other) const { return at != other.at; }
};

}  // namespace

Result<Json> parse_json(std::string_view text, std::string_view file, int first_line, JsonLimits limits) {
  // Three times as fast as the library's lexer, and of the same values; what it refuses is read again for the reason, and may be in order all the same.
  Json value;
  if (JsonCursor cursor(text, limits); cursor.value(value) && cursor.at_end()) return value;
  DocumentBuilder builder(limits.max_depth);
  // First over contiguous bytes; only a refusal pays for counting.
  if (Json::sax_parse(text.begin(), text.end(), &builder)) return builder.take();
  size_t offset = builder.position() == 0 ? 0 : builder.position() - 1;
  const std::string cause = builder.refused() ? builder.message() : plain_cause(builder.message());
  if (builder.refused()) {
    DocumentBuilder again(limits.max_depth);
    const char* furthest = text.data();
    (void)Json::sax_parse(CountingIterator{text.data(), &furthest}, CountingIterator{text.data() + text.size(), nullptr}, &again);
    offset = static_cast<size_t>(furthest - text.data());
    offset = offset == 0 ? 0 : offset - 1;
  }
  return Error(ErrorCode::kData, "malformed JSON: " + cause, remedy_for(cause)).at(place_in(text, offset, file, first_line));
}

std::string dump_json_pretty(const Json& value) { return value.dump(2, ' ', false, Json::error_handler_t::replace); }

std::string ecmascript_number(double value) {
  if (value == 0) return "0";
  char digits_buffer[32];
  // Shortest round-trip digits in the form d.ddde+xx, then laid out as Number::toString does (ECMA-262, 6.1.6.1.20).
  const auto end = std::to_chars(digits_buffer, digits_buffer + sizeof digits_buffer, std::fabs(value), std::chars_format::scientific).ptr;
  const std::string_view text(digits_buffer, static_cast<size_t>(end - digits_buffer));
  const size_t e = text.find('e');
  std::string digits(1, text[0]);
  if (e > 2) digits += text.substr(2, e - 2);
  int exponent = 0;
  const std::string_view exponent_text = text.substr(e + 1);
  std::from_chars(exponent_text.data() + (exponent_text[0] == '+' ? 1 : 0), exponent_text.data() + exponent_text.size(), exponent);
  const int k = static_cast<int>(digits.size());
  const int n = exponent + 1;  // value = 0.digits * 10^n
  std::string out = value < 0 ? "-" : "";
  if (k <= n && n <= 21) return out + digits + std::string(static_cast<size_t>(n - k), '0');
  if (0 < n && n <= 21) return out + digits.substr(0, static_cast<size_t>(n)) + "." + digits.substr(static_cast<size_t>(n));
  if (-6 < n && n <= 0) return out + "0." + std::string(static_cast<size_t>(-n), '0') + digits;
  out += digits[0];
  if (k > 1) out += "." + digits.substr(1);
  return out + "e" + (n - 1 >= 0 ? "+" : "-") + std::to_string(std::abs(n - 1));
}

namespace {

// Next UTF-8 code point, or -1 for an invalid sequence (overlong, surrogate, past U+10FFFF, truncated).
int32_t next_code_point(std::string_view text, size_t& at) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(at);
  if (lead < 0x80) return text[at++];
  const int length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || at + static_cast<size_t>(length) > text.size()) return -1;
  int32_t point = lead & (0x7F >> length);
  for (int i = 1; i < length; ++i) {
    const unsigned char next = byte(at + static_cast<size_t>(i));
    if ((next & 0xC0) != 0x80) return -1;
    point = point << 6 | (next & 0x3F);
  }
  constexpr int32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  if (point < kSmallest[length] || point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF)) return -1;
  at += static_cast<size_t>(length);
  return point;
}

// UTF-16 order differs from byte order only between U+E000..U+FFFF and the supplementary planes (lead surrogate D800..).
bool utf16_less(const std::string& a, const std::string& b) {
  size_t i = 0, j = 0;
  while (i < a.size() && j < b.size()) {
    const int32_t p = next_code_point(a, i), q = next_code_point(b, j);
    if (p == q) continue;
    if (p < 0 || q < 0) return a < b;
    const auto first_unit = [](int32_t c) { return c >= 0x10000 ? 0xD800 + ((c - 0x10000) >> 10) : c; };
    if (first_unit(p) != first_unit(q)) return first_unit(p) < first_unit(q);
    return p < q;
  }
  return i >= a.size() && j < b.size();
}

Status write_canonical_string(const std::string& text, std::string& out) {
  if (find_invalid_utf8(text)) {
    return Error(ErrorCode::kData, "text is not valid UTF-8, so it has no canonical form", "save the text as UTF-8");
  }
  out += '"';
  for (const char c : text) {
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\b': out += "\\b"; break;
      case '\f': out += "\\f"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
        else out += c;
    }
  }
  out += '"';
  return {};
}

constexpr int64_t kLargestExactInteger = (int64_t{1} << 53) - 1;

Status write_canonical(const Json& value, std::string& out) {
  switch (value.type()) {
    case Json::value_t::null: out += "null"; return {};
    case Json::value_t::boolean: out += value.get<bool>() ? "true" : "false"; return {};
    case Json::value_t::string: return write_canonical_string(value.get_ref<const std::string&>(), out);
    case Json::value_t::number_integer:
    case Json::value_t::number_unsigned: {
      const bool too_large = value.is_number_unsigned() ? value.get<uint64_t>() > static_cast<uint64_t>(kLargestExactInteger)
                                                        : value.get<int64_t>() > kLargestExactInteger || value.get<int64_t>() < -kLargestExactInteger;
      if (too_large) return Error(ErrorCode::kData, "integer " + value.dump() + " is beyond 2^53 - 1", "carry it as a string");
      out += std::to_string(value.get<int64_t>());
      return {};
    }
    case Json::value_t::number_float:
      if (!std::isfinite(value.get<double>())) return Error(ErrorCode::kData, "a number is not finite, so it has no canonical form", "leave it out, or carry it as a string");
      out += ecmascript_number(value.get<double>());
      return {};
    case Json::value_t::array: {
      out += '[';
      bool first = true;
      for (const Json& item : value) {
        if (!first) out += ',';
        first = false;
        LLMOPS_CHECK(write_canonical(item, out));
      }
      out += ']';
      return {};
    }
    case Json::value_t::object: {
      std::vector<const Json::object_t::value_type*> entries;
      for (const auto& entry : value.get_ref<const Json::object_t&>()) entries.push_back(&entry);
      std::sort(entries.begin(), entries.end(), [](const auto* a, const auto* b) { return utf16_less(a->first, b->first); });
      out += '{';
      for (size_t i = 0; i < entries.size(); ++i) {
        if (i > 0) out += ',';
        LLMOPS_CHECK(write_canonical_string(entries[i]->first, out));
        out += ':';
        LLMOPS_CHECK(write_canonical(entries[i]->second, out));
      }
      out += '}';
      return {};
    }
    case Json::value_t::binary:
    case Json::value_t::discarded: break;
  }
  return Error(ErrorCode::kBug, "a value has no canonical form", "report it with the file that led to it");
}

}  // namespace

std::optional<size_t> find_invalid_utf8(std::string_view text) {
  size_t at = 0;
  while (at < text.size()) {
    const size_t start = at;
    if (next_code_point(text, at) < 0) return start;
  }
  return std::nullopt;
}

Result<std::string> canonical_json(const Json& value) {
  std::string out;
  LLMOPS_CHECK(write_canonical(value, out));
  return out;
}

const Json* json_at(const Json& value, std::string_view pointer) {
  const Json* at = &value;
  if (!pointer.empty() && pointer[0] != '/') return nullptr;
  while (!pointer.empty()) {
    pointer.remove_prefix(1);
    const size_t end = std::min(pointer.find('/'), pointer.size());
    std::string token;
    for (size_t i = 0; i < end; ++i) {
      if (pointer[i] != '~') { token += pointer[i]; continue; }
      if (i + 1 >= end || (pointer[i + 1] != '0' && pointer[i + 1] != '1')) return nullptr;
      token += pointer[++i] == '0' ? '~' : '/';
    }
    pointer.remove_prefix(end);
    if (at->is_object()) {
      const auto found = at->find(token);
      if (found == at->end()) return nullptr;
      at = &*found;
    } else if (at->is_array()) {
      size_t index = 0;
      const auto parsed = std::from_chars(token.data(), token.data() + token.size(), index);
      const bool plain = parsed.ec == std::errc() && parsed.ptr == token.data() + token.size() && (token.size() == 1 || token[0] != '0');
      if (!plain || index >= at->size()) return nullptr;
      at = &(*at)[index];
    } else {
      return nullptr;
    }
  }
  return at;
}

std::string json_to_text(const Json& value) {
  return value.is_string() ? value.get<std::string>() : dump_json(value);
}

bool json_equal(const Json& a, const Json& b) {
  if (a.is_number() && b.is_number()) {
    if (a.is_number_integer() && b.is_number_integer()) {
      // An unsigned value beyond int64 equals no signed one, whatever a cast would make of it.
      const auto beyond = [](const Json& n) { return n.is_number_unsigned() && n.get<uint64_t>() > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()); };
      if (beyond(a) != beyond(b)) return false;
      return beyond(a) ? a.get<uint64_t>() == b.get<uint64_t>() : a.get<int64_t>() == b.get<int64_t>();
    }
    return a.get<double>() == b.get<double>();
  }
  if (a.type() != b.type()) return false;
  if (a.is_array()) {
    return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), json_equal);
  }
  if (a.is_object()) {
    if (a.size() != b.size()) return false;
    for (const auto& [key, value] : a.items()) {
      const auto other = b.find(key);
      if (other == b.end() || !json_equal(value, *other)) return false;
    }
    return true;
  }
  return a == b;
}

}  // namespace llmops
