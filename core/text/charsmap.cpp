// A unit of the double array holds, from the lowest bit: the label (8), whether a value hangs below (1), the scale of the offset (1) and
// the offset; a value has the highest bit set.
#include "core/text/charsmap.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstring>

#include "core/text/codepoint.h"

namespace llmops::text {
namespace {

uint32_t offset_of_unit(uint32_t unit) { return (unit >> 10) << ((unit & (1U << 9)) >> 6); }
uint32_t label_of_unit(uint32_t unit) { return unit & ((1U << 31) | 0xFF); }

}  // namespace

std::optional<Charsmap> Charsmap::parse(std::string_view bytes) {
  uint32_t size = 0;
  if (bytes.size() < sizeof size) return std::nullopt;
  std::memcpy(&size, bytes.data(), sizeof size);
  bytes.remove_prefix(sizeof size);
  if (size == 0 || size % 4 != 0 || size > bytes.size()) return std::nullopt;
  Charsmap made;
  made.units_.resize(size / 4);
  std::memcpy(made.units_.data(), bytes.data(), size);
  made.replacements_ = bytes.substr(size);
  if (!made.replacements_.empty() && made.replacements_.back() != '\0') return std::nullopt;
  for (size_t at = 0; at < made.replacements_.size();) {
    const size_t end = made.replacements_.find('\0', at);
    made.longest_ = std::max(made.longest_, end - at);
    at = end + 1;
  }
  return made;
}

std::optional<std::string_view> Charsmap::match(std::string_view text, bool longest, size_t& size) const {
  std::optional<std::string_view> found;
  uint32_t node = offset_of_unit(units_[0]);
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    node ^= byte;
    if (byte == 0 || node >= units_.size() || label_of_unit(units_[node]) != byte) break;
    const uint32_t unit = units_[node];
    node ^= offset_of_unit(unit);
    if ((unit >> 8 & 1) == 0) continue;
    if (node >= units_.size()) break;
    const uint32_t value = units_[node] & ((1U << 31) - 1);
    if (value >= replacements_.size()) break;
    found = std::string_view(replacements_).substr(value, replacements_.find('\0', value) - value);
    size = i + 1;
    if (!longest) break;
  }
  return found;
}

std::string Charsmap::longest_matches(std::string_view text) const {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    size_t size = 0;
    // A key is a few characters long; a damaged map could hold a cycle.
    if (const auto found = match(text.substr(at, 64), true, size)) {
      out += *found;
      at += size;
      continue;
    }
    const CodePoint point = decode_at(text, at);
    if (point.valid) out += text.substr(at, point.size);
    else append_utf8(out, 0xFFFD);
    at += point.size;
  }
  return out;
}

void Charsmap::append_mapped(std::string& out, std::string_view grapheme) const {
  constexpr size_t kLongestGrapheme = 6;
  size_t size = 0;
  if (grapheme.size() < kLongestGrapheme) {
    if (const auto found = match(grapheme, false, size)) {
      out += *found;
      return;
    }
  }
  for (size_t at = 0; at < grapheme.size();) {
    const std::string_view character = grapheme.substr(at, decode_at(grapheme, at).size);
    out += match(character, false, size).value_or(character);
    at += character.size();
  }
}

std::string Charsmap::by_grapheme(std::string_view text) const {
  std::string out;
  out.reserve(text.size());
  size_t start = 0;
  int32_t before = 0;
  utf8proc_int32_t state = 0;
  for (size_t at = 0; at < text.size();) {
    const CodePoint point = decode_at(text, at);
    if (at > 0 && utf8proc_grapheme_break_stateful(before, point.value, &state)) {
      append_mapped(out, text.substr(start, at - start));
      start = at;
    }
    before = point.value;
    at += point.size;
  }
  append_mapped(out, text.substr(start));
  return out;
}

}  // namespace llmops::text
