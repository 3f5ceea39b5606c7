// Words, case folding and display width of Unicode text: general categories and full case folding from utf8proc
// (The Unicode Standard, 3.13 and 4.5), white space from PropList.txt, wide characters from UAX #11.
#include "core/text/unicode.h"

#include <fmt/format.h>
#include <utf8proc.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <utility>

#include "core/text/codepoint.h"

namespace llmops {

namespace {

using text::append_utf8;
using text::CodePoint;
using text::decode_at;

struct FreeMapped { void operator()(utf8proc_uint8_t* bytes) const { std::free(bytes); } };

// Precondition: `valid` is valid UTF-8.
std::string map_text(std::string_view valid, utf8proc_option_t options) {
  utf8proc_uint8_t* mapped = nullptr;
  const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(valid.data());
  const utf8proc_ssize_t size = utf8proc_map(bytes, static_cast<utf8proc_ssize_t>(valid.size()), &mapped, options);
  const std::unique_ptr<utf8proc_uint8_t, FreeMapped> owner(mapped);
  if (size < 0) return std::string(valid);
  return std::string(mapped, mapped + size);
}

// Canonical ordering. utf8proc_map does it by swapping neighbours, whose time is the square of a run's length.
void sort_marks(std::vector<utf8proc_int32_t>& points) {
  std::vector<std::pair<int, utf8proc_int32_t>> run;   // combining class, character
  for (size_t at = 0; at < points.size();) {
    run.clear();
    for (size_t end = at; end < points.size(); ++end) {
      const int combining_class = utf8proc_get_property(points[end])->combining_class;
      if (combining_class == 0) break;
      run.emplace_back(combining_class, points[end]);
    }
    std::stable_sort(run.begin(), run.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    for (size_t i = 0; i < run.size(); ++i) points[at + i] = run[i].second;
    at += run.size() + 1;
  }
}

utf8proc_option_t options_of(NormalForm form) {
  const bool composes = form == NormalForm::kNfc || form == NormalForm::kNfkc, maps = form == NormalForm::kNfkc || form == NormalForm::kNfkd;
  return static_cast<utf8proc_option_t>(UTF8PROC_STABLE | (composes ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE) | (maps ? UTF8PROC_COMPAT : 0));
}

// Appends the form of a text whose first character starts something new, or begins the text.
void append_form(std::string& out, std::string_view text, utf8proc_option_t options) {
  constexpr utf8proc_ssize_t kLongest = 18;   // U+FDFA
  std::vector<utf8proc_int32_t> points;
  points.reserve(text.size() + 1);
  for (size_t at = 0; at < text.size();) {
    const CodePoint point = decode_at(text, at);
    utf8proc_int32_t parts[kLongest];
    const utf8proc_ssize_t count = utf8proc_decompose_char(point.value, parts, kLongest, options, nullptr);
    points.insert(points.end(), parts, parts + std::clamp<utf8proc_ssize_t>(count, 0, kLongest));
    at += point.size;
  }
  sort_marks(points);
  const utf8proc_ssize_t size = utf8proc_normalize_utf32(points.data(), static_cast<utf8proc_ssize_t>(points.size()), options);
  for (utf8proc_ssize_t i = 0; i < size; ++i) append_utf8(out, points[static_cast<size_t>(i)]);
}

bool is_ascii(std::string_view text) {
  for (const char c : text) if (static_cast<unsigned char>(c) >= 0x80) return false;
  return true;
}

struct Range { int32_t first, last; };
// Scripts.txt: Han, Hiragana, Katakana, Thai, and the marks that repeat or lengthen them.
constexpr Range kUndividedScripts[] = {
    {0x0E01, 0x0E3A}, {0x0E40, 0x0E4E}, {0x2E80, 0x2FD5}, {0x3005, 0x3007}, {0x3021, 0x3029}, {0x3031, 0x3035},
    {0x3038, 0x303C}, {0x3041, 0x309F}, {0x30A1, 0x30FA}, {0x30FC, 0x30FF}, {0x31F0, 0x31FF}, {0x3400, 0x4DBF},
    {0x4E00, 0x9FFF}, {0xF900, 0xFAD9}, {0xFF66, 0xFF9D}, {0x16FE2, 0x16FF1}, {0x1AFF0, 0x1B167}, {0x20000, 0x2FA1D},
    {0x30000, 0x323AF}};

bool is_undivided(int32_t c) {
  if (c < kUndividedScripts[0].first) return false;
  for (const Range& range : kUndividedScripts) if (c >= range.first && c <= range.last) return true;
  return false;
}

bool is_bidi_control(int32_t c) {
  return c == 0x061C || c == 0x200E || c == 0x200F || (c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069);
}

}  // namespace

bool is_valid_utf8(std::string_view text) {
  for (size_t offset = 0; offset < text.size();) {
    const CodePoint point = decode_at(text, offset);
    if (!point.valid) return false;
    offset += point.size;
  }
  return true;
}

std::string replace_invalid_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t offset = 0; offset < text.size();) {
    const CodePoint point = decode_at(text, offset);
    if (point.valid) out += text.substr(offset, point.size);
    else append_utf8(out, 0xFFFD);
    offset += point.size;
  }
  return out;
}

std::string fold_case(std::string_view text) {
  if (is_ascii(text)) return text::to_lower(text);
  return map_text(replace_invalid_utf8(text), UTF8PROC_CASEFOLD);
}

// ASCII characters start something new whatever stands before them, so that only the others, each run with the character before it, have
// to be looked at.
std::string to_normal_form(std::string_view text, NormalForm form) {
  std::string out;
  out.reserve(text.size() + text.size() / 8);
  const utf8proc_option_t options = options_of(form);
  const auto is_wide = [&](size_t at) { return static_cast<unsigned char>(text[at]) >= 0x80; };
  for (size_t at = 0; at < text.size();) {
    size_t wide = at;
    while (wide < text.size() && !is_wide(wide)) ++wide;
    if (wide == text.size()) return out += text.substr(at);
    const size_t start = wide > at ? wide - 1 : wide;
    out += text.substr(at, start - at);
    size_t end = wide;
    while (end < text.size() && is_wide(end)) ++end;
    append_form(out, text.substr(start, end - start), options);
    at = end;
  }
  return out;
}

std::string to_nfc(std::string_view text) { return to_normal_form(text, NormalForm::kNfc); }
bool is_nfc(std::string_view text) { return to_nfc(text) == text; }

std::string collapse_space(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  bool pending = false;
  for (size_t offset = 0; offset < text.size();) {
    const CodePoint point = decode_at(text, offset);
    if (text::is_white_space(point.value)) {
      pending = !out.empty();
    } else {
      if (pending) out.push_back(' ');
      pending = false;
      out += text.substr(offset, point.size);
    }
    offset += point.size;
  }
  return out;
}

std::string trim_space(std::string_view text) {
  size_t first = text.size(), last = 0;
  for (size_t offset = 0; offset < text.size();) {
    const CodePoint point = decode_at(text, offset);
    if (!text::is_white_space(point.value)) {
      if (first == text.size()) first = offset;
      last = offset + point.size;
    }
    offset += point.size;
  }
  return first < last ? std::string(text.substr(first, last - first)) : std::string();
}

std::vector<std::string> split_words(std::string_view text) {
  std::vector<std::string> words;
  size_t start = 0, end = 0;   // the word being read
  bool alone = false;          // it is one character of an undivided script: only marks may join it
  const auto finish = [&] {
    if (end > start) words.push_back(fold_case(text.substr(start, end - start)));
    start = end = 0;
    alone = false;
  };
  for (size_t offset = 0; offset < text.size();) {
    const CodePoint point = decode_at(text, offset);
    const size_t next = offset + point.size;
    const bool open = end > start;
    if (text::is_mark(point.value)) {
      if (open) end = next;   // a mark without a base (a variation selector after an emoji) is no word
    } else if (is_undivided(point.value)) {
      finish();
      start = offset, end = next, alone = true;
    } else if (text::is_letter(point.value) || text::is_digit(point.value)) {
      if (alone) finish();
      if (end == start) start = offset;
      end = next;
    } else {
      finish();
    }
    offset = next;
  }
  finish();
  return words;
}

int display_width(std::string_view text) {
  int width = 0;
  for (size_t offset = 0; offset < text.size();) {
    const CodePoint point = decode_at(text, offset);
    width += utf8proc_charwidth(point.value);
    offset += point.size;
  }
  return width;
}

std::string truncate_to_width(std::string_view text, int columns, bool unicode) {
  if (display_width(text) <= columns) return std::string(text);
  if (columns <= 0) return {};
  const std::string_view mark = unicode ? "\xE2\x80\xA6" : "...";
  const int mark_width = unicode ? 1 : 3;
  if (columns < mark_width) return std::string(mark.substr(0, static_cast<size_t>(columns)));
  int width = 0;
  size_t offset = 0;
  while (offset < text.size()) {
    const CodePoint point = decode_at(text, offset);
    const int step = utf8proc_charwidth(point.value);
    if (width + step > columns - mark_width) break;
    width += step;
    offset += point.size;
  }
  return std::string(text.substr(0, offset)).append(mark);
}

std::string escape_control(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t offset = 0; offset < text.size();) {
    const CodePoint point = decode_at(text, offset);
    const int32_t c = point.value;
    const bool control = (c < 0x20 && c != '\t' && c != '\n') || (c >= 0x7F && c <= 0x9F);
    if (control) out += fmt::format("\\x{:02x}", c);
    else if (is_bidi_control(c)) out += fmt::format("\\u{:04x}", c);
    else append_utf8(out, c);
    offset += point.size;
  }
  return out;
}

}  // namespace llmops
