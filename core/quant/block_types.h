// The block formats of GGUF: rows of values as blocks of a scale and small numbers. One row of the table for each type.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace llmops {

using Quantize = void (*)(std::span<const float> values, uint8_t* blocks);
using Dequantize = void (*)(const uint8_t* blocks, std::span<float> values);
using QuantizeWeighted = void (*)(std::span<const float> row, std::span<const float> importance, uint8_t* blocks);

struct BlockType {
  std::string_view name;              // as llama.cpp writes it
  uint32_t gguf_id = 0;
  uint32_t elements = 0, bytes = 0;   // of a block
  // `values` holds whole blocks; `blocks` has values.size() / elements * bytes bytes. Bit for bit what llama.cpp's reference makes
  // without an importance matrix; NaN and infinite values give blocks that mean nothing (callers look for them first).
  Quantize quantize = nullptr;
  Dequantize dequantize = nullptr;
  // The largest error of a value in a block whose largest magnitude (of types with a minimum: whose range) is 1, beside the
  // rounding of the scale to a half; 0: the scale is searched for.
  double error_bound = 0;
  // One row of a matrix, for the least sum of importance * (x - x')^2. `importance` has row.size() numbers, finite and not below zero
  // (the mean square of each column's input); a group whose importances are all zero is quantized as if they were equal.
  // nullptr: importance would change nothing. One to five times the cost of `quantize` for types that search, 15 to 60 times for others.
  QuantizeWeighted quantize_weighted = nullptr;
  // The plain C++ for every processor, whose bytes and values the three above give.
  Quantize quantize_reference = nullptr;
  Dequantize dequantize_reference = nullptr;
  QuantizeWeighted quantize_weighted_reference = nullptr;
};

// F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, IQ4_NL, IQ4_XS, Q2_K to Q6_K. With AVX2 where the processor has it.
std::span<const BlockType> block_types();
// nullptr: none of the table.
const BlockType* find_block_type(std::string_view name);

}  // namespace llmops
