// `llmops compress quantize`: weights in fewer bits.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "commands/compress/recipe_statistics.h"
#include "commands/compress/rewrite.h"
#include "core/model/calibration.h"
#include "core/quant/mixes.h"

namespace llmops {

struct CompressQuantizeOptions {
  std::string model, output, type, importance;               // importance: a file of statistics; empty: none
  std::vector<std::string> keep;                              // PATTERN=TYPE
  bool pure = false, allow_requantize = false;
  RewriteOptions rewrite;
};
// Errors: open_model, rewrite; kUsage: an unknown type (did you mean), a malformed --keep, an output that does not fit the type, a source that is quantized
// already without allow_requantize; kData: statistics that do not fit the model, no matrix that a type of safetensors would encode.
Result<CompressWriteReport> compress_quantize(const Session& session, CompressQuantizeOptions options);

struct CompressConvertOptions {
  std::string model, output, dtype, base;                     // dtype: empty: as stored; base: of an adapter: the folder of its base model
  bool with_tokenizer = true;
  RewriteOptions rewrite;
};
// A folder to GGUF or back, another floating-point type, an adapter to GGUF (with `base`), statistics of calibration from one format to another: by what the model is and
// how the output ends. Errors: open_model, plan_gguf, plan_safetensors, open_adapter, open_calibration, rewrite; kUsage: a dtype that is none of F32, F16, BF16 or given for
// statistics, an output that does not fit; kData: statistics of which the output's format holds nothing.
Result<CompressWriteReport> compress_convert(const Session& session, CompressConvertOptions options);

// What the rules of mixes look at, from the keys of a plan.
MixModel mix_model_of(const WeightsPlan& plan);
std::vector<MixTensor> mix_tensors_of(const WeightsPlan& plan);
// Adds the key, or gives it another value.
void set_entry(std::vector<GgufEntry>& entries, GgufEntry entry);
// Keys that say that the file is quantized, by what, and by which statistics.
void mark_quantized(std::vector<GgufEntry>& entries);
void describe_importance(const Calibration& calibration, const std::string& file, std::vector<GgufEntry>& entries);
// A warning for each entry of the statistics that cannot be used.
void warn_of_refused(const Calibration& calibration, std::vector<std::string>& warnings);
// The plan for a GGUF file of the model, whatever format it has now.
Result<WeightsPlan> plan_gguf_of(const Model& model, const std::string& shown_name, bool with_tokenizer);
// general.file_type by what most of the weights are.
uint32_t file_type_of(const WeightsPlan& plan);

// Importance for the recipes of a plan. Errors: those of find_statistics; kData: nothing for any of the recipes.
class ImportanceTable {
 public:
  static Result<ImportanceTable> make(const Calibration& calibration, const Model& model, const WeightsPlan& plan);
  std::span<const float> of(size_t recipe, uint64_t row) const;
  std::string told(const WeightsPlan& plan) const;            // how many of the matrices have one; empty: all
  // What a value weighs where there are no statistics, so that errors of all tensors have one unit: the mean importance of the values that have some.
  double common_weight() const;
  bool has(size_t recipe) const { return !values_[recipe].empty(); }

 private:
  std::vector<std::vector<MatrixStatistics>> values_;         // of the recipes: of each matrix
  std::vector<uint64_t> rows_;                                // of a matrix
};

}  // namespace llmops
