// `llmops compress plan`: a type for each tensor, so that all fit into a number of bytes with the least error.
#pragma once

#include "commands/compress/quantize.h"
#include "core/quant/allocation.h"

namespace llmops {

struct CompressPlanOptions {
  std::string model, budget, importance, apply;   // budget: bytes ("5GiB") or the name of a mix, whose size is meant; apply: the file to write; empty: none
  bool use_cache = true;
  RewriteOptions rewrite;
};

struct PlannedTensor {
  std::string name, source_type, type;
  std::vector<uint64_t> shape;
  uint64_t parameters = 0, bytes = 0;
  double error = 0;                     // sum of squared errors, weighted by importance (of tensors without: the common weight)
  bool is_fixed = false;                // norms, vectors: no choice
  struct Option { std::string type; uint64_t bytes = 0; double error = 0; };
  std::vector<Option> options;          // by size
};

struct PlanPoint { std::string name; uint64_t bytes = 0; double error = 0, relative_rms = 0; };   // bytes: of the file; name: a mix; empty: a point of the front

struct CompressPlanReport {
  std::string source;
  uint64_t budget_bytes = 0, file_bytes = 0, fixed_bytes = 0, parameters = 0;
  double error = 0, relative_rms = 0, lower_bound = 0;
  bool is_exact = false, is_weighted = false, from_cache = false;
  std::optional<double> common_weight;  // of each value of tensors without statistics: the mean importance of those that have some; nullopt: nothing is weighted
  std::vector<PlannedTensor> tensors;
  std::vector<PlanPoint> front, mixes;
  std::vector<std::string> warnings;
  std::optional<CompressWriteReport> applied;
  // How far the error may be from the least possible, as a share of it.
  double gap() const { return lower_bound > 0 ? (error - lower_bound) / lower_bound : error > 0 ? 1 : 0; }
  double bits_per_weight() const { return parameters == 0 ? 0 : 8 * static_cast<double>(file_bytes) / static_cast<double>(parameters); }
};
// Errors of every tensor in every type are measured once and kept in the project's store folder, or the user's state folder, under the digests of the model and
// of the statistics. Errors: those of quantize; kUsage: a budget that is neither; kBudget: less than the smallest types take (how much that is).
Result<CompressPlanReport> compress_plan(const Session& session, CompressPlanOptions options);

// "5GiB", "4.2GB", "700000000". nullopt: no size.
std::optional<uint64_t> parse_size(const std::string& text);

}  // namespace llmops
