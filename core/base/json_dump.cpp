// dump_json without a serializer: runs of plain text are copied whole. Numbers that are not whole, and texts that are no UTF-8, are the library's.
#include <charconv>
#include <utility>

#include "core/base/json.h"
#include "core/base/json_bytes.h"

namespace llmops {
namespace {

std::string by_library(const Json& value) { return value.dump(-1, ' ', false, Json::error_handler_t::replace); }

void append_number(std::string& out, auto number) {
  char digits[24];
  out.append(digits, std::to_chars(digits, digits + sizeof digits, number).ptr);
}

void append_escape(std::string& out, char c) {
  switch (c) {
    case '"': out += "\\\""; return;
    case '\\': out += "\\\\"; return;
    case '\b': out += "\\b"; return;
    case '\f': out += "\\f"; return;
    case '\n': out += "\\n"; return;
    case '\r': out += "\\r"; return;
    case '\t': out += "\\t"; return;
    default: out += "\\u00"; out += c < 0x10 ? '0' : '1'; out += "0123456789abcdef"[c & 0xF]; return;
  }
}

}  // namespace

void append_json_text(std::string& out, std::string_view text) {
  const size_t before = out.size();
  out += '"';
  const char *at = text.data(), *end = at + text.size();
  for (const char* from = at; true; from = at) {
    for (at = json_plain_end(at, end); at < end && static_cast<unsigned char>(*at) >= 0x80; at = json_plain_end(at, end)) {
      const size_t size = utf8_sequence_size(at, end);
      if (size == 0) {
        out.resize(before);
        out += by_library(text);
        return;
      }
      at += size;
    }
    out.append(from, at);
    if (at == end) break;
    append_escape(out, *at++);
  }
  out += '"';
}

void append_json(std::string& out, const Json& value) {
  switch (value.type()) {
    case Json::value_t::null: out += "null"; return;
    case Json::value_t::boolean: out += value.get<bool>() ? "true" : "false"; return;
    case Json::value_t::number_integer: append_number(out, value.get<int64_t>()); return;
    case Json::value_t::number_unsigned: append_number(out, value.get<uint64_t>()); return;
    case Json::value_t::string: append_json_text(out, value.get_ref<const std::string&>()); return;
    case Json::value_t::array: {
      char before = '[';
      for (const Json& one : value.get_ref<const Json::array_t&>()) {
        out += std::exchange(before, ',');
        append_json(out, one);
      }
      out += before == '[' ? "[]" : "]";
      return;
    }
    case Json::value_t::object: {
      char before = '{';
      for (const auto& [name, one] : value.get_ref<const Json::object_t&>()) {
        out += std::exchange(before, ',');
        append_json_text(out, name);
        out += ':';
        append_json(out, one);
      }
      out += before == '{' ? "{}" : "}";
      return;
    }
    default: out += by_library(value); return;
  }
}

std::string dump_json(const Json& value) {
  std::string out;
  append_json(out, value);
  return out;
}

}  // namespace llmops
