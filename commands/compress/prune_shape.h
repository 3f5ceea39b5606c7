// Private to prune: fewer layers, heads and channels, with names and numbers of the model changed to fit.
#pragma once

#include "commands/compress/prune.h"

namespace llmops {

// Writes the model without the layers, heads or channels that the options name, or that count least: by the statistics (ShortGPT, Minitron), else by norms of the weights. Errors:
// those of compress_prune; kData: a tensor whose shape the model's own numbers do not give. Cost: without statistics one more pass over the weights.
Result<CompressPruneReport> prune_shape(const Session& session, const CompressPruneOptions& options, const Model& model, WeightsPlan plan);

}  // namespace llmops
