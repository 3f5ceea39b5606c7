// The pre-tokenizer: cuts a text into the words that a model makes tokens of, step by step.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/format/tokenizer_files.h"
#include "core/text/token_words.h"

namespace llmops::text {

class TokenPattern;

class TextSplitter {
 public:
  using Word = std::function<void(std::string_view)>;

  // Errors (kData): a pattern that is not known and that RE2 cannot express (look-around but `\s+(?!\S)` at the end, possessive
  // repetition, back-references), a preset of an unknown name, steps behind ByteLevel that change the text,
  // two Metaspace steps.
  static Result<TextSplitter> make(const Vocabulary& vocabulary, const std::string& shown_name);

  // Calls word() for each word of `text` in order; bytes, not the alphabet of ByteLevel. `first`: nothing stands before the text.
  // Threads: any.
  void each(std::string_view text, bool first, const Word& word) const { run(0, text, first, word); }
  // The rules when they alone are what each() does, else nullptr.
  const WordRules* only_rules() const;

 private:
  enum class StageKind { kRules, kPattern, kLiteral, kPrefixSpace, kAlphabet, kWhitespace, kWhitespaceSplit, kBert, kMetaspace, kPunctuation, kDigits, kBeforeMark };
  struct Stage {
    StageKind kind;
    SplitStep step;
    WordRules rules;
    std::shared_ptr<const TokenPattern> pattern;
  };
  struct Cut { size_t begin, end; bool match; };

  Status add_step(const SplitStep& step, bool more_follow, const std::string& name);
  Status add_pattern(const std::string& pattern, const SplitStep& step, const std::string& name);
  void run(size_t stage, std::string_view text, bool first, const Word& word) const;
  void run_classes(size_t stage, std::string_view text, bool first, const Word& word) const;
  void run_cuts(size_t stage, std::string_view text, const std::vector<Cut>& cuts, bool first, const Word& word) const;
  void run_metaspace(size_t stage, std::string_view text, bool first, const Word& word) const;
  void run_before_mark(size_t stage, std::string_view text, const Word& word) const;
  std::vector<Cut> find_cuts(const Stage& stage, std::string_view text) const;

  std::vector<Stage> stages_;
  bool alphabet_ = false;    // words come out in the alphabet of ByteLevel
};

// The regular expressions of a preset, applied one after the other; empty: the name is not known. Presets are what llama.cpp's
// `tokenizer.ggml.pre` names, and tiktoken's encodings.
std::vector<std::string> patterns_of_preset(std::string_view name);
std::vector<std::string> preset_names();

}  // namespace llmops::text
