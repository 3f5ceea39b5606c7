// https://huggingface.co/docs/tokenizers/api/added-tokens: what lstrip, rstrip and single_word mean.
#include "core/text/added_tokens.h"

#include <algorithm>

#include "core/text/codepoint.h"
#include "core/text/token_words.h"

namespace llmops::text {
namespace {

// The character that ends before `end`. Precondition: end > 0.
CodePoint character_before(std::string_view text, size_t end) {
  size_t start = end - 1;
  while (start > 0 && end - start < 4 && (static_cast<unsigned char>(text[start]) & 0xC0) == 0x80) --start;
  const CodePoint point = decode_at(text, start);
  return start + point.size == end ? point : CodePoint{0xFFFD, 1, false};
}

size_t space_before(std::string_view text, size_t at, size_t floor) {
  while (at > floor) {
    const CodePoint point = character_before(text.substr(0, at), at);
    if (!is_white_space(point.value)) break;
    at -= point.size;
  }
  return std::max(at, floor);
}

size_t space_behind(std::string_view text, size_t at) {
  while (at < text.size()) {
    const CodePoint point = decode_at(text, at);
    if (!is_white_space(point.value)) break;
    at += point.size;
  }
  return at;
}

}  // namespace

bool AddedTokens::add(const AddedToken& token) {
  if (token.content.empty()) return true;
  if (!trie_.add(token.content, static_cast<int32_t>(tokens_.size()))) return false;
  begins_[static_cast<unsigned char>(token.content[0])] = true;
  tokens_.push_back(token);
  return true;
}

bool AddedTokens::stands_alone(std::string_view text, size_t begin, size_t end) const {
  const bool left = begin == 0 || !is_word_character(character_before(text, begin).value);
  return left && (end == text.size() || !is_word_character(decode_at(text, end).value));
}

std::vector<AddedTokens::Found> AddedTokens::find(std::string_view text, bool special) const {
  if (tokens_.empty()) return {};
  std::vector<Found> found = longest_first_ ? longest(text, special) : leftmost(text, special);
  size_t floor = 0;
  std::vector<Found> kept;
  for (Found& one : found) {
    const AddedToken& token = tokens_[static_cast<size_t>(one.id)];
    if (one.begin < floor || (token.single_word && !stands_alone(text, one.begin, one.end))) continue;   // rstrip may reach a space token
    if (token.strips_left) one.begin = space_before(text, one.begin, floor);
    if (token.strips_right) one.end = space_behind(text, one.end);
    floor = one.end;
    kept.push_back({one.begin, one.end, token.id});
  }
  return kept;
}

// Both give places in tokens_ as ids.
std::vector<AddedTokens::Found> AddedTokens::leftmost(std::string_view text, bool special) const {
  std::vector<Found> found;
  for (size_t at = 0; at < text.size();) {
    if (!begins_[static_cast<unsigned char>(text[at])]) { ++at; continue; }
    Found best{at, at, -1};
    uint32_t node = TokenTrie::kRoot;
    for (size_t end = at; end < text.size();) {
      node = trie_.step(node, text[end++]);
      if (node == TokenTrie::kNone) break;
      const int32_t place = trie_.id(node);
      if (place >= 0 && (special || !tokens_[static_cast<size_t>(place)].special)) best = {at, end, place};
    }
    if (best.id >= 0) found.push_back(best);
    at = std::max(best.end, at + 1);
  }
  return found;
}

std::vector<AddedTokens::Found> AddedTokens::longest(std::string_view text, bool special) const {
  std::vector<Found> all, found;
  for (size_t at = 0; at < text.size(); ++at) {
    if (!begins_[static_cast<unsigned char>(text[at])]) continue;
    uint32_t node = TokenTrie::kRoot;
    for (size_t end = at; end < text.size();) {
      node = trie_.step(node, text[end++]);
      if (node == TokenTrie::kNone) break;
      const int32_t place = trie_.id(node);
      if (place >= 0 && (special || !tokens_[static_cast<size_t>(place)].special)) all.push_back({at, end, place});
    }
  }
  std::stable_sort(all.begin(), all.end(), [](const Found& a, const Found& b) { return a.end - a.begin > b.end - b.begin; });
  std::vector<bool> taken(all.empty() ? 0 : text.size());
  for (const Found& one : all) {
    const auto begin = taken.begin() + static_cast<std::ptrdiff_t>(one.begin), end = taken.begin() + static_cast<std::ptrdiff_t>(one.end);
    if (std::find(begin, end, true) != end) continue;
    std::fill(begin, end, true);
    found.push_back(one);
  }
  std::sort(found.begin(), found.end(), [](const Found& a, const Found& b) { return a.begin < b.begin; });
  return found;
}

}  // namespace llmops::text
