// Static embeddings: a vector for each token of a vocabulary, and a text as the mean of its tokens' vectors (Tulkens & van Dongen 2024, "Model2Vec"). No network, no processor but this one.
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
#include "core/text/tokenizer.h"

namespace llmops {

class StaticEmbeddings {
 public:
  // A folder of Model2Vec: model.safetensors with `embeddings` (rows x dimensions; F64, F32, F16, BF16, I8), where present `weights` (a factor for each token id) and `mapping` (a row for each token id; I64, I32);
  // tokenizer.json; config.json, whose `normalize` may be absent (false). Or one of sentence-transformers: the tensor is `embedding.weight`, the files may lie in 0_StaticEmbedding/, and modules.json may say that rows are
  // made of unit length. Integers are taken as they are: their common scale is not in the file, and a mean of unit length does not need it.
  // Errors: kNotFound, kIo; kData: no such tensor, another type, a shape that does not fit the tokenizer's ids (without `mapping` a row for each), a mapping past the rows, NaN or infinity; those of read_vocabulary().
  // Memory: 4 bytes for each value.
  static Result<StaticEmbeddings> open(const std::filesystem::path& folder, const std::string& shown_name);

  // The mean of the vectors of the text's tokens (of mapped rows, times their weights), divided by its length + 1e-32 where the model says `normalize`. The text's first 512 x (median length of a token in characters)
  // characters are read, special tokens are not put around it, unknown tokens are left out, and of the rest the first 512 count. No such token: zeros. `truncation` of tokenizer.json is not applied. Threads: any, at once.
  // Cost: the text's tokens times dimensions.
  std::vector<float> embed(std::string_view text) const;

  size_t dimensions() const { return dimensions_; }
  bool is_normalizing() const { return is_normalizing_; }
  size_t median_token_length() const { return median_token_length_; }   // in characters, rounded down

 private:
  explicit StaticEmbeddings(Tokenizer tokenizer) : tokenizer_(std::move(tokenizer)) {}
  Tokenizer tokenizer_;
  std::vector<float> rows_;            // rows x dimensions
  std::vector<float> weights_;         // by token id; empty: 1
  std::vector<uint32_t> mapping_;      // by token id; empty: the id
  std::optional<int32_t> unknown_id_;
  size_t dimensions_ = 0, median_token_length_ = 0;
  bool is_normalizing_ = false;
};

// Whether a folder looks like one that StaticEmbeddings::open reads.
bool holds_static_embeddings(const std::filesystem::path& folder);

}  // namespace llmops
