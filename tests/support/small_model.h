// A small model as Hugging Face lays one out, with random weights: for tests and benches that need a whole model and not what it says.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "core/base/result.h"

namespace llmops::test {

struct SmallModel {
  std::string architecture = "llama";   // see small_model_architectures()
  size_t layers = 2, hidden = 256, heads = 4, kv_heads = 2, ffn = 512, vocabulary = 300;
  size_t experts = 4;                   // of mixtral
  std::string type = "BF16";            // F32, F16, BF16
  bool tied = false;                    // no lm_head.weight; gemma2 never has one
  size_t shards = 1;                    // more than 1: with an index
  uint64_t seed = 1;
};

// llama, mistral, qwen2 (biases of q, k, v), qwen3 (norms of q and k), gemma2 (four norms a layer), phi3 (q, k, v in one, gate and
// up in one), mixtral (experts).
const std::vector<std::string>& small_model_architectures();

// Writes config.json, generation_config.json, the weights, tokenizer.json (byte-level BPE) and tokenizer_config.json (with a chat template) into
// the folder, which is made. Weights: sums of twelve uniform numbers (nearly normal), one in a thousand eight times as large, some inputs of each matrix
// wider than others; the same bytes for a seed on every machine. Errors: kUsage: sizes that do not fit together, a vocabulary
// outside 258 to 400,000, an unknown architecture or type; kIo.
Status write_small_model(const std::filesystem::path& folder, const SmallModel& model);

}  // namespace llmops::test
