// The expressions are https://github.com/openai/gpt-2 (encoder.py), https://github.com/openai/tiktoken (openai_public.py) and the
// tokenizer.json files of Llama 3, Qwen 2 and Mistral. `\s+(?!\S)` is white space up to the character before the next word.
#include "core/text/token_words.h"

#include <array>
#include <string>
#include <vector>

#include <utf8proc.h>

#include "core/text/codepoint.h"

namespace llmops::text {
namespace {

enum CharacterClass : uint8_t { kLetter = 1, kNumber = 2, kSpace = 4, kNewline = 8, kUpper = 16, kLower = 32, kMark = 64 };

constexpr std::array<uint8_t, 128> kAscii = [] {
  std::array<uint8_t, 128> made{};
  for (unsigned c = 0; c < 128; ++c) {
    if (c >= 'a' && c <= 'z') made[c] = kLetter | kLower;
    if (c >= 'A' && c <= 'Z') made[c] = kLetter | kUpper;
    if (c >= '0' && c <= '9') made[c] = kNumber;
    if (c == ' ' || (c >= 9 && c <= 13)) made[c] = kSpace;
    if (c == '\r' || c == '\n') made[c] = kSpace | kNewline;
  }
  return made;
}();

uint8_t class_of(int32_t c) {
  if (is_white_space(c)) return kSpace;
  switch (utf8proc_category(c)) {
    case UTF8PROC_CATEGORY_LU: case UTF8PROC_CATEGORY_LT: return kLetter | kUpper;
    case UTF8PROC_CATEGORY_LL: return kLetter | kLower;
    case UTF8PROC_CATEGORY_LM: case UTF8PROC_CATEGORY_LO: return kLetter | kUpper | kLower;
    case UTF8PROC_CATEGORY_MN: case UTF8PROC_CATEGORY_MC: case UTF8PROC_CATEGORY_ME: return kMark | kUpper | kLower;
    case UTF8PROC_CATEGORY_ND: case UTF8PROC_CATEGORY_NL: case UTF8PROC_CATEGORY_NO: return kNumber;
    default: return 0;
  }
}

// Classes of the Basic Multilingual Plane, made once: a look-up in utf8proc's tables for each character costs more than the rest.
const std::array<uint8_t, 0x10000>& plane() {
  static const std::array<uint8_t, 0x10000> classes = [] {
    std::array<uint8_t, 0x10000> made{};
    for (size_t c = 0; c < made.size(); ++c) made[c] = class_of(static_cast<int32_t>(c));
    return made;
  }();
  return classes;
}

struct Seen { uint8_t kind; uint32_t size; };

Seen see_wide(std::string_view text, size_t at) {
  const CodePoint point = decode_at(text, at);
  if (!point.valid) return {0, 1};
  return {point.value < 0x10000 ? plane()[static_cast<size_t>(point.value)] : class_of(point.value), point.size};
}

inline Seen see(std::string_view text, size_t at) {
  const auto first = static_cast<unsigned char>(text[at]);
  if (first < 0x80) return {kAscii[first], 1};
  return see_wide(text, at);
}

// The end of the run of characters that have one of the classes `wanted`, from `at` on.
inline size_t run_of(std::string_view text, size_t at, uint8_t wanted) {
  while (at < text.size()) {
    const Seen seen = see(text, at);
    if ((seen.kind & wanted) == 0) break;
    at += seen.size;
  }
  return at;
}

inline size_t run_without(std::string_view text, size_t at, uint8_t unwanted) {
  while (at < text.size()) {
    const Seen seen = see(text, at);
    if ((seen.kind & unwanted) != 0) break;
    at += seen.size;
  }
  return at;
}

// Bytes of the contraction that begins with the ' at `at`; 0: none.
size_t contraction_at(std::string_view text, size_t at, bool any_case) {
  const auto letter = [&](size_t offset) -> char {
    if (at + offset >= text.size()) return '\0';
    const char c = text[at + offset];
    return any_case && c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  };
  const char first = letter(1), second = letter(2);
  if (first == 's' || first == 't' || first == 'm' || first == 'd') return 2;
  const bool two = (first == 'r' && second == 'e') || (first == 'v' && second == 'e') || (first == 'l' && second == 'l');
  return two ? 3 : 0;
}

// o200k's two alternatives from `at` on, behind the character that may stand in front: U*W+ and else U+W*, where U and W share modifier
// and other letters and marks. Returns `at` when neither matches.
size_t cased_end(std::string_view text, size_t at, bool first_alternative) {
  size_t upper_end = at, shared_end = at;   // shared_end: behind the last character of the run of U that is also of W
  while (upper_end < text.size()) {
    const Seen seen = see(text, upper_end);
    if ((seen.kind & kUpper) == 0) break;
    upper_end += seen.size;
    if ((seen.kind & kLower) != 0) shared_end = upper_end;
  }
  const size_t lower_end = run_of(text, upper_end, kLower);
  if (first_alternative) return lower_end > upper_end ? lower_end : shared_end;
  return upper_end > at ? lower_end : at;
}

size_t cased_word(const WordRules& rules, std::string_view text, size_t from, Seen first) {
  const bool may_lead = (first.kind & (kLetter | kNumber | kNewline)) == 0;
  for (const bool alternative : {true, false}) {
    for (const size_t at : {from + (may_lead ? first.size : 0), from}) {
      if (at >= text.size()) continue;
      const size_t end = cased_end(text, at, alternative);
      if (end == at) continue;
      const bool contracts = rules.contraction_after && end < text.size() && text[end] == '\'';
      return contracts ? end + contraction_at(text, end, true) : end;
    }
  }
  return from;
}

size_t letters_end(const WordRules& rules, std::string_view text, size_t from, Seen first) {
  if (rules.letters == WordRules::Letters::kCased) return cased_word(rules, text, from, first);
  const uint8_t wanted = rules.letters == WordRules::Letters::kMarksAfterAny ? kLetter | kMark : kLetter;
  if ((first.kind & wanted) != 0) return run_of(text, from + first.size, wanted);
  const bool may_lead = rules.letters == WordRules::Letters::kAfterSpace ? text[from] == ' ' : (first.kind & (kNumber | kNewline)) == 0;
  if (!may_lead) return from;
  const size_t at = from + first.size, end = run_of(text, at, wanted);
  return end > at ? end : from;
}

size_t number_end(const WordRules& rules, std::string_view text, size_t from) {
  size_t at = from;
  if (rules.spaced_number && text[at] == ' ') ++at;
  if (rules.most_digits == 0) {
    const size_t end = run_of(text, at, kNumber);
    return end > at ? end : from;
  }
  size_t end = at;
  for (uint32_t digits = 0; digits < rules.most_digits && end < text.size(); ++digits) {
    const Seen seen = see(text, end);
    if ((seen.kind & kNumber) == 0) break;
    end += seen.size;
  }
  return end > at ? end : from;
}

size_t punctuation_end(const WordRules& rules, std::string_view text, size_t from) {
  const size_t at = text[from] == ' ' ? from + 1 : from;
  size_t end = run_without(text, at, rules.marks_apart ? kSpace | kLetter | kNumber | kMark : kSpace | kLetter | kNumber);
  if (end == at) return from;
  if (!rules.newlines_after) return end;
  while (end < text.size() && (text[end] == '\r' || text[end] == '\n' || (rules.slashes_after && text[end] == '/'))) ++end;
  return end;
}

size_t space_end(const WordRules& rules, std::string_view text, size_t from) {
  size_t at = from, last = from, newline_end = from;
  while (at < text.size()) {
    const Seen seen = see(text, at);
    if ((seen.kind & kSpace) == 0) break;
    last = at;
    at += seen.size;
    if ((seen.kind & kNewline) != 0) newline_end = at;
  }
  if (rules.end_run && at == text.size()) return at;
  if (rules.newline_runs && newline_end > from) return newline_end;
  return at == text.size() || last == from ? at : last;
}

// Takes known spellings off the front of a pattern. A ~ in a spelling is a place where a + may stand that makes the repetition before it
// possessive, and changes nothing: what follows there needs nothing that the repetition took.
class PatternReader {
 public:
  explicit PatternReader(std::string_view pattern) : rest_(pattern) {}
  bool take(std::string_view spelling) {
    std::string_view left = rest_;
    for (const char c : spelling) {
      if (c == '~' && left.starts_with('+')) left.remove_prefix(1);
      if (c == '~') continue;
      if (!left.starts_with(c)) return false;
      left.remove_prefix(1);
    }
    rest_ = left;
    return true;
  }
  bool take_any(std::initializer_list<std::string_view> spellings) {
    for (const std::string_view spelling : spellings) if (take(spelling)) return true;
    return false;
  }
  bool done() const { return rest_.empty(); }

 private:
  std::string_view rest_;
};

constexpr std::string_view kUpperThenLower = R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+~)";
constexpr std::string_view kUpperMaybeLower = R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*~)";
constexpr std::string_view kContractionOr = R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|)", kContraction = kContractionOr.substr(0, kContractionOr.size() - 1);
constexpr std::string_view kSpelledContractionOr = R"((?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|)";

void take_contractions(PatternReader& pattern, WordRules& rules) {
  using enum WordRules::Contractions;
  if (pattern.take_any({"'s|'t|'re|'ve|'m|'ll|'d|", "'(?:[sdmt]|ll|ve|re)|"})) { rules.contractions = kExact; return; }
  if (pattern.take_any({kContractionOr, kSpelledContractionOr, "'(?i:[sdmt]|ll|ve|re)|"})) rules.contractions = kAnyCase;
}

bool take_letters(PatternReader& pattern, WordRules& rules) {
  using enum WordRules::Letters;
  if (pattern.take(R"( ?~\p{L}+~|)")) { rules.letters = kAfterSpace; return true; }
  if (pattern.take(R"([^\r\n\p{L}\p{N}]?~\p{L}+~|)")) { rules.letters = kAfterAny; return true; }
  if (pattern.take(R"([^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+~|)")) { rules.letters = kMarksAfterAny; return true; }
  rules.letters = kCased;
  if (!pattern.take(kUpperThenLower)) return false;
  rules.contraction_after = pattern.take(kContraction) && pattern.take("?~");
  if (!pattern.take("|") || !pattern.take(kUpperMaybeLower)) return false;
  if (rules.contraction_after && !(pattern.take(kContraction) && pattern.take("?~"))) return false;
  return pattern.take("|");
}

// `{1,3}+` repeats the repetition where it is not possessive, which is `+`.
bool take_numbers(PatternReader& pattern, WordRules& rules, bool possessive_counts) {
  if (pattern.take(R"( ?~\p{N}+~|)")) { rules.spaced_number = true; return true; }
  if (pattern.take(R"(\p{N}{1,3}|)")) { rules.most_digits = 3; return true; }
  if (pattern.take(R"(\p{N}{1,2}|)")) { rules.most_digits = 2; return true; }
  if (pattern.take_any({R"(\p{N}|)", R"(\p{N}{1}|)"})) { rules.most_digits = 1; return true; }
  if (pattern.take(R"(\p{N}{1,3}+|)")) { rules.most_digits = possessive_counts ? 3 : 0; return true; }
  return pattern.take(R"(\p{N}+~|)");
}

bool take_punctuation(PatternReader& pattern, WordRules& rules) {
  rules.marks_apart = pattern.take(R"( ?~[^\s\p{L}\p{M}\p{N}]+~)");
  if (!rules.marks_apart && !pattern.take_any({R"( ?~[^\s\p{L}\p{N}]+~)", R"( ?~[^\s\p{L}\p{N}\r\n]+~)"})) return false;
  rules.slashes_after = pattern.take(R"([\r\n/]*~)");
  rules.newlines_after = rules.slashes_after || pattern.take(R"([\r\n]*~)");
  return pattern.take("|");
}

}  // namespace

std::optional<WordRules> rules_of_pattern(std::string_view text, bool possessive_counts) {
  PatternReader pattern(text);
  WordRules rules;
  take_contractions(pattern, rules);
  if (!take_letters(pattern, rules) || !take_numbers(pattern, rules, possessive_counts) || !take_punctuation(pattern, rules)) return std::nullopt;
  rules.end_run = pattern.take(R"(\s++$|)");   // without the second + it may end at any line
  rules.newline_runs = pattern.take_any({R"(\s*[\r\n]+~|)", R"(\s*[\r\n]|)"});
  if (!pattern.take(R"(\s+(?!\S))")) return std::nullopt;
  if (!pattern.done() && !pattern.take(R"(|\s+~)") && !pattern.take(R"(|\s)")) return std::nullopt;
  if (!pattern.done()) return std::nullopt;
  return rules;
}

size_t end_of_word(const WordRules& rules, std::string_view text, size_t from) {
  if (text[from] == '\'' && rules.contractions != WordRules::Contractions::kNone) {
    const size_t size = contraction_at(text, from, rules.contractions == WordRules::Contractions::kAnyCase);
    if (size > 0) return from + size;
  }
  if (const size_t end = letters_end(rules, text, from, see(text, from)); end > from) return end;
  if (const size_t end = number_end(rules, text, from); end > from) return end;
  if (const size_t end = punctuation_end(rules, text, from); end > from) return end;
  const size_t end = space_end(rules, text, from);
  return end > from ? end : from + see(text, from).size;
}

bool is_word_character(int32_t c) {
  const auto category = utf8proc_category(c);
  if ((c >= 0x1F130 && c <= 0x1F149) || (c >= 0x1F150 && c <= 0x1F169) || (c >= 0x1F170 && c <= 0x1F189)) return true;   // letters in signs
  return is_letter(c) || is_mark(c) || category == UTF8PROC_CATEGORY_ND || category == UTF8PROC_CATEGORY_NL || category == UTF8PROC_CATEGORY_PC || (c >= 0x24B6 && c <= 0x24E9) || c == 0x200C || c == 0x200D;
}

bool is_bert_punctuation(int32_t c) {
  if (c < 0x80) return (c >= 33 && c <= 47) || (c >= 58 && c <= 64) || (c >= 91 && c <= 96) || (c >= 123 && c <= 126);
  return is_punctuation(c);
}

}  // namespace llmops::text
