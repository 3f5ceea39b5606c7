// https://huggingface.co/docs/tokenizers/api/normalizers; what BertNormalizer calls Chinese are the CJK blocks of BERT's tokenization.py
// with the first bound of Extension E as tokenizers has it. SentencePiece's spaces: normalizer.cc there.
#include "core/text/token_normalizer.h"

#include <fmt/format.h>
#include <utf8proc.h>

#include <algorithm>

#include "core/text/codepoint.h"
#include "core/text/unicode.h"

namespace llmops::text {
namespace {

bool is_ascii(std::string_view text) {
  for (const char c : text) if (static_cast<unsigned char>(c) >= 0x80) return false;
  return true;
}

template <class Each>
std::string by_character(std::string_view text, Each&& each) {
  std::string out;
  out.reserve(text.size() + text.size() / 8);
  for (size_t at = 0; at < text.size();) {
    const auto first = static_cast<unsigned char>(text[at]);
    const CodePoint point = first < 0x80 ? CodePoint{first, 1, true} : decode_at(text, at);
    each(out, point.value, text.substr(at, point.size));
    at += point.size;
  }
  return out;
}

// Character by character, without the rule for the final sigma.
std::string lower(std::string_view text) {
  return by_character(text, [](std::string& out, int32_t c, std::string_view as_is) {
    if (c < 0x80) out.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : as_is[0]);
    else if (c == 0x130) out += "i\xCC\x87";
    else append_utf8(out, utf8proc_tolower(c));
  });
}

bool is_control(int32_t c) {
  if (c == '\t' || c == '\n' || c == '\r') return false;
  const auto category = utf8proc_category(c);
  return category == UTF8PROC_CATEGORY_CC || category == UTF8PROC_CATEGORY_CF || category == UTF8PROC_CATEGORY_CO || category == UTF8PROC_CATEGORY_CS;
}

bool is_chinese(int32_t c) {
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x20000 && c <= 0x2A6DF) || (c >= 0x2A700 && c <= 0x2B73F) || (c >= 0x2B740 && c <= 0x2B81F) ||
         (c >= 0x2B920 && c <= 0x2CEAF) || (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

std::string clean(std::string_view text) {
  return by_character(text, [](std::string& out, int32_t c, std::string_view as_is) {
    if (c >= ' ' && c < 0x7F) return out.push_back(as_is[0]);
    if (c == 0 || c == 0xFFFD || is_control(c)) return;
    if (is_white_space(c)) out.push_back(' ');
    else out += as_is;
  });
}

std::string space_chinese(std::string_view text) {
  return by_character(text, [](std::string& out, int32_t c, std::string_view as_is) {
    if (c < 0x80) out.push_back(as_is[0]);
    else if (is_chinese(c)) out.append(" ").append(as_is).append(" ");
    else out += as_is;
  });
}

std::string strip_marks(std::string_view text, bool all) {
  return by_character(text, [&](std::string& out, int32_t c, std::string_view as_is) {
    if (c < 0x80) out.push_back(as_is[0]);
    else if (all ? !is_mark(c) : utf8proc_category(c) != UTF8PROC_CATEGORY_MN) out += as_is;
  });
}

// https://github.com/google/sentencepiece/blob/master/src/builder.cc, "nmt_nfkc": controls go, odd spaces become spaces.
std::string nmt(std::string_view text) {
  return by_character(text, [](std::string& out, int32_t c, std::string_view as_is) {
    const bool dropped = (c >= 1 && c <= 8) || c == 0xB || (c >= 0xE && c <= 0x1F) || c == 0x7F || c == 0x8F || c == 0x9F;
    const bool space = c == 9 || c == 0xA || c == 0xC || c == 0xD || c == 0x1680 || (c >= 0x200B && c <= 0x200F) || c == 0x2028 || c == 0x2029 || c == 0x2581 || c == 0xFEFF || c == 0xFFFD;
    if (space) out.push_back(' ');
    else if (!dropped) out += as_is;
  });
}

std::string replace_pattern(std::string_view text, const TokenPattern& pattern, const std::string& content) {
  std::string out;
  size_t from = 0;
  for (size_t begin = 0, end = 0; pattern.find(text, from, begin, end); from = end) {
    out += text.substr(from, begin - from);
    out += content;
  }
  return out += text.substr(from);
}

std::string strip(std::string_view text, bool left, bool right) {
  while (left && !text.empty() && is_white_space(decode_at(text, 0).value)) text.remove_prefix(decode_at(text, 0).size);
  while (right && !text.empty()) {
    const CodePoint point = decode_before(text, text.size());
    if (!is_white_space(point.value)) break;
    text.remove_suffix(point.size);
  }
  return std::string(text);
}

std::string sentence_spaces(const NormalizeStep& step, std::string_view text, bool first) {
  std::string out;
  if (step.squeeze) {
    while (text.starts_with(' ')) text.remove_prefix(1);
    while (text.ends_with(' ')) text.remove_suffix(1);
  }
  if (text.empty()) return out;
  out.reserve(text.size() + text.size() / 3 + kSpaceMark.size());
  if (step.prefix && (first || !step.once)) out += kSpaceMark;
  for (size_t at = 0; at < text.size();) {
    const size_t space = std::min(text.find(' ', at), text.size());
    out += text.substr(at, space - at);
    if (space == text.size()) break;
    out += kSpaceMark;
    at = space + 1;
    while (step.squeeze && at < text.size() && text[at] == ' ') ++at;
  }
  while (step.squeeze && out.ends_with(kSpaceMark)) out.erase(out.size() - kSpaceMark.size());   // also those that the text itself ends in
  if (step.suffix) out += kSpaceMark;
  return out;
}

// At most so many bytes does a step make of each: steps that grow a text multiply. Those of the normal forms are
// https://unicode.org/faq/normalization.html's; a map's keys and what an expression matches are of one byte at least.
double growth_of(const NormalizeStep& step, const Charsmap& map) {
  const auto replaced = [](size_t from, size_t to) { return std::max(1.0, static_cast<double>(to) / static_cast<double>(std::max<size_t>(1, from))); };
  switch (step.kind) {
    case NormalizeKind::kNfc: case NormalizeKind::kNfd: return 3;
    case NormalizeKind::kNfkc: case NormalizeKind::kNfkd: return 11;
    case NormalizeKind::kLowercase: return 1.5;
    case NormalizeKind::kSpaceChinese: return 5.0 / 3;
    case NormalizeKind::kReplace: return step.pattern.empty() ? 1 : replaced(step.pattern.size(), step.content.size());
    case NormalizeKind::kReplacePattern: return replaced(1, step.content.size());
    case NormalizeKind::kPrepend: return 1 + static_cast<double>(step.content.size());
    case NormalizeKind::kCharsmap: return replaced(1, map.longest_replacement());
    case NormalizeKind::kSentenceSpaces: return static_cast<double>(kSpaceMark.size());
    default: return 1;
  }
}

}  // namespace

Result<TokenNormalizer> TokenNormalizer::make(const Vocabulary& vocabulary, const std::string& name) {
  TokenNormalizer made;
  double growth = 1;
  for (const NormalizeStep& step : vocabulary.normalize) {
    Step one{.made = step, .pattern = {}, .map = {}};
    if (step.kind == NormalizeKind::kReplacePattern) {
      LLMOPS_ASSIGN(one.pattern, TokenPattern::make(step.pattern, name));
    }
    if (step.kind == NormalizeKind::kCharsmap) {
      std::optional<Charsmap> map = Charsmap::parse(step.content);
      if (!map) return Error(ErrorCode::kData, fmt::format("'{}' has a damaged precompiled_charsmap of {} bytes", name, step.content.size()));
      one.map = std::move(*map);
      one.made.content.clear();
    }
    growth *= growth_of(step, one.map);
    if (growth > kMostTextGrowth) return Error(ErrorCode::kData, fmt::format("'{}' has normalizers that could make a text more than {} times as long", name, kMostTextGrowth));
    made.needs_valid_ = made.needs_valid_ || step.kind != NormalizeKind::kSentenceSpaces;
    made.steps_.push_back(std::move(one));
  }
  return made;
}

std::string TokenNormalizer::apply(std::string_view text, bool first) const {
  std::string out;
  std::string_view form = text;
  if (needs_valid_ && !is_ascii(text) && !is_valid_utf8(text)) form = out = replace_invalid_utf8(text);
  for (const Step& step : steps_) form = out = apply_step(step, form, first);
  return steps_.empty() ? std::string(form) : out;
}

std::string TokenNormalizer::apply_step(const Step& step, std::string_view text, bool first) {
  const NormalizeStep& made = step.made;
  switch (made.kind) {
    case NormalizeKind::kNfc: return to_normal_form(text, NormalForm::kNfc);
    case NormalizeKind::kNfd: return to_normal_form(text, NormalForm::kNfd);
    case NormalizeKind::kNfkc: return to_normal_form(text, NormalForm::kNfkc);
    case NormalizeKind::kNfkd: return to_normal_form(text, NormalForm::kNfkd);
    case NormalizeKind::kLowercase: return lower(text);
    case NormalizeKind::kStripMarks: return strip_marks(text, true);
    case NormalizeKind::kStripNonspacing: return strip_marks(text, false);
    case NormalizeKind::kStrip: return strip(text, made.left, made.right);
    case NormalizeKind::kReplace: return replace_all(text, made.pattern, made.content);
    case NormalizeKind::kReplacePattern: return replace_pattern(text, *step.pattern, made.content);
    case NormalizeKind::kPrepend: return text.empty() ? std::string() : made.content + std::string(text);
    case NormalizeKind::kCleanText: return clean(text);
    case NormalizeKind::kSpaceChinese: return space_chinese(text);
    case NormalizeKind::kCharsmap: return made.longest ? step.map.longest_matches(text) : step.map.by_grapheme(text);
    case NormalizeKind::kNmt: return nmt(text);
    case NormalizeKind::kSentenceSpaces: return sentence_spaces(made, text, first);
  }
  return std::string(text);
}

}  // namespace llmops::text
