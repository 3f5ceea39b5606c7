// A LoRA adapter (Hu et al. 2021, arXiv:2106.09685) as PEFT saves it: pairs of low-rank matrices for some of a model's weights.
#pragma once

#include <map>

#include "core/model/weights.h"

namespace llmops {

// W + scale * B A. A: [rank, in]; B: [out, rank].
struct AdapterPair {
  std::string target;                 // the weight of the base model: "model.layers.0.self_attn.q_proj.weight"
  size_t a = 0, b = 0;                // tensors of the adapter
  uint64_t rank = 0, inputs = 0, outputs = 0;
  double scale = 0;                   // alpha / rank (alpha 8 where it is not said, as PEFT takes it; a warning of the model tells it); rsLoRA: alpha / sqrt(rank) (Kalajdzievski 2023, arXiv:2312.03732)
};

struct Adapter {
  Model model;                        // its tensors
  std::vector<AdapterPair> pairs;     // by target
  std::string base;                   // base_model_name_or_path; empty: not said
};

// Reads adapter_config.json and the names and shapes of the weights. Errors: open_model; kData: no adapter_config.json or of another method than LoRA, DoRA (its
// magnitudes change the weights' norms, which no sum of matrices does), an A without a B, shapes that do not fit or a rank that the configuration does not give,
// modules that are saved whole or embeddings, biases.
Result<Adapter> open_adapter(const std::filesystem::path& folder, const std::string& shown_name);

// B A of some rows, times the scale, for any thread.
class AdapterDelta {
 public:
  // Both matrices of the pair, as floats. Errors: those of WeightReader::read; kData: NaN or infinity. Cost: rank * (inputs + outputs) floats.
  static Result<AdapterDelta> read(const WeightReader& reader, const AdapterPair& pair);
  // Adds row `row` of the delta to `values` (of pair.inputs).
  void add_row(uint64_t row, std::span<float> values) const;

 private:
  uint64_t rank_ = 0, inputs_ = 0;
  double scale_ = 0;
  std::vector<float> a_, b_;
};

// The adapter in llama.cpp's GGUF form, for a base model whose config.json is given: names, q and k rows in its order, all scales in one alpha. Errors (kData): a target that
// GGUF has no name for, a base without the heads that rows of q and k are ordered by.
Result<WeightsPlan> plan_gguf_adapter(const Adapter& adapter, const Json& base_config);

}  // namespace llmops
