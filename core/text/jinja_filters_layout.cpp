// Filters that lay text out: indent, centre, cut, count and wrap (jinja2/filters.py; Lib/textwrap.py).
#include <fmt/format.h>

#include <algorithm>

#include "core/text/codepoint.h"
#include "core/text/jinja_filters.h"

namespace llmops::jinja {

namespace {
bool is_word(int32_t c) { return c == '_' || text::is_letter(c) || text::is_numeric(c); }

}  // namespace

Result<Value> filter_indent(const Call& call) {
  LLMOPS_ASSIGN(const Value text, subject_text(call));
  LLMOPS_ASSIGN(const bool first, flag_argument(call, 1, false));
  LLMOPS_ASSIGN(const bool blank, flag_argument(call, 2, false));
  std::string indention(4, ' ');
  if (call[0] && call[0]->is(Kind::kString)) {
    indention = call[0]->str();
  } else {
    LLMOPS_ASSIGN(const int64_t width, integer_argument(call, 0, "width", 4));
    LLMOPS_CHECK(call.evaluator.fits(static_cast<size_t>(std::max<int64_t>(width, 0))));
    indention.assign(static_cast<size_t>(std::max<int64_t>(width, 0)), ' ');
  }
  const std::string all = std::string(text.str()) + "\n";   // so that a trailing line end keeps its empty last line
  std::string out = first ? indention : std::string();
  bool begins = true;
  for (const std::string_view line : split_lines(all)) {
    if (!begins) {
      out += '\n';
      if (blank || !line.empty()) out += indention;
    }
    begins = false;
    out += line;
    LLMOPS_CHECK(call.evaluator.fits(out.size()));
  }
  return call.evaluator.make_text(std::move(out), text.safe);
}

Result<Value> filter_truncate(const Call& call) {
  LLMOPS_ASSIGN(const Value text, subject_text(call));
  LLMOPS_ASSIGN(const int64_t length, integer_argument(call, 0, "length", 255));
  LLMOPS_ASSIGN(const bool cuts_words, flag_argument(call, 1, false));
  LLMOPS_ASSIGN(const std::string_view end, string_argument(call, 2, "end", "..."));
  LLMOPS_ASSIGN(const int64_t leeway, integer_argument(call, 3, "leeway", 5));
  const auto end_length = static_cast<int64_t>(text::count_code_points(end));
  if (length < end_length) return type_error(fmt::format("'truncate' needs a length of at least {}, not {}", end_length, length), "write a greater length, or a shorter end");
  if (leeway < 0) return type_error(fmt::format("'truncate' needs a leeway of at least 0, not {}", leeway), "write a leeway of 0 or more");
  const auto size = static_cast<int64_t>(text::count_code_points(text.str()));
  if (size - leeway <= length) return text;
  std::string_view kept = text.str().substr(0, text::offset_of(text.str(), static_cast<size_t>(length - end_length)));
  if (!cuts_words) kept = kept.substr(0, std::min(kept.rfind(' '), kept.size()));
  return call.evaluator.make_text(std::string(kept).append(end));
}

Result<Value> filter_center(const Call& call) {
  LLMOPS_ASSIGN(const Value text, subject_text(call));
  LLMOPS_ASSIGN(const int64_t width, integer_argument(call, 0, "width", 80));
  LLMOPS_ASSIGN(std::string out, center_text(call.evaluator, text.str(), width, " ", 0));
  return call.evaluator.make_text(std::move(out), text.safe);
}

Result<Value> filter_wordcount(const Call& call) {
  LLMOPS_ASSIGN(const Value text, subject_text(call));
  int64_t words = 0;
  bool inside = false;
  for (size_t offset = 0; offset < text.size;) {
    const text::CodePoint point = text::decode_at(text.str(), offset);
    const bool word = is_word(point.value);
    words += word && !inside ? 1 : 0;
    inside = word;
    offset += point.size;
  }
  return Value::of(words);
}

namespace {

// One line as code points, cut where textwrap cuts: runs of white space, words, the pieces of hyphenated words, and dashes
// of two or more hyphens between words.
class LineWrapper {
 public:
  LineWrapper(std::string_view line, int64_t width, bool breaks_words, bool breaks_hyphens)
      : line_(line), width_(static_cast<size_t>(width)), breaks_words_(breaks_words), breaks_hyphens_(breaks_hyphens) {
    for (size_t offset = 0; offset < line.size();) {
      const text::CodePoint point = text::decode_at(line, offset);
      offsets_.push_back(offset);
      points_.push_back(point.value);
      offset += point.size;
    }
    offsets_.push_back(line.size());
  }

  std::vector<std::string> run() {
    for (size_t begin = 0; begin < points_.size(); begin = ends_.back()) ends_.push_back(chunk_end(begin));
    std::vector<std::string> lines;
    size_t chunk = 0, begin = 0;   // what is left: from code point `begin` in chunk `chunk`
    while (chunk < ends_.size()) {
      if (!lines.empty() && all_space(begin, ends_[chunk])) begin = ends_[chunk++];
      const size_t start = begin;
      size_t last = begin;         // where the last piece of the line begins
      while (chunk < ends_.size() && ends_[chunk] - start <= width_) last = begin, begin = ends_[chunk++];
      if (chunk < ends_.size() && ends_[chunk] - begin > width_) {
        const size_t end = long_word_end(begin, ends_[chunk], begin - start);
        if (end > begin || breaks_words_) last = begin, begin = end;
        if (begin == ends_[chunk]) ++chunk;
      }
      const size_t end = all_space(last, begin) ? last : begin;
      if (end > start) lines.emplace_back(line_.substr(offsets_[start], offsets_[end] - offsets_[start]));
    }
    return lines;
  }

 private:
  bool at(size_t i, int32_t wanted) const { return i < points_.size() && points_[i] == wanted; }
  bool space(size_t i) const { return i < points_.size() && (points_[i] == ' ' || (points_[i] >= 9 && points_[i] <= 13)); }
  bool word(size_t i) const { return i < points_.size() && is_word(points_[i]); }
  bool letter(size_t i) const { return word(i) && !text::is_digit(points_[i]); }
  bool word_or_mark(size_t i) const {
    if (i >= points_.size() || points_[i] >= 0x80) return word(i);
    return word(i) || std::string_view("!\"'&.,?").find(static_cast<char>(points_[i])) != std::string_view::npos;
  }
  bool all_space(size_t begin, size_t end) const {
    return std::all_of(points_.data() + begin, points_.data() + end, text::is_python_space);
  }

  // The end of a dash of two or more hyphens at `i` with a word behind it, else i.
  size_t dash_end(size_t i) const {
    size_t end = i;
    while (at(end, '-')) ++end;
    return end - i >= 2 && word(end) ? end : i;
  }

  size_t chunk_end(size_t begin) const {
    size_t end = begin;
    if (space(begin)) {
      while (space(end)) ++end;
      return end;
    }
    if (!breaks_hyphens_) {
      while (end < points_.size() && !space(end)) ++end;
      return end;
    }
    if (begin > 0 && word_or_mark(begin - 1) && dash_end(begin) > begin) return dash_end(begin);
    for (end = begin + 1; end < points_.size() && !space(end); ++end) {
      // Behind a hyphen that follows two letters, or a letter, a hyphen and a letter, and goes on with letters.
      const bool hyphen = at(end, '-') && end >= 2 && letter(end - 1) && (letter(end - 2) || (at(end - 2, '-') && end >= 3 && letter(end - 3)));
      const bool goes_on = letter(end + 1) && (letter(end + 2) || (at(end + 2, '-') && letter(end + 3)));
      if (hyphen && goes_on) return end + 1;
      if (word_or_mark(end - 1) && dash_end(end) > end) return end;
    }
    return end;
  }

  // Where a chunk that is longer than a line is cut, `used` code points of the line being taken; `begin` when it isn't.
  size_t long_word_end(size_t begin, size_t chunk_stop, size_t used) const {
    if (!breaks_words_) return used == 0 ? chunk_stop : begin;
    const size_t end = begin + (width_ - used);
    if (!breaks_hyphens_ || chunk_stop - begin <= width_ - used) return end;
    for (size_t i = end; i-- > begin + 1;) {
      if (!at(i, '-')) continue;
      for (size_t k = begin; k < i; ++k) if (!at(k, '-')) return i + 1;
      break;
    }
    return end;
  }

  std::string_view line_;
  size_t width_;
  bool breaks_words_, breaks_hyphens_;
  std::vector<size_t> offsets_;
  std::vector<int32_t> points_;
  std::vector<size_t> ends_;   // of the chunks
};

}  // namespace

Result<Value> filter_wordwrap(const Call& call) {
  LLMOPS_ASSIGN(const Value text, subject_text(call));
  LLMOPS_ASSIGN(const int64_t width, integer_argument(call, 0, "width", 79));
  LLMOPS_ASSIGN(const bool breaks_words, flag_argument(call, 1, true));
  LLMOPS_ASSIGN(const std::string_view between, string_argument(call, 2, "wrapstring", "\n"));
  LLMOPS_ASSIGN(const bool breaks_hyphens, flag_argument(call, 3, true));
  if (width < 1) return type_error(fmt::format("'wordwrap' needs a width of at least 1, not {}", width), "write a width of 1 or more");
  LLMOPS_CHECK(call.evaluator.charge(text.size / 8));
  std::string out;
  bool is_first = true;
  for (const std::string_view line : split_lines(text.str())) {
    if (!is_first) out += between;
    is_first = false;
    const std::vector<std::string> pieces = LineWrapper(line, width, breaks_words, breaks_hyphens).run();
    for (size_t i = 0; i < pieces.size(); ++i) {
      if (i > 0) out += between;
      out += pieces[i];
      LLMOPS_CHECK(call.evaluator.fits(out.size()));
    }
  }
  return call.evaluator.make_text(std::move(out));
}

}  // namespace llmops::jinja
