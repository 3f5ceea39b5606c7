// Tokens that are found in a text before it is divided into words: control tokens, and what users have added.
#pragma once

#include <array>
#include <string_view>
#include <vector>

#include "core/format/tokenizer_files.h"
#include "core/text/token_table.h"

namespace llmops::text {

class AddedTokens {
 public:
  struct Found { size_t begin, end; int32_t id; };

  bool empty() const { return tokens_.empty(); }
  // False: too many bytes together, or chosen to collide in a table. An empty content is left out; of equal contents the first counts.
  bool add(const AddedToken& token);
  // Where the longest wins, wherever it begins, as in llama.cpp; else the leftmost, of those the longest.
  void set_longest_first(bool longest) { longest_first_ = longest; }
  // Apart and in order. `special`: special ones too. Cost: text x the longest token that its characters begin; where the longest
  // wins, that x its logarithm at worst, and 24 bytes for each place of a stretch of tokens that overlap.
  std::vector<Found> find(std::string_view text, bool special) const;

 private:
  // The longest that begins at `at` and ends by `limit`; id -1: none.
  Found longest_at(std::string_view text, size_t at, size_t limit, bool special) const;
  std::vector<Found> leftmost(std::string_view text, bool special) const;
  std::vector<Found> longest(std::string_view text, bool special) const;
  void choose(std::string_view text, bool special, std::vector<Found>& open, std::vector<Found>& found) const;
  bool stands_alone(std::string_view text, size_t begin, size_t end) const;

  std::vector<AddedToken> tokens_;
  TokenTrie trie_;                       // places in tokens_
  std::array<bool, 256> begins_{};       // some token begins with the byte
  bool longest_first_ = false;
};

}  // namespace llmops::text
