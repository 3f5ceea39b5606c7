// What each type would cost a tensor in accuracy: measured by quantizing it, kept for the next time.
#pragma once

#include "commands/compress/quantize.h"

namespace llmops {

// Sums of squared errors (weighted by importance where there is some; a common weight for tensors without) and of squares, by recipe and type.
struct TypeErrors {
  std::vector<std::string> types;
  std::vector<std::vector<std::optional<double>>> errors;   // [recipe][type]; nullopt: rows do not divide into its blocks, or it is not a candidate
  std::vector<double> squares;                              // [recipe]: of the values themselves, weighted alike
  bool from_cache = false;
};

struct TypeErrorsRequest {
  const Session* session = nullptr;
  const Model* model = nullptr;
  const WeightsPlan* plan = nullptr;
  const std::vector<bool>* is_open = nullptr;               // recipes that are measured
  const ImportanceTable* importance = nullptr;              // nullptr: none
  double common_weight = 1;                                 // with importance: of each value that has none
  std::string importance_digest;
  bool use_cache = true;
  size_t threads = 0;
};
// Errors: reading; kData: NaN or infinity. Cost: one quantization of the model in each of 14 types, or one pass for the digests.
Result<TypeErrors> measure_type_errors(const TypeErrorsRequest& request);

}  // namespace llmops
