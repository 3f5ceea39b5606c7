// `llmops compress merge`: a LoRA adapter becomes part of the weights that it was trained for; or a GGUF adapter of its own.
#pragma once

#include "commands/compress/rewrite.h"

namespace llmops {

struct CompressMergeOptions { std::string base, adapter, output; RewriteOptions rewrite; };
// OUT is of the base's format, or GGUF. Errors: open_model, open_adapter, rewrite; kData: a target that the base does not have, or of another shape; kUsage: a base that is quantized, an adapter of experts
// for GGUF.
Result<CompressWriteReport> compress_merge(const Session& session, const CompressMergeOptions& options);

// The adapter as a GGUF file for `base` (its config.json is read).
Result<CompressWriteReport> convert_adapter(const Session& session, const CompressMergeOptions& options);

}  // namespace llmops
