// The way back from GGUF, and plans that change nothing.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "core/base/fs.h"
#include "core/model/architectures.h"
#include "core/model/conversion.h"
#include "core/quant/block_types.h"

namespace llmops {
namespace {

constexpr std::string_view kKeptPrefix = "llmops.source.file.";

TensorRecipe same(const Model& model, size_t index) {
  const ModelTensor& tensor = model.tensors[index];
  TensorRecipe recipe;
  recipe.name = tensor.name;
  recipe.type = tensor.type;
  recipe.shape = tensor.shape;
  recipe.sources = {index};
  return recipe;
}

class SafetensorsPlanner {
 public:
  SafetensorsPlanner(const Model& model, const ConversionOptions& options, const GgufFile& file, const Architecture& architecture) : model_(model), options_(options), file_(file), architecture_(architecture) {}

  Result<WeightsPlan> plan() {
    plan_.format = "safetensors";
    plan_.metadata["format"] = "pt";
    const GgufEntry* vector_type = file_.find("llmops.source.vector_type");
    vector_type_ = vector_type != nullptr ? vector_type->text().value_or("") : "";
    if (const GgufEntry* types = file_.find("llmops.source.vector_types"); types != nullptr && types->text()) {
      LLMOPS_ASSIGN(vector_types_, parse_json(*types->text(), "llmops.source.vector_types"));
    }
    for (size_t i = 0; i < model_.tensors.size(); ++i) LLMOPS_CHECK(add_tensor(i));
    add_files();
    return std::move(plan_);
  }

 private:
  uint64_t number(const char* key, uint64_t otherwise = 0) const {
    const GgufEntry* entry = file_.find(fmt::format("{}.{}", architecture_.gguf, key));
    return entry == nullptr ? otherwise : entry->whole().value_or(otherwise);
  }

  std::string type_for(const ModelTensor& tensor) const {
    const bool is_forced = tensor.type == "F32" && (tensor.shape.size() <= 1 || tensor.name.find("ffn_gate_inp") != std::string::npos);
    if (is_forced) {
      const std::string& type = vector_types_.is_object() && vector_types_.contains(tensor.name) && vector_types_[tensor.name].is_string() ? vector_types_[tensor.name].get_ref<const std::string&>() : vector_type_;
      return find_block_type(type) != nullptr ? type : "F32";
    }
    if (!options_.dtype.empty()) return options_.dtype;
    const BlockType* type = find_block_type(tensor.type);
    return type != nullptr && type->elements > 1 ? "F16" : tensor.type;
  }

  Status add_tensor(size_t index) {
    const ModelTensor& tensor = model_.tensors[index];
    if (tensor.name == "rope_freqs.weight" || tensor.name.starts_with("rope_factors_")) return {};   // config.json says them
    if (tensor.shape.empty()) return Error(ErrorCode::kData, fmt::format("tensor '{}' holds one value without a dimension", tensor.name), "fetch the model again: it is not whole");
    const std::string name = hugging_face_name(tensor.name, architecture_);
    if (name.empty()) return Error(ErrorCode::kData, fmt::format("tensor '{}' is none of {}", tensor.name, architecture_.model_type), "the conversion would lose it");
    TensorRecipe recipe = same(model_, index);
    recipe.type = type_for(tensor);
    recipe.name = name;
    if (tensor.name.find("_exps.") != std::string::npos) return add_experts(recipe);
    const bool is_query = tensor.name.find(".attn_q.") != std::string::npos, is_key = tensor.name.find(".attn_k.") != std::string::npos;
    if (architecture_.interleaves_rope && (is_query || is_key)) {
      const uint64_t heads = number("attention.head_count"), key_heads = number("attention.head_count_kv", heads), of = is_query ? heads : key_heads, rows = tensor.shape.front();
      if (of == 0 || rows % (2 * of) != 0) return Error(ErrorCode::kData, fmt::format("tensor '{}' has {} rows, which do not divide into {} heads of even size", tensor.name, rows, of));
      (tensor.shape.size() == 1 ? recipe.columns : recipe.rows) = inverse_order(interleaved_rows(rows, of));
    }
    if (architecture_.norms_add_one && tensor.name.ends_with("norm.weight")) recipe.addend = -1;
    plan_.recipes.push_back(std::move(recipe));
    return {};
  }

  Status add_experts(const TensorRecipe& stack) {
    if (stack.shape.size() != 3) return Error(ErrorCode::kData, fmt::format("tensor '{}' is no stack of matrices", model_.tensors[stack.sources[0]].name));
    const uint64_t rows = stack.shape[1];
    for (uint64_t expert = 0; expert < stack.shape[0]; ++expert) {
      TensorRecipe recipe = stack;
      recipe.name.replace(recipe.name.find("experts.0."), 10, fmt::format("experts.{}.", expert));
      recipe.shape.erase(recipe.shape.begin());
      for (uint64_t row = 0; row < rows; ++row) recipe.rows.push_back(static_cast<uint32_t>(expert * rows + row));
      plan_.recipes.push_back(std::move(recipe));
    }
    return {};
  }

  void add_files() {
    bool has_config = false;
    for (const GgufEntry& entry : file_.entries) {
      if (!entry.key.starts_with(kKeptPrefix) || entry.kind != GgufKind::kText) continue;
      const std::string name = entry.key.substr(kKeptPrefix.size());
      if (name.empty() || name.find('/') != std::string::npos || name.starts_with(".")) continue;
      has_config |= name == "config.json";
      plan_.files.emplace_back(name, entry.bytes);
    }
    const GgufEntry* tokenizer = file_.find("tokenizer.huggingface.json");
    if (tokenizer != nullptr && tokenizer->text()) plan_.files.emplace_back("tokenizer.json", tokenizer->bytes);
    else if (file_.find("tokenizer.ggml.tokens") != nullptr) plan_.warnings.push_back("the tokenizer is not converted back: put the tokenizer.json of the original model beside the weights");
    if (!has_config) plan_.files.emplace_back("config.json", dump_json_pretty(config()) + "\n");
  }

  // config.json in the words of transformers, from GGUF's keys.
  Json config() {
    const uint64_t heads = number("attention.head_count"), hidden = number("embedding_length");
    const auto real = [&](const char* key, double otherwise) {
      const GgufEntry* entry = file_.find(fmt::format("{}.{}", architecture_.gguf, key));
      // As it was written, not as the double nearest to a float.
      return entry == nullptr ? otherwise : std::stod(fmt::format("{}", static_cast<float>(entry->number().value_or(otherwise))));
    };
    Json made = {{"architectures", {architecture_.class_name}}, {"model_type", architecture_.model_type}, {"hidden_size", hidden}, {"intermediate_size", number("feed_forward_length")}, {"num_hidden_layers", number("block_count")},
        {"num_attention_heads", heads}, {"num_key_value_heads", number("attention.head_count_kv", heads)}, {"rms_norm_eps", real("attention.layer_norm_rms_epsilon", 1e-6)}, {"rope_theta", real("rope.freq_base", 10'000)}};
    if (const uint64_t context = number("context_length")) made["max_position_embeddings"] = context;
    if (const uint64_t size = number("attention.key_length")) made["head_dim"] = size;
    const auto embedding = std::find_if(model_.tensors.begin(), model_.tensors.end(), [](const ModelTensor& tensor) { return tensor.name == "token_embd.weight"; });
    if (embedding != model_.tensors.end()) made["vocab_size"] = embedding->shape[0];
    made["tie_word_embeddings"] = std::none_of(model_.tensors.begin(), model_.tensors.end(), [](const ModelTensor& tensor) { return tensor.name == "output.weight"; });
    made["torch_dtype"] = torch_dtype();
    if (const uint64_t experts = number("expert_count")) {
      made["num_local_experts"] = experts;
      made["num_experts_per_tok"] = number("expert_used_count", 2);
    }
    if (const uint64_t window = number("attention.sliding_window")) made["sliding_window"] = window;
    if (architecture_.model_type == "gemma2") {
      made["attn_logit_softcapping"] = real("attn_logit_softcapping", 50);
      made["final_logit_softcapping"] = real("final_logit_softcapping", 30);
    }
    const GgufEntry* scaling = file_.find(fmt::format("{}.rope.scaling.type", architecture_.gguf));
    if (scaling != nullptr && scaling->text() && scaling->text() != "none") made["rope_scaling"] = {{"rope_type", *scaling->text()}, {"factor", real("rope.scaling.factor", 1)}};
    if (const uint64_t original = number("rope.scaling.original_context_length")) {
      if (made.contains("rope_scaling")) made["rope_scaling"]["original_max_position_embeddings"] = original;
      if (architecture_.model_type == "phi3") made["original_max_position_embeddings"] = original;
    }
    const uint64_t head_size = number("attention.key_length", heads == 0 ? 0 : hidden / heads), rotated = number("rope.dimension_count");
    if (rotated != 0 && rotated < head_size) made["partial_rotary_factor"] = static_cast<double>(rotated) / static_cast<double>(head_size);
    // Of qwen2 its transformers class knows; llama's and mistral's look here.
    const auto is_bias = [](const ModelTensor& tensor) { return tensor.name.ends_with(".attn_q.bias"); };
    if (architecture_.gguf == "llama" && std::any_of(model_.tensors.begin(), model_.tensors.end(), is_bias)) made["attention_bias"] = true;
    const bool has_factors = std::any_of(model_.tensors.begin(), model_.tensors.end(), [](const ModelTensor& tensor) { return tensor.name.starts_with("rope_f"); });
    if (has_factors) plan_.warnings.push_back("the rope factors of the file cannot be written as rope_scaling: take it from the original config.json");
    for (const auto& [from, to] : {std::pair{"tokenizer.ggml.bos_token_id", "bos_token_id"}, std::pair{"tokenizer.ggml.eos_token_id", "eos_token_id"}}) {
      if (const GgufEntry* entry = file_.find(from); entry != nullptr && entry->whole()) made[to] = *entry->whole();
    }
    return made;
  }

  // Of most of the weights.
  std::string torch_dtype() const {
    std::map<std::string, uint64_t> values;
    for (const TensorRecipe& recipe : plan_.recipes) values[recipe.type] += recipe.info().elements();
    const auto most = std::max_element(values.begin(), values.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
    return most == values.end() || most->first == "F32" ? "float32" : most->first == "F16" ? "float16" : "bfloat16";
  }

  const Model& model_;
  const ConversionOptions& options_;
  const GgufFile& file_;
  const Architecture& architecture_;
  std::string vector_type_;           // of the model that the file was made from; empty: not said
  Json vector_types_;                 // of the tensors that had another one
  WeightsPlan plan_;
};

bool is_weights(const fs::path& path) {
  const std::string name = path.filename().string();
  constexpr std::array<std::string_view, 8> kEndings{".safetensors", ".gguf", ".bin", ".pt", ".pth", ".h5", ".msgpack", ".safetensors.index.json"};
  return name.starts_with(".") || std::any_of(kEndings.begin(), kEndings.end(), [&](std::string_view ending) { return name.ends_with(ending); });
}

}  // namespace

Result<WeightsPlan> plan_safetensors(const Model& model, const ConversionOptions& options) {
  LLMOPS_ASSIGN(const GgufFile file, read_gguf(model.parts[0].path, model.parts[0].shown_name));
  const bool has_experts = std::any_of(model.tensors.begin(), model.tensors.end(), [](const ModelTensor& tensor) { return tensor.name.find("_exps.") != std::string::npos; });
  const Architecture* architecture = architecture_of_gguf(model.architecture, has_experts);
  if (architecture == nullptr) return Error(ErrorCode::kData, fmt::format("the architecture '{}' cannot be converted", model.architecture), fmt::format("those that can: {}", known_architectures()));
  return SafetensorsPlanner(model, options, file, *architecture).plan();
}

Result<WeightsPlan> plan_same_gguf(const Model& model) {
  LLMOPS_ASSIGN(GgufFile file, read_gguf(model.parts[0].path, model.parts[0].shown_name));
  WeightsPlan plan;
  plan.format = "gguf";
  for (GgufEntry& entry : file.entries) if (!entry.key.starts_with("split.")) plan.entries.push_back(std::move(entry));
  for (size_t i = 0; i < model.tensors.size(); ++i) plan.recipes.push_back(same(model, i));
  return plan;
}

Result<WeightsPlan> plan_same_safetensors(const Model& model) {
  WeightsPlan plan;
  plan.format = "safetensors";
  for (const auto& [key, value] : model.metadata.items()) if (value.is_string()) plan.metadata[key] = value.get<std::string>();
  for (size_t i = 0; i < model.tensors.size(); ++i) plan.recipes.push_back(same(model, i));
  if (!model.config.is_object()) return plan;   // a lone file of weights
  std::error_code ignored;
  std::vector<fs::path> files;
  std::vector<std::string> left_out;
  for (const auto& entry : fs::directory_iterator(model.parts[0].path.parent_path(), ignored)) {
    const std::string name = entry.path().filename().string();
    const bool is_own = name.starts_with(".") || name.ends_with(".safetensors") || name.ends_with(".safetensors.index.json");
    if (entry.is_directory(ignored)) {
      if (!is_own) left_out.push_back(name + "/");
    } else if (entry.is_regular_file(ignored) && !is_weights(entry.path()) && entry.file_size(ignored) <= kMostKeptBytes) {
      files.push_back(entry.path());
    } else if (!is_own) {
      left_out.push_back(name);
    }
  }
  if (const std::string text = left_out_text("not copied", std::move(left_out)); !text.empty()) plan.warnings.push_back(text);
  std::sort(files.begin(), files.end());
  for (const fs::path& file : files) {
    LLMOPS_ASSIGN(std::string content, read_file(file, kMostKeptBytes));
    plan.files.emplace_back(file.filename().string(), std::move(content));
  }
  return plan;
}

}  // namespace llmops
