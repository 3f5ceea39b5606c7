// Private to conversion: whether a plan for GGUF has every tensor that llama.cpp's loader asks for, in the sizes that config.json says.
#pragma once

#include "core/model/architectures.h"
#include "core/model/weights.h"

namespace llmops {

struct GgufSizes { uint64_t layers = 0, hidden = 0, heads = 0, key_heads = 0, head_size = 0, feed_forward = 0, experts = 0, vocabulary = 0; };

// Errors (kData): a tensor that is missing, or of another shape: matrices, norms, their biases, the output.
Status check_gguf_tensors(const WeightsPlan& plan, const Architecture& architecture, const GgufSizes& sizes);

}  // namespace llmops
