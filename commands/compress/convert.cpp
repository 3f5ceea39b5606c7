#include <fmt/format.h>

#include <algorithm>

#include "commands/compress/merge.h"
#include "commands/compress/quantize.h"
#include "core/model/conversion.h"
#include "core/quant/block_types.h"

namespace llmops {
namespace {

// general.file_type by what most of the weights are.
uint32_t file_type_of(const WeightsPlan& plan) {
  std::map<std::string, uint64_t> parameters;
  for (const TensorRecipe& recipe : plan.recipes) if (recipe.shape.size() > 1) parameters[recipe.type] += recipe.info().elements();
  const auto most = std::max_element(parameters.begin(), parameters.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  const Mix* mix = most == parameters.end() ? nullptr : find_mix(most->first);
  return mix == nullptr ? 0 : mix->file_type;
}

// Matrices of floating point; of a GGUF file not its norms and vectors, which stay F32.
void cast(const Model& model, WeightsPlan& plan, const std::string& dtype) {
  for (TensorRecipe& recipe : plan.recipes) {
    const bool is_vector = plan.format == "gguf" && (recipe.shape.size() <= 1 || recipe.name.find("_norm.") != std::string::npos || recipe.name.find("ffn_gate_inp") != std::string::npos);
    if (!is_vector && WeightReader::can_read(model.tensors[recipe.sources[0]].type)) recipe.type = dtype;
  }
}

void set_torch_dtype(WeightsPlan& plan, const std::string& dtype) {
  const std::string word = dtype == "F32" ? "float32" : dtype == "F16" ? "float16" : "bfloat16";
  for (auto& [name, content] : plan.files) {
    if (name != "config.json") continue;
    auto json = parse_json(content, name);
    if (!json || !json->is_object()) continue;
    (*json)[json->contains("dtype") ? "dtype" : "torch_dtype"] = word;
    content = dump_json_pretty(*json) + "\n";
  }
}

// Statistics of calibration, told by the ending of their own file or by what it says of itself.
bool is_statistics(const fs::path& path) {
  if (path.extension() == ".dat") return true;
  if (path.extension() == ".gguf") {
    const auto header = read_gguf_header(path, path.filename().string());
    return header && header->metadata.value("general.type", "") == "imatrix";
  }
  if (path.extension() != ".safetensors") return false;
  const auto header = read_safetensors_header(path, path.filename().string());
  return header && header->metadata.value("format", "").starts_with("llmops.calibration/");
}

// From one of the three formats of statistics to another: by the ending of the output .dat, .gguf or .safetensors.
Result<CompressWriteReport> convert_statistics(const fs::path& here, const CompressConvertOptions& options) {
  const fs::path output = (here / options.output).lexically_normal();
  std::error_code ignored;
  if (fs::exists(output, ignored) && !options.rewrite.replace) return Error(ErrorCode::kUsage, fmt::format("'{}' exists already", options.output), "give another name, or --force to replace it");
  LLMOPS_ASSIGN(const Calibration calibration, open_calibration((here / options.model).lexically_normal(), options.model));
  const std::string ending = output.extension().string();
  if (ending != ".dat" && ending != ".gguf" && ending != ".safetensors") return Error(ErrorCode::kUsage, fmt::format("'{}' holds statistics, and '{}' ends in none of .dat, .gguf, .safetensors", options.model, options.output), "llama.cpp reads .gguf, its older versions .dat");
  CompressWriteReport report;
  report.command = "convert";
  report.source = options.model;
  report.output = options.output;
  report.format = ending == ".dat" ? "imatrix.dat" : ending == ".gguf" ? "imatrix.gguf" : "calibration";
  report.is_dry = options.rewrite.is_dry;
  for (const Calibration::Refused& refused : calibration.refused) report.warnings.push_back(fmt::format("'{}' is left out: {}", refused.name, refused.reason));
  report.warnings.push_back(fmt::format("statistics of {} weights", calibration.entries.size()));
  if (options.rewrite.is_dry) return report;
  const auto hessians = [&](const CalibrationEntry& entry) { return calibration.read_hessian(entry.name); };
  LLMOPS_CHECK(ending == ".dat" ? write_imatrix_dat(output, calibration) : ending == ".gguf" ? write_imatrix_gguf(output, calibration) : write_calibration(output, calibration, hessians));
  report.output_bytes = fs::file_size(output, ignored);
  return report;
}

}  // namespace

Result<CompressWriteReport> compress_convert(const Session& session, CompressConvertOptions options) {
  const fs::path path = (session.surroundings().working_directory / options.model).lexically_normal();
  std::transform(options.dtype.begin(), options.dtype.end(), options.dtype.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  if (!options.dtype.empty() && options.dtype != "F32" && options.dtype != "F16" && options.dtype != "BF16") return Error(ErrorCode::kUsage, fmt::format("--dtype '{}' is none of F32, F16, BF16", options.dtype), "for block types there is: llmops compress quantize");
  if (is_statistics(path)) return convert_statistics(session.surroundings().working_directory, options);
  LLMOPS_ASSIGN(const Model model, open_model(path, options.model));
  if (model.config.is_object() && model.config.contains("peft_type") && options.output.ends_with(".gguf")) return convert_adapter(session, {options.base, options.model, options.output, options.rewrite});
  const bool to_gguf = options.output.ends_with(".gguf"), from_gguf = model.format == "gguf";
  const ConversionOptions conversion{options.dtype, options.with_tokenizer};
  LLMOPS_ASSIGN(WeightsPlan plan, from_gguf && to_gguf ? plan_same_gguf(model) : to_gguf ? plan_gguf(model, conversion) : from_gguf ? plan_safetensors(model, conversion) : plan_same_safetensors(model));
  if (from_gguf == to_gguf && !options.dtype.empty()) cast(model, plan, options.dtype);
  if (!to_gguf && !options.dtype.empty()) set_torch_dtype(plan, options.dtype);
  const auto is_blocks = [](const ModelTensor& tensor) { return find_block_type(tensor.type) != nullptr && find_block_type(tensor.type)->elements > 1; };
  if (!to_gguf && from_gguf && options.dtype.empty() && std::any_of(model.tensors.begin(), model.tensors.end(), is_blocks)) set_torch_dtype(plan, "F16");
  if (to_gguf) set_entry(plan.entries, gguf_u32("general.file_type", file_type_of(plan)));
  RewriteOptions rewriting = options.rewrite;
  rewriting.command = "convert";
  rewriting.output = options.output;
  rewriting.type = options.dtype;
  rewriting.options = {{"dtype", options.dtype.empty() ? Json() : Json(options.dtype)}, {"tokenizer", options.with_tokenizer}, {"saturate", options.rewrite.saturate}};
  return rewrite(session, model, options.model, std::move(plan), rewriting);
}

}  // namespace llmops
