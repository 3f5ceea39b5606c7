// JSON (RFC 8259) without a tree. A row of a dataset is asked for the names, types and extents of its members; building
// values for that costs ten times as much as reading the bytes. Strings are searched eight bytes at a time (Mycroft's
// test for a zero byte in a word).
#include "core/data/json_line.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "core/text/codepoint.h"

namespace llmops {
namespace {

constexpr int kMaxDepth = 128;
constexpr size_t kFewNames = 32;
constexpr uint64_t kOnes = 0x0101010101010101u, kHighs = 0x8080808080808080u;

// The high bits of the bytes that are `value`; exact for the lowest of them.
constexpr uint64_t bytes_equal(uint64_t word, uint8_t value) {
  const uint64_t x = word ^ (kOnes * value);
  return (x - kOnes) & ~x & kHighs;
}
constexpr uint64_t bytes_below_space(uint64_t word) { return (word - kOnes * 0x20) & ~word & kHighs; }

bool is_digit(char c) { return c >= '0' && c <= '9'; }
int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}
// The value of four hex digits, or -1.
int hex4(const char* at, const char* end) {
  if (end - at < 4) return -1;
  int value = 0;
  for (int i = 0; i < 4; ++i) {
    const int digit = hex_value(at[i]);
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}
bool is_high_surrogate(int unit) { return unit >= 0xD800 && unit <= 0xDBFF; }
bool is_low_surrogate(int unit) { return unit >= 0xDC00 && unit <= 0xDFFF; }

class Scanner {
 public:
  Scanner(std::string_view text, std::vector<Row::OpenName>& names) : begin_(text.data()), at_(begin_), end_(begin_ + text.size()), names_(names) { names_.clear(); }

  bool scan_row(Row& row) {
    skip_space();
    if (at_ == end_ || *at_ != '{') return fail(at_ == end_ ? "is empty" : "is not an object");
    if (!scan_object(&row)) return false;
    skip_space();
    return at_ == end_ || fail("has text after the object");
  }
  void scan_elements(const std::function<void(const Field&)>& visit) {
    ++at_;
    for (skip_space(); at_ != end_ && *at_ != ']'; skip_space()) {
      Field field;
      if (!scan_value(field)) return;
      visit(field);
      skip_space();
      if (at_ != end_ && *at_ == ',') ++at_;
    }
  }
  RowFault fault() const { return {message_, 0, static_cast<int>(at_ - begin_) + 1}; }

 private:
  using Name = Row::OpenName;

  bool fail(const char* message) {
    message_ = message;
    return false;
  }
  void skip_space() { while (at_ != end_ && (*at_ == ' ' || *at_ == '\t' || *at_ == '\n' || *at_ == '\r')) ++at_; }

  bool scan_value(Field& field) {
    if (at_ == end_) return fail("ends inside a value");
    const char* const start = at_;
    switch (*at_) {
      case '"': {
        bool escaped = false;
        if (!scan_string(field.raw, escaped)) return false;
        field.type = ValueType::kText;
        field.code = escaped ? TextCode::kJson : TextCode::kPlain;
        return true;
      }
      case '{': field.type = ValueType::kObject; if (!scan_object(nullptr)) return false; break;
      case '[': field.type = ValueType::kList; if (!scan_list()) return false; break;
      case 't': field.type = ValueType::kBool; if (!scan_literal("true")) return false; break;
      case 'f': field.type = ValueType::kBool; if (!scan_literal("false")) return false; break;
      case 'n': field.type = ValueType::kNull; if (!scan_literal("null")) return false; break;
      default: field.type = ValueType::kNumber; if (!scan_number()) return false; break;
    }
    field.raw = {start, at_};
    field.code = TextCode::kPlain;
    return true;
  }

  // `row`: where members go; nullptr for an inner object.
  bool scan_object(Row* row) {
    if (++depth_ > kMaxDepth) return fail("is nested too deeply");
    const size_t first_name = names_.size();
    ++at_;
    skip_space();
    if (at_ != end_ && *at_ == '}') { ++at_; --depth_; return true; }
    while (true) {
      skip_space();
      if (at_ == end_ || *at_ != '"') return fail("has a member without a name in quotes");
      const char* const name_start = at_;
      Name name{};
      if (!scan_string(name.raw, name.escaped)) return false;
      if (is_repeated(name, first_name)) { at_ = name_start; return fail("names a member twice"); }
      names_.push_back(name);
      skip_space();
      if (at_ == end_ || *at_ != ':') return fail("has a name without a ':' behind it");
      ++at_;
      skip_space();
      Field field;
      if (!scan_value(field)) return false;
      if (row != nullptr) add_member(*row, name, field);
      skip_space();
      if (at_ == end_) return fail("ends inside an object");
      if (*at_ == ',') { ++at_; continue; }
      if (*at_ != '}') return fail("has neither ',' nor '}' behind a member");
      break;
    }
    if (!check_many_names(first_name)) return false;
    ++at_;
    names_.resize(first_name);
    --depth_;
    return true;
  }

  bool scan_list() {
    if (++depth_ > kMaxDepth) return fail("is nested too deeply");
    ++at_;
    skip_space();
    if (at_ != end_ && *at_ == ']') { ++at_; --depth_; return true; }
    while (true) {
      skip_space();
      Field ignored;
      if (!scan_value(ignored)) return false;
      skip_space();
      if (at_ == end_) return fail("ends inside a list");
      if (*at_ == ',') { ++at_; continue; }
      if (*at_ != ']') return fail("has neither ',' nor ']' behind an element");
      ++at_;
      --depth_;
      return true;
    }
  }

  bool scan_string(std::string_view& raw, bool& escaped) {
    const char* const start = ++at_;
    escaped = false;
    while (true) {
      skip_plain();
      if (at_ == end_) return fail("ends inside a string");
      if (*at_ == '"') break;
      if (*at_ != '\\') return fail("has a control character in a string");
      escaped = true;
      if (!scan_escape()) return false;
    }
    raw = {start, at_};
    ++at_;
    return true;
  }

  // To the next quote, backslash or control character.
  void skip_plain() {
    while (end_ - at_ >= 8) {
      uint64_t word = 0;
      std::memcpy(&word, at_, sizeof word);
      const uint64_t found = bytes_equal(word, '"') | bytes_equal(word, '\\') | bytes_below_space(word);
      if (found == 0) { at_ += 8; continue; }
      if constexpr (std::endian::native == std::endian::little) {
        at_ += std::countr_zero(found) / 8;
        return;
      }
      break;
    }
    while (at_ != end_ && *at_ != '"' && *at_ != '\\' && static_cast<unsigned char>(*at_) >= 0x20) ++at_;
  }

  bool scan_escape() {
    if (end_ - at_ < 2) return fail("ends inside a string");
    if (at_[1] != 'u') {
      if (std::string_view("\"\\/bfnrt").find(at_[1]) == std::string_view::npos) return fail("has an unknown escape in a string");
      at_ += 2;
      return true;
    }
    const int unit = hex4(at_ + 2, end_);
    if (unit < 0) return fail("has a \\u without four hex digits");
    if (is_low_surrogate(unit)) return fail("has a lone surrogate");
    if (is_high_surrogate(unit)) {
      if (end_ - at_ < 12 || at_[6] != '\\' || at_[7] != 'u' || !is_low_surrogate(hex4(at_ + 8, end_))) return fail("has a lone surrogate");
      at_ += 6;
    }
    at_ += 6;
    return true;
  }

  bool scan_literal(std::string_view word) {
    if (std::string_view(at_, end_).starts_with(word)) { at_ += word.size(); return true; }
    return fail("has an unknown word where a value should be");
  }
  bool scan_number() {
    if (*at_ == '-') ++at_;
    if (at_ == end_ || !is_digit(*at_)) return fail("has no value where one should be");
    if (*at_ == '0') ++at_; else skip_digits();
    if (at_ != end_ && is_digit(*at_)) return fail("has a number that starts with 0");
    if (at_ != end_ && *at_ == '.') { ++at_; if (!some_digits()) return false; }
    if (at_ != end_ && (*at_ == 'e' || *at_ == 'E')) {
      ++at_;
      if (at_ != end_ && (*at_ == '+' || *at_ == '-')) ++at_;
      if (!some_digits()) return false;
    }
    return true;
  }
  void skip_digits() { while (at_ != end_ && is_digit(*at_)) ++at_; }
  bool some_digits() {
    if (at_ == end_ || !is_digit(*at_)) return fail("has a malformed number");
    skip_digits();
    return true;
  }

  // The first names of an object are compared one with another; an object of many is sorted at its end.
  bool is_repeated(const Name& name, size_t first_name) {
    std::string a, b;
    const std::string_view mine = name.escaped ? decode_json_string(name.raw, a) : name.raw;
    const size_t last = std::min(names_.size(), first_name + kFewNames);
    for (size_t i = first_name; i < last; ++i) {
      const Name& other = names_[i];
      if (!other.escaped && !name.escaped && other.raw.size() != mine.size()) continue;
      if ((other.escaped ? decode_json_string(other.raw, b) : other.raw) == mine) return true;
    }
    return false;
  }
  bool check_many_names(size_t first_name) {
    if (names_.size() - first_name <= kFewNames) return true;
    std::vector<std::pair<std::string, const char*>> sorted;
    for (size_t i = first_name; i < names_.size(); ++i) {
      std::string decoded;
      decode_json_string(names_[i].raw, decoded);
      sorted.emplace_back(std::move(decoded), names_[i].raw.data());
    }
    std::sort(sorted.begin(), sorted.end());
    const auto same = [](const auto& a, const auto& b) { return a.first == b.first; };
    const auto found = std::adjacent_find(sorted.begin(), sorted.end(), same);
    if (found == sorted.end()) return true;
    at_ = std::next(found)->second - 1;
    return fail("names a member twice");
  }
  static void add_member(Row& row, const Name& name, Field field) {
    field.name = name.raw;
    if (name.escaped) {
      std::string decoded;
      decode_json_string(name.raw, decoded);
      field.name = row.owned_names.emplace_back(std::move(decoded));
    }
    row.fields.push_back(field);
  }

  const char *begin_, *at_, *end_;
  const char* message_ = "";
  std::vector<Name>& names_;         // of all open objects
  int depth_ = 0;
};

}  // namespace

std::optional<RowFault> scan_json_object(std::string_view text, Row& row) {
  row.clear();
  Scanner scanner(text, row.open_names);
  if (scanner.scan_row(row)) return std::nullopt;
  row.clear();
  return scanner.fault();
}

void for_each_element(std::string_view valid_list, const std::function<void(const Field&)>& visit) {
  std::vector<Row::OpenName> names;
  Scanner(valid_list, names).scan_elements(visit);
}

std::string_view decode_json_string(std::string_view raw, std::string& scratch) {
  scratch.clear();
  for (size_t i = 0; i < raw.size();) {
    const size_t plain = std::min(raw.find('\\', i), raw.size());
    scratch += raw.substr(i, plain - i);
    if (plain == raw.size()) break;
    i = plain + 2;
    switch (raw[plain + 1]) {
      case 'b': scratch.push_back('\b'); break;
      case 'f': scratch.push_back('\f'); break;
      case 'n': scratch.push_back('\n'); break;
      case 'r': scratch.push_back('\r'); break;
      case 't': scratch.push_back('\t'); break;
      case 'u': {
        int point = hex4(raw.data() + i, raw.data() + raw.size());
        i += 4;
        if (is_high_surrogate(point)) {
          point = 0x10000 + ((point - 0xD800) << 10) + (hex4(raw.data() + i + 2, raw.data() + raw.size()) - 0xDC00);
          i += 6;
        }
        text::append_utf8(scratch, point);
        break;
      }
      default: scratch.push_back(raw[plain + 1]);
    }
  }
  return scratch;
}

}  // namespace llmops
