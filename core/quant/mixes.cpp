// One function for each kind of tensor, in the order of llama.cpp's rules: where it asks for a layer, a count or an architecture, so do we.
#include "core/quant/mixes.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <optional>

#include "core/quant/block_types.h"

namespace llmops {
namespace {

constexpr std::array<Mix, 20> kMixes{{
    {"F32", "F32", 0, false}, {"F16", "F16", 1, false}, {"BF16", "BF16", 32, false}, {"Q8_0", "Q8_0", 7, false},
    {"Q4_0", "Q4_0", 2, false}, {"Q4_1", "Q4_1", 3, false}, {"Q5_0", "Q5_0", 8, false}, {"Q5_1", "Q5_1", 9, false},
    {"Q2_K", "Q2_K", 10, false}, {"Q2_K_S", "Q2_K", 21, true}, {"Q3_K_S", "Q3_K", 11, false}, {"Q3_K_M", "Q3_K", 12, false}, {"Q3_K_L", "Q3_K", 13, false},
    {"Q4_K_S", "Q4_K", 14, false}, {"Q4_K_M", "Q4_K", 15, false}, {"Q5_K_S", "Q5_K", 16, false}, {"Q5_K_M", "Q5_K", 17, false}, {"Q6_K", "Q6_K", 18, false},
    {"IQ4_NL", "IQ4_NL", 25, false}, {"IQ4_XS", "IQ4_XS", 30, false}}};

bool has(std::string_view name, std::string_view piece) { return name.find(piece) != std::string_view::npos; }

// "blk.12.ffn_up.weight" -> 12.
std::optional<int64_t> layer_in(std::string_view name) {
  if (!name.starts_with("blk.")) return std::nullopt;
  int64_t layer = 0;
  const auto [end, failed] = std::from_chars(name.data() + 4, name.data() + name.size(), layer);
  if (failed != std::errc() || end == name.data() + name.size() || *end != '.') return std::nullopt;
  return layer;
}

// The first and the last eighth of the layers, and every third between them.
bool use_more_bits(int64_t layer, int64_t layers) { return layer < layers / 8 || layer >= 7 * layers / 8 || (layer - layers / 8) % 3 == 2; }

class Chooser {
 public:
  Chooser(const Mix& mix, const MixModel& model, std::span<const MixTensor> tensors) : mix_(mix.name), base_(mix.base), model_(model) {
    for (const MixTensor& tensor : tensors) {
      if (tensor.name == "output.weight") has_output_ = true;
      if (has(tensor.name, "attn_v.weight")) values_.push_back(layer_in(tensor.name).value_or(0));
      attention_ += has(tensor.name, "attn_v.weight") || has(tensor.name, "attn_qkv.weight") || has(tensor.name, "attn_kv_b.weight");
    }
    std::sort(values_.begin(), values_.end());
  }

  std::string choose(const MixTensor& tensor) const {
    const std::string& name = tensor.name;
    if (name == "output.weight" || (!has_output_ && name == "token_embd.weight")) return output(tensor);
    if (name == "token_embd.weight") return base_;
    if (has(name, "attn_v.weight")) return attention_values(name);
    if (has(name, "attn_k.weight")) return model_.experts == 8 ? "Q8_0" : base_;
    if (has(name, "attn_q.weight")) return base_;
    if (has(name, "ffn_down")) return ffn_down(name);
    if (has(name, "attn_output.weight")) return attention_output();
    if (has(name, "attn_qkv.weight")) return attention_joined();
    return base_;
  }

 private:
  bool is(std::string_view mix) const { return mix_ == mix; }
  bool is_falcon() const { return model_.architecture == "falcon"; }
  bool is_iq4() const { return is("IQ4_NL") || is("IQ4_XS"); }
  uint64_t sharing() const { return model_.key_heads == 0 ? 0 : model_.heads / model_.key_heads; }
  // llama.cpp's "70B": its attn_v is an eighth of attn_q.
  bool is_70b() const { return model_.layers == 80 && ((model_.architecture == "llama" && model_.heads != model_.key_heads) || model_.architecture == "qwen2"); }

  std::string output(const MixTensor& tensor) const {
    const uint64_t row = tensor.shape.empty() ? 1 : tensor.shape.back();
    if (is_falcon() || row % find_block_type(base_)->elements != 0) return "Q8_0";
    return base_ == "Q8_0" ? base_ : "Q6_K";
  }

  std::string attention_values(const std::string& name) const {
    const auto index = static_cast<int64_t>(std::lower_bound(values_.begin(), values_.end(), layer_in(name).value_or(0)) - values_.begin());
    std::string type = base_;
    if (is("Q2_K")) type = sharing() >= 4 ? "Q4_K" : "Q3_K";
    else if (is("Q2_K_S") && sharing() >= 4) type = "Q4_K";
    else if (is("Q3_K_M")) type = index < 2 ? "Q5_K" : "Q4_K";
    else if (is("Q3_K_L")) type = "Q5_K";
    else if (is_iq4() && sharing() >= 4) type = "Q5_K";
    else if ((is("Q4_K_M") || is("Q5_K_M")) && use_more_bits(index, attention_)) type = "Q6_K";
    else if (is("Q4_K_S") && index < 4) type = "Q5_K";
    if (is_70b() && (type == "Q3_K" || type == "Q4_K")) type = "Q5_K";
    return model_.experts == 8 ? "Q8_0" : type;
  }

  std::string ffn_down(const std::string& name) const {
    const auto layers = static_cast<int64_t>(model_.layers);
    const int64_t layer = layer_in(name).value_or(0);
    const bool is_first_eighth = layer < layers / 8;
    if (is("Q2_K")) return "Q3_K";
    if (is("Q2_K_S")) return is_first_eighth ? "Q4_K" : base_;
    if (is("Q3_K_M")) return layer < layers / 16 ? "Q5_K" : !is_falcon() || use_more_bits(layer, layers) ? "Q4_K" : "Q3_K";
    if (is("Q3_K_L")) return is_falcon() ? "Q4_K" : "Q5_K";
    if (is("Q4_K_M") && is_falcon()) return layer < layers / 16 ? "Q6_K" : use_more_bits(layer, layers) ? "Q5_K" : "Q4_K";
    if (is("Q4_K_M") || is("Q5_K_M")) return use_more_bits(layer, layers) ? "Q6_K" : base_;
    if (is_iq4()) return is_first_eighth && !model_.has_importance ? "Q5_K" : base_;
    if (is("Q4_K_S")) return is_first_eighth && !is_falcon() ? "Q5_K" : base_;
    if (is("Q4_0") || is("Q5_0")) return is_first_eighth && model_.has_importance ? (is("Q4_0") ? "Q4_1" : "Q5_1") : base_;
    return base_;
  }

  std::string attention_output() const {
    if (is_falcon()) return is("Q3_K_L") ? "Q4_K" : base_;
    if (model_.experts == 8) {
      const bool is_small = is("Q2_K") || is("Q3_K_S") || is("Q3_K_M") || is_iq4() || is("Q4_K_S") || is("Q4_K_M");
      return is_small ? "Q5_K" : base_;
    }
    if (is("Q2_K")) return "Q3_K";
    if (is("Q3_K_M")) return "Q4_K";
    return is("Q3_K_L") ? "Q5_K" : base_;
  }

  std::string attention_joined() const {
    if (is("Q3_K_M") || is("Q3_K_L")) return "Q4_K";
    if (is("Q4_K_M")) return "Q5_K";
    return is("Q5_K_M") ? "Q6_K" : base_;
  }

  std::string mix_, base_;
  const MixModel& model_;
  bool has_output_ = false;
  int64_t attention_ = 0;
  std::vector<int64_t> values_;       // layers that have an attn_v, in order
};

bool is_quantizable(const MixTensor& tensor) {
  // Dimensions behind the last one that is not 1 do not count, as ggml counts them.
  size_t dimensions = tensor.shape.size();
  for (size_t i = 0; i < tensor.shape.size() && tensor.shape[i] == 1 && dimensions > 1; ++i) --dimensions;
  if (dimensions < 2 || !tensor.name.ends_with("weight")) return false;
  // The list of llama.cpp's commit 007dbbf (2026), which holds the one of c392e50.
  constexpr std::array<std::string_view, 37> kLeftAlone{"_norm.weight", "ffn_gate_inp.weight", "ffn_gate_tid2eid.weight", "altup", "laurel", "per_layer_model_proj", "ssm_conv1d", "shortconv.conv.weight", "indexer.k_proj.weight",
      "indexer.q_proj.weight", "time_mix_first.weight", "time_mix_w0.weight", "time_mix_w1.weight", "time_mix_w2.weight", "time_mix_v0.weight", "time_mix_v1.weight", "time_mix_v2.weight", "time_mix_a0.weight", "time_mix_a1.weight",
      "time_mix_a2.weight", "time_mix_g1.weight", "time_mix_g2.weight", "time_mix_decay_w1.weight", "time_mix_decay_w2.weight", "time_mix_lerp_fused.weight", "attn_rel_b.weight", "position_embd.weight", "token_types.weight",
      ".position_embd", "sam.pos_embd", "sam.neck.", "sam.net_", ".rel_pos", ".patch_embd", ".patch_merger", "a.rvq.codebook", "mm.a.code_embd"};
  return std::none_of(kLeftAlone.begin(), kLeftAlone.end(), [&](std::string_view piece) { return has(tensor.name, piece); });
}

std::string upper(std::string_view name) {
  std::string made(name);
  std::transform(made.begin(), made.end(), made.begin(), [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
  return made;
}

}  // namespace

std::span<const Mix> mixes() { return kMixes; }

const Mix* find_mix(std::string_view name) {
  static const std::map<std::string, std::string> kAliases = {{"Q3_K", "Q3_K_M"}, {"Q4_K", "Q4_K_M"}, {"Q5_K", "Q5_K_M"}};
  std::string wanted = upper(name);
  if (const auto alias = kAliases.find(wanted); alias != kAliases.end()) wanted = alias->second;
  const auto found = std::find_if(mixes().begin(), mixes().end(), [&](const Mix& mix) { return mix.name == wanted; });
  return found == mixes().end() ? nullptr : &*found;
}

std::string type_for_rows(std::string_view type, uint64_t row_length) {
  static const std::map<std::string_view, std::string> kFallbacks = {{"Q2_K", "IQ4_NL"}, {"Q3_K", "IQ4_NL"}, {"IQ4_XS", "IQ4_NL"}, {"Q4_K", "Q5_0"}, {"Q5_K", "Q5_1"}, {"Q6_K", "Q8_0"}};
  std::string made(type);
  if (row_length % find_block_type(made)->elements == 0) return made;
  if (const auto fallback = kFallbacks.find(type); fallback != kFallbacks.end()) made = fallback->second;
  return row_length % find_block_type(made)->elements == 0 ? made : "F16";
}

std::vector<MixChoice> choose_types(const Mix& mix, const MixModel& model, std::span<const MixTensor> tensors, bool pure) {
  const Chooser chooser(mix, model, tensors);
  const bool is_plain = pure || find_block_type(mix.base)->elements == 1;
  std::vector<MixChoice> choices;
  for (const MixTensor& tensor : tensors) {
    MixChoice choice{tensor.type, is_quantizable(tensor), false};
    if (choice.is_quantizable) {
      const std::string wanted = is_plain ? std::string(mix.base) : chooser.choose(tensor);
      choice.type = type_for_rows(wanted, tensor.shape.back());
      choice.fell_back = choice.type != wanted;
    }
    choices.push_back(std::move(choice));
  }
  return choices;
}

}  // namespace llmops
