// Byte pair encoding (Sennrich, Haddow and Birch 2016, arXiv:1508.07909) by ranks of merges, and SentencePiece's by scores of tokens
// (Kudo and Richardson 2018, arXiv:1808.06226), which becomes the same table: a pair may merge when its joined text is a token.
#include <algorithm>

#include <fmt/format.h>

#include "core/text/codepoint.h"
#include "core/text/tokenizer_models.h"

namespace llmops::text {
namespace {

constexpr size_t kFewSymbols = 64;
constexpr uint64_t kMostPairBytes = uint64_t{1} << 32;   // the largest real vocabularies need some 2^24

// Order of scores, the highest is 0; equal scores are of one rank.
std::vector<uint32_t> ranks_of(const std::vector<float>& scores) {
  std::vector<float> sorted = scores;
  std::sort(sorted.begin(), sorted.end(), std::greater<>());
  sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
  std::vector<uint32_t> ranks(scores.size());
  for (size_t i = 0; i < scores.size(); ++i) ranks[i] = static_cast<uint32_t>(std::lower_bound(sorted.begin(), sorted.end(), scores[i], std::greater<>()) - sorted.begin());
  return ranks;
}

struct LaterPair {
  bool operator()(const WordScratch::Pair& a, const WordScratch::Pair& b) const { return a.order > b.order; }
};

}  // namespace

Error tokens_collide(const std::string& name) { return {ErrorCode::kData, fmt::format("'{}' has tokens or merges of which more than {} share one place of a table", name, kMostProbes)}; }

Result<BpeModel> BpeModel::make(const Vocabulary& vocabulary, const std::string& name) {
  BpeModel made(vocabulary);
  made.size_ = static_cast<int32_t>(vocabulary.tokens.size());
  made.kinds_ = vocabulary.kinds;
  made.prefix_ = vocabulary.word_prefix;
  made.suffix_ = vocabulary.word_suffix;
  made.bytes_ = vocabulary.byte_level || vocabulary.raw_bytes;
  made.whole_words_ = vocabulary.ignore_merges;
  LLMOPS_CHECK(made.add_tokens(vocabulary, name));
  if (vocabulary.model == TokenModel::kScoredBpe) {
    LLMOPS_CHECK(made.add_scored_pairs(vocabulary, name));
    return made;
  }
  made.merges_.reserve(vocabulary.merges.size());
  for (size_t rank = 0; rank < vocabulary.merges.size(); ++rank) {
    const TokenMerge& merge = vocabulary.merges[rank];
    if (!made.merges_.add(merge.left, merge.right, static_cast<uint32_t>(rank), merge.made, !vocabulary.longest_added_first)) return tokens_collide(name);
  }
  return made;
}

Status BpeModel::add_tokens(const Vocabulary& vocabulary, const std::string& name) {
  table_.reserve(vocabulary.tokens.size());
  for (size_t i = 0; i < vocabulary.tokens.size(); ++i) {
    const std::string& token = vocabulary.tokens[i];
    const bool apart = vocabulary.model == TokenModel::kScoredBpe && (kinds_[i] == TokenKind::kControl || kinds_[i] == TokenKind::kUnknown || kinds_[i] == TokenKind::kByte);
    if (token.empty() || apart) continue;
    const std::optional<std::string> bytes = vocabulary.byte_level ? bytes_of_token(token) : token;
    if (bytes && !table_.add(*bytes, static_cast<int32_t>(i))) return tokens_collide(name);
  }
  for (size_t byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(static_cast<unsigned char>(byte));
    byte_ids_[byte] = table_.find(std::string_view(&c, 1));
  }
  return {};
}

Status BpeModel::add_scored_pairs(const Vocabulary& vocabulary, const std::string& name) {
  const std::vector<uint32_t> ranks = ranks_of(vocabulary.scores);
  int32_t next_character = size_;
  bool collides = false;
  // A single character may be half of a token without being one.
  const auto half = [&](std::string_view text) {
    int32_t id = table_.find(text);
    if (id < 0 && !bytes_ && decode_at(text, 0).size == text.size()) collides = !table_.add(text, id = next_character++) || collides;
    return id;
  };
  struct Found { int32_t left, right; uint32_t rank; int32_t made; };
  std::vector<Found> found;
  uint64_t work = 0;
  for (size_t i = 0; i < vocabulary.tokens.size(); ++i) {
    const std::string_view token = vocabulary.tokens[i];
    const auto id = static_cast<int32_t>(i);
    if (token.size() < 2 || table_.find(token) != id) continue;
    work += token.size() * token.size();
    if (work > kMostPairBytes) return Error(ErrorCode::kData, fmt::format("'{}' has tokens of up to {} bytes, too long to be merged", name, token.size()));
    resegments_ = resegments_ || (kinds_[i] == TokenKind::kUnused && !vocabulary.longest_added_first);
    for (size_t at = bytes_ ? 1 : decode_at(token, 0).size; at < token.size(); at += bytes_ ? 1 : decode_at(token, at).size) {
      const int32_t left = half(token.substr(0, at)), right = half(token.substr(at));
      if (left >= 0 && right >= 0) found.push_back({left, right, ranks[i], id});
    }
  }
  merges_.reserve(found.size());
  for (const Found& one : found) collides = !merges_.add(one.left, one.right, one.rank, one.made, true) || collides;
  if (collides) return tokens_collide(name);
  if (resegments_) for (const std::string& token : vocabulary.tokens) sizes_.push_back(static_cast<uint32_t>(token.size()));
  return {};
}

void BpeModel::encode(std::string_view word, WordScratch& scratch, std::vector<int32_t>& out) const {
  if (whole_words_) {
    const int32_t id = table_.find(word);
    if (id >= 0 && id < size_) return out.push_back(id);
  }
  split_word(word, scratch);
  if (!scratch.splits.empty()) scratch.splits.clear();
  if (scratch.ids.size() <= kFewSymbols) merge_few(scratch);
  else merge_many(scratch);
  bool after_unknown = false;
  for (size_t i = 0; i < scratch.ids.size(); ++i) {
    const int32_t id = scratch.ids[i];
    if (id >= 0 && id < size_ && (!resegments_ || kinds_[static_cast<size_t>(id)] != TokenKind::kUnused)) {
      after_unknown = false;
      out.push_back(id);
      continue;
    }
    const size_t start = scratch.starts[i], end = i + 1 < scratch.ids.size() ? scratch.starts[i + 1] : word.size();
    const std::string_view text = word.substr(start, end - start);
    if (id >= 0 && id < size_) append_parts(id, text, scratch, after_unknown, out);
    else unknown_.append(text, after_unknown, out);
  }
}

void BpeModel::split_word(std::string_view word, WordScratch& scratch) const {
  scratch.ids.clear();
  scratch.starts.clear();
  if (bytes_) {
    for (size_t i = 0; i < word.size(); ++i) {
      scratch.ids.push_back(byte_ids_[static_cast<unsigned char>(word[i])]);
      scratch.starts.push_back(static_cast<uint32_t>(i));
    }
    return;
  }
  for (size_t at = 0; at < word.size();) {
    const size_t size = decode_at(word, at).size;
    const std::string_view character = word.substr(at, size);
    const bool inner = at > 0 && !prefix_.empty(), last = at + size == word.size() && !suffix_.empty();
    if (inner || last) scratch.joined.assign(inner ? prefix_ : std::string()).append(character).append(last ? suffix_ : std::string());
    scratch.ids.push_back(table_.find(inner || last ? std::string_view(scratch.joined) : character));
    scratch.starts.push_back(static_cast<uint32_t>(at));
    at += size;
  }
}

void BpeModel::note_split(const MergeTable::Merge& merge, WordScratch& scratch) const {
  if (!resegments_ || kinds_[static_cast<size_t>(merge.made)] != TokenKind::kUnused) return;
  scratch.splits[merge.made] = {static_cast<int32_t>(merge.pair >> 32), static_cast<int32_t>(merge.pair & UINT32_MAX)};
}

// The lowest rank is looked for anew after each merge.
void BpeModel::merge_few(WordScratch& scratch) const {
  std::vector<int32_t>& ids = scratch.ids;
  std::vector<uint32_t>&ranks = scratch.ranks, &starts = scratch.starts;
  size_t count = ids.size();
  ranks.resize(count);
  for (size_t i = 0; i + 1 < count; ++i) ranks[i] = merges_.find(ids[i], ids[i + 1]).rank;
  while (count > 1) {
    size_t at = 0;
    for (size_t i = 1; i + 1 < count; ++i) if (ranks[i] < ranks[at]) at = i;
    if (ranks[at] == UINT32_MAX) break;
    const MergeTable::Merge& merge = merges_.find(ids[at], ids[at + 1]);
    note_split(merge, scratch);
    ids[at] = merge.made;
    --count;
    for (size_t i = at + 1; i < count; ++i) {
      ids[i] = ids[i + 1];
      starts[i] = starts[i + 1];
      ranks[i] = ranks[i + 1];
    }
    if (at + 1 < count) ranks[at] = merges_.find(ids[at], ids[at + 1]).rank;
    if (at > 0) ranks[at - 1] = merges_.find(ids[at - 1], ids[at]).rank;
  }
  ids.resize(count);
  starts.resize(count);
}

// A heap of pairs over a linked list of symbols; a pair is stale when the symbols at its place are no longer its own.
void BpeModel::merge_many(WordScratch& scratch) const {
  std::vector<int32_t>& ids = scratch.ids;
  const auto count = static_cast<uint32_t>(ids.size());
  constexpr uint32_t kEnd = UINT32_MAX;
  constexpr int32_t kGone = INT32_MIN;
  scratch.previous.resize(count);
  scratch.next.resize(count);
  scratch.heap.clear();
  const auto pair_at = [&](uint32_t left, uint32_t right) -> std::optional<WordScratch::Pair> {
    const uint32_t rank = merges_.find(ids[left], ids[right]).rank;
    if (rank == UINT32_MAX) return std::nullopt;
    return WordScratch::Pair{static_cast<uint64_t>(rank) << 32 | left, ids[left], ids[right]};
  };
  for (uint32_t i = 0; i < count; ++i) {
    scratch.previous[i] = i == 0 ? kEnd : i - 1;
    scratch.next[i] = i + 1 < count ? i + 1 : kEnd;
    if (i + 1 < count) if (const auto pair = pair_at(i, i + 1)) scratch.heap.push_back(*pair);
  }
  std::make_heap(scratch.heap.begin(), scratch.heap.end(), LaterPair());
  const auto push = [&](uint32_t left, uint32_t right) {
    const auto pair = pair_at(left, right);
    if (!pair) return;
    scratch.heap.push_back(*pair);
    std::push_heap(scratch.heap.begin(), scratch.heap.end(), LaterPair());
  };
  while (!scratch.heap.empty()) {
    std::pop_heap(scratch.heap.begin(), scratch.heap.end(), LaterPair());
    const WordScratch::Pair pair = scratch.heap.back();
    scratch.heap.pop_back();
    const auto left = static_cast<uint32_t>(pair.order & UINT32_MAX);
    const uint32_t right = scratch.next[left];
    if (ids[left] != pair.left || right == kEnd || ids[right] != pair.right) continue;
    const MergeTable::Merge& merge = merges_.find(pair.left, pair.right);
    note_split(merge, scratch);
    ids[left] = merge.made;
    ids[right] = kGone;
    const uint32_t behind = scratch.next[left] = scratch.next[right];
    if (behind != kEnd) {
      scratch.previous[behind] = left;
      push(left, behind);
    }
    if (scratch.previous[left] != kEnd) push(scratch.previous[left], left);
  }
  size_t kept = 0;
  for (size_t i = 0; i < count; ++i) {
    if (ids[i] == kGone) continue;
    ids[kept] = ids[i];
    scratch.starts[kept++] = scratch.starts[i];
  }
  ids.resize(kept);
  scratch.starts.resize(kept);
}

// SentencePiece takes an unused token apart again, into the halves that it was last made of; a half may be a character without a token.
void BpeModel::append_parts(int32_t id, std::string_view text, const WordScratch& scratch, bool& after_unknown, std::vector<int32_t>& out) const {
  std::vector<int32_t> open = {id};
  while (!open.empty()) {
    const int32_t next = open.back();
    open.pop_back();
    if (next >= size_) {
      const size_t size = decode_at(text, 0).size;
      unknown_.append(text.substr(0, size), after_unknown, out);
      text.remove_prefix(size);
      continue;
    }
    const auto split = kinds_[static_cast<size_t>(next)] == TokenKind::kUnused ? scratch.splits.find(next) : scratch.splits.end();
    if (split != scratch.splits.end()) {
      open.insert(open.end(), {split->second.second, split->second.first});
      continue;
    }
    out.push_back(next);
    after_unknown = false;
    text.remove_prefix(sizes_[static_cast<size_t>(next)]);
  }
}

}  // namespace llmops::text
