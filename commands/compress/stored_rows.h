// How rows of a recipe lie in the tensors of the new file: one tensor for most types, several where scales lie apart from the numbers.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "core/model/weights.h"

namespace llmops {

struct StoredTensor {
  TensorInfo info;
  uint64_t row_bytes = 0;       // of one row of the recipe; 0: `constant` is all there is
  std::string constant;
};

// The tensors that a recipe becomes. Errors: kData: a type that rows of this length cannot have, or rows that do not end at a byte.
Result<std::vector<StoredTensor>> stored_tensors(const TensorRecipe& recipe);

// Of F64 and the types of core/quant. Bytes for each stored tensor that has rows, in the order of stored_tensors. `importance`: of the columns, for a row; empty: none.
void encode_rows(const TensorRecipe& recipe, std::span<const float> values, std::span<const float> importance, std::span<std::string> bytes);
// The reverse. Precondition: bytes of whole rows.
void decode_rows(const TensorRecipe& recipe, std::span<const std::string> bytes, std::span<float> values);

// The largest magnitude that the type can hold; infinity where it has none of its own.
float largest_value(const TensorRecipe& recipe);

}  // namespace llmops
