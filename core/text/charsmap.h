// SentencePiece's precompiled_charsmap: replacements of byte sequences in a double array
// (https://github.com/google/sentencepiece/blob/master/src/normalizer.cc, https://github.com/s-yata/darts-clone).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace llmops::text {

class Charsmap {
 public:
  // nullopt: the sizes in it do not fit, or a replacement is not ended. Every walk stays inside the array whatever it holds.
  static std::optional<Charsmap> parse(std::string_view bytes);
  // Each longest known sequence replaced, from the left; a byte that is no valid UTF-8 becomes U+FFFD. Cost: linear.
  std::string longest_matches(std::string_view text) const;
  // Bytes of the longest replacement.
  size_t longest_replacement() const { return longest_; }
  // As tokenizers' Precompiled does: by grapheme of under 6 bytes, else by character; the shortest known prefix replaces the whole.
  std::string by_grapheme(std::string_view text) const;

 private:
  // The replacement of the longest, or shortest, known prefix of `text`, and its size; nullopt: none is known.
  std::optional<std::string_view> match(std::string_view text, bool longest, size_t& size) const;
  void append_mapped(std::string& out, std::string_view grapheme) const;
  std::vector<uint32_t> units_;
  std::string replacements_;   // each ended by a zero
  size_t longest_ = 0;
};

}  // namespace llmops::text
