// Private to core/quant: rows quantized for the least sum of importance * (x - x')^2, as ggml does it with an importance matrix. What
// counts for a value is importance * sqrt(mean square + x^2): large values count more, as they would without one. The mean square is
// that of the row for types of 32 values, of the block for the others; IQ4_NL and most of the types of 256 take it twice; Q6_K takes
// the importance alone.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "core/quant/k_layout.h"

namespace llmops {

void weighted_q4_0(std::span<const float> row, std::span<const float> importance, uint8_t* blocks);
void weighted_q4_1(std::span<const float> row, std::span<const float> importance, uint8_t* blocks);
void weighted_q5_0(std::span<const float> row, std::span<const float> importance, uint8_t* blocks);
void weighted_q5_1(std::span<const float> row, std::span<const float> importance, uint8_t* blocks);
void weighted_iq4_nl(std::span<const float> row, std::span<const float> importance, uint8_t* blocks);
void weighted_iq4_xs(std::span<const float> row, std::span<const float> importance, uint8_t* blocks);
void weighted_q2_k(std::span<const float> row, std::span<const float> importance, uint8_t* blocks);
void weighted_q3_k(std::span<const float> row, std::span<const float> importance, uint8_t* blocks);
void weighted_q4_k(std::span<const float> row, std::span<const float> importance, uint8_t* blocks);
void weighted_q5_k(std::span<const float> row, std::span<const float> importance, uint8_t* blocks);
void weighted_q6_k(std::span<const float> row, std::span<const float> importance, uint8_t* blocks);

// ---- parts that the AVX2 kernels share ----

// Added up in the order of the values.
float mean_square(const float* x, size_t count);

// Blocks of Q4_0, Q4_1, Q5_0 or Q5_1 of a row with this mean square.
void weighted_plain(std::span<const float> values, std::span<const float> importance, float square, bool has_minimum, bool has_fifth, uint8_t* blocks);
// 32 indices to where they lie in such a block; gives the end of it.
uint8_t* put_plain_indices(const uint8_t* indices, bool has_fifth, uint8_t* at);

// What was found for the groups of a block, and what each weighs: their scales and minimums are stored as units times whole numbers,
// which are searched for in the same way. Gives them as stored.
struct FoundGroups { std::array<float, 16> scales{}, minimums{}, weights{}; };
GroupScales write_weighted_q2_k(const FoundGroups& found, uint8_t* block);
GroupScales write_weighted_q3_k(const FoundGroups& found, uint8_t* block);
GroupScales write_weighted_q4_k(const FoundGroups& found, uint8_t* block);

}  // namespace llmops
