// Text from tokens: Hugging Face's decoders (https://huggingface.co/docs/tokenizers/api/decoders), and SentencePiece's own.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/format/tokenizer_files.h"

namespace llmops::text {

class TokenDecoder {
 public:
  explicit TokenDecoder(const Vocabulary& vocabulary);
  // `vocabulary`: the same. Ids that do not exist are left out, and those of special tokens unless `keep_special`.
  std::string decode(const Vocabulary& vocabulary, std::span<const int32_t> ids, bool keep_special) const;

 private:
  std::vector<bool> special_;   // by id
};

}  // namespace llmops::text
