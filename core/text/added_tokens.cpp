// https://huggingface.co/docs/tokenizers/api/added-tokens: what lstrip, rstrip and single_word mean.
#include "core/text/added_tokens.h"

#include <algorithm>
#include <map>

#include "core/text/codepoint.h"
#include "core/text/token_words.h"

namespace llmops::text {
namespace {

size_t space_before(std::string_view text, size_t at, size_t floor) {
  while (at > floor) {
    const CodePoint point = decode_before(text, at);
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
  const bool left = begin == 0 || !is_word_character(decode_before(text, begin).value);
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

// These three give places in tokens_ as ids.
AddedTokens::Found AddedTokens::longest_at(std::string_view text, size_t at, size_t limit, bool special) const {
  Found best{at, at, -1};
  uint32_t node = TokenTrie::kRoot;
  for (size_t end = at; end < limit;) {
    node = trie_.step(node, text[end++]);
    if (node == TokenTrie::kNone) break;
    const int32_t place = trie_.id(node);
    if (place >= 0 && (special || !tokens_[static_cast<size_t>(place)].special)) best = {at, end, place};
  }
  return best;
}

std::vector<AddedTokens::Found> AddedTokens::leftmost(std::string_view text, bool special) const {
  std::vector<Found> found;
  for (size_t at = 0; at < text.size();) {
    if (!begins_[static_cast<unsigned char>(text[at])]) { ++at; continue; }
    const Found best = longest_at(text, at, text.size(), special);
    if (best.id >= 0) found.push_back(best);
    at = std::max(best.end, at + 1);
  }
  return found;
}

std::vector<AddedTokens::Found> AddedTokens::longest(std::string_view text, bool special) const {
  std::vector<Found> found, open;   // open: the longest of each place, in a stretch where each overlaps one before it
  size_t reach = 0;
  for (size_t at = 0; at < text.size(); ++at) {
    if (!begins_[static_cast<unsigned char>(text[at])]) continue;
    const Found best = longest_at(text, at, text.size(), special);
    if (best.id < 0) continue;
    if (at >= reach) choose(text, special, open, found);
    open.push_back(best);
    reach = std::max(reach, best.end);
  }
  choose(text, special, open, found);
  return found;
}

// The longest is taken first, of equal ones the leftmost. One that overlaps what is taken gives way to the next shorter one of its place
// that ends before: of each place one is known at a time, and as what is taken is never shorter than what gives way, the room left at a
// place halves every second time at least.
void AddedTokens::choose(std::string_view text, bool special, std::vector<Found>& open, std::vector<Found>& found) const {
  const auto later = [](const Found& a, const Found& b) { return a.end - a.begin != b.end - b.begin ? a.end - a.begin < b.end - b.begin : a.begin > b.begin; };
  if (open.size() > 1) std::make_heap(open.begin(), open.end(), later);
  std::map<size_t, Found> taken;   // by begin
  while (!open.empty()) {
    std::pop_heap(open.begin(), open.end(), later);
    Found one = open.back();
    open.pop_back();
    const auto next = taken.upper_bound(one.begin);
    if (next != taken.begin() && std::prev(next)->second.end > one.begin) continue;
    if (next == taken.end() || next->first >= one.end) {
      taken.emplace(one.begin, one);
      continue;
    }
    one = longest_at(text, one.begin, next->first, special);
    if (one.id < 0) continue;
    open.push_back(one);
    std::push_heap(open.begin(), open.end(), later);
  }
  for (const auto& [begin, one] : taken) found.push_back(one);
}

}  // namespace llmops::text
