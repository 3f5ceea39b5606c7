#include "core/base/json_cursor.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "core/base/json_bytes.h"

namespace llmops {
namespace {

constexpr size_t kFewNames = 16;             // so many are compared with each other as they come

// Four hexadecimal digits; -1: they are none.
int unit_at(const char* at, const char* end) {
  if (end - at < 4) return -1;
  int unit = 0;
  const auto [stop, failed] = std::from_chars(at, at + 4, unit, 16);
  return failed == std::errc() && stop == at + 4 && *at != '-' ? unit : -1;
}

void append_point(std::string& out, uint32_t point) {
  const auto put = [&](uint32_t byte) { out += static_cast<char>(byte); };
  if (point < 0x80) return put(point);
  if (point < 0x800) return put(0xC0 | point >> 6), put(0x80 | (point & 0x3F));
  if (point < 0x10000) return put(0xE0 | point >> 12), put(0x80 | (point >> 6 & 0x3F)), put(0x80 | (point & 0x3F));
  put(0xF0 | point >> 18), put(0x80 | (point >> 12 & 0x3F)), put(0x80 | (point >> 6 & 0x3F)), put(0x80 | (point & 0x3F));
}

}  // namespace

char JsonCursor::peek() {
  while (at_ < end_ && (*at_ == ' ' || *at_ == '\t' || *at_ == '\n' || *at_ == '\r')) ++at_;
  return at_ < end_ ? *at_ : '\0';
}

bool JsonCursor::at_end() { return peek() == '\0' && at_ == end_; }

bool JsonCursor::open(char bracket) {
  if (peek() != bracket || depth_ >= max_depth_) return false;
  ++at_;
  ++depth_;
  return true;
}

// Moves `stop` to the next quote or backslash of a string. False: bytes that may not stand in one.
bool JsonCursor::plain_run(const char*& stop) {
  while (true) {
    stop = json_plain_end(stop, end_);
    if (stop == end_) return false;
    const auto byte = static_cast<unsigned char>(*stop);
    if (byte == '"' || byte == '\\') return true;
    if (byte < 0x20) return false;
    const size_t size = utf8_sequence_size(stop, end_);
    if (size == 0) return false;
    stop += size;
  }
}

// A backslash stands at the cursor.
bool JsonCursor::decode_escape(std::string& out) {
  if (end_ - at_ < 2) return false;
  const char kind = at_[1];
  at_ += 2;
  switch (kind) {
    case '"': case '\\': case '/': out += kind; return true;
    case 'b': out += '\b'; return true;
    case 'f': out += '\f'; return true;
    case 'n': out += '\n'; return true;
    case 'r': out += '\r'; return true;
    case 't': out += '\t'; return true;
    case 'u': break;
    default: return false;
  }
  const int first = unit_at(at_, end_);
  if (first < 0 || (first >= 0xDC00 && first < 0xE000)) return false;
  at_ += 4;
  if (first < 0xD800 || first >= 0xE000) return append_point(out, static_cast<uint32_t>(first)), true;
  if (end_ - at_ < 2 || at_[0] != '\\' || at_[1] != 'u') return false;
  const int second = unit_at(at_ + 2, end_);
  if (second < 0xDC00 || second >= 0xE000) return false;
  at_ += 6;
  append_point(out, 0x10000 + ((static_cast<uint32_t>(first) - 0xD800) << 10) + (static_cast<uint32_t>(second) - 0xDC00));
  return true;
}

bool JsonCursor::string(std::string& out) {
  if (peek() != '"') return false;
  ++at_;
  const char* stop = at_;
  if (!plain_run(stop)) return false;
  out.assign(at_, stop);
  at_ = stop;
  while (*at_ == '\\') {
    if (!decode_escape(out)) return false;
    stop = at_;
    if (!plain_run(stop)) return false;
    out.append(at_, stop);
    at_ = stop;
  }
  ++at_;
  return true;
}

// With its colon.
bool JsonCursor::member_name(size_t first, std::string_view& name) {
  if (peek() != '"') return false;
  const char* stop = ++at_;
  if (!plain_run(stop) || *stop != '"') return false;
  name = std::string_view(at_, static_cast<size_t>(stop - at_));
  at_ = stop + 1;
  if (names_.size() - first < kFewNames && std::find(names_.begin() + static_cast<std::ptrdiff_t>(first), names_.end(), name) != names_.end()) return false;
  names_.push_back(name);
  if (peek() != ':') return false;
  ++at_;
  return true;
}

bool JsonCursor::are_distinct(size_t first) const {
  if (names_.size() - first <= kFewNames) return true;
  std::vector<std::string_view> sorted(names_.begin() + static_cast<std::ptrdiff_t>(first), names_.end());
  std::sort(sorted.begin(), sorted.end());
  return std::adjacent_find(sorted.begin(), sorted.end()) == sorted.end();
}

bool JsonCursor::number(Json& out) {
  const char* stop = at_;
  const auto digits = [&] {
    const char* from = stop;
    while (stop < end_ && *stop >= '0' && *stop <= '9') ++stop;
    return stop > from;
  };
  const bool is_negative = *stop == '-';
  stop += is_negative;
  const char* from = stop;
  if (!digits() || (*from == '0' && stop - from > 1)) return false;
  bool is_whole = true;
  if (stop < end_ && *stop == '.') {
    is_whole = false;
    ++stop;
    if (!digits()) return false;
  }
  if (stop < end_ && (*stop == 'e' || *stop == 'E')) {
    is_whole = false;
    ++stop;
    if (stop < end_ && (*stop == '+' || *stop == '-')) ++stop;
    if (!digits()) return false;
  }
  const auto parse = [&](auto number) {
    if (std::from_chars(at_, stop, number).ec != std::errc()) return false;
    out = number;
    return true;
  };
  const bool fits = !is_whole ? parse(double{}) : is_negative ? parse(int64_t{}) : parse(uint64_t{});
  at_ = stop;
  return fits;
}

bool JsonCursor::word(std::string_view expected) {
  if (static_cast<size_t>(end_ - at_) < expected.size() || std::memcmp(at_, expected.data(), expected.size()) != 0) return false;
  at_ += expected.size();
  return true;
}

bool JsonCursor::value(Json& out) {
  switch (peek()) {
    case '"': {
      out = Json::value_t::string;
      return string(out.get_ref<std::string&>());
    }
    case '{': {
      const size_t first = names_.size(), first_value = values_.size();
      const auto member = [&](std::string_view) {
        Json inner;
        if (!value(inner)) return false;
        values_.push_back(std::move(inner));
        return true;
      };
      if (!members(first, member)) return false;
      out = Json::value_t::object;
      auto& made = static_cast<std::vector<std::pair<const std::string, Json>>&>(out.get_ref<Json::object_t&>());
      made.reserve(names_.size() - first);
      for (size_t i = first; i < names_.size(); ++i) made.emplace_back(names_[i], std::move(values_[first_value + i - first]));
      names_.resize(first);
      values_.resize(first_value);
      return true;
    }
    case '[': {
      const size_t first = values_.size();
      const auto element = [&] {
        Json inner;
        if (!value(inner)) return false;
        values_.push_back(std::move(inner));
        return true;
      };
      if (!array(element)) return false;
      out = Json::value_t::array;
      out.get_ref<Json::array_t&>().assign(std::make_move_iterator(values_.begin() + static_cast<std::ptrdiff_t>(first)), std::make_move_iterator(values_.end()));
      values_.resize(first);
      return true;
    }
    case 't': out = true; return word("true");
    case 'f': out = false; return word("false");
    case 'n': out = nullptr; return word("null");
    case '\0': return false;
    default: return number(out);
  }
}

bool JsonCursor::skip() {
  switch (peek()) {
    case '"': {
      ++at_;
      std::string ignored;
      while (true) {
        const char* stop = at_;
        if (!plain_run(stop)) return false;
        at_ = stop;
        if (*at_ == '"') return ++at_, true;
        if (!decode_escape(ignored)) return false;
        ignored.clear();
      }
    }
    case '{': return object([&](std::string_view) { return skip(); });
    case '[': return array([&] { return skip(); });
    default: {
      Json ignored;
      return value(ignored);
    }
  }
}

}  // namespace llmops
