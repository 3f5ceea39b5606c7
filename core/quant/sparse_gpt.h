// Pruning that moves the error of a removed weight onto the weights that stay, by the second moments of the layer's inputs.
#pragma once

#include <span>
#include <vector>

#include "core/quant/prune.h"

namespace llmops {

struct SecondOrderOptions {
  double damping = 0.01;              // of the mean of the diagonal, added to it
  size_t block_columns = 128;         // with a pattern: rounded down to whole groups of it, at least one
  size_t threads = 1;                 // the result does not depend on it
};

// The upper triangular U with inverse(gram + damping) = U^T U, in place, row-major; below the diagonal: zeros. gram = sum over tokens of
// x x^T, [in, in], of which the lower triangle is read. An input that never was anything but 0 gets a diagonal of 1, and its
// place in the result is true. Errors: kData: no square matrix of `columns`, a value that is no finite number, a negative diagonal, no positive
// definite matrix after damping. Cost: 1/3 columns^3 multiply-adds, one thread; no memory beside `gram`.
Result<std::vector<bool>> inverse_factor(std::vector<float>& gram, size_t columns, double damping);

// SparseGPT (Frantar, Alistarh 2023, arXiv:2301.00774). Columns from left to right in blocks; the mask of a block is that of the smallest
// w^2 / U_jj^2 over all of its rows (with a pattern: of each row's group of inputs, when the sweep gets there), and what is removed is
// made good by the columns to the right. `gram` is taken, as it is overwritten. W [out, in] is changed in place. Weights of dead inputs
// become zero first, so that more than the target is removed when there are more of them. loss: sum over rows of d (gram + damping) d^T with d the
// change of the row, dead inputs left out: the squared error of the layer's outputs over the tokens of calibration, damping added.
// Errors (W is unchanged then): those of inverse_factor and of prune_magnitude; kData: weights that grew past every float. Cost: in^3 + out in^2
// multiply-adds; memory: a copy of W.
Result<PruneCounts> prune_sparse_gpt(MatrixView weights, std::vector<float> gram, const PruneTarget& target, const SecondOrderOptions& options = {});

// What gptq() asks of a format. Calls come from several threads, those of one row from one of them at a time and from left to right.
class ColumnQuantizer {
 public:
  virtual ~ColumnQuantizer() = default;
  // `values`: the row's columns from `first_column` to the end of the group, as earlier columns left them: chooses the scale.
  virtual void begin_group(size_t row, size_t first_column, std::span<const float> values) = 0;
  // The nearest value to `value` that the scale of the row's group can say.
  virtual float nearest(size_t row, size_t column, float value) = 0;
};

struct GptqCounts { double loss = 0; };   // as that of SparseGPT
// GPTQ (Frantar et al. 2022, arXiv:2210.17323), columns in their order: each is quantized, its error made good by those to the right. Groups
// of `group` columns (0: a row is one group) get their scale when the sweep reaches them; of a group wider than a block the columns past
// the block are seen as earlier blocks left them. W holds quantized values then. Errors: those of prune_sparse_gpt. Cost: its.
Result<GptqCounts> gptq(MatrixView weights, std::vector<float> gram, size_t group, ColumnQuantizer& quantizer, const SecondOrderOptions& options = {});

}  // namespace llmops
