#include "commands/compress/quantize.h"

#include <fmt/format.h>
#include <fnmatch.h>

#include <algorithm>
#include <map>
#include <numeric>

#include "core/base/error.h"
#include "core/model/conversion.h"
#include "core/quant/block_types.h"
#include "core/quant/compressed_tensors.h"
#include "core/text/codepoint.h"

namespace llmops {
namespace {

constexpr uint32_t kQuantizationVersion = 2;

uint64_t whole_at(const WeightsPlan& plan, const std::string& key) {
  const auto found = std::find_if(plan.entries.begin(), plan.entries.end(), [&](const GgufEntry& entry) { return entry.key == key; });
  if (found == plan.entries.end()) return 0;
  // Some architectures give a number for each layer.
  if (const auto numbers = found->numbers(); numbers && !numbers->empty()) return static_cast<uint64_t>(std::max(0.0, numbers->front()));
  return found->whole().value_or(0);
}

struct Keep { std::string pattern, type; };
Result<std::vector<Keep>> parse_keep(const std::vector<std::string>& texts) {
  std::vector<Keep> made;
  for (const std::string& text : texts) {
    const size_t equals = text.rfind('=');
    if (equals == std::string::npos || equals == 0) return Error(ErrorCode::kUsage, fmt::format("--keep '{}' is not PATTERN=TYPE", text), "--keep 'blk.0.*=Q8_0' or --keep 'output.weight=same'");
    Keep keep{text.substr(0, equals), text.substr(equals + 1)};
    if (keep.type != "same") {
      keep.type = text::to_upper(keep.type);
      if (find_block_type(keep.type) == nullptr) return Error(ErrorCode::kUsage, fmt::format("--keep '{}' names the type '{}', which is not known", text, keep.type), "types: F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, IQ4_NL, IQ4_XS, or 'same'");
    }
    made.push_back(std::move(keep));
  }
  return made;
}

// Types that mixes and --keep give; notes say where a type is not the one that the mix has for most.
Status assign_types(WeightsPlan& plan, const std::vector<MixChoice>& choices, const std::vector<Keep>& keeps) {
  plan.notes.assign(plan.recipes.size(), "");
  std::vector<bool> used(keeps.size(), false);
  for (size_t i = 0; i < plan.recipes.size(); ++i) {
    TensorRecipe& recipe = plan.recipes[i];
    const std::string stored = recipe.type;
    if (choices[i].is_quantizable) recipe.type = choices[i].type;
    if (choices[i].fell_back) plan.notes[i] = fmt::format("rows of {} do not divide into blocks", recipe.row_length());
    for (size_t k = 0; k < keeps.size(); ++k) {
      if (::fnmatch(keeps[k].pattern.c_str(), recipe.name.c_str(), 0) != 0) continue;
      // Norms and vectors stay what they are: no runtime takes them in another type.
      if (!choices[i].is_quantizable && keeps[k].type != "same" && (plan.format == "gguf" || find_block_type(keeps[k].type)->elements > 1)) continue;
      recipe.type = keeps[k].type == "same" ? stored : keeps[k].type;
      plan.notes[i] = "--keep";
      used[k] = true;
    }
  }
  for (size_t k = 0; k < keeps.size(); ++k) {
    if (!used[k]) return Error(ErrorCode::kUsage, fmt::format("--keep '{}' matches no tensor whose type can be chosen", keeps[k].pattern), "names: llmops compress inspect MODEL; '*' stands for any characters");
  }
  return {};
}

Status check_requantize(const Model& model, const WeightsPlan& plan, bool allowed) {
  if (allowed) return {};
  for (const TensorRecipe& recipe : plan.recipes) {
    if (recipe.sources.empty()) continue;
    const ModelTensor& source = model.tensors[recipe.sources[0]];
    const BlockType* type = find_block_type(source.type);
    if (source.type == recipe.type || type == nullptr || type->elements == 1) continue;
    return Error(ErrorCode::kUsage, fmt::format("tensor '{}' is quantized already ({})", source.name, source.type), "start from the F16 or BF16 weights; or --allow-requantize, which adds the errors of both");
  }
  return {};
}

std::string known_types() {
  std::string names;
  for (const Mix& mix : mixes()) names += fmt::format("{}{}", names.empty() ? "" : ", ", mix.name);
  return names;
}

Error unknown_type(const std::string& type) {
  std::vector<std::string> names;
  for (const Mix& mix : mixes()) names.emplace_back(mix.name);
  const std::string nearest = closest_name(text::to_upper(type), names);
  return Error(ErrorCode::kUsage, fmt::format("'{}' is no type or mix that is known", type), (nearest.empty() ? "" : fmt::format("did you mean '{}'? ", nearest)) + fmt::format("types: {}; for safetensors: int8, int4, w8a8, fp8", known_types()));
}

// ---- safetensors in the layout of compressed-tensors ----

const TensorEncoding* encoding_named(const std::string& type) {
  static const std::map<std::string, std::string> kNames = {{"INT8", "W8A16"}, {"INT4", "W4A16"}, {"W8A16", "W8A16"}, {"W4A16", "W4A16"}, {"W8A8", "W8A8"}, {"FP8", "FP8"}, {"FP8_DYNAMIC", "FP8"}};
  const auto found = kNames.find(text::to_upper(type));
  return found == kNames.end() ? nullptr : find_tensor_encoding(found->second);
}

// What Linear modules have and embeddings, norms, routers and the output do not.
bool is_linear(const TensorRecipe& recipe) {
  return recipe.shape.size() == 2 && (recipe.name.ends_with("_proj.weight") || recipe.name.ends_with(".w1.weight") || recipe.name.ends_with(".w2.weight") || recipe.name.ends_with(".w3.weight"));
}

// quantization_config of config.json: https://github.com/neuralmagic/compressed-tensors.
Json quantization_config(const TensorEncoding& encoding, const std::vector<std::string>& ignored) {
  const bool is_float = encoding.most == 0, has_groups = encoding.bits == 4, has_inputs = !encoding.is_packed;
  Json weights = {{"num_bits", encoding.bits}, {"type", is_float ? "float" : "int"}, {"symmetric", true}, {"strategy", has_groups ? "group" : "channel"}, {"group_size", has_groups ? Json(128) : Json()}, {"dynamic", false}, {"observer", "minmax"}};
  // Inputs are quantized as they come, token by token.
  const Json inputs = has_inputs ? Json{{"num_bits", encoding.bits}, {"type", is_float ? "float" : "int"}, {"symmetric", true}, {"strategy", "token"}, {"group_size", Json()}, {"dynamic", true}} : Json();
  return {{"quant_method", "compressed-tensors"}, {"format", encoding.format}, {"quantization_status", "compressed"}, {"global_compression_ratio", Json()}, {"kv_cache_scheme", Json()}, {"ignore", ignored},
      {"config_groups", {{"group_0", {{"targets", {"Linear"}}, {"weights", weights}, {"input_activations", inputs}, {"output_activations", Json()}}}}}};
}

// Modules that a reader could take for quantized ones: every matrix that is not, but embeddings, which are no Linear.
std::vector<std::string> ignored_modules(const WeightsPlan& plan, const TensorEncoding& encoding) {
  constexpr std::string_view kWeight = ".weight", kOutput = "lm_head";
  std::vector<std::string> ignored = {std::string(kOutput)};   // a Linear also where it is tied and has no tensor
  for (const TensorRecipe& recipe : plan.recipes) {
    const bool is_module = recipe.shape.size() == 2 && recipe.name.ends_with(kWeight) && tensor_role(recipe.name) != TensorRole::kEmbedding;
    const std::string name = recipe.name.substr(0, recipe.name.size() - std::min(recipe.name.size(), kWeight.size()));
    if (is_module && recipe.type != encoding.name && name != kOutput) ignored.push_back(name);
  }
  return ignored;
}

Status add_quantization_config(WeightsPlan& plan, const Json& quantization) {
  const auto found = std::find_if(plan.files.begin(), plan.files.end(), [](const auto& file) { return file.first == "config.json"; });
  if (found == plan.files.end()) return Error(ErrorCode::kData, "the model has no config.json, where readers look for how it is quantized", "give the folder that holds config.json beside the weights");
  LLMOPS_ASSIGN(Json config, parse_json(found->second, "config.json"));
  if (!config.is_object()) return Error(ErrorCode::kData, "config.json is no object");
  config["quantization_config"] = quantization;
  found->second = dump_json_pretty(config) + "\n";
  return {};
}

Result<CompressWriteReport> quantize_safetensors(const Session& session, const CompressQuantizeOptions& options, const TensorEncoding& encoding) {
  if (is_gguf_output(options.output)) return Error(ErrorCode::kUsage, fmt::format("{} is a layout of safetensors, and '{}' ends in .gguf", encoding.name, options.output), "give the name of a new folder");
  LLMOPS_ASSIGN(const bool is_folder, is_folder_output(options.output));
  if (!is_folder) return Error(ErrorCode::kUsage, fmt::format("{} needs a config.json beside the weights, and '{}' is a file", encoding.name, options.output), "give the name of a new folder");
  if (!options.importance.empty()) return Error(ErrorCode::kUsage, fmt::format("{} takes no importance: its scales are those of the largest values", encoding.name), "leave --imatrix out");
  LLMOPS_ASSIGN(const std::vector<Keep> keeps, parse_keep(options.keep));
  LLMOPS_ASSIGN(const Model model, open_model((session.surroundings().working_directory / options.model).lexically_normal(), options.model));
  if (model.config.is_object() && model.config.contains("quantization_config")) return Error(ErrorCode::kUsage, "the model is quantized already: its config.json has a quantization_config", "start from the weights before that");
  LLMOPS_ASSIGN(WeightsPlan plan, model.format == "gguf" ? plan_safetensors(model, {}) : plan_same_safetensors(model));
  std::vector<MixChoice> choices;
  for (const TensorRecipe& recipe : plan.recipes) choices.push_back({is_linear(recipe) ? std::string(encoding.name) : recipe.type, is_linear(recipe), false});
  LLMOPS_CHECK(assign_types(plan, choices, keeps));
  LLMOPS_CHECK(check_requantize(model, plan, options.allow_requantize));
  const auto is_encoded = [&](const TensorRecipe& recipe) { return recipe.type == encoding.name; };
  if (std::none_of(plan.recipes.begin(), plan.recipes.end(), is_encoded)) return Error(ErrorCode::kData, fmt::format("'{}' has no matrix that {} would encode", options.model, encoding.name), "convert it to GGUF and quantize that: names that are known here end in _proj.weight, .w1.weight, .w2.weight or .w3.weight");
  LLMOPS_CHECK(add_quantization_config(plan, quantization_config(encoding, ignored_modules(plan, encoding))));
  RewriteOptions rewriting = options.rewrite;
  rewriting.command = "quantize";
  rewriting.output = options.output;
  rewriting.type = std::string(encoding.name);
  rewriting.options = {{"type", encoding.name}, {"keep", options.keep}};
  return rewrite(session, model, options.model, std::move(plan), rewriting);
}

}  // namespace

void mark_quantized(std::vector<GgufEntry>& entries) {
  set_entry(entries, gguf_u32("general.quantization_version", kQuantizationVersion));
  set_entry(entries, gguf_text("general.quantized_by", "llmops " LLMOPS_VERSION));
}

void describe_importance(const Calibration& calibration, const std::string& file, std::vector<GgufEntry>& entries) {
  set_entry(entries, gguf_text("quantize.imatrix.file", file));
  if (!calibration.datasets.empty()) set_entry(entries, gguf_text("quantize.imatrix.dataset", calibration.datasets.front()));
  set_entry(entries, gguf_u32("quantize.imatrix.entries_count", static_cast<uint32_t>(calibration.entries.size())));
  if (calibration.chunk_count > 0) set_entry(entries, gguf_u32("quantize.imatrix.chunks_count", static_cast<uint32_t>(calibration.chunk_count)));
}

void warn_of_refused(const Calibration& calibration, std::vector<std::string>& warnings) {
  for (const Calibration::Refused& refused : calibration.refused) warnings.push_back(fmt::format("'{}' is not used for '{}': {}", calibration.shown_name, refused.name, refused.reason));
}

void set_entry(std::vector<GgufEntry>& entries, GgufEntry entry) {
  const auto found = std::find_if(entries.begin(), entries.end(), [&](const GgufEntry& one) { return one.key == entry.key; });
  if (found == entries.end()) entries.push_back(std::move(entry));
  else *found = std::move(entry);
}

MixModel mix_model_of(const WeightsPlan& plan) {
  MixModel model;
  for (const GgufEntry& entry : plan.entries) if (entry.key == "general.architecture") model.architecture = entry.text().value_or("");
  const std::string& prefix = model.architecture;
  model.layers = whole_at(plan, prefix + ".block_count");
  model.heads = whole_at(plan, prefix + ".attention.head_count");
  model.key_heads = whole_at(plan, prefix + ".attention.head_count_kv");
  if (model.key_heads == 0) model.key_heads = model.heads;
  model.experts = whole_at(plan, prefix + ".expert_count");
  return model;
}

std::vector<MixTensor> mix_tensors_of(const WeightsPlan& plan) {
  std::vector<MixTensor> tensors;
  for (const TensorRecipe& recipe : plan.recipes) tensors.push_back({recipe.name, recipe.type, recipe.shape});
  return tensors;
}

uint32_t file_type_of(const WeightsPlan& plan) {
  std::map<std::string, uint64_t> parameters;
  for (const TensorRecipe& recipe : plan.recipes) if (recipe.shape.size() > 1) parameters[recipe.type] += recipe.info().elements();
  const auto most = std::max_element(parameters.begin(), parameters.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  const Mix* mix = most == parameters.end() ? nullptr : find_mix(most->first);
  return mix == nullptr ? 0 : mix->file_type;
}

Result<WeightsPlan> plan_gguf_of(const Model& model, const std::string& shown_name, bool with_tokenizer) {
  if (model.format == "gguf") return plan_same_gguf(model);
  LLMOPS_CHECK(check_plain(model, shown_name));
  LLMOPS_ASSIGN(WeightsPlan plan, plan_gguf(model, {"", with_tokenizer}));
  set_entry(plan.entries, gguf_u32("general.file_type", file_type_of(plan)));
  return plan;
}

Result<ImportanceTable> ImportanceTable::make(const Calibration& calibration, const Model& model, const WeightsPlan& plan) {
  ImportanceTable table;
  bool has_any = false;
  for (const TensorRecipe& recipe : plan.recipes) {
    LLMOPS_ASSIGN(std::vector<MatrixStatistics> found, find_statistics(calibration, model, recipe));
    has_any |= !found.empty();
    table.rows_.push_back(std::max<uint64_t>(1, recipe.shape.size() > 2 ? recipe.shape[recipe.shape.size() - 2] : recipe.row_count()));
    table.values_.push_back(std::move(found));
  }
  if (!has_any) return Error(ErrorCode::kData, fmt::format("'{}' has nothing for any tensor of the model", calibration.shown_name), "it was made from another model");
  return table;
}

double ImportanceTable::common_weight() const {
  double sum = 0, count = 0;
  for (size_t i = 0; i < values_.size(); ++i) {
    for (const MatrixStatistics& matrix : values_[i]) {
      const auto rows = static_cast<double>(rows_[i]);   // each mean square weighs the values of a column
      sum += rows * std::accumulate(matrix.mean_squares.begin(), matrix.mean_squares.end(), 0.0);
      count += rows * static_cast<double>(matrix.mean_squares.size());
    }
  }
  return sum > 0 ? sum / count : 1;
}

std::string ImportanceTable::told(const WeightsPlan& plan) const {
  size_t matrices = 0, weighted = 0;
  for (size_t i = 0; i < plan.recipes.size(); ++i) {
    if (plan.recipes[i].shape.size() < 2 || !plan.recipes[i].name.ends_with("weight")) continue;
    ++matrices;
    weighted += has(i);
  }
  return weighted == matrices ? "" : fmt::format("{} of {} matrices are weighted by their inputs, the others have no statistics", weighted, matrices);
}

std::span<const float> ImportanceTable::of(size_t recipe, uint64_t row) const { return values_[recipe].empty() ? std::span<const float>() : values_[recipe][row / rows_[recipe]].mean_squares; }

Result<CompressWriteReport> compress_quantize(const Session& session, CompressQuantizeOptions options) {
  if (const TensorEncoding* encoding = encoding_named(options.type)) return quantize_safetensors(session, options, *encoding);
  const fs::path& here = session.surroundings().working_directory;
  const Mix* mix = find_mix(options.type);
  if (mix == nullptr) return unknown_type(options.type);
  if (mix->needs_importance && options.importance.empty()) return Error(ErrorCode::kUsage, fmt::format("{} loses too much without an importance matrix", mix->name), "give --imatrix FILE, or another type");
  if (!is_gguf_output(options.output)) return Error(ErrorCode::kUsage, fmt::format("{} is a type of GGUF, and '{}' does not end in .gguf", mix->name, options.output), fmt::format("write to '{}.gguf'", options.output));
  LLMOPS_ASSIGN(const std::vector<Keep> keeps, parse_keep(options.keep));
  LLMOPS_ASSIGN(const Model model, open_model((here / options.model).lexically_normal(), options.model));
  LLMOPS_ASSIGN(WeightsPlan plan, plan_gguf_of(model, options.model, true));
  MixModel facts = mix_model_of(plan);
  facts.has_importance = !options.importance.empty();
  LLMOPS_CHECK(assign_types(plan, choose_types(*mix, facts, mix_tensors_of(plan), options.pure), keeps));
  LLMOPS_CHECK(check_requantize(model, plan, options.allow_requantize));
  set_entry(plan.entries, gguf_u32("general.file_type", mix->file_type));
  mark_quantized(plan.entries);
  Calibration calibration;
  ImportanceTable importance;
  RewriteOptions rewriting = options.rewrite;
  if (facts.has_importance) {
    LLMOPS_ASSIGN(calibration, open_calibration((here / options.importance).lexically_normal(), options.importance));
    describe_importance(calibration, options.importance, plan.entries);
    LLMOPS_ASSIGN(importance, ImportanceTable::make(calibration, model, plan));
    warn_of_refused(calibration, plan.warnings);
    rewriting.importance = [&](size_t recipe, uint64_t row) { return importance.of(recipe, row); };
    if (const std::string told = importance.told(plan); !told.empty()) plan.warnings.push_back(told);
  }
  rewriting.command = "quantize";
  rewriting.output = options.output;
  if (facts.has_importance) rewriting.inputs.push_back(options.importance);
  rewriting.type = std::string(mix->name);
  rewriting.options = {{"type", mix->name}, {"pure", options.pure}, {"keep", options.keep}, {"imatrix", options.importance.empty() ? Json() : Json(options.importance)}, {"allow_requantize", options.allow_requantize}, {"saturate", options.rewrite.saturate}};
  return rewrite(session, model, options.model, std::move(plan), rewriting);
}

}  // namespace llmops
