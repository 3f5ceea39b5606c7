// The checks and figures of assets that hold weights: models, embedding models, adapters. Headers are read, weights are not.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/data/scan.h"

namespace llmops {

enum class ModelFilesKind { kModel, kEmbeddingModel, kAdapter };

struct ModelFile { std::filesystem::path path; std::string shown_name; };

struct TypeShare { std::string type; int64_t tensors = 0; uint64_t bytes = 0; };
struct WeightStatistics {
  std::string format;                 // "safetensors", "gguf"
  int64_t tensors = 0;
  uint64_t parameters = 0;            // values, whatever their type
  std::vector<TypeShare> types;       // most bytes first
  std::string architecture;           // GGUF: general.architecture; empty: not said
};

struct ModelFileReport {
  std::string file;
  uint64_t bytes = 0;
  std::optional<WeightStatistics> weights;   // nullopt: a file of another kind, or a broken one
  ScanReport report;                         // its problems alone
};

// One report for each file, in their order; what the asset as a whole lacks stands with the first. `base` of an adapter: the model that
// the chain says it was trained on; empty: not said.
// Problems: bad_weights (read_safetensors_header, read_gguf_header, JSON that does not parse, an index whose shards are not all
// there), missing_part (no weights; an adapter without adapter_config.json; safetensors of a model without config.json or
// tokenizer), wrong_base (another base model in adapter_config.json, a rank that the weights do not have), unsafe_file (pickles,
// which run code when they are loaded). Errors: kIo.
Result<std::vector<ModelFileReport>> check_model_files(ModelFilesKind kind, const std::vector<ModelFile>& files, const std::string& base);

}  // namespace llmops
