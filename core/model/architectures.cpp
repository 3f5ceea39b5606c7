// Names: transformers' modelling files and llama.cpp's gguf-py/gguf/tensor_mapping.py.
#include "core/model/architectures.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace llmops {
namespace {

constexpr std::array<Architecture, 7> kArchitectures{{
    {"LlamaForCausalLM", "llama", "llama", true, false},
    {"MistralForCausalLM", "mistral", "llama", true, false},
    {"MixtralForCausalLM", "mixtral", "llama", true, false},
    {"Qwen2ForCausalLM", "qwen2", "qwen2", false, false},
    {"Qwen3ForCausalLM", "qwen3", "qwen3", false, false},
    {"Gemma2ForCausalLM", "gemma2", "gemma2", false, true},
    {"Phi3ForCausalLM", "phi3", "phi3", false, false}}};

// only: the model_type that has it; empty: all.
struct Word { std::string_view hugging_face, gguf, only; };
constexpr std::array<Word, 20> kLayerWords{{
    {"input_layernorm", "attn_norm", ""},
    {"self_attn.q_proj", "attn_q", ""}, {"self_attn.k_proj", "attn_k", ""}, {"self_attn.v_proj", "attn_v", ""}, {"self_attn.o_proj", "attn_output", ""},
    {"self_attn.qkv_proj", "attn_qkv", "phi3"}, {"self_attn.q_norm", "attn_q_norm", "qwen3"}, {"self_attn.k_norm", "attn_k_norm", "qwen3"},
    {"post_attention_layernorm", "post_attention_norm", "gemma2"}, {"pre_feedforward_layernorm", "ffn_norm", "gemma2"}, {"post_feedforward_layernorm", "post_ffw_norm", "gemma2"},
    {"post_attention_layernorm", "ffn_norm", ""},
    {"mlp.gate_up_proj", "ffn_up", "phi3"}, {"mlp.gate_proj", "ffn_gate", ""}, {"mlp.up_proj", "ffn_up", ""}, {"mlp.down_proj", "ffn_down", ""},
    {"block_sparse_moe.gate", "ffn_gate_inp", "mixtral"},
    {"block_sparse_moe.experts.*.w1", "ffn_gate_exps", "mixtral"}, {"block_sparse_moe.experts.*.w2", "ffn_down_exps", "mixtral"}, {"block_sparse_moe.experts.*.w3", "ffn_up_exps", "mixtral"}}};
constexpr std::array<Word, 3> kWords{{{"model.embed_tokens", "token_embd", ""}, {"model.norm", "output_norm", ""}, {"lm_head", "output", ""}}};

bool belongs(const Word& word, const Architecture& architecture) { return word.only.empty() || word.only == architecture.model_type; }

// The number at the front of `text`, which a '.' follows; both are taken off.
std::optional<uint64_t> take_number(std::string_view& text) {
  uint64_t number = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failed != std::errc() || end == text.data() + text.size() || *end != '.') return std::nullopt;
  text.remove_prefix(static_cast<size_t>(end - text.data()) + 1);
  return number;
}

// "a.b.weight" -> "a.b", "weight".
std::pair<std::string_view, std::string_view> without_suffix(std::string_view name) {
  const size_t dot = name.rfind('.');
  return dot == std::string_view::npos ? std::pair{name, std::string_view()} : std::pair{name.substr(0, dot), name.substr(dot + 1)};
}

}  // namespace

const Architecture* architecture_of(const Json& config) {
  const auto names = config.is_object() ? config.find("architectures") : config.end();
  const auto type = config.is_object() ? config.find("model_type") : config.end();
  const std::string class_name = names != config.end() && names->is_array() && !names->empty() && (*names)[0].is_string() ? (*names)[0].get<std::string>() : "";
  const std::string model_type = type != config.end() && type->is_string() ? type->get<std::string>() : "";
  const auto found = std::find_if(kArchitectures.begin(), kArchitectures.end(), [&](const Architecture& one) { return class_name.empty() ? one.model_type == model_type : one.class_name == class_name; });
  return found == kArchitectures.end() ? nullptr : &*found;
}

const Architecture* architecture_of_gguf(std::string_view name, bool has_experts) {
  if (name == "llama" && has_experts) return &kArchitectures[2];
  const auto found = std::find_if(kArchitectures.begin(), kArchitectures.end(), [&](const Architecture& one) { return one.gguf == name; });
  return found == kArchitectures.end() ? nullptr : &*found;
}

std::string known_architectures() {
  std::string names;
  for (const Architecture& one : kArchitectures) names += fmt::format("{}{}", names.empty() ? "" : ", ", one.model_type);
  return names;
}

std::optional<TensorPlace> place_of(std::string_view name, const Architecture& architecture) {
  auto [stem, suffix] = without_suffix(name);
  if (suffix != "weight" && suffix != "bias") return std::nullopt;   // "weight_packed" of a quantized model
  TensorPlace place;
  place.suffix = suffix;
  for (const Word& word : kWords) {
    if (stem != word.hugging_face) continue;
    place.stem = word.gguf;
    return place;
  }
  constexpr std::string_view kLayers = "model.layers.";
  if (!stem.starts_with(kLayers)) return std::nullopt;
  stem.remove_prefix(kLayers.size());
  place.layer = take_number(stem);
  if (!place.layer) return std::nullopt;
  std::string plain(stem);
  constexpr std::string_view kExperts = "block_sparse_moe.experts.";
  if (stem.starts_with(kExperts)) {
    std::string_view rest = stem.substr(kExperts.size());
    place.expert = take_number(rest);
    if (!place.expert) return std::nullopt;
    plain = fmt::format("{}*.{}", kExperts, rest);
  }
  const auto found = std::find_if(kLayerWords.begin(), kLayerWords.end(), [&](const Word& word) { return word.hugging_face == plain && belongs(word, architecture); });
  if (found == kLayerWords.end()) return std::nullopt;
  place.stem = found->gguf;
  return place;
}

std::string gguf_name(const TensorPlace& place) { return place.layer ? fmt::format("blk.{}.{}.{}", *place.layer, place.stem, place.suffix) : fmt::format("{}.{}", place.stem, place.suffix); }

std::string hugging_face_name(std::string_view name, const Architecture& architecture) {
  auto [stem, suffix] = without_suffix(name);
  for (const Word& word : kWords) if (stem == word.gguf) return fmt::format("{}.{}", word.hugging_face, suffix);
  if (!stem.starts_with("blk.")) return "";
  stem.remove_prefix(4);
  const auto layer = take_number(stem);
  if (!layer) return "";
  const auto found = std::find_if(kLayerWords.begin(), kLayerWords.end(), [&](const Word& word) { return word.gguf == stem && belongs(word, architecture); });
  if (found == kLayerWords.end()) return "";
  std::string made(found->hugging_face);
  if (const size_t star = made.find('*'); star != std::string::npos) made.replace(star, 1, "0");
  return fmt::format("model.layers.{}.{}.{}", *layer, made, suffix);
}

std::vector<uint32_t> interleaved_rows(uint64_t rows, uint64_t heads) {
  std::vector<uint32_t> order(rows);
  const uint64_t size = rows / heads, half = size / 2;
  for (uint64_t i = 0; i < rows; ++i) {
    const uint64_t head = i / size, inside = i % size;
    order[i] = static_cast<uint32_t>(head * size + inside / 2 + (inside % 2) * half);
  }
  return order;
}

std::vector<uint32_t> inverse_order(const std::vector<uint32_t>& order) {
  std::vector<uint32_t> inverse(order.size());
  for (size_t i = 0; i < order.size(); ++i) inverse[order[i]] = static_cast<uint32_t>(i);
  return inverse;
}

}  // namespace llmops
