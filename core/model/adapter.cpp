// Names and keys: https://github.com/huggingface/peft (LoraConfig) and llama.cpp's convert_lora_to_gguf.py.
#include "core/model/adapter.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include <re2/re2.h>

#include "core/model/architectures.h"

namespace llmops {
namespace {

constexpr std::string_view kPrefix = "base_model.model.";
constexpr double kDefaultAlpha = 8;   // LoraConfig's

class AdapterReader {
 public:
  AdapterReader(Model model, const std::string& shown) : shown_(shown) { adapter_.model = std::move(model); }

  Result<Adapter> read() {
    LLMOPS_CHECK(check_config());
    for (size_t i = 0; i < adapter_.model.tensors.size(); ++i) LLMOPS_CHECK(take(i));
    for (auto& [target, halves] : halves_) LLMOPS_CHECK(pair(target, halves));
    if (adapter_.pairs.empty()) return fault("holds no pair of lora_A and lora_B");
    return std::move(adapter_);
  }

 private:
  struct Halves { std::optional<size_t> a, b; };

  Error fault(const std::string& what, std::string hint = "") const { return Error(ErrorCode::kData, fmt::format("'{}' {}", shown_, what), std::move(hint)); }
  const Json& config() const { return adapter_.model.config; }
  bool flag(const char* key) const { return config().contains(key) && config()[key].is_boolean() && config()[key].get<bool>(); }

  Status check_config() {
    if (!config().is_object() || !config().contains("r")) return fault("has no adapter_config.json that says its rank", "give the folder that PEFT saved the adapter into");
    for (const char* key : {"r", "lora_alpha"}) if (config().contains(key) && !config()[key].is_number()) return fault(fmt::format("has a '{}' in adapter_config.json that is no number", key));
    const std::string method = config().contains("peft_type") && config()["peft_type"].is_string() ? config()["peft_type"].get<std::string>() : "LORA";
    if (method != "LORA") return fault(fmt::format("is an adapter of the method {}, not LoRA", method));
    if (flag("use_dora")) return fault("is a DoRA adapter: it also changes the norm of each row, which cannot be said as a sum of matrices", "merge it with the program that trained it, then convert the merged model");
    if (config().contains("modules_to_save") && config()["modules_to_save"].is_array() && !config()["modules_to_save"].empty()) return fault("saves whole modules beside its low-rank pairs (modules_to_save), which are not merged");
    if (!config().contains("lora_alpha")) adapter_.model.warnings.push_back(fmt::format("adapter_config.json of '{}' has no 'lora_alpha': {} is taken, as PEFT does", shown_, kDefaultAlpha));
    if (config().contains("base_model_name_or_path") && config()["base_model_name_or_path"].is_string()) adapter_.base = config()["base_model_name_or_path"];
    return {};
  }

  Status take(size_t index) {
    const ModelTensor& tensor = adapter_.model.tensors[index];
    std::string_view name = tensor.name;
    if (name.starts_with(kPrefix)) name.remove_prefix(kPrefix.size());
    const size_t a = name.find(".lora_A."), b = name.find(".lora_B."), at = std::min(a, b);
    if (name.find("lora_magnitude_vector") != std::string_view::npos) return fault("is a DoRA adapter: it holds lora_magnitude_vector", "merge it with the program that trained it, then convert the merged model");
    if (at == std::string_view::npos || !name.ends_with("weight")) return fault(fmt::format("holds '{}', which is no lora_A or lora_B of a matrix", tensor.name));
    if (tensor.shape.size() != 2) return fault(fmt::format("holds '{}' of {} dimensions, not 2", tensor.name, tensor.shape.size()));
    Halves& halves = halves_[std::string(name.substr(0, at)) + ".weight"];
    std::optional<size_t>& half = a < b ? halves.a : halves.b;
    if (half) return fault(fmt::format("holds two of '{}'", tensor.name));
    half = index;
    return {};
  }

  // What a pattern of modules says of this one, as PEFT reads it: the key ends the module's name, or matches it as an expression.
  double of_module(const char* pattern_key, const char* key, const std::string& module, double otherwise) const {
    const double value = config().contains(key) ? config()[key].get<double>() : otherwise;
    if (!config().contains(pattern_key) || !config()[pattern_key].is_object()) return value;
    for (const auto& [pattern, number] : config()[pattern_key].items()) {
      if (!number.is_number()) continue;
      const RE2 expression("(?:.*\\.)?(?:" + pattern + ")", RE2::Quiet);
      const bool fits = expression.ok() ? RE2::FullMatch(module, expression) : module.ends_with(pattern);
      if (fits) return number.get<double>();
    }
    return value;
  }

  Status pair(const std::string& target, const Halves& halves) {
    if (!halves.a || !halves.b) return fault(fmt::format("has only one half of the pair for '{}'", target), "fetch the adapter again: it is not whole");
    const ModelTensor &a = adapter_.model.tensors[*halves.a], &b = adapter_.model.tensors[*halves.b];
    const std::string module = target.substr(0, target.size() - 7);
    const double rank = of_module("rank_pattern", "r", module, 0), alpha = of_module("alpha_pattern", "lora_alpha", module, kDefaultAlpha);
    if (a.shape[0] != b.shape[1]) return fault(fmt::format("has ranks {} and {} for '{}'", a.shape[0], b.shape[1], target));
    if (rank != static_cast<double>(a.shape[0])) return fault(fmt::format("has rank {} for '{}', and adapter_config.json says {}", a.shape[0], target, rank));
    AdapterPair made{target, *halves.a, *halves.b, a.shape[0], a.shape[1], b.shape[0], 0};
    made.scale = flag("use_rslora") ? alpha / std::sqrt(rank) : alpha / rank;
    adapter_.pairs.push_back(std::move(made));
    return {};
  }

  const std::string& shown_;
  Adapter adapter_;
  std::map<std::string, Halves> halves_;
};

}  // namespace

Result<Adapter> open_adapter(const std::filesystem::path& folder, const std::string& shown_name) {
  LLMOPS_ASSIGN(Model model, open_model(folder, shown_name));
  return AdapterReader(std::move(model), shown_name).read();
}

Result<AdapterDelta> AdapterDelta::read(const WeightReader& reader, const AdapterPair& pair) {
  AdapterDelta delta;
  delta.rank_ = pair.rank;
  delta.inputs_ = pair.inputs;
  delta.scale_ = pair.scale;
  delta.a_.resize(pair.rank * pair.inputs);
  delta.b_.resize(pair.outputs * pair.rank);
  std::string bytes;
  LLMOPS_CHECK(reader.read(pair.a, 0, delta.a_, bytes));
  LLMOPS_CHECK(reader.read(pair.b, 0, delta.b_, bytes));
  const auto is_odd = [](float value) { return !std::isfinite(value); };
  if (std::any_of(delta.a_.begin(), delta.a_.end(), is_odd) || std::any_of(delta.b_.begin(), delta.b_.end(), is_odd)) return Error(ErrorCode::kData, fmt::format("'{}' holds NaN or infinity in the pair for '{}'", reader.model().parts[0].shown_name, pair.target), "its training went wrong, or the file is broken");
  return delta;
}

void AdapterDelta::add_row(uint64_t row, std::span<float> values) const {
  std::vector<double> sums(inputs_, 0.0);
  for (uint64_t k = 0; k < rank_; ++k) {
    const double factor = scale_ * static_cast<double>(b_[row * rank_ + k]);
    const float* a = a_.data() + k * inputs_;
    for (uint64_t j = 0; j < inputs_; ++j) sums[j] += factor * static_cast<double>(a[j]);
  }
  for (uint64_t j = 0; j < inputs_; ++j) values[j] = static_cast<float>(static_cast<double>(values[j]) + sums[j]);
}

Result<WeightsPlan> plan_gguf_adapter(const Adapter& adapter, const Json& base_config) {
  const Architecture* architecture = architecture_of(base_config);
  if (architecture == nullptr) return Error(ErrorCode::kData, "the base model's architecture cannot be converted", fmt::format("those that can: {}", known_architectures()));
  const auto whole = [&](const char* key, uint64_t otherwise) { return base_config.contains(key) && base_config[key].is_number_unsigned() ? base_config[key].get<uint64_t>() : otherwise; };
  const uint64_t heads = whole("num_attention_heads", 0), key_heads = whole("num_key_value_heads", heads);
  if (architecture->interleaves_rope && (heads == 0 || key_heads == 0)) return Error(ErrorCode::kData, fmt::format("config.json of the base has no '{}', a whole number above 0", heads == 0 ? "num_attention_heads" : "num_key_value_heads"), "give the folder of the base model: --base PATH");
  // llama.cpp has one alpha and takes alpha / rank of each pair: another scale than that cannot be said.
  const double alpha = adapter.pairs[0].scale * static_cast<double>(adapter.pairs[0].rank);
  WeightsPlan plan;
  plan.format = "gguf";
  plan.entries = {gguf_text("general.type", "adapter"), gguf_text("general.architecture", std::string(architecture->gguf)), gguf_text("adapter.type", "lora"), gguf_f32("adapter.lora.alpha", static_cast<float>(alpha))};
  for (const AdapterPair& pair : adapter.pairs) {
    const auto place = place_of(pair.target, *architecture);
    if (!place || place->expert) return Error(ErrorCode::kData, fmt::format("GGUF has no name for the adapter of '{}'", pair.target));
    const double expected = alpha / static_cast<double>(pair.rank);
    if (std::fabs(pair.scale - expected) > 1e-9 * expected) return Error(ErrorCode::kData, fmt::format("'{}' has the scale {:.6g} where one alpha for all gives {:.6g}", pair.target, pair.scale, expected), "GGUF has one alpha for an adapter: merge it into the base model instead");
    for (const bool is_a : {true, false}) {
      TensorRecipe recipe;
      recipe.name = gguf_name(*place) + (is_a ? ".lora_a" : ".lora_b");
      recipe.sources = {is_a ? pair.a : pair.b};
      recipe.shape = adapter.model.tensors[recipe.sources[0]].shape;
      recipe.type = "F32";
      const bool is_query = place->stem == "attn_q", is_key = place->stem == "attn_k";
      if (!is_a && architecture->interleaves_rope && (is_query || is_key)) {
        const uint64_t of = is_query ? heads : key_heads;
        if (pair.outputs % (2 * of) != 0) return Error(ErrorCode::kData, fmt::format("'{}' has {} rows, which do not divide into {} heads of even size", pair.target, pair.outputs, of));
        recipe.rows = interleaved_rows(pair.outputs, of);
      }
      plan.recipes.push_back(std::move(recipe));
    }
  }
  return plan;
}

}  // namespace llmops
