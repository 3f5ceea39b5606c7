// Pruning: weights set to zero, by their magnitude or by what calibration says of their inputs. Matrices are row-major, [out, in].
// Zeros save no bytes in a dense format: a caller that promises a smaller file has to encode them.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "core/base/result.h"

namespace llmops {

struct MatrixView {
  float* values = nullptr;
  size_t rows = 0, columns = 0;       // out, in
  std::span<float> all() const { return {values, rows * columns}; }
  std::span<float> row(size_t i) const { return {values + i * columns, columns}; }
};

// N:M sparsity (Mishra et al. 2021, arXiv:2104.08378): of each `of` consecutive inputs of a row `keep` stay.
struct SparsePattern { uint32_t keep = 2, of = 4; };
// "2:4", "4:8". Errors: kUsage: anything but two whole numbers with 0 < N < M <= 1024.
Result<SparsePattern> parse_sparse_pattern(std::string_view text);

// What is to be zero: a share of the weights, or with a pattern (`sparsity` is not looked at then) all that it does not keep.
struct PruneTarget {
  double sparsity = 0.5;              // in [0, 1]
  std::optional<SparsePattern> pattern;
};
// sparsity * weights to the nearest whole number, halves up: exactly so many are removed. Precondition: sparsity in [0, 1].
uint64_t weights_to_remove(uint64_t weights, double sparsity);

struct PruneCounts {
  uint64_t weights = 0, zeros_before = 0, zeros_after = 0;
  double removed_squares = 0;         // sum of w^2 over the weights that became zero
  // What the method minimises. Wanda: sum of w_ij^2 E[x_j^2] over removed weights, the squared error of the outputs for a token when
  // inputs do not correlate. SparseGPT: see sparse_gpt.h. Magnitude: removed_squares.
  double loss = 0;
};

enum class PruneScope { kRow, kMatrix };

// Magnitude pruning (Han et al. 2015, arXiv:1506.02626): the smallest |w| of each row or of the matrix become zero. Weights that are
// zero already come first; of equal ones the earlier in memory. Errors (W is unchanged then): kData: a weight that is
// no finite number, columns that the pattern does not divide; kUsage: a sparsity outside [0, 1]. Cost: linear; memory: a row.
Result<PruneCounts> prune_magnitude(MatrixView weights, const PruneTarget& target, PruneScope scope);

// Wanda (Sun et al. 2023, arXiv:2306.11695): as prune_magnitude by row, with the score |w_ij| sqrt(E[x_j^2]). `mean_squares`: [in]. Errors:
// those of prune_magnitude; kData: another number of inputs, a mean that is negative or no finite number.
Result<PruneCounts> prune_wanda(MatrixView weights, std::span<const float> mean_squares, const PruneTarget& target);

// The magnitudes that go: all with smaller bits, and the first `ties` values whose bits are these.
struct MagnitudeCut {
  uint32_t bits = 0;                  // of a float >= 0; as whole numbers they are ordered as the floats are
  uint64_t ties = 0;
  // Takes a tie away where it uses one, so values are asked for in the order of the search.
  bool takes(float value);
};

// The exact k-th smallest magnitude of any number of values in two passes over them, for models that do not fit into memory: the
// upper 16 bits of |w| are counted, then the lower 15 of those values that share the k-th one's upper bits. 512 KiB of counters.
// One thread. Pieces may be cut in any way, but passes and prune_cut() have to see the values in the same order.
class MagnitudeSearch {
 public:
  MagnitudeSearch();
  // First pass. Errors (kData): a value that is no finite number.
  Status count(std::span<const float> values);
  uint64_t counted() const { return counted_; }
  // Between the passes: how many values shall go. Precondition: at most counted().
  void choose(uint64_t remove);
  // Second pass.
  void refine(std::span<const float> values);
  MagnitudeCut cut() const;

 private:
  std::unique_ptr<std::array<uint64_t, 1 << 16>> counts_;
  uint64_t counted_ = 0, wanted_ = 0;   // wanted_: of the values with the upper bits upper_
  uint32_t upper_ = 0;
  bool all_ = false;
};

// Third pass of magnitude pruning over many tensors: removes what `cut` takes. Errors: kData: a weight that is no finite number.
Result<PruneCounts> prune_cut(MatrixView weights, MagnitudeCut& cut);

// What every method refuses before it begins.
Status check_prunable(MatrixView weights, const PruneTarget& target);

}  // namespace llmops
