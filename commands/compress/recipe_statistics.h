// Statistics of the inputs of a recipe's matrices, whatever words name them in the file: those of the new tensor, of its source, of the other format.
#pragma once

#include "core/model/calibration.h"
#include "core/model/weights.h"

namespace llmops {

struct MatrixStatistics {
  const CalibrationEntry* entry = nullptr;    // nullptr: none
  std::span<const float> mean_squares;        // of the columns
};
// One for each matrix of the recipe (experts lie in a stack in GGUF, one by one at Hugging Face); empty: none has any. Errors (kData): as many values
// as another model's rows have. Both arguments must outlive the result.
Result<std::vector<MatrixStatistics>> find_statistics(const Calibration& calibration, const Model& model, const TensorRecipe& recipe);

}  // namespace llmops
