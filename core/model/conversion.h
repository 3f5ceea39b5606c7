// The same model in the other format: names, orders of rows, keys and tokenizer of Hugging Face's folders and of GGUF.
#pragma once

#include "core/model/weights.h"

namespace llmops {

// Of one small file that travels with the weights: a tokenizer.json of a large vocabulary takes tens of MiB.
inline constexpr uint64_t kMostKeptBytes = uint64_t{256} << 20;

struct ConversionOptions {
  std::string dtype;                  // "F32", "F16", "BF16" for all matrices; empty: as stored, of block types F16
  bool with_tokenizer = true;
};

// llama, mistral, mixtral, qwen2, qwen3, gemma2, phi3. Rows of q and k are interleaved where llama.cpp rotates neighbours, experts stacked, norms and
// vectors F32, a tied output left out, rope factors computed. The small files of the folder travel in the keys llmops.source.file.NAME and
// tokenizer.huggingface.json, so that the way back gives them again. Errors (kData): no config.json, an architecture or a tensor that is not known (its
// name), shapes that config.json does not give, more tokens than the embedding has rows; kNotFound: the folder has no tokenizer and with_tokenizer.
Result<WeightsPlan> plan_gguf(const Model& model, const ConversionOptions& options);

// The reverse. Without the small files in the keys config.json is made from GGUF's own; a tokenizer is not, and rope factors are not, which the warnings say.
Result<WeightsPlan> plan_safetensors(const Model& model, const ConversionOptions& options);

// The GGUF file as it is, tensor by tensor: what quantize and prune start from.
Result<WeightsPlan> plan_same_gguf(const Model& model);
// The folder or file of safetensors as it is, with what lies beside: not weights in other forms, folders and files past kMostKeptBytes, which the warnings name.
Result<WeightsPlan> plan_same_safetensors(const Model& model);

// The keys of tokenizer.ggml.* for the tokenizer in the folder, with a name for each of the embedding's rows. Errors: read_vocabulary; kData: a kind that GGUF has no word for, more tokens than rows.
Result<std::vector<GgufEntry>> tokenizer_entries(const std::filesystem::path& folder, const std::string& shown_name, const Json& config, uint64_t embedding_rows);

// "WHAT: a, b, c" of at most five names, in their order; empty: there are none.
std::string left_out_text(const char* what, std::vector<std::string> names);

}  // namespace llmops
