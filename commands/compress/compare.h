// `llmops compress compare`: two models tensor by tensor, whatever formats and types they are in.
#pragma once

#include "commands/compress/rewrite.h"

namespace llmops {

struct CompressCompareOptions { std::string left, right; size_t threads = 0; };

struct TensorComparison {
  std::string name, left_type, right_type;
  std::vector<uint64_t> shape;
  uint64_t left_bytes = 0, right_bytes = 0;
  TensorError error;                    // of the right one against the left one
};
struct ShapeDifference { std::string name; std::vector<uint64_t> left, right; };
struct KeyDifference { std::string key; Json left, right; };   // null: not there; an array: {type, count, sha256} of its bytes

struct CompressCompareReport {
  std::string left, right, left_format, right_format;
  uint64_t parameters = 0, left_bytes = 0, right_bytes = 0;    // of the tensors that both have; bytes: of all
  std::vector<TensorComparison> tensors;
  std::vector<std::string> only_left, only_right;
  std::vector<ShapeDifference> shapes;
  std::vector<KeyDifference> keys;      // of GGUF, where both are of it
  TensorError error;                    // over all compared tensors, without `odd`
  uint64_t odd = 0;                     // pairs of which one is NaN or infinite and the other is not the same
  bool is_same() const { return only_left.empty() && only_right.empty() && shapes.empty() && error.largest == 0 && odd == 0; }
};
// Reads every value of both. A folder of safetensors beside a GGUF file is seen under GGUF's names and orders. Errors: open_model, conversion, reading; kData: a
// type whose values cannot be read.
Result<CompressCompareReport> compress_compare(const Session& session, const CompressCompareOptions& options);

}  // namespace llmops
