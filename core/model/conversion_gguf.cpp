// Keys and their meaning: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md and llama.cpp's convert_hf_to_gguf.py.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numbers>

#include "core/base/fs.h"
#include "core/model/architectures.h"
#include "core/model/conversion.h"
#include "core/model/conversion_check.h"

namespace llmops {
namespace {

constexpr uint32_t kMostHeadSize = 1 << 16;
// Files of a folder that say what the weights do not.
constexpr std::array<const char*, 13> kKeptFiles{"config.json", "generation_config.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "chat_template.jinja", "README.md",
    "vocab.json", "merges.txt", "LICENSE", "LICENSE.txt", "LICENSE.md", "NOTICE"};

// Numbers of config.json, each with an error of its own when it is missing.
class Config {
 public:
  explicit Config(const Json& json) : json_(json) {}
  std::optional<double> number(const char* key) const {
    const auto found = json_.find(key);
    return found != json_.end() && found->is_number() ? std::optional(found->get<double>()) : std::nullopt;
  }
  std::optional<uint32_t> whole(const char* key) const {
    const auto found = json_.find(key);
    return found != json_.end() && found->is_number_unsigned() && found->get<uint64_t>() <= UINT32_MAX ? std::optional(found->get<uint32_t>()) : std::nullopt;
  }
  Result<uint32_t> required(const char* key) const {
    const auto value = whole(key);
    if (!value || *value == 0) return Error(ErrorCode::kData, fmt::format("config.json has no '{}', a whole number above 0", key));
    return *value;
  }
  Json object(const char* key) const {
    const auto found = json_.find(key);
    return found != json_.end() && found->is_object() ? *found : Json::object();
  }
  bool flag(const char* key) const {
    const auto found = json_.find(key);
    return found != json_.end() && found->is_boolean() && found->get<bool>();
  }

 private:
  const Json& json_;
};

class GgufPlanner {
 public:
  GgufPlanner(const Model& model, const ConversionOptions& options, const Architecture& architecture) : model_(model), options_(options), architecture_(architecture), config_(model.config), prefix_(architecture.gguf) {}

  Result<WeightsPlan> plan() {
    plan_.format = "gguf";
    LLMOPS_CHECK(read_sizes());
    LLMOPS_CHECK(add_keys());
    LLMOPS_CHECK(add_rope());
    LLMOPS_CHECK(add_tensors());
    LLMOPS_CHECK(check_gguf_tensors(plan_, architecture_, {layers_, hidden_, heads_, key_heads_, head_size_, feed_forward_, config_.whole("num_local_experts").value_or(0), config_.whole("vocab_size").value_or(0)}));
    if (options_.with_tokenizer) {
      const fs::path folder = model_.parts[0].path.parent_path();
      LLMOPS_ASSIGN(std::vector<GgufEntry> entries, tokenizer_entries(folder, folder.filename().string(), model_.config, embedding_rows()));
      for (GgufEntry& entry : entries) plan_.entries.push_back(std::move(entry));
    }
    if (!model_.chat_template.empty()) plan_.entries.push_back(gguf_text("tokenizer.chat_template", model_.chat_template));
    LLMOPS_CHECK(keep_files());
    return std::move(plan_);
  }

 private:
  uint64_t embedding_rows() const {
    const auto embedding = std::find_if(plan_.recipes.begin(), plan_.recipes.end(), [](const TensorRecipe& recipe) { return recipe.name == "token_embd.weight"; });
    return embedding == plan_.recipes.end() ? 0 : embedding->shape.front();   // checked: it is there, a matrix
  }

  std::string key(const char* name) const { return fmt::format("{}.{}", prefix_, name); }
  void u32(const char* name, uint32_t value) { plan_.entries.push_back(gguf_u32(key(name), value)); }
  void f32(const char* name, double value) { plan_.entries.push_back(gguf_f32(key(name), static_cast<float>(value))); }

  Status read_sizes() {
    LLMOPS_ASSIGN(hidden_, config_.required("hidden_size"));
    LLMOPS_ASSIGN(heads_, config_.required("num_attention_heads"));
    key_heads_ = config_.whole("num_key_value_heads").value_or(heads_);
    if (key_heads_ == 0 || heads_ % key_heads_ != 0) return Error(ErrorCode::kData, fmt::format("config.json says {} heads and {} of keys and values, which do not divide", heads_, key_heads_));
    head_size_ = config_.whole("head_dim").value_or(hidden_ / heads_);
    if (head_size_ == 0 || head_size_ > kMostHeadSize) return Error(ErrorCode::kData, fmt::format("config.json says heads of {} values", head_size_));
    LLMOPS_ASSIGN(layers_, config_.required("num_hidden_layers"));
    LLMOPS_ASSIGN(feed_forward_, config_.required("intermediate_size"));
    return {};
  }

  Status add_keys() {
    plan_.entries.push_back(gguf_text("general.architecture", prefix_));
    plan_.entries.push_back(gguf_text("general.type", "model"));
    const std::string name = model_.name.empty() ? model_.parts[0].path.parent_path().filename().string() : model_.name;
    plan_.entries.push_back(gguf_text("general.name", name));
    if (!model_.licence.empty()) plan_.entries.push_back(gguf_text("general.license", model_.licence));
    u32("block_count", layers_);
    if (const auto context = config_.whole("max_position_embeddings")) u32("context_length", *context);
    u32("embedding_length", hidden_);
    u32("feed_forward_length", feed_forward_);
    u32("attention.head_count", heads_);
    u32("attention.head_count_kv", key_heads_);
    f32("attention.layer_norm_rms_epsilon", config_.number("rms_norm_eps").value_or(1e-6));
    if (const auto vocabulary = config_.whole("vocab_size")) u32("vocab_size", *vocabulary);
    if (config_.whole("head_dim") || architecture_.model_type == "qwen3" || architecture_.model_type == "gemma2") {
      u32("attention.key_length", head_size_);
      u32("attention.value_length", head_size_);
    }
    if (const auto experts = config_.whole("num_local_experts"); experts && architecture_.model_type == "mixtral") {
      u32("expert_count", *experts);
      u32("expert_used_count", config_.whole("num_experts_per_tok").value_or(2));
    }
    if (architecture_.model_type == "gemma2") {
      f32("attn_logit_softcapping", config_.number("attn_logit_softcapping").value_or(50));
      f32("final_logit_softcapping", config_.number("final_logit_softcapping").value_or(30));
    }
    const bool slides = architecture_.model_type == "gemma2" || architecture_.model_type == "phi3";
    // llama.cpp refuses a phi3 that does not say whether it has a window: 0 is none.
    const auto window = config_.whole("sliding_window");
    if (slides && (window || architecture_.model_type == "phi3")) u32("attention.sliding_window", window.value_or(0));
    return {};
  }

  // transformers 5 says all of rope in rope_parameters, before it was spread over the file.
  Status add_rope() {
    const Json parameters = config_.object("rope_parameters"), scaling = parameters.empty() ? config_.object("rope_scaling") : parameters;
    const Config values(scaling);
    const auto either = [&](const char* name, double otherwise) { return values.number(name).value_or(config_.number(name).value_or(otherwise)); };
    const auto is_text = [](const Json& object, const char* name) { return object.contains(name) && !object[name].is_number() && !object[name].is_null(); };
    if (is_text(scaling, "rope_theta") || is_text(model_.config, "rope_theta")) return Error(ErrorCode::kData, "config.json has a 'rope_theta' that is no number");
    const double base = either("rope_theta", 10'000);
    f32("rope.freq_base", base);
    const double rotated = either("partial_rotary_factor", 1);
    if (!(rotated > 0 && rotated <= 1)) return Error(ErrorCode::kData, fmt::format("config.json has a 'partial_rotary_factor' of {}, which is no share of a head", rotated));
    const auto dimensions = static_cast<uint32_t>(rotated * head_size_);
    u32("rope.dimension_count", dimensions);
    if (const auto original = config_.whole("original_max_position_embeddings"); original && architecture_.model_type == "phi3") u32("rope.scaling.original_context_length", *original);
    if (scaling.empty()) return {};
    const std::string type = scaling.contains("rope_type") && scaling["rope_type"].is_string() ? scaling["rope_type"].get<std::string>() : scaling.contains("type") && scaling["type"].is_string() ? scaling["type"].get<std::string>() : "";
    if (type == "default" || (type.empty() && !parameters.empty())) return {};
    if (type == "llama3") return add_llama3_factors(values, base, dimensions);
    if (type == "longrope" || type == "su") return add_long_factors(scaling, dimensions);
    if (type != "linear" && type != "yarn") return Error(ErrorCode::kData, fmt::format("config.json has rope_scaling of type '{}', which is not known", type), "known: linear, yarn, llama3, longrope");
    plan_.entries.push_back(gguf_text(key("rope.scaling.type"), type));
    const auto factor = values.number("factor");
    if (!factor) return Error(ErrorCode::kData, "config.json has rope_scaling without a 'factor'");
    f32("rope.scaling.factor", *factor);
    if (const auto original = values.whole("original_max_position_embeddings")) u32("rope.scaling.original_context_length", *original);
    return {};
  }

  // Divisors of the frequencies: 1 for short waves, the factor for long ones, smooth between (Llama 3.1's rope).
  Status add_llama3_factors(const Config& scaling, double base, uint32_t dimensions) {
    const double factor = scaling.number("factor").value_or(8), low = scaling.number("low_freq_factor").value_or(1), high = scaling.number("high_freq_factor").value_or(4), original = scaling.number("original_max_position_embeddings").value_or(8192);
    std::vector<float> factors;
    for (uint32_t i = 0; i < dimensions; i += 2) {
      const double wavelength = 2 * std::numbers::pi * std::pow(base, static_cast<double>(i) / dimensions);
      if (wavelength < original / high) factors.push_back(1);
      else if (wavelength > original / low) factors.push_back(static_cast<float>(factor));
      else {
        const double smooth = (original / wavelength - low) / (high - low);
        factors.push_back(static_cast<float>(1 / ((1 - smooth) / factor + smooth)));
      }
    }
    add_computed("rope_freqs.weight", std::move(factors));
    return {};
  }

  // One divisor for each frequency, for contexts longer and shorter than what the model first learned (LongRoPE, arXiv:2402.13753).
  Status add_long_factors(const Json& scaling, uint32_t dimensions) {
    for (const auto& [from, name] : {std::pair{"long_factor", "rope_factors_long.weight"}, std::pair{"short_factor", "rope_factors_short.weight"}}) {
      const auto found = scaling.find(from);
      if (found == scaling.end() || !found->is_array()) return Error(ErrorCode::kData, fmt::format("config.json has rope_scaling without a list '{}'", from));
      std::vector<float> factors;
      for (const Json& value : *found) {
        if (!value.is_number()) return Error(ErrorCode::kData, fmt::format("config.json has a '{}' that holds no number", from));
        factors.push_back(value.get<float>());
      }
      if (factors.size() != dimensions / 2) return Error(ErrorCode::kData, fmt::format("config.json has a '{}' of {} numbers, and heads have {} frequencies", from, factors.size(), dimensions / 2));
      add_computed(name, std::move(factors));
    }
    const double original = config_.number("original_max_position_embeddings").value_or(Config(scaling).number("original_max_position_embeddings").value_or(4096)), longest = config_.number("max_position_embeddings").value_or(original), ratio = longest / original;
    if (!(original >= 1 && original <= UINT32_MAX)) return Error(ErrorCode::kData, fmt::format("config.json has 'original_max_position_embeddings' of {}, which is no length of a context", original));
    // Of phi3 add_rope() has written the one at the top of config.json.
    if (architecture_.model_type != "phi3" || !config_.whole("original_max_position_embeddings")) u32("rope.scaling.original_context_length", static_cast<uint32_t>(original));
    f32("rope.scaling.attn_factor", ratio <= 1 ? 1 : std::sqrt(1 + std::log(ratio) / std::log(original)));
    return {};
  }

  void add_computed(const char* name, std::vector<float> values) {
    TensorRecipe recipe;
    recipe.name = name;
    recipe.type = "F32";
    recipe.shape = {values.size()};
    recipe.computed = std::move(values);
    plan_.recipes.push_back(std::move(recipe));
  }

  Status add_tensors() {
    const auto first = static_cast<std::ptrdiff_t>(plan_.recipes.size());
    for (size_t i = 0; i < model_.tensors.size(); ++i) {
      const ModelTensor& tensor = model_.tensors[i];
      if (tensor.name.ends_with("rotary_emb.inv_freq")) continue;
      const auto place = place_of(tensor.name, architecture_);
      if (!place) return Error(ErrorCode::kData, fmt::format("tensor '{}' is none of {}", tensor.name, architecture_.model_type), "the conversion would lose it");
      if (place->layer && *place->layer >= layers_) return Error(ErrorCode::kData, fmt::format("tensor '{}' is of a layer past the last ({})", tensor.name, layers_ - 1), "config.json's num_hidden_layers is of another model");
      if (tensor.shape.empty()) return Error(ErrorCode::kData, fmt::format("tensor '{}' holds one value without a dimension", tensor.name), "fetch the model again: it is not whole");
      if (tensor.name == "lm_head.weight" && config_.flag("tie_word_embeddings")) {
        plan_.warnings.push_back("'lm_head.weight' is left out: config.json says that it is tied to the embedding");
        continue;
      }
      if (place->expert) {
        experts_[gguf_name(*place)][*place->expert] = i;
        continue;
      }
      LLMOPS_CHECK(add_tensor(*place, i));
    }
    LLMOPS_CHECK(add_experts());
    // Layer by layer, as llama.cpp writes them.
    std::stable_sort(plan_.recipes.begin() + first, plan_.recipes.end(), [](const TensorRecipe& a, const TensorRecipe& b) { return layer_rank(a.name) < layer_rank(b.name); });
    return {};
  }

  static int64_t layer_rank(const std::string& name) { return name.starts_with("blk.") ? std::stoll(name.substr(4, name.find('.', 4) - 4)) : name.starts_with("token_embd") ? -1 : INT64_MAX; }

  static bool is_always_f32(const TensorRecipe& recipe) { return recipe.shape.size() <= 1 || recipe.name.find("_norm.weight") != std::string::npos || recipe.name.find("ffn_gate_inp") != std::string::npos; }

  std::string type_for(const ModelTensor& tensor, const TensorRecipe& recipe) const {
    if (is_always_f32(recipe)) return "F32";
    if (!options_.dtype.empty()) return options_.dtype;
    return tensor.type == "F64" ? "F32" : tensor.type;
  }

  Status add_tensor(const TensorPlace& place, size_t index) {
    const ModelTensor& tensor = model_.tensors[index];
    TensorRecipe recipe;
    recipe.name = gguf_name(place);
    recipe.shape = tensor.shape;
    recipe.type = type_for(tensor, recipe);
    recipe.sources = {index};
    if (architecture_.interleaves_rope && (place.stem == "attn_q" || place.stem == "attn_k")) {
      const uint64_t rows = tensor.shape.front(), heads = place.stem == "attn_q" ? heads_ : key_heads_;
      if (rows % (2 * heads) != 0) return Error(ErrorCode::kData, fmt::format("tensor '{}' has {} rows, which do not divide into {} heads of even size", tensor.name, rows, heads));
      (tensor.shape.size() == 1 ? recipe.columns : recipe.rows) = interleaved_rows(rows, heads);
    }
    if (architecture_.norms_add_one && recipe.name.ends_with("norm.weight")) recipe.addend = 1;
    plan_.recipes.push_back(std::move(recipe));
    return {};
  }

  Status add_experts() {
    for (const auto& [name, tensors] : experts_) {
      TensorRecipe recipe;
      recipe.name = name;
      uint64_t next = 0;
      for (const auto& [expert, index] : tensors) {
        const ModelTensor& tensor = model_.tensors[index];
        if (expert != next++) return Error(ErrorCode::kData, fmt::format("expert {} of '{}' is missing", next - 1, name));
        if (!recipe.sources.empty() && tensor.shape != model_.tensors[recipe.sources[0]].shape) return Error(ErrorCode::kData, fmt::format("the experts of '{}' are not of one shape", name));
        recipe.sources.push_back(index);
      }
      const ModelTensor& first = model_.tensors[recipe.sources[0]];
      recipe.shape = first.shape;
      recipe.shape.insert(recipe.shape.begin(), tensors.size());
      recipe.type = type_for(first, recipe);
      plan_.recipes.push_back(std::move(recipe));
    }
    return {};
  }

  Status keep_files() {
    const fs::path folder = model_.parts[0].path.parent_path();
    std::error_code ignored;
    for (const char* name : kKeptFiles) {
      if (!fs::exists(folder / name, ignored)) continue;
      LLMOPS_ASSIGN(std::string content, read_file(folder / name, kMostKeptBytes));
      plan_.entries.push_back(gguf_text(fmt::format("llmops.source.file.{}", name), std::move(content)));
    }
    if (fs::exists(folder / "tokenizer.json", ignored)) {
      LLMOPS_ASSIGN(std::string content, read_file(folder / "tokenizer.json", kMostKeptBytes));
      plan_.entries.push_back(gguf_text("tokenizer.huggingface.json", std::move(content)));
    }
    keep_types();
    warn_of_others(folder);
    return {};
  }

  // Files and folders that no key holds: what the way back will not give.
  void warn_of_others(const fs::path& folder) {
    std::vector<std::string> others;
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(folder, ignored)) {
      const std::string name = entry.path().filename().string();
      const bool is_known = name == "tokenizer.json" || name.starts_with(".") || name.find(".safetensors") != std::string::npos || std::find(kKeptFiles.begin(), kKeptFiles.end(), name) != kKeptFiles.end();
      if (!is_known) others.push_back(entry.is_directory(ignored) ? name + "/" : name);
    }
    if (const std::string text = left_out_text("not kept for the way back", std::move(others)); !text.empty()) plan_.warnings.push_back(text);
  }

  // Of what GGUF holds as F32 whatever it was: the type of the first, and of those that are of another one.
  void keep_types() {
    std::string usual;
    Json others = Json::object();
    for (const TensorRecipe& recipe : plan_.recipes) {
      if (recipe.sources.size() != 1) continue;
      const std::string& stored = model_.tensors[recipe.sources[0]].type;
      if (!is_always_f32(recipe)) continue;
      if (usual.empty()) usual = stored;
      if (stored != usual) others[recipe.name] = stored;
    }
    if (!usual.empty()) plan_.entries.push_back(gguf_text("llmops.source.vector_type", usual));
    if (!others.empty()) plan_.entries.push_back(gguf_text("llmops.source.vector_types", dump_json(others)));
  }

  const Model& model_;
  const ConversionOptions& options_;
  const Architecture& architecture_;
  Config config_;
  std::string prefix_;
  WeightsPlan plan_;
  uint32_t hidden_ = 0, heads_ = 0, key_heads_ = 0, head_size_ = 0, layers_ = 0, feed_forward_ = 0;
  std::map<std::string, std::map<uint64_t, size_t>> experts_;
};

}  // namespace

std::string left_out_text(const char* what, std::vector<std::string> names) {
  constexpr size_t kMostNames = 5;
  std::sort(names.begin(), names.end());
  const size_t more = names.size() - std::min(names.size(), kMostNames);
  names.resize(names.size() - more);
  return names.empty() ? "" : fmt::format("{}: {}{}", what, fmt::join(names, ", "), more > 0 ? fmt::format(" and {} more", more) : "");
}

Result<WeightsPlan> plan_gguf(const Model& model, const ConversionOptions& options) {
  if (!model.config.is_object()) return Error(ErrorCode::kData, "the model has no config.json, which says how its tensors belong together", "give the folder that holds config.json beside the weights");
  const Architecture* architecture = architecture_of(model.config);
  if (architecture == nullptr) return Error(ErrorCode::kData, fmt::format("the architecture '{}' cannot be converted", model.architecture), fmt::format("those that can: {}", known_architectures()));
  return GgufPlanner(model, options, *architecture).plan();
}

}  // namespace llmops
