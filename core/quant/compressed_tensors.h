// Weights in safetensors as compressed-tensors lays them out (vLLM and llm-compressor read it): symmetric whole numbers or eight-bit
// floats beside scales. https://github.com/neuralmagic/compressed-tensors; matrices are row-major [out, in], one row at a time here.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "core/base/result.h"

namespace llmops {

struct TensorEncoding {
  std::string_view name;        // llm-compressor's scheme
  std::string_view format;      // of quantization_config
  std::string_view dtype;       // of the tensor of weights in safetensors
  uint32_t bits = 0;
  // Largest magnitude / scale. W4A16 and W8A16: half of 2^bits - 1, as llm-compressor, so that both ends are half a step off.
  float levels = 0;
  int least = 0, most = 0;      // of the stored whole numbers; 0 and 0: eight-bit floats
  bool is_packed = false;       // in words of 32 bits, plus 2^(bits-1); value k of a word at bits `bits` * k, the rest of a row 0
};

// W4A16 and W8A16 (weight_packed I32[out, ceil(in / (32 / bits))]), W8A8 (I8[out, in]), FP8 (F8_E4M3[out, in]).
std::span<const TensorEncoding> tensor_encodings();
// nullptr: none of the table.
const TensorEncoding* find_tensor_encoding(std::string_view name);

enum class ScaleType { kBf16, kF16 };

// How a matrix is encoded. `group`: values of a row that share a scale; 0: all of them (weight_scale is [out, 1]).
class RowEncoding {
 public:
  // Errors: kUsage: `columns` that are no multiple of `group`; groups of an encoding whose readers know one scale a row.
  static Result<RowEncoding> make(const TensorEncoding& encoding, ScaleType scale_type, uint64_t columns, uint64_t group = 0);

  uint64_t scales_per_row() const { return columns_ / group_; }
  uint64_t bytes_per_row() const;

  // The scale for values of this largest magnitude, rounded as it is stored (16 bits hold it exactly), at most the largest finite
  // one. Zero would be no divisor: where nothing is left of the scale it is 1, and the values become 0.
  float scale_for(float largest) const;
  // `scales`: scales_per_row() of them. Precondition: row.size() is `columns`, all finite.
  void choose_scales(std::span<const float> row, std::span<float> scales) const;
  // To the nearest multiple of the scale (of floats: to the nearest number times the scale), ties to even; values past the ends
  // become the ends. `scales` as stored: of choose_scales(), or one for all of a tensor from scale_for().
  void encode(std::span<const float> row, std::span<const float> scales, uint8_t* bytes) const;
  void decode(const uint8_t* bytes, std::span<const float> scales, std::span<float> row) const;
  // Scales of a row as they lie in weight_scale, two bytes each.
  void store_scales(std::span<const float> scales, uint8_t* bytes) const;
  void load_scales(const uint8_t* bytes, std::span<float> scales) const;

 private:
  RowEncoding(const TensorEncoding& encoding, ScaleType scale_type, uint64_t columns, uint64_t group)
      : encoding_(&encoding), scale_type_(scale_type), columns_(columns), group_(group) {}
  const TensorEncoding* encoding_;
  ScaleType scale_type_;
  uint64_t columns_, group_;
};

// Eight-bit floats of four exponent and three fraction bits (E4M3FN, arXiv:2209.05433): bias 7, largest 448, no infinities, NaN 0x7F and
// 0xFF, least 2^-9. Rounds to nearest, ties to even; past 448, infinities too, becomes 448.
uint8_t e4m3_of(float value);
float float_of_e4m3(uint8_t code);

}  // namespace llmops
