// Decoding and case of single code points (The Unicode Standard, chapters 3.9, 3.13 and 4.2), by utf8proc. Simple case
// mappings are utf8proc's; the unconditional ones of SpecialCasing.txt that change the length are the table below.
#include "core/text/codepoint.h"

#include <utf8proc.h>

namespace llmops::text {

namespace {

struct UpperRow { int32_t from; const char* to; };
constexpr UpperRow kLongUpper[] = {
    {0xDF, "SS"}, {0x149, "\xCA\xBCN"}, {0x1F0, "J\xCC\x8C"}, {0x587, "\xD4\xB5\xD5\x92"},
    {0xFB00, "FF"}, {0xFB01, "FI"}, {0xFB02, "FL"}, {0xFB03, "FFI"}, {0xFB04, "FFL"}, {0xFB05, "ST"}, {0xFB06, "ST"}};
constexpr int32_t kSigma = 0x3A3, kFinalSigma = 0x3C2, kDottedI = 0x130;

bool is_cased(int32_t c) { return is_upper(c) || is_lower(c) || utf8proc_category(c) == UTF8PROC_CATEGORY_LT; }

void append_upper(std::string& out, int32_t c, bool title) {
  if (c < 0x80) {
    out.push_back(c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : static_cast<char>(c));
    return;
  }
  for (const UpperRow& row : kLongUpper) {
    if (row.from != c) continue;
    const std::string_view mapped = row.to;
    if (!title) { out += mapped; return; }
    const CodePoint head = decode_at(mapped, 0);
    out += mapped.substr(0, head.size);
    out += to_lower(mapped.substr(head.size));
    return;
  }
  append_utf8(out, title ? utf8proc_totitle(c) : utf8proc_toupper(c));
}

// Σ is ς at the end of a word: a cased letter before it and none after (Final_Sigma, without case-ignorable marks).
bool ends_word(std::string_view text, size_t offset, size_t next, int32_t previous) {
  if (offset == 0 || !is_cased(previous)) return false;
  return next >= text.size() || !is_cased(decode_at(text, next).value);
}

void append_lower(std::string& out, std::string_view text, size_t offset, const CodePoint& point, int32_t previous) {
  const int32_t c = point.value;
  if (c < 0x80) {
    out.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : static_cast<char>(c));
  } else if (c == kSigma && ends_word(text, offset, offset + point.size, previous)) {
    append_utf8(out, kFinalSigma);
  } else if (c == kDottedI) {
    out += "i\xCC\x87";
  } else {
    append_utf8(out, utf8proc_tolower(c));
  }
}

}  // namespace

CodePoint decode_at(std::string_view text, size_t offset) {
  const auto first = static_cast<unsigned char>(text[offset]);
  if (first < 0x80) return {first, 1, true};
  const std::string_view rest = text.substr(offset, 4);
  utf8proc_uint8_t bytes[4] = {};
  for (size_t i = 0; i < rest.size(); ++i) bytes[i] = static_cast<utf8proc_uint8_t>(rest[i]);
  utf8proc_int32_t value = 0;
  const utf8proc_ssize_t size = utf8proc_iterate(bytes, static_cast<utf8proc_ssize_t>(rest.size()), &value);
  if (size <= 0) return {0xFFFD, 1, false};
  return {value, static_cast<uint32_t>(size), true};
}

CodePoint decode_before(std::string_view text, size_t end) {
  size_t start = end - 1;
  while (start > 0 && end - start < 4 && (static_cast<unsigned char>(text[start]) & 0xC0) == 0x80) --start;
  const CodePoint point = decode_at(text.substr(0, end), start);
  return point.valid && start + point.size == end ? point : CodePoint{0xFFFD, 1, false};
}

void append_utf8(std::string& out, int32_t code_point) {
  const bool writable = code_point >= 0 && code_point <= 0x10FFFF && (code_point < 0xD800 || code_point > 0xDFFF);
  utf8proc_uint8_t bytes[4];
  const utf8proc_ssize_t size = utf8proc_encode_char(writable ? code_point : 0xFFFD, bytes);
  for (utf8proc_ssize_t i = 0; i < size; ++i) out.push_back(static_cast<char>(bytes[i]));
}

size_t count_code_points(std::string_view text) {
  size_t count = 0;
  for (size_t offset = 0; offset < text.size(); ++count) offset += decode_at(text, offset).size;
  return count;
}

size_t offset_of(std::string_view text, size_t index) {
  size_t offset = 0;
  for (; index > 0 && offset < text.size(); --index) offset += decode_at(text, offset).size;
  return offset;
}

bool is_white_space(int32_t c) {
  return c == ' ' || (c >= 0x09 && c <= 0x0D) || c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) ||
         c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

bool is_python_space(int32_t c) { return is_white_space(c) || (c >= 0x1C && c <= 0x1F); }

bool is_letter(int32_t c) {
  const utf8proc_category_t category = utf8proc_category(c);
  return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO;
}

bool is_mark(int32_t c) {
  const utf8proc_category_t category = utf8proc_category(c);
  return category >= UTF8PROC_CATEGORY_MN && category <= UTF8PROC_CATEGORY_ME;
}

bool is_digit(int32_t c) { return utf8proc_category(c) == UTF8PROC_CATEGORY_ND; }

bool is_punctuation(int32_t code_point) {
  const auto category = utf8proc_category(code_point);
  return category >= UTF8PROC_CATEGORY_PC && category <= UTF8PROC_CATEGORY_PO;
}

bool is_numeric(int32_t c) {
  const utf8proc_category_t category = utf8proc_category(c);
  return category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO;
}

bool is_upper(int32_t c) { return utf8proc_category(c) == UTF8PROC_CATEGORY_LU; }
bool is_lower(int32_t c) { return utf8proc_category(c) == UTF8PROC_CATEGORY_LL; }

bool is_printable(int32_t c) {
  if (c == ' ') return true;
  switch (utf8proc_category(c)) {
    case UTF8PROC_CATEGORY_CN: case UTF8PROC_CATEGORY_CC: case UTF8PROC_CATEGORY_CF: case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO: case UTF8PROC_CATEGORY_ZS: case UTF8PROC_CATEGORY_ZL: case UTF8PROC_CATEGORY_ZP:
      return false;
    default:
      return true;
  }
}

std::string to_upper(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t offset = 0; offset < text.size();) {
    const CodePoint point = decode_at(text, offset);
    append_upper(out, point.value, false);
    offset += point.size;
  }
  return out;
}

std::string to_lower(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  int32_t previous = 0;
  for (size_t offset = 0; offset < text.size();) {
    const CodePoint point = decode_at(text, offset);
    append_lower(out, text, offset, point, previous);
    previous = point.value;
    offset += point.size;
  }
  return out;
}

std::string capitalize(std::string_view text) {
  if (text.empty()) return {};
  std::string out;
  const CodePoint head = decode_at(text, 0);
  append_upper(out, head.value, true);
  return out + to_lower(text.substr(head.size));
}

std::string to_title(std::string_view text) {
  std::string out;
  int32_t previous = 0;
  for (size_t offset = 0; offset < text.size();) {
    const CodePoint point = decode_at(text, offset);
    if (is_cased(previous)) append_lower(out, text, offset, point, previous);
    else append_upper(out, point.value, true);
    previous = point.value;
    offset += point.size;
  }
  return out;
}

std::string replace_all(std::string_view text, std::string_view from, std::string_view to) {
  if (from.empty()) return std::string(text);
  std::string out;
  size_t done = 0;
  for (size_t at = text.find(from); at != std::string_view::npos; at = text.find(from, done)) {
    out.append(text, done, at - done).append(to);
    done = at + from.size();
  }
  return out.append(text, done);
}

std::string_view strip_left(std::string_view text) {
  while (!text.empty()) {
    const CodePoint point = decode_at(text, 0);
    if (!is_python_space(point.value)) break;
    text.remove_prefix(point.size);
  }
  return text;
}

std::string_view strip_right(std::string_view text) {
  while (!text.empty()) {
    const CodePoint point = decode_before(text, text.size());
    if (!is_python_space(point.value)) break;
    text.remove_suffix(point.size);
  }
  return text;
}

}  // namespace llmops::text
