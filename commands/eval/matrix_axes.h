// The axes of `--matrix` and the cells that they span.
#pragma once

#include <string>
#include <vector>

#include "core/chain/chain.h"

namespace llmops {

struct MatrixValue { std::string label; std::vector<Override> overrides; };
struct MatrixAxis {
  std::string path;                    // "models.main.model"; of variants "steps.answer.variants"
  bool is_variants = false;            // the values mean the same: their spread is measured
  std::vector<MatrixValue> values;
};

// "PATH=a,b,c": the values as in a YAML list, so that one with a comma is quoted and one of several keys is {a: 1, b: 2}. A
// path that ends with `.variants` takes what prompt_variants takes, of `chain`. Errors (kUsage): no '=', no values, a value twice, as
// prompt_variants.
Result<std::vector<MatrixAxis>> parse_matrix(const std::vector<std::string>& texts, const Chain& chain);

constexpr size_t kMostCells = 1000;
// Every combination, the last axis turning fastest: for each the index of its value by axis. Errors (kUsage): fewer than two
// cells, more than kMostCells.
Result<std::vector<std::vector<size_t>>> matrix_cells(const std::vector<MatrixAxis>& axes);

// The overrides of a cell as `--set` takes them.
std::vector<std::string> cell_sets(const std::vector<MatrixAxis>& axes, const std::vector<size_t>& cell);

}  // namespace llmops
