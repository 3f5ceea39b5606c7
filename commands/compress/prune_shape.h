// Private to prune: fewer layers, heads and channels, with names and numbers of the model changed to fit.
#pragma once

#include "commands/compress/prune.h"

namespace llmops {

Result<CompressPruneReport> prune_shape(const Session& session, const CompressPruneOptions& options, const Model& model, WeightsPlan plan);

}  // namespace llmops
