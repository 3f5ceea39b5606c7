// Private to core/quant: how blocks of 256 values lie in bytes (ggml's block_q2_K to block_q6_K), for every way to find their numbers.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace llmops {

// What a group of a block is computed with, as it is stored: x = scale * q - minimum, or x = scale * (q - half of the levels).
struct GroupScales { std::array<float, 16> scale{}, minimum{}; };

// Each put_ writes the numbers found for the groups (8 of them in Q4_K and Q5_K, else 16) with their units as halves, and gives them
// back as they are read from the block.
GroupScales put_q2_k_scales(const float* scales, const float* minimums, uint8_t* block);
GroupScales put_q3_k_scales(const float* scales, uint8_t* block);
GroupScales put_q4_k_scales(const float* scales, const float* minimums, uint8_t* block);
GroupScales put_q6_k_scales(const float* scales, float extreme, uint8_t* block);

// The same for whole numbers and units that are chosen already. Q3_K: from 0 to 63, for -32 to 31.
GroupScales write_q2_k_scales(const uint8_t* scales, const uint8_t* minimums, float unit, float minimum_unit, uint8_t* block);
GroupScales write_q3_k_scales(const uint8_t* scales, float unit, uint8_t* block);
GroupScales write_q4_k_scales(const uint8_t* scales, const uint8_t* minimums, float unit, float minimum_unit, uint8_t* block);

GroupScales read_q2_k_scales(const uint8_t* block);
GroupScales read_q3_k_scales(const uint8_t* block);
GroupScales read_q4_k_scales(const uint8_t* block);
GroupScales read_q6_k_scales(const uint8_t* block);

// 256 indices, one a byte, into their places in a block and back.
void pack_q2_k(const uint8_t* indices, uint8_t* block);
void pack_q3_k(const uint8_t* indices, uint8_t* block);
void pack_q4_k(const uint8_t* indices, uint8_t* block);
void pack_q5_k(const uint8_t* indices, uint8_t* block);
void pack_q6_k(const uint8_t* indices, uint8_t* block);
void unpack_q2_k(const uint8_t* block, uint8_t* indices);
void unpack_q3_k(const uint8_t* block, uint8_t* indices);
void unpack_q4_k(const uint8_t* block, uint8_t* indices);
void unpack_q5_k(const uint8_t* block, uint8_t* indices);
void unpack_q6_k(const uint8_t* block, uint8_t* indices);

}  // namespace llmops
