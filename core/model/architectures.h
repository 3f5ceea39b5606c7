// How Hugging Face and llama.cpp name the tensors of the same architecture, and where their layouts differ.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/json.h"

namespace llmops {

struct Architecture {
  std::string_view class_name;        // config.json's architectures
  std::string_view model_type;        // config.json's
  std::string_view gguf;              // general.architecture
  bool interleaves_rope = false;      // rows of q and k of each head: both halves interleaved in GGUF
  bool norms_add_one = false;         // GGUF holds 1 + w of the norms
};
// By config.json; nullptr: none that is known.
const Architecture* architecture_of(const Json& config);
// By GGUF's name; llama with experts is mixtral.
const Architecture* architecture_of_gguf(std::string_view name, bool has_experts);
std::string known_architectures();    // "llama, mistral, ..."

// A name taken apart: the layer, the expert (of Hugging Face's mixtral), the rest in GGUF's words.
struct TensorPlace { std::optional<uint64_t> layer, expert; std::string stem, suffix; };   // stem: "attn_q"; suffix: "weight", "bias"
// nullopt: a name that GGUF has no word for.
std::optional<TensorPlace> place_of(std::string_view hugging_face_name, const Architecture& architecture);
std::string gguf_name(const TensorPlace& place);
std::string hugging_face_name(std::string_view gguf_name, const Architecture& architecture);   // "": none; of an expert's stack the name of expert 0 with "experts.0."

// Row i of the permuted matrix is row order[i] of the plain one; `heads` of `rows / heads` rows each.
std::vector<uint32_t> interleaved_rows(uint64_t rows, uint64_t heads);
std::vector<uint32_t> inverse_order(const std::vector<uint32_t>& order);

}  // namespace llmops
