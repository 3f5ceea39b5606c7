// The values of a model's weights, whatever type they are stored in, and tensors of a new model as parts of those of an old one.
#pragma once

#include <functional>
#include <map>
#include <span>

#include "core/format/bounded_file.h"
#include "core/format/gguf.h"
#include "core/model/model.h"

namespace llmops {

class WeightReader {
 public:
  // `model` must outlive the reader. Errors: kNotFound, kIo.
  static Result<WeightReader> open(const Model& model);
  const Model& model() const { return *model_; }
  // F64 and the types of core/quant.
  static bool can_read(std::string_view type);
  // Values from `first` on, both at the border of a block; any thread. `bytes` is room to work in. Errors: kIo; kData: can_read is false.
  Status read(size_t tensor, uint64_t first, std::span<float> values, std::string& bytes) const;
  // The bytes of a tensor as they are stored, from its byte `offset` on.
  Status read_stored(size_t tensor, uint64_t offset, std::span<char> bytes) const;

 private:
  const Model* model_ = nullptr;
  std::vector<BoundedFile> files_;    // of the parts
};

// A tensor of the new model: rows of the last dimension, taken from one tensor or from several of the same row length that are laid one behind another.
struct TensorRecipe {
  std::string name, type;             // type: as the new file's format names it
  std::vector<uint64_t> shape;        // slowest first
  std::vector<size_t> sources;        // tensors of the old model; empty: `computed`
  std::vector<uint32_t> rows, columns;   // which of them, in which order; empty: all
  std::vector<float> computed;        // values that come from no tensor
  float addend = 0;                   // to each value
  uint64_t row_length() const { return shape.empty() ? 1 : shape.back(); }
  uint64_t row_count() const;
  TensorInfo info() const;            // name, type, shape
};

// What a new file of weights, or a folder of them, is to hold.
struct WeightsPlan {
  std::string format;                   // "gguf", "safetensors"
  std::vector<TensorRecipe> recipes;
  std::vector<std::string> notes;       // of the recipes: why its type is not what was asked for; empty: none
  std::vector<GgufEntry> entries;       // of GGUF
  std::map<std::string, std::string> metadata;                 // of safetensors
  std::vector<std::pair<std::string, std::string>> files;      // beside safetensors in a folder: name, content
  std::vector<std::string> warnings;
};

// Rows of one recipe. Pieces do not depend on the number of threads.
struct Piece {
  size_t recipe = 0, index = 0;       // index: among all pieces
  uint64_t first_row = 0, rows = 0;
};
// Pieces of at most 2^18 values but at least one row, recipe by recipe, each of one matrix of a stack; of a recipe that `is_whole` takes one piece. Empty: of none.
std::vector<Piece> pieces_of(std::span<const TensorRecipe> recipes, const std::function<bool(const TensorRecipe& recipe)>& is_whole = {});

// The values of a piece in their old types. `values` has rows * row_length() places. Any thread. Errors: those of read().
Status read_piece(const WeightReader& reader, const TensorRecipe& recipe, const Piece& piece, std::span<float> values, std::string& bytes);

// Calls `body` for each piece, in order on one thread, in any order on several; `room` is the thread's own, of the largest piece's size.
// Stops at the first error (of several the one of the first piece). Errors: of body; kIo: no memory for what a piece needs; kInterrupted.
struct PieceRoom { std::vector<float> values, others; std::string bytes, more_bytes; };
using PieceBody = std::function<Status(const Piece& piece, PieceRoom& room)>;
Status for_each_piece(std::span<const Piece> pieces, size_t threads, const CancelToken& cancel, const PieceBody& body);

}  // namespace llmops
