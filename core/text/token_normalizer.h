// What a tokenizer does to a text before it looks for tokens in it: Hugging Face's normalizers, and SentencePiece's spaces and map of
// characters. utf8proc's Unicode version decides the normal forms.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/format/tokenizer_files.h"
#include "core/text/charsmap.h"
#include "core/text/token_pattern.h"

namespace llmops::text {

class TokenNormalizer {
 public:
  // Errors (kData): a damaged map of characters; a pattern that TokenPattern refuses; steps that could make a text more than
  // kMostTextGrowth times as long.
  static Result<TokenNormalizer> make(const Vocabulary& vocabulary, const std::string& shown_name);
  bool empty() const { return steps_.empty(); }
  // `first`: the text begins here, no added token stands before. Invalid UTF-8 becomes U+FFFD, unless spaces are all that changes.
  std::string apply(std::string_view text, bool first) const;

 private:
  struct Step {
    NormalizeStep made;
    std::shared_ptr<const TokenPattern> pattern;
    Charsmap map;
  };
  static std::string apply_step(const Step& step, std::string_view text, bool first);
  std::vector<Step> steps_;
  bool needs_valid_ = false;
};

}  // namespace llmops::text
