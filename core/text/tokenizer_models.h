// What makes tokens of one word, by the kind of model. Words come from token_splitter.h; a word is taken for itself alone.
#pragma once

#include <array>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "core/format/tokenizer_files.h"
#include "core/text/token_table.h"

namespace llmops::text {

// Memory that encoding a word needs, kept from word to word; one for each thread at a time.
struct WordScratch {
  struct Pair { uint64_t order; int32_t left, right; };   // order: rank, then place
  std::vector<int32_t> ids;
  std::vector<uint32_t> starts, ranks, previous, next;
  std::vector<Pair> heap;
  std::unordered_map<int32_t, std::pair<int32_t, int32_t>> splits;   // of unused tokens: left and right of the last merge into each
  std::vector<double> best;
  std::vector<int32_t> path;
  std::vector<uint32_t> from;
  std::string joined;
};

// What becomes of characters that no token holds: the tokens of their bytes, else the unknown token, else nothing.
class UnknownCharacters {
 public:
  explicit UnknownCharacters(const Vocabulary& vocabulary);
  // `after`: the last that was appended is an unknown token for the characters right before.
  void append(std::string_view characters, bool& after, std::vector<int32_t>& out) const;

 private:
  bool fallback_ = false, fuse_ = false;
  std::optional<int32_t> unknown_;
  std::array<int32_t, 256> bytes_{};
};

// Merges in the order of their ranks, of equal ranks the leftmost first. Cost of a word of n symbols: at most 64: n^2 / 2 small steps;
// more: n log n.
class BpeModel {
 public:
  // Errors (kData): tokens so long that their halves cannot be looked up in reasonable time, or chosen to collide in a table.
  static Result<BpeModel> make(const Vocabulary& vocabulary, const std::string& shown_name);
  // Appends. Precondition: 0 < word.size() < 2^31.
  void encode(std::string_view word, WordScratch& scratch, std::vector<int32_t>& out) const;

 private:
  explicit BpeModel(const Vocabulary& vocabulary) : unknown_(vocabulary) {}
  Status add_tokens(const Vocabulary& vocabulary, const std::string& name);
  Status add_scored_pairs(const Vocabulary& vocabulary, const std::string& name);
  void split_word(std::string_view word, WordScratch& scratch) const;
  void merge_few(WordScratch& scratch) const;
  void merge_many(WordScratch& scratch) const;
  void note_split(const MergeTable::Merge& merge, WordScratch& scratch) const;
  void append_parts(int32_t id, std::string_view text, const WordScratch& scratch, bool& after_unknown, std::vector<int32_t>& out) const;

  UnknownCharacters unknown_;
  TokenTable table_;
  MergeTable merges_;
  std::array<int32_t, 256> byte_ids_{};
  std::vector<TokenKind> kinds_;
  std::vector<uint32_t> sizes_;   // bytes of each token; only where unused tokens are taken apart
  std::string prefix_, suffix_;
  int32_t size_ = 0;              // ids from here on are characters that are only halves of tokens
  bool bytes_ = false, whole_words_ = false, resegments_ = false;
};

// The path through the word whose scores sum to the most; a character without a token costs 10 less than the worst token.
// Cost: bytes x the longest token.
class UnigramModel {
 public:
  // Errors (kData): no unknown token and no byte tokens; too many bytes in the tokens, or tokens chosen to collide in a table.
  static Result<UnigramModel> make(const Vocabulary& vocabulary, const std::string& shown_name);
  void encode(std::string_view word, WordScratch& scratch, std::vector<int32_t>& out) const;

 private:
  explicit UnigramModel(const Vocabulary& vocabulary) : unknown_(vocabulary) {}
  UnknownCharacters unknown_;
  TokenTrie trie_;
  std::vector<float> scores_;
  double unknown_score_ = 0;
};

// The longest token from the left, then the longest of those that go on in a word; else the whole word is unknown.
// Cost: bytes x the longest token.
class WordPieceModel {
 public:
  static Result<WordPieceModel> make(const Vocabulary& vocabulary, const std::string& shown_name);
  void encode(std::string_view word, WordScratch& scratch, std::vector<int32_t>& out) const;

 private:
  TokenTrie trie_;
  uint32_t inner_ = TokenTrie::kNone;   // the node behind the prefix of tokens that go on
  uint32_t most_characters_ = 0;
  int32_t unknown_ = 0;
};

class WordLevelModel {
 public:
  static Result<WordLevelModel> make(const Vocabulary& vocabulary, const std::string& shown_name);
  void encode(std::string_view word, WordScratch& scratch, std::vector<int32_t>& out) const;

 private:
  TokenTable table_;
  int32_t unknown_ = 0;
};

Error tokens_collide(const std::string& shown_name);

using WordModel = std::variant<BpeModel, UnigramModel, WordPieceModel, WordLevelModel>;
Result<WordModel> make_word_model(const Vocabulary& vocabulary, const std::string& shown_name);

}  // namespace llmops::text
