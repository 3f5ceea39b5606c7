// Which type each tensor of a model gets under the names that llama.cpp gives to its mixes (src/llama-quant.cpp at commit c392e50, February 2025;
// a later llama.cpp lets rows of Q2_K and Q3_K that do not divide fall back to Q4_0, and treats attn_qkv as attn_v).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace llmops {

struct Mix {
  std::string_view name, base;        // "Q4_K_M", "Q4_K": the type of what no rule says otherwise of
  uint32_t file_type = 0;             // general.file_type
  bool needs_importance = false;
};
std::span<const Mix> mixes();
// Whatever the case; "Q4_K" is Q4_K_M as there. nullptr: none.
const Mix* find_mix(std::string_view name);

// What the rules look at.
struct MixModel {
  std::string architecture;           // as general.architecture: "llama"
  uint64_t layers = 0, heads = 0, key_heads = 0, experts = 0;   // key_heads: those of keys and values
  bool has_importance = false;
};
struct MixTensor { std::string name, type; std::vector<uint64_t> shape; };   // GGUF's names; the shape's slowest first
struct MixChoice {
  std::string type;
  bool is_quantizable = false;        // false: norms, vectors, routers, positions: left as they are
  bool fell_back = false;             // its rows do not divide into the blocks of the type that the rule gives
};
// Choices in the order of the tensors. `pure`: the base type for all that is quantized. Rules that count layers take the number in the name.
std::vector<MixChoice> choose_types(const Mix& mix, const MixModel& model, std::span<const MixTensor> tensors, bool pure = false);

// What a row falls back to when it does not divide into blocks of `type`: "Q4_K" -> "Q5_0", and "F16" when nothing fits. Precondition: a type of
// block_types().
std::string type_for_rows(std::string_view type, uint64_t row_length);

}  // namespace llmops
