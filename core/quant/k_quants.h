// Private to core/quant: the types of 256 values, whose 8 or 16 groups have small whole numbers for scales.
#pragma once

#include <cstdint>
#include <span>

#include "core/quant/k_layout.h"

namespace llmops {

// The 256 indices once more, from `least` to `most`, with the scales of groups of `size` as they are stored; groups without a scale
// keep theirs.
void reindex(const float* x, const GroupScales& scales, int size, int least, int most, uint8_t* indices);

void to_q2_k(std::span<const float> values, uint8_t* blocks);
void from_q2_k(const uint8_t* blocks, std::span<float> values);
void to_q3_k(std::span<const float> values, uint8_t* blocks);
void from_q3_k(const uint8_t* blocks, std::span<float> values);
void to_q4_k(std::span<const float> values, uint8_t* blocks);
void from_q4_k(const uint8_t* blocks, std::span<float> values);
void to_q5_k(std::span<const float> values, uint8_t* blocks);
void from_q5_k(const uint8_t* blocks, std::span<float> values);
void to_q6_k(std::span<const float> values, uint8_t* blocks);
void from_q6_k(const uint8_t* blocks, std::span<float> values);

}  // namespace llmops
