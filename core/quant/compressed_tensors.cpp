#include "core/quant/compressed_tensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

#include "core/base/half.h"
#include "core/quant/numbers.h"

namespace llmops {
namespace {

constexpr std::array<TensorEncoding, 4> kEncodings{{
    {"W4A16", "pack-quantized", "I32", 4, 7.5F, -8, 7, true},
    {"W8A16", "pack-quantized", "I32", 8, 127.5F, -128, 127, true},
    {"W8A8", "int-quantized", "I8", 8, 127, -127, 127, false},
    {"FP8", "float-quantized", "F8_E4M3", 8, 448, 0, 0, false},
}};

constexpr std::array<float, 256> kFloats = [] {
  std::array<float, 256> floats{};
  for (int code = 0; code < 256; ++code) {
    const int exponent = (code >> 3) & 15, fraction = code & 7;
    float value = exponent == 0 ? static_cast<float>(fraction) / 512 : static_cast<float>(8 + fraction) / 1024;
    for (int i = 0; i < exponent; ++i) value *= 2;
    if (exponent == 15 && fraction == 7) value = std::bit_cast<float>(0x7FC00000);
    floats.at(static_cast<size_t>(code)) = (code & 128) != 0 ? -value : value;
  }
  return floats;
}();

}  // namespace

std::span<const TensorEncoding> tensor_encodings() { return kEncodings; }

const TensorEncoding* find_tensor_encoding(std::string_view name) {
  const auto found = std::find_if(kEncodings.begin(), kEncodings.end(), [&](const TensorEncoding& encoding) { return encoding.name == name; });
  return found == kEncodings.end() ? nullptr : &*found;
}

uint8_t e4m3_of(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value), magnitude = bits & 0x7FFFFFFF;
  const auto sign = static_cast<uint8_t>((bits >> 24) & 0x80);
  if (magnitude > 0x7F800000) return sign | 0x7F;
  if (magnitude >= 0x43E00000) return sign | 0x7E;                                                                                  // 448 and up
  if (magnitude < 0x3C800000) return static_cast<uint8_t>(sign | nearest(std::bit_cast<float>(magnitude) * 512));                  // below 2^-6: units of 2^-9
  const uint32_t rebased = magnitude - (120U << 23);                                                                               // exponent bias 127 -> 7
  return static_cast<uint8_t>(sign | std::min(0x7EU, (rebased + 0x7FFFF + ((rebased >> 20) & 1)) >> 20));
}
float float_of_e4m3(uint8_t code) { return kFloats[code]; }

Result<RowEncoding> RowEncoding::make(const TensorEncoding& encoding, ScaleType scale_type, uint64_t columns, uint64_t group) {
  if (group != 0 && !encoding.is_packed) {
    return Error(ErrorCode::kUsage, fmt::format("{} has one scale a row, not one for every {} values", encoding.name, group),
                 "leave the group size out, or choose W4A16 or W8A16");
  }
  if (columns == 0) return Error(ErrorCode::kUsage, fmt::format("{} needs a matrix with columns", encoding.name));
  if (group != 0 && columns % group != 0) {
    return Error(ErrorCode::kUsage, fmt::format("{} columns cannot be cut into groups of {}", columns, group),
                 "choose a group size that divides the columns, or leave it out for one scale a row");
  }
  return RowEncoding(encoding, scale_type, columns, group == 0 ? columns : group);
}

uint64_t RowEncoding::bytes_per_row() const {
  if (!encoding_->is_packed) return columns_;
  const uint64_t values_per_word = 32 / encoding_->bits;
  return (columns_ + values_per_word - 1) / values_per_word * 4;
}

float RowEncoding::scale_for(float largest) const {
  const float exact = largest / encoding_->levels;
  const float stored = scale_type_ == ScaleType::kBf16 ? float_of_brain(brain_of(exact)) : float_of_half(half_of(std::min(exact, 65504.0F)));
  return stored == 0 ? 1 : stored;
}

void RowEncoding::choose_scales(std::span<const float> row, std::span<float> scales) const {
  for (size_t i = 0; i < scales.size(); ++i) {
    float largest = 0;
    for (const float value : row.subspan(i * group_, group_)) largest = std::max(largest, std::fabs(value));
    scales[i] = scale_for(largest);
  }
}

void RowEncoding::encode(std::span<const float> row, std::span<const float> scales, uint8_t* bytes) const {
  if (encoding_->is_packed) std::fill_n(bytes, bytes_per_row(), uint8_t{0});
  const bool is_float = encoding_->most == 0, is_half_byte = encoding_->bits == 4;
  const int offset = encoding_->is_packed ? 1 << (encoding_->bits - 1) : 0;
  const auto least = static_cast<float>(encoding_->least), most = static_cast<float>(encoding_->most);
  for (size_t from = 0, group = 0; from < row.size(); from += group_, ++group) {
    const float scale = scales[group];
    for (size_t i = from; i < from + group_; ++i) {
      const float scaled = row[i] / scale;
      if (is_float) {
        bytes[i] = e4m3_of(scaled);
        continue;
      }
      const int whole = nearest(std::clamp(scaled, least, most)) + offset;
      if (is_half_byte) bytes[i / 2] = static_cast<uint8_t>(bytes[i / 2] | whole << (4 * (i % 2)));
      else bytes[i] = static_cast<uint8_t>(whole);
    }
  }
}

void RowEncoding::decode(const uint8_t* bytes, std::span<const float> scales, std::span<float> row) const {
  const bool is_float = encoding_->most == 0, is_half_byte = encoding_->bits == 4;
  for (size_t from = 0, group = 0; from < row.size(); from += group_, ++group) {
    const float scale = scales[group];
    for (size_t i = from; i < from + group_; ++i) {
      if (is_float) row[i] = float_of_e4m3(bytes[i]) * scale;
      else if (is_half_byte) row[i] = static_cast<float>(((bytes[i / 2] >> (4 * (i % 2))) & 15) - 8) * scale;
      else row[i] = static_cast<float>(encoding_->is_packed ? bytes[i] - 128 : static_cast<int8_t>(bytes[i])) * scale;
    }
  }
}

void RowEncoding::store_scales(std::span<const float> scales, uint8_t* bytes) const {
  for (size_t i = 0; i < scales.size(); ++i) put(bytes + 2 * i, scale_type_ == ScaleType::kBf16 ? brain_of(scales[i]) : half_of(scales[i]));
}
void RowEncoding::load_scales(const uint8_t* bytes, std::span<float> scales) const {
  for (size_t i = 0; i < scales.size(); ++i) {
    const auto bits = get<uint16_t>(bytes + 2 * i);
    scales[i] = scale_type_ == ScaleType::kBf16 ? float_of_brain(bits) : float_of_half(bits);
  }
}

}  // namespace llmops
