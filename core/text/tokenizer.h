// Tokens of a text as a model sees them: what a prompt takes of its context, what a training row costs.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/format/tokenizer_files.h"

namespace llmops {

struct EncodeOptions {
  bool add_special = false;     // what the tokenizer puts around a text: BOS, EOS, [CLS], [SEP]
  bool parse_special = false;   // control tokens written in the text are found; else their text is text like any other
};

class Tokenizer {
 public:
  // Errors (kData): a pre-tokenizer or pattern that is not known, a damaged character map, normalizers past kMostTextGrowth, a vocabulary
  // that its model cannot use or whose tokens were chosen to collide in its tables.
  static Result<Tokenizer> make(Vocabulary vocabulary, const std::string& shown_name);

  // The ids of a text, those of llama.cpp for GGUF files, of Hugging Face's tokenizers for tokenizer.json, of tiktoken and of
  // SentencePiece for theirs. Any bytes are allowed: byte-level models encode them, others take U+FFFD or byte tokens for what is no
  // UTF-8. Limits: of unigram paths whose scores are equal up to rounding SentencePiece may take another (it adds floats, this adds
  // doubles); cl100k_base follows tiktoken of 2025, where white space that ends a text is one word; words of over 2^30 bytes are
  // cut there. Threads: any, at once. Cost: linear in the text, words without a space n log n; about 1 MB for each thread that encodes
  // at the same time.
  std::vector<int32_t> encode(std::string_view text, EncodeOptions options = {}) const;
  // As many as encode() gives, without the ids.
  size_t count(std::string_view text, EncodeOptions options = {}) const;
  // The text of ids; those of control tokens are left out unless `keep_special`, ids that do not exist always. Not always what was
  // encoded: normalizers lose letters' case or spaces. May end inside a character when the ids do.
  std::string decode(std::span<const int32_t> ids, bool keep_special = false) const;

  // One more than the highest id.
  int32_t size() const;
  // As the file writes it ("Ġthe", "▁the", "##ing"); empty: no such id.
  std::string_view token_text(int32_t id) const;
  std::optional<int32_t> bos() const;
  std::optional<int32_t> eos() const;

 private:
  struct State;
  explicit Tokenizer(std::shared_ptr<const State> state) : state_(std::move(state)) {}
  std::shared_ptr<const State> state_;
};

// The tokenizer of a file, or of the folder of a model; see read_vocabulary() for the formats and the order. Errors: its, and make()'s.
// Cost: 0.1 s for 50,000 tokens.
Result<Tokenizer> open_tokenizer(const std::filesystem::path& path, const std::string& shown_name);

}  // namespace llmops
