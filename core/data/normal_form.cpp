// Normalisation before texts are compared: NFKC_Casefold as UAX #15 and The Unicode Standard (3.13, D147) define it, by
// utf8proc. ASCII, most of the text of most datasets, takes a path of its own with the same result.
#include "core/data/normal_form.h"

#include <utf8proc.h>

#include <array>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "core/data/hash128.h"
#include "core/text/codepoint.h"
#include "core/text/unicode.h"

namespace llmops {
namespace {

constexpr uint64_t kHighBits = 0x8080808080808080u;

bool is_ascii_text(std::string_view text) {
  size_t i = 0;
  for (; i + 8 <= text.size(); i += 8) {
    uint64_t word = 0;
    std::memcpy(&word, text.data() + i, sizeof word);
    if ((word & kHighBits) != 0) return false;
  }
  for (; i < text.size(); ++i) if (static_cast<unsigned char>(text[i]) >= 0x80) return false;
  return true;
}

enum class CharacterClass : uint8_t { kSpace, kWord, kDigit, kSymbol, kPunctuation };

CharacterClass class_of(int32_t c) {
  if (text::is_letter(c) || text::is_mark(c)) return CharacterClass::kWord;
  if (text::is_digit(c)) return CharacterClass::kDigit;
  if (text::is_punctuation(c)) return CharacterClass::kPunctuation;
  switch (utf8proc_category(c)) {
    case UTF8PROC_CATEGORY_SM: case UTF8PROC_CATEGORY_SC: case UTF8PROC_CATEGORY_SK: case UTF8PROC_CATEGORY_SO: return CharacterClass::kSymbol;
    case UTF8PROC_CATEGORY_NL: case UTF8PROC_CATEGORY_NO: return CharacterClass::kWord;
    default: return CharacterClass::kSpace;
  }
}

const std::array<CharacterClass, 128>& ascii_classes() {
  static const auto table = [] {
    std::array<CharacterClass, 128> classes{};
    for (int32_t c = 0; c < 128; ++c) classes[static_cast<size_t>(c)] = class_of(c);
    return classes;
  }();
  return table;
}

// Puts words into the normal form; what decides about punctuation is what stands on both sides of it.
class WordJoiner {
 public:
  explicit WordJoiner(size_t expected_bytes) { out_.reserve(expected_bytes); }

  void add(std::string_view bytes, CharacterClass kind) {
    if (kind == CharacterClass::kSpace) { open_ = false; return; }
    if (kind == CharacterClass::kPunctuation) {
      if (digit_last_) pending_ += (pending_.empty() ? "" : " ") + std::string(bytes);
      open_ = false;
      return;
    }
    if (!pending_.empty()) {
      if (kind == CharacterClass::kDigit) put_apart(pending_);
      pending_.clear();
      open_ = false;
    }
    if (kind == CharacterClass::kSymbol) {
      put_apart(bytes);
    } else {
      if (!open_ && !out_.empty()) out_.push_back(' ');
      out_ += bytes;
      open_ = true;
    }
    digit_last_ = kind == CharacterClass::kDigit;
  }
  std::string finish() { return std::move(out_); }

 private:
  void put_apart(std::string_view bytes) {
    if (!out_.empty()) out_.push_back(' ');
    out_ += bytes;
    open_ = false;
  }
  std::string out_, pending_;
  bool open_ = false, digit_last_ = false;
};

std::string join_ascii(std::string_view text) {
  const auto& classes = ascii_classes();
  WordJoiner joiner(text.size());
  std::string run;
  for (size_t i = 0; i < text.size();) {
    const CharacterClass kind = classes[static_cast<size_t>(text[i])];
    if (kind != CharacterClass::kWord) {
      joiner.add(text.substr(i, 1), kind);
      ++i;
      continue;
    }
    run.clear();
    for (; i < text.size() && classes[static_cast<size_t>(text[i])] == CharacterClass::kWord; ++i)
      run.push_back(text[i] >= 'A' && text[i] <= 'Z' ? static_cast<char>(text[i] + 32) : text[i]);
    joiner.add(run, kind);
  }
  return joiner.finish();
}

struct FreeMapped { void operator()(utf8proc_uint8_t* bytes) const { std::free(bytes); } };

std::string nfkc_casefold(std::string_view valid) {
  utf8proc_uint8_t* mapped = nullptr;
  constexpr int kOptions = UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT | UTF8PROC_CASEFOLD | UTF8PROC_IGNORE;
  const utf8proc_ssize_t size = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(valid.data()), static_cast<utf8proc_ssize_t>(valid.size()), &mapped,
                                             static_cast<utf8proc_option_t>(kOptions));
  const std::unique_ptr<utf8proc_uint8_t, FreeMapped> owner(mapped);
  if (size < 0) return std::string(valid);
  return std::string(mapped, mapped + size);
}

std::string join_unicode(std::string_view folded) {
  WordJoiner joiner(folded.size());
  for (size_t offset = 0; offset < folded.size();) {
    const text::CodePoint point = text::decode_at(folded, offset);
    joiner.add(folded.substr(offset, point.size), class_of(point.value));
    offset += point.size;
  }
  std::string joined = joiner.finish();
  // What has no spaces between words (Han, kana, Thai) is divided as split_words divides it.
  std::string out;
  out.reserve(joined.size());
  for (size_t from = 0; from < joined.size();) {
    const size_t stop = std::min(joined.find(' ', from), joined.size());
    const std::string_view word(joined.data() + from, stop - from);
    const std::vector<std::string> parts = is_ascii_text(word) ? std::vector<std::string>() : split_words(word);
    if (parts.size() < 2) (out += out.empty() ? "" : " ") += word;
    else for (const std::string& part : parts) (out += out.empty() ? "" : " ") += part;
    from = stop + 1;
  }
  return out;
}

}  // namespace

std::string normal_form(std::string_view text) {
  if (is_ascii_text(text)) {
    std::string out = join_ascii(text);
    return out.empty() ? text::to_lower(collapse_space(text)) : out;
  }
  const std::string folded = nfkc_casefold(replace_invalid_utf8(text));
  std::string out = join_unicode(folded);
  return out.empty() ? collapse_space(folded) : out;
}

void hash_words(std::string_view normal, std::vector<uint64_t>& hashes) {
  hashes.clear();
  for (size_t from = 0; from < normal.size();) {
    const size_t stop = std::min(normal.find(' ', from), normal.size());
    hashes.push_back(hash128(normal.substr(from, stop - from)).low);
    from = stop + 1;
  }
}

size_t count_words(std::string_view text) {
  static const auto is_word = [] {
    std::array<uint8_t, 128> table{};
    for (int c = '0'; c <= '9'; ++c) table[static_cast<size_t>(c)] = 1;
    for (int c = 'a'; c <= 'z'; ++c) table[static_cast<size_t>(c)] = table[static_cast<size_t>(c - 32)] = 1;
    return table;
  }();
  size_t count = 0;
  uint8_t before = 0;
  for (const char c : text) {
    if (static_cast<unsigned char>(c) >= 0x80) return split_words(text).size();
    const uint8_t now = is_word[static_cast<size_t>(c)];
    count += now & (before ^ 1u);
    before = now;
  }
  return count;
}

size_t count_characters(std::string_view text) {
  // Bytes that continue a character: 10xxxxxx.
  size_t count = text.size(), i = 0;
  for (; i + 8 <= text.size(); i += 8) {
    uint64_t word = 0;
    std::memcpy(&word, text.data() + i, sizeof word);
    count -= static_cast<size_t>(std::popcount(word & ~(word << 1) & kHighBits));
  }
  for (; i < text.size(); ++i) count -= (static_cast<unsigned char>(text[i]) & 0xC0) == 0x80 ? 1 : 0;
  return count;
}

}  // namespace llmops
