// Regular expressions of pre-tokenizers (Oniguruma's, as Hugging Face's tokenizers use them) by RE2, whose time is linear in the text.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "core/base/result.h"

namespace re2 { class RE2; }

namespace llmops::text {

class TokenPattern {
 public:
  // Known are literals, classes, groups, alternatives, repetitions, \s \d \w \p{..} in Unicode's sense, (?i:..), and `\s+(?!\S)`, with or
  // without `|\s+` or `|\s` behind it, as the last alternative. Errors (kData): anything else, by name, also what
  // the two engines read differently ({,n}, {n}?, {n,m}+), and a pattern of more than 16 KiB.
  static Result<std::shared_ptr<const TokenPattern>> make(const std::string& pattern, const std::string& shown_name);
  ~TokenPattern();
  // The next match that is not empty, at or behind `from`. Invalid UTF-8 matches nothing.
  bool find(std::string_view text, size_t from, size_t& begin, size_t& end) const;

 private:
  TokenPattern() = default;
  std::unique_ptr<re2::RE2> expression_;
  bool space_tail_ = false, single_tail_ = false;   // group 1 is the white space that `\s+(?!\S)` would match
};

}  // namespace llmops::text
