// What filters and methods of strings share: lines, stripping, replacing and padding, as Python's str does them.
#include <fmt/format.h>

#include <algorithm>

#include "core/text/codepoint.h"
#include "core/text/jinja_eval.h"

namespace llmops::jinja {

using text::CodePoint;
using text::decode_at;

std::vector<std::string_view> split_lines(std::string_view text, bool keepends) {
  std::vector<std::string_view> lines;
  size_t start = 0;
  for (size_t offset = 0; offset < text.size();) {
    const CodePoint point = decode_at(text, offset);
    const int32_t c = point.value;
    size_t next = offset + point.size;
    const bool ends = (c >= 0x0A && c <= 0x0D) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 || c == 0x2029;
    if (ends) {
      if (c == '\r' && next < text.size() && text[next] == '\n') ++next;
      lines.push_back(text.substr(start, (keepends ? next : offset) - start));
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
  LLMOPS_CHECK(evaluator.charge_search(text, from));
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
