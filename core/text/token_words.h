// Where words end that BPE models split text into: the family of regular expressions that GPT-2 began and cl100k, Llama 3, Qwen 2 and
// o200k vary, matched by hand. A word is what the expression matches next; together the words are the text.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace llmops::text {

struct WordRules {
  enum class Contractions : uint8_t { kNone, kExact, kAnyCase };                // 's 't 're 've 'm 'll 'd
  // ` ?\p{L}+`; `[^\r\n\p{L}\p{N}]?\p{L}+`; the same of letters and marks; o200k's: upper case, then lower case
  enum class Letters : uint8_t { kAfterSpace, kAfterAny, kMarksAfterAny, kCased };
  Contractions contractions = Contractions::kNone;
  Letters letters = Letters::kAfterSpace;
  bool spaced_number = false;         // ` ?\p{N}+`
  uint32_t most_digits = 0;           // `\p{N}{1,n}`; 0: `\p{N}+`
  bool marks_apart = false;           // punctuation holds no marks
  bool newlines_after = false, slashes_after = false;   // punctuation takes `[\r\n]*`, `[\r\n/]*` behind it
  bool newline_runs = false;          // `\s*[\r\n]+` before other white space
  bool end_run = false;               // `\s++$` before that
  bool contraction_after = false;     // kCased: a contraction ends the word
};

// The rules that a regular expression says in the spelling of tokenizer.json and tiktoken files; nullopt: it is of another family.
// `possessive_counts`: `{1,3}+` gives nothing back, as in tiktoken's engine; in Hugging Face's (Oniguruma) it repeats the repetition.
std::optional<WordRules> rules_of_pattern(std::string_view pattern, bool possessive_counts);

// Precondition: from < text.size(). A byte that is no valid UTF-8 counts as punctuation. Cost: linear in the word, and in the white space
// after it.
size_t end_of_word(const WordRules& rules, std::string_view text, size_t from);

// `\w` of Unicode (UTS #18): letters, marks, decimal and letter numbers, connectors, letters in circles and squares.
bool is_word_character(int32_t code_point);
// BERT's punctuation: category P, and the ASCII symbols.
bool is_bert_punctuation(int32_t code_point);

}  // namespace llmops::text
