// `llmops compress inspect`: what a model on disk says it is, without loading it.
#pragma once

#include "commands/session.h"
#include "core/model/model.h"

namespace llmops {

struct CompressInspectOptions { std::string model; bool with_data = false; };

// What one type or one role takes of a model.
struct TensorShare { std::string name; int64_t tensors = 0; uint64_t parameters = 0, bytes = 0; };

struct CompressInspectReport {
  std::string path;
  Model model;
  uint64_t parameters = 0, weight_bytes = 0, file_bytes = 0;
  std::vector<TensorShare> types, roles;    // most bytes first; roles in their own order
  std::vector<TensorContent> contents;      // of model.tensors; empty: not read
  // Bits that a value takes on average.
  double bits_per_weight() const { return parameters == 0 ? 0 : 8 * static_cast<double>(weight_bytes) / static_cast<double>(parameters); }
  // Tensors that hold NaN or infinity.
  std::vector<size_t> odd_tensors() const;
};
// Errors: open_model, read_contents.
Result<CompressInspectReport> compress_inspect(const Session& session, const CompressInspectOptions& options);

}  // namespace llmops
