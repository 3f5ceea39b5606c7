// `llmops compress prune`: fewer weights: zeros by magnitude or by calibration, or fewer layers, heads and channels.
#pragma once

#include "commands/compress/quantize.h"

namespace llmops {

enum class PruneMethod { kMagnitude, kWanda, kSparseGpt };

struct CompressPruneOptions {
  std::string model, output, statistics;          // statistics: imatrix or calibration file; empty: none
  std::optional<double> sparsity;                 // share of the weights of each pruned matrix, in [0, 1]
  std::string pattern, method = "magnitude", scope = "row";   // pattern: "2:4"; scope of magnitude: row, tensor, global
  std::string drop_layers;                        // "3,7-9"
  std::optional<uint64_t> drop_count;             // how many layers of least influence
  std::string width;                              // "heads=24,kv-heads=8,ffn=4096"
  RewriteOptions rewrite;
};

struct PrunedTensor { std::string name; uint64_t weights = 0, zeros_before = 0, zeros_after = 0; double removed_squares = 0, loss = 0; };

struct CompressPruneReport {
  CompressWriteReport written;
  std::string method;                             // "magnitude", "wanda", "sparsegpt", "layers", "width"
  std::vector<PrunedTensor> tensors;              // of methods that make zeros
  std::vector<uint64_t> dropped_layers;
  uint64_t layers_before = 0, layers_after = 0, heads_before = 0, heads_after = 0, key_heads_before = 0, key_heads_after = 0, ffn_before = 0, ffn_after = 0;   // 0: not looked at
  std::string importance_source;                  // of width: "statistics", "norms of the weights"
  double sparsity_after() const;
};
// Attention and feed-forward matrices alone are pruned to zeros; embedding, output, norms and routers stay. Errors: those of quantize; kUsage: no or more than one way
// to prune, statistics that the method does not read, a layer that is first, last or not there, widths that do not divide; kData: shapes that the model's own numbers do not give,
// layers that no tensor is named for; statistics that lack a matrix (Wanda, SparseGPT), a Hessian that is no positive
// definite matrix; a source that is quantized.
Result<CompressPruneReport> compress_prune(const Session& session, const CompressPruneOptions& options);

// "3,7-9" -> 3, 7, 8, 9, in order. Errors (kUsage): no list, a number past `most`, one twice.
Result<std::vector<uint64_t>> parse_numbers(const std::string& text, uint64_t most);

}  // namespace llmops
