// Passages of a document. Everything works on spans of words, so that a passage is a piece of the text as it stands:
// headings first divide the words into sections (CommonMark 0.31, 4.2 ATX headings and 4.5 fenced code blocks), sentences
// into runs that stay together, and both are then packed up to the size.
#include "core/text/chunk.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/text/codepoint.h"

namespace llmops {

namespace {

struct Span { size_t begin = 0, end = 0; };   // bytes of the text for a word; indices of words for a section

std::vector<Span> words_of(std::string_view text) {
  std::vector<Span> words;
  bool inside = false;
  for (size_t offset = 0; offset < text.size();) {
    const text::CodePoint point = text::decode_at(text, offset);
    const bool space = text::is_white_space(point.value);
    if (!space && !inside) words.push_back({offset, offset});
    offset += point.size;
    if (!space) words.back().end = offset;
    inside = !space;
  }
  return words;
}

// The run of `mark` that opens or closes a code fence (at least 3, indented by at most 3 spaces), or 0.
size_t fence_length(std::string_view line, char& mark) {
  const size_t start = line.find_first_not_of(' ');
  if (start == std::string_view::npos || start > 3 || (line[start] != '`' && line[start] != '~')) return 0;
  mark = line[start];
  const size_t end = std::min(line.find_first_not_of(mark, start), line.size());
  return end - start >= 3 ? end - start : 0;
}

bool is_heading(std::string_view line) {
  const size_t start = line.find_first_not_of(' ');
  if (start == std::string_view::npos || start > 3 || line[start] != '#') return false;
  const size_t end = std::min(line.find_first_not_of('#', start), line.size());
  return end - start <= 6 && (end == line.size() || line[end] == ' ' || line[end] == '\t' || line[end] == '\r');
}

// Offsets at which a heading's line begins.
std::vector<size_t> heading_offsets(std::string_view text) {
  std::vector<size_t> offsets;
  char fence_mark = 0;
  size_t fence = 0;   // length of the open fence
  for (size_t start = 0; start < text.size();) {
    const size_t newline = std::min(text.find('\n', start), text.size());
    const std::string_view line = text.substr(start, newline - start);
    char mark = 0;
    const size_t length = fence_length(line, mark);
    if (fence == 0 && length > 0) fence = length, fence_mark = mark;
    else if (fence > 0 && length >= fence && mark == fence_mark) fence = 0;
    else if (fence == 0 && is_heading(line)) offsets.push_back(start);
    start = newline + 1;
  }
  return offsets;
}

std::vector<Span> sections_by_heading(std::string_view text, const std::vector<Span>& words) {
  std::vector<Span> sections;
  size_t begin = 0;
  for (const size_t offset : heading_offsets(text)) {
    const auto first = std::lower_bound(words.begin() + static_cast<std::ptrdiff_t>(begin), words.end(), offset,
                                        [](const Span& word, size_t at) { return word.begin < at; });
    const auto cut = static_cast<size_t>(first - words.begin());
    if (cut > begin) sections.push_back({begin, cut});
    begin = cut;
  }
  if (begin < words.size()) sections.push_back({begin, words.size()});
  return sections;
}

bool closes_sentence(int32_t c) {
  return c == '.' || c == '!' || c == '?' || c == 0x2026 || c == 0x3002 || c == 0xFF01 || c == 0xFF1F || c == 0x0964;
}
bool is_closer(int32_t c) {
  return c == '"' || c == '\'' || c == ')' || c == ']' || c == '*' || c == 0x201D || c == 0x2019 || c == 0xBB || c == 0x300D;
}

// A word ends a sentence by . ! ? (and closing quotes after it), unless it is an initial ("J.") or the next word goes on
// in lower case ("e.g. this"); a blank line ends one always.
bool ends_sentence(std::string_view text, const Span& word, const Span& next) {
  const std::string_view gap = text.substr(word.end, next.begin - word.end);
  if (std::count(gap.begin(), gap.end(), '\n') >= 2) return true;
  std::vector<int32_t> points;
  for (size_t offset = word.begin; offset < word.end;) {
    const text::CodePoint point = text::decode_at(text, offset);
    points.push_back(point.value);
    offset += point.size;
  }
  while (!points.empty() && is_closer(points.back())) points.pop_back();
  if (points.empty() || !closes_sentence(points.back())) return false;
  if (points.back() != '.') return true;
  if (points.size() == 2 && text::is_upper(points[0])) return false;
  return !text::is_lower(text::decode_at(text, next.begin).value);
}

std::vector<Span> sentences_of(std::string_view text, const std::vector<Span>& words) {
  std::vector<Span> sentences;
  size_t begin = 0;
  for (size_t i = 0; i + 1 < words.size(); ++i) {
    if (!ends_sentence(text, words[i], words[i + 1])) continue;
    sentences.push_back({begin, i + 1});
    begin = i + 1;
  }
  if (begin < words.size()) sentences.push_back({begin, words.size()});
  return sentences;
}

void cut_by_size(const Span& section, size_t size, size_t overlap, std::vector<Span>& out) {
  for (size_t begin = section.begin; begin < section.end; begin += size - overlap) {
    const size_t end = std::min(begin + size, section.end);
    out.push_back({begin, end});
    if (end == section.end) break;
  }
}

std::vector<Span> pack_sentences(const std::vector<Span>& sentences, size_t size, size_t overlap) {
  std::vector<Span> out;
  size_t first = 0;
  while (first < sentences.size()) {
    const size_t begin = sentences[first].begin;
    if (sentences[first].end - begin > size) {
      cut_by_size(sentences[first++], size, overlap, out);
      continue;
    }
    size_t last = first;
    while (last + 1 < sentences.size() && sentences[last + 1].end - begin <= size) ++last;
    const size_t end = sentences[last].end;
    out.push_back({begin, end});
    size_t next = last + 1;
    // Whole sentences of the overlap come again, but never so many that the sentence after them would not fit.
    const bool more = next < sentences.size();
    while (more && next - 1 > first && end - sentences[next - 1].begin <= overlap &&
           sentences[last + 1].end - sentences[next - 1].begin <= size) {
      --next;
    }
    first = next;
  }
  return out;
}

}  // namespace

std::vector<Passage> chunk_document(std::string_view path, std::string_view text, const std::optional<ChunkOptions>& options) {
  const std::vector<Span> words = words_of(text);
  std::vector<Span> pieces;
  if (!options) {
    if (!words.empty()) pieces.push_back({0, words.size()});
  } else {
    const auto size = static_cast<size_t>(std::max(options->size_words, 1));
    const size_t overlap = std::min(static_cast<size_t>(std::max(options->overlap_words, 0)), size - 1);
    switch (options->by) {
      case ChunkBy::kSize: cut_by_size({0, words.size()}, size, overlap, pieces); break;
      case ChunkBy::kHeading:
        for (const Span& section : sections_by_heading(text, words)) cut_by_size(section, size, overlap, pieces);
        break;
      case ChunkBy::kSentence: pieces = pack_sentences(sentences_of(text, words), size, overlap); break;
    }
  }
  std::vector<Passage> passages;
  for (const Span& piece : pieces) {
    const size_t begin = words[piece.begin].begin;
    const size_t end = words[piece.end - 1].end;
    passages.push_back({fmt::format("{}#{}", path, passages.size() + 1), std::string(text.substr(begin, end - begin)),
                        std::string(path)});
  }
  return passages;
}

}  // namespace llmops
