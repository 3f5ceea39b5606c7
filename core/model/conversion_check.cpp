// Tensors by architecture: src/llama-model.cpp of llama.cpp, load_tensors.
#include "core/model/conversion_check.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>

namespace llmops {
namespace {

using Shape = std::vector<uint64_t>;
using Shapes = std::map<std::string, Shape>;

// "attn_q" -> its shape, of the matrices and norms of one layer.
Shapes layer_shapes(const Architecture& architecture, const GgufSizes& sizes) {
  const uint64_t hidden = sizes.hidden, queries = sizes.heads * sizes.head_size, keys = sizes.key_heads * sizes.head_size, ffn = sizes.feed_forward, experts = sizes.experts;
  const std::string_view type = architecture.model_type;
  Shapes shapes = {{"attn_norm", {hidden}}, {"ffn_norm", {hidden}}, {"attn_output", {hidden, queries}}};
  if (type == "phi3") {
    shapes.insert({{"attn_qkv", {queries + 2 * keys, hidden}}, {"ffn_up", {2 * ffn, hidden}}, {"ffn_down", {hidden, ffn}}});
    return shapes;
  }
  shapes.insert({{"attn_q", {queries, hidden}}, {"attn_k", {keys, hidden}}, {"attn_v", {keys, hidden}}});
  if (type == "mixtral") shapes.insert({{"ffn_gate_inp", {experts, hidden}}, {"ffn_gate_exps", {experts, ffn, hidden}}, {"ffn_up_exps", {experts, ffn, hidden}}, {"ffn_down_exps", {experts, hidden, ffn}}});
  else shapes.insert({{"ffn_gate", {ffn, hidden}}, {"ffn_up", {ffn, hidden}}, {"ffn_down", {hidden, ffn}}});
  if (type == "qwen3") shapes.insert({{"attn_q_norm", {sizes.head_size}}, {"attn_k_norm", {sizes.head_size}}});
  if (type == "gemma2") shapes.insert({{"post_attention_norm", {hidden}}, {"post_ffw_norm", {hidden}}});
  return shapes;
}

// llama.cpp's qwen2 does not load without them.
bool needs_bias(const Architecture& architecture, const std::string& stem) { return architecture.model_type == "qwen2" && (stem == "attn_q" || stem == "attn_k" || stem == "attn_v"); }

std::string size_text(const Shape& shape) { return fmt::format("{}", fmt::join(shape, " x ")); }

}  // namespace

Status check_gguf_tensors(const WeightsPlan& plan, const Architecture& architecture, const GgufSizes& sizes) {
  std::map<std::string, const TensorRecipe*> found;
  for (const TensorRecipe& recipe : plan.recipes) {
    found[recipe.name] = &recipe;
  }
  for (const std::string name : {"token_embd.weight", "output_norm.weight"}) {
    if (!found.contains(name)) return Error(ErrorCode::kData, fmt::format("the model has no tensor that becomes '{}'", name), "fetch the model again: it is not whole");
  }
  if (const Shape& shape = found["token_embd.weight"]->shape; shape.size() != 2 || shape[1] != sizes.hidden) return Error(ErrorCode::kData, fmt::format("'token_embd.weight' is {}, and config.json says rows of {}", size_text(shape), sizes.hidden), "config.json is of another model");
  if (sizes.vocabulary != 0 && found["token_embd.weight"]->shape[0] != sizes.vocabulary) return Error(ErrorCode::kData, fmt::format("'token_embd.weight' has {} rows, and config.json says a vocabulary of {}", found["token_embd.weight"]->shape[0], sizes.vocabulary), "config.json is of another model");
  const auto output = found.find("output.weight");
  if (output != found.end() && output->second->shape != found["token_embd.weight"]->shape) return Error(ErrorCode::kData, fmt::format("'output.weight' is {}, and the embedding is {}", size_text(output->second->shape), size_text(found["token_embd.weight"]->shape)), "fetch the model again: its parts are of two models");
  const Shapes shapes = layer_shapes(architecture, sizes);
  for (uint64_t layer = 0; layer < sizes.layers; ++layer) {
    for (const auto& [stem, shape] : shapes) {
      const std::string name = fmt::format("blk.{}.{}.weight", layer, stem);
      const auto tensor = found.find(name);
      if (tensor == found.end()) return Error(ErrorCode::kData, fmt::format("the model has no tensor that becomes '{}'", name), "fetch the model again: it is not whole");
      if (tensor->second->shape != shape) return Error(ErrorCode::kData, fmt::format("'{}' is {}, and config.json says {}", name, size_text(tensor->second->shape), size_text(shape)), "config.json is of another model");
      const std::string bias_name = fmt::format("blk.{}.{}.bias", layer, stem);
      const auto bias = found.find(bias_name);
      if (bias == found.end() && needs_bias(architecture, stem)) return Error(ErrorCode::kData, fmt::format("the model has no tensor that becomes '{}'", bias_name), "fetch the model again: it is not whole");
      const Shape outputs = {shape[shape.size() < 2 ? 0 : shape.size() - 2]};
      if (bias != found.end() && bias->second->shape != outputs) return Error(ErrorCode::kData, fmt::format("'{}' is {}, and '{}' has {} rows", bias_name, size_text(bias->second->shape), name, outputs[0]), "config.json is of another model");
    }
  }
  return {};
}

}  // namespace llmops
