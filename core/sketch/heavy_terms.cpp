#include "core/sketch/heavy_terms.h"

#include <algorithm>
#include <tuple>

#include "core/sketch/hash64.h"

namespace llmops {

void HeavyTerms::add(std::string_view text, uint64_t hash, uint64_t draw) {
  const uint64_t key = mix_bits(hash ^ mix_bits(draw));
  if (terms_.size() == kKept && key > terms_.back().key) return;
  offer(key, text);
}

// A term that was pushed out had a key above all that were kept, which only fall; so one that comes back below them comes back with the least of all its numbers.
void HeavyTerms::offer(uint64_t key, std::string_view text) {
  const auto known = std::find_if(terms_.begin(), terms_.end(), [&](const Term& term) { return term.text == text; });
  if (known != terms_.end()) {
    if (known->key <= key) return;
    terms_.erase(known);
  }
  const auto place = std::upper_bound(terms_.begin(), terms_.end(), key, [&](uint64_t at, const Term& term) { return std::tuple(at, text) < std::tuple(term.key, std::string_view(term.text)); });
  if (place == terms_.end() && terms_.size() == kKept) return;
  terms_.insert(place, {key, std::string(text)});
  if (terms_.size() > kKept) terms_.pop_back();
}

void HeavyTerms::merge(const HeavyTerms& other) {
  for (const Term& term : other.terms_) {
    if (terms_.size() == kKept && term.key > terms_.back().key) break;
    offer(term.key, term.text);
  }
}

void HeavyTerms::append_to(std::string& out) const {
  append_varint(out, terms_.size());
  for (const Term& term : terms_) {
    append_fixed64(out, term.key);
    append_text(out, term.text);
  }
}

std::optional<HeavyTerms> HeavyTerms::read(ByteReader& reader) {
  HeavyTerms made;
  const uint64_t size = reader.varint();
  if (reader.failed() || size > kKept) return std::nullopt;
  for (uint64_t i = 0; i < size; ++i) {
    const uint64_t key = reader.fixed64();
    const std::string_view text = reader.text();
    if (reader.failed() || text.size() > kLongestBytes || text.empty()) return std::nullopt;
    if (i > 0 && std::tuple(key, text) <= std::tuple(made.terms_.back().key, std::string_view(made.terms_.back().text))) return std::nullopt;
    made.terms_.push_back({key, std::string(text)});
  }
  std::vector<std::string_view> texts(made.terms_.size());
  std::transform(made.terms_.begin(), made.terms_.end(), texts.begin(), [](const Term& term) { return std::string_view(term.text); });
  std::sort(texts.begin(), texts.end());
  return std::adjacent_find(texts.begin(), texts.end()) == texts.end() ? std::optional(made) : std::nullopt;
}

}  // namespace llmops
