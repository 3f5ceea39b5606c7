// The unigram language model (Kudo 2018, arXiv:1804.10959), the longest match of WordPiece (Schuster and Nakajima 2012), and whole words.
#include <algorithm>
#include <limits>

#include <fmt/format.h>

#include "core/text/codepoint.h"
#include "core/text/tokenizer_models.h"

namespace llmops::text {
namespace {

constexpr double kUnknownPenalty = 10;   // SentencePiece, unigram_model.cc

Error too_large(const std::string& name) { return {ErrorCode::kData, fmt::format("'{}' has tokens of more than {} bytes together, or such as collide in a table", name, TokenTrie::kMostNodes)}; }

}  // namespace

UnknownCharacters::UnknownCharacters(const Vocabulary& vocabulary) : fuse_(vocabulary.fuse_unknown), unknown_(vocabulary.unknown_id) {
  bytes_.fill(-1);
  if (!vocabulary.byte_fallback) return;
  for (size_t i = 0; i < vocabulary.tokens.size(); ++i) {
    const std::optional<uint8_t> byte = byte_of_token(vocabulary.tokens[i]);
    if (byte && bytes_[*byte] < 0 && vocabulary.tokens[i] == fmt::format("<0x{:02X}>", *byte)) bytes_[*byte] = static_cast<int32_t>(i);
  }
  fallback_ = true;
}

void UnknownCharacters::append(std::string_view characters, bool& after, std::vector<int32_t>& out) const {
  const auto known = [&](char c) { return bytes_[static_cast<unsigned char>(c)] >= 0; };
  if (fallback_ && std::all_of(characters.begin(), characters.end(), known)) {
    for (const char c : characters) out.push_back(bytes_[static_cast<unsigned char>(c)]);
    after = false;
    return;
  }
  if (unknown_ && !(after && fuse_)) out.push_back(*unknown_);
  after = unknown_.has_value();
}

Result<UnigramModel> UnigramModel::make(const Vocabulary& vocabulary, const std::string& name) {
  UnigramModel made(vocabulary);
  made.scores_ = vocabulary.scores;
  double worst = 0;
  bool any = false;
  for (size_t i = 0; i < vocabulary.tokens.size(); ++i) {
    const TokenKind kind = vocabulary.kinds[i];
    const bool in_text = kind == TokenKind::kNormal || kind == TokenKind::kUserDefined;
    if (vocabulary.tokens[i].empty() || !in_text) continue;
    worst = any ? std::min<double>(worst, made.scores_[i]) : made.scores_[i];
    any = true;
    if (!made.trie_.add(vocabulary.tokens[i], static_cast<int32_t>(i))) return too_large(name);
  }
  made.unknown_score_ = worst - kUnknownPenalty;
  if (!vocabulary.unknown_id && !vocabulary.byte_fallback) return Error(ErrorCode::kData, fmt::format("'{}' has a unigram model without an unknown token", name));
  return made;
}

void UnigramModel::encode(std::string_view word, WordScratch& scratch, std::vector<int32_t>& out) const {
  constexpr double kUnreached = -std::numeric_limits<double>::infinity();
  scratch.best.assign(word.size() + 1, kUnreached);
  scratch.path.assign(word.size() + 1, -1);
  scratch.from.assign(word.size() + 1, 0);
  scratch.best[0] = 0;
  const auto offer = [&](size_t from, size_t end, double score, int32_t id) {
    if (scratch.best[from] + score <= scratch.best[end]) return;
    scratch.best[end] = scratch.best[from] + score;
    scratch.path[end] = id;
    scratch.from[end] = static_cast<uint32_t>(from);
  };
  for (size_t at = 0; at < word.size();) {
    const size_t size = decode_at(word, at).size;
    bool single = false;
    uint32_t node = TokenTrie::kRoot;
    for (size_t end = at; end < word.size();) {
      node = trie_.step(node, word[end++]);
      if (node == TokenTrie::kNone) break;
      if (const int32_t id = trie_.id(node); id >= 0) {
        offer(at, end, scores_[static_cast<size_t>(id)], id);
        single = single || end == at + size;
      }
    }
    if (!single) offer(at, at + size, unknown_score_, -1);
    at += size;
  }
  scratch.starts.clear();
  for (size_t end = word.size(); end > 0; end = scratch.from[end]) scratch.starts.push_back(static_cast<uint32_t>(end));
  bool after_unknown = false;
  size_t start = 0;
  for (size_t i = scratch.starts.size(); i-- > 0; start = scratch.starts[i]) {
    const size_t end = scratch.starts[i];
    if (scratch.path[end] >= 0) {
      out.push_back(scratch.path[end]);
      after_unknown = false;
    } else {
      unknown_.append(word.substr(start, end - start), after_unknown, out);
    }
  }
}

Result<WordPieceModel> WordPieceModel::make(const Vocabulary& vocabulary, const std::string& name) {
  WordPieceModel made;
  for (size_t i = 0; i < vocabulary.tokens.size(); ++i) {
    if (!vocabulary.tokens[i].empty() && !made.trie_.add(vocabulary.tokens[i], static_cast<int32_t>(i))) return too_large(name);
  }
  made.inner_ = TokenTrie::kRoot;
  for (const char c : vocabulary.word_prefix) if (made.inner_ != TokenTrie::kNone) made.inner_ = made.trie_.step(made.inner_, c);
  made.most_characters_ = vocabulary.max_word_characters;
  made.unknown_ = vocabulary.unknown_id.value_or(0);
  return made;
}

void WordPieceModel::encode(std::string_view word, WordScratch&, std::vector<int32_t>& out) const {
  const size_t before = out.size();
  const auto give_up = [&] {
    out.resize(before);
    out.push_back(unknown_);
  };
  if (most_characters_ > 0 && word.size() > most_characters_ && count_code_points(word) > most_characters_) return give_up();
  for (size_t at = 0; at < word.size();) {
    uint32_t node = at == 0 ? TokenTrie::kRoot : inner_;
    int32_t longest = -1;
    size_t longest_end = at;
    for (size_t end = at; end < word.size() && node != TokenTrie::kNone;) {
      node = trie_.step(node, word[end++]);
      if (node == TokenTrie::kNone || trie_.id(node) < 0) continue;
      longest = trie_.id(node);
      longest_end = end;
    }
    if (longest < 0) return give_up();
    out.push_back(longest);
    at = longest_end;
  }
}

Result<WordLevelModel> WordLevelModel::make(const Vocabulary& vocabulary, const std::string& name) {
  WordLevelModel made;
  made.table_.reserve(vocabulary.tokens.size());
  for (size_t i = 0; i < vocabulary.tokens.size(); ++i) {
    if (!vocabulary.tokens[i].empty() && !made.table_.add(vocabulary.tokens[i], static_cast<int32_t>(i))) return tokens_collide(name);
  }
  made.unknown_ = vocabulary.unknown_id.value_or(0);
  return made;
}

void WordLevelModel::encode(std::string_view word, WordScratch&, std::vector<int32_t>& out) const {
  const int32_t id = table_.find(word);
  out.push_back(id >= 0 ? id : unknown_);
}

Result<WordModel> make_word_model(const Vocabulary& vocabulary, const std::string& name) {
  switch (vocabulary.model) {
    case TokenModel::kBpe: case TokenModel::kScoredBpe: {
      LLMOPS_ASSIGN(BpeModel made, BpeModel::make(vocabulary, name));
      return WordModel(std::move(made));
    }
    case TokenModel::kUnigram: {
      LLMOPS_ASSIGN(UnigramModel made, UnigramModel::make(vocabulary, name));
      return WordModel(std::move(made));
    }
    case TokenModel::kWordPiece: {
      LLMOPS_ASSIGN(WordPieceModel made, WordPieceModel::make(vocabulary, name));
      return WordModel(std::move(made));
    }
    case TokenModel::kWordLevel: break;
  }
  LLMOPS_ASSIGN(WordLevelModel made, WordLevelModel::make(vocabulary, name));
  return WordModel(std::move(made));
}

}  // namespace llmops::text
