#include <fmt/format.h>

#include <algorithm>

#include "commands/compress/merge.h"
#include "commands/compress/quantize.h"
#include "core/model/conversion.h"
#include "core/quant/block_types.h"
#include "core/text/codepoint.h"

namespace llmops {
namespace {

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

std::string text_at(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

// Statistics of calibration, told by the ending of their own file or by what it says of itself.
bool is_statistics(const fs::path& path) {
  if (path.extension() == ".dat") return true;
  if (path.extension() == ".gguf") {
    const auto header = read_gguf_header(path, path.filename().string());
    return header && text_at(header->metadata, "general.type") == "imatrix";
  }
  if (path.extension() != ".safetensors") return false;
  const auto header = read_safetensors_header(path, path.filename().string());
  return header && text_at(header->metadata, "format").starts_with("llmops.calibration/");
}

// What llama.cpp's formats have no place for.
Status check_losses(const Calibration& calibration, const CompressConvertOptions& options, CompressWriteReport& report) {
  if (calibration.entries.empty()) return Error(ErrorCode::kData, fmt::format("'{}' has no sums of squares of any weight, and '{}' holds nothing else", options.model, options.output), "write to a name that ends in .safetensors");
  const auto hessians = std::count_if(calibration.entries.begin(), calibration.entries.end(), [](const CalibrationEntry& entry) { return entry.has_hessian; });
  if (hessians > 0) report.warnings.push_back(fmt::format("{} Hessians are left out: only .safetensors holds them", hessians));
  if (!calibration.block_influence.empty() || !calibration.head_importance.values.empty() || !calibration.ffn_importance.values.empty()) report.warnings.push_back("the importance of layers, heads and channels is left out: only .safetensors holds it");
  return {};
}

// From one of the three formats of statistics to another: by the ending of the output .dat, .gguf or .safetensors.
Result<CompressWriteReport> convert_statistics(const Session& session, const CompressConvertOptions& options) {
  const fs::path& here = session.surroundings().working_directory;
  const fs::path source = (here / options.model).lexically_normal(), output = (here / options.output).lexically_normal();
  if (!options.dtype.empty()) return Error(ErrorCode::kUsage, fmt::format("--dtype is for weights, and '{}' holds statistics", options.model), "leave it out");
  RewriteOptions checked = options.rewrite;
  checked.output = options.output;
  checked.inputs = {options.model};
  LLMOPS_CHECK(check_output(session, checked, Model(), false));
  LLMOPS_ASSIGN(const Calibration calibration, open_calibration(source, options.model));
  const std::string ending = output.extension().string();
  if (ending != ".dat" && ending != ".gguf" && ending != ".safetensors") return Error(ErrorCode::kUsage, fmt::format("'{}' holds statistics, and '{}' ends in none of .dat, .gguf, .safetensors", options.model, options.output), "llama.cpp reads .gguf, its older versions .dat");
  CompressWriteReport report;
  report.command = "convert";
  report.source = options.model;
  report.output = options.output;
  report.format = ending == ".dat" ? "imatrix.dat" : ending == ".gguf" ? "imatrix.gguf" : "calibration";
  report.is_dry = options.rewrite.is_dry;
  for (const Calibration::Refused& refused : calibration.refused) report.warnings.push_back(fmt::format("'{}' is left out: {}", refused.name, refused.reason));
  report.type = fmt::format("statistics of {} weights", calibration.entries.size());
  if (ending != ".safetensors") LLMOPS_CHECK(check_losses(calibration, options, report));
  LLMOPS_ASSIGN(report.sources, files_read({{source, options.model}}, !options.rewrite.is_dry));
  if (options.rewrite.is_dry) return report;
  const auto hessians = [&](const CalibrationEntry& entry) { return calibration.read_hessian(entry.name); };
  LLMOPS_CHECK(ending == ".dat" ? write_imatrix_dat(output, calibration) : ending == ".gguf" ? write_imatrix_gguf(output, calibration) : write_calibration(output, calibration, hessians));
  LLMOPS_ASSIGN(report.outputs, files_read({{output, output.filename().string()}}, true));
  report.output_bytes = report.outputs.front().bytes;
  return report;
}

}  // namespace

Result<CompressWriteReport> compress_convert(const Session& session, CompressConvertOptions options) {
  const fs::path path = (session.surroundings().working_directory / options.model).lexically_normal();
  options.dtype = text::to_upper(options.dtype);
  if (!options.dtype.empty() && options.dtype != "F32" && options.dtype != "F16" && options.dtype != "BF16") return Error(ErrorCode::kUsage, fmt::format("--dtype '{}' is none of F32, F16, BF16", options.dtype), "for block types there is: llmops compress quantize");
  if (is_statistics(path)) return convert_statistics(session, options);
  LLMOPS_ASSIGN(const Model model, open_model(path, options.model));
  if (model.config.is_object() && model.config.contains("peft_type") && is_gguf_output(options.output)) return convert_adapter(session, {options.base, options.model, options.output, options.rewrite});
  const bool to_gguf = is_gguf_output(options.output), from_gguf = model.format == "gguf";
  LLMOPS_CHECK(check_plain(model, options.model));
  if (from_gguf && to_gguf && !options.with_tokenizer) return Error(ErrorCode::kUsage, "--no-tokenizer is for a folder that becomes GGUF", "leave it out");
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
