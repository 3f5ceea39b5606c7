#include "commands/compress/stored_rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <limits>

#include "core/quant/block_types.h"
#include "core/quant/compressed_tensors.h"

namespace llmops {
namespace {

constexpr uint64_t kGroup = 128;      // of four-bit numbers, as llm-compressor's W4A16

// The encoding of a type of compressed-tensors; scales are BF16, whose range no row leaves.
Result<RowEncoding> encoding_of(const TensorRecipe& recipe, const TensorEncoding& encoding) { return RowEncoding::make(encoding, ScaleType::kBf16, recipe.row_length(), encoding.bits == 4 ? kGroup : 0); }

std::string raw_pair(uint64_t first, uint64_t second) {
  std::string bytes(16, '\0');
  std::memcpy(bytes.data(), &first, 8);
  std::memcpy(bytes.data() + 8, &second, 8);
  return bytes;
}

StoredTensor part_of(const TensorRecipe& recipe, const std::string& suffix, std::string_view type, uint64_t columns, uint64_t row_bytes) {
  const std::string stem = recipe.name.substr(0, recipe.name.size() - std::string_view("weight").size());
  StoredTensor part;
  part.info.name = stem + suffix;
  part.info.type = type;
  part.info.shape = {recipe.row_count(), columns};
  part.row_bytes = row_bytes;
  return part;
}

// NAME.weight as weight_packed (or weight), weight_scale and, of packed ones, weight_shape.
Result<std::vector<StoredTensor>> encoded_tensors(const TensorRecipe& recipe, const TensorEncoding& encoding) {
  if (recipe.shape.size() != 2 || !recipe.name.ends_with("weight")) return Error(ErrorCode::kData, fmt::format("tensor '{}' is no matrix of weights, and {} is for those", recipe.name, encoding.name));
  const auto made = encoding_of(recipe, encoding);
  if (!made) return Error(made.error().code, fmt::format("tensor '{}': {}", recipe.name, made.error().message), fmt::format("leave it as it is: --keep '{}=same'; or take int8, which has one scale a row", recipe.name));
  const RowEncoding& rows = *made;
  const uint64_t columns = encoding.is_packed ? rows.bytes_per_row() / 4 : recipe.row_length();
  std::vector<StoredTensor> parts = {part_of(recipe, encoding.is_packed ? "weight_packed" : "weight", encoding.dtype, columns, rows.bytes_per_row()), part_of(recipe, "weight_scale", "BF16", rows.scales_per_row(), 2 * rows.scales_per_row())};
  if (encoding.is_packed) {
    parts.push_back(part_of(recipe, "weight_shape", "I64", 2, 0));
    parts.back().info.shape = {2};
    parts.back().constant = raw_pair(recipe.row_count(), recipe.row_length());
  }
  return parts;
}

void encode_with(const RowEncoding& rows, uint64_t length, std::span<const float> values, std::span<std::string> bytes) {
  const uint64_t count = values.size() / length, scale_bytes = 2 * rows.scales_per_row();
  bytes[0].resize(count * rows.bytes_per_row());
  bytes[1].resize(count * scale_bytes);
  std::vector<float> scales(rows.scales_per_row());
  for (uint64_t i = 0; i < count; ++i) {
    const std::span<const float> row = values.subspan(i * length, length);
    rows.choose_scales(row, scales);
    rows.encode(row, scales, reinterpret_cast<uint8_t*>(bytes[0].data()) + i * rows.bytes_per_row());
    rows.store_scales(scales, reinterpret_cast<uint8_t*>(bytes[1].data()) + i * scale_bytes);
  }
}

void decode_with(const RowEncoding& rows, uint64_t length, std::span<const std::string> bytes, std::span<float> values) {
  std::vector<float> scales(rows.scales_per_row());
  for (uint64_t i = 0; i * length < values.size(); ++i) {
    rows.load_scales(reinterpret_cast<const uint8_t*>(bytes[1].data()) + i * 2 * scales.size(), scales);
    rows.decode(reinterpret_cast<const uint8_t*>(bytes[0].data()) + i * rows.bytes_per_row(), scales, values.subspan(i * length, length));
  }
}

// F64 is no block type: its values pass through floats, which rewrite() warns of.
void encode_doubles(std::span<const float> values, std::string& bytes) {
  const std::vector<double> wide(values.begin(), values.end());
  bytes.resize(std::max(bytes.size(), wide.size() * sizeof(double)));
  std::memcpy(bytes.data(), wide.data(), wide.size() * sizeof(double));
}

void decode_doubles(std::string_view bytes, std::span<float> values) {
  for (size_t i = 0; i < values.size(); ++i) {
    double value = 0;
    std::memcpy(&value, bytes.data() + i * sizeof value, sizeof value);
    values[i] = static_cast<float>(value);
  }
}

}  // namespace

Result<std::vector<StoredTensor>> stored_tensors(const TensorRecipe& recipe) {
  if (const TensorEncoding* encoding = find_tensor_encoding(recipe.type)) return encoded_tensors(recipe, *encoding);
  StoredTensor stored{recipe.info(), 0, ""};
  const GgufType* type = gguf_type(recipe.type);
  const auto bits = safetensors_bits(recipe.type);
  if (type == nullptr && !bits) return Error(ErrorCode::kData, fmt::format("tensor '{}' cannot be stored as {}", recipe.name, recipe.type));
  const uint64_t elements = type == nullptr ? 1 : type->elements;
  if (recipe.row_length() % elements != 0) {
    return Error(ErrorCode::kData, fmt::format("tensor '{}' has rows of {}, which do not divide into the {} values of a block of {}", recipe.name, recipe.row_length(), elements, recipe.type), "leave the type to the mix, or keep the tensor as it is");
  }
  if (type == nullptr && recipe.row_length() * *bits % 8 != 0) {
    return Error(ErrorCode::kData, fmt::format("tensor '{}' has rows of {} values of {} bits, which do not end at a byte", recipe.name, recipe.row_length(), *bits), "start from the weights that it was made from");
  }
  stored.row_bytes = type == nullptr ? recipe.row_length() * *bits / 8 : recipe.row_length() / elements * type->bytes;
  return std::vector<StoredTensor>{std::move(stored)};
}

void encode_rows(const TensorRecipe& recipe, std::span<const float> values, std::span<const float> importance, std::span<std::string> bytes) {
  const uint64_t length = recipe.row_length();
  if (const TensorEncoding* encoding = find_tensor_encoding(recipe.type)) return encode_with(*encoding_of(recipe, *encoding), length, values, bytes);
  if (recipe.type == "F64") return encode_doubles(values, bytes.front());
  const BlockType& type = *find_block_type(recipe.type);
  const uint64_t row_bytes = length / type.elements * type.bytes, size = values.size() / type.elements * type.bytes;
  std::string& out = bytes.front();
  if (out.size() < size) out.resize(size);
  auto* blocks = reinterpret_cast<uint8_t*>(out.data());
  if (importance.empty() || type.quantize_weighted == nullptr) {
    type.quantize(values, blocks);
    return;
  }
  for (uint64_t row = 0; row * length < values.size(); ++row) type.quantize_weighted(values.subspan(row * length, length), importance, blocks + row * row_bytes);
}

void decode_rows(const TensorRecipe& recipe, std::span<const std::string> bytes, std::span<float> values) {
  if (const TensorEncoding* encoding = find_tensor_encoding(recipe.type)) return decode_with(*encoding_of(recipe, *encoding), recipe.row_length(), bytes, values);
  if (recipe.type == "F64") return decode_doubles(bytes.front(), values);
  find_block_type(recipe.type)->dequantize(reinterpret_cast<const uint8_t*>(bytes.front().data()), values);
}

float largest_value(const TensorRecipe& recipe) {
  if (recipe.type == "F16") return 65504.0F;
  // A block of Q8_0 reaches furthest: 127 times the largest half. Past it squares of values leave the range of floats in the search for scales.
  if (const BlockType* type = find_block_type(recipe.type); type != nullptr && type->elements > 1) return 65504.0F * 127;
  return recipe.type == "BF16" ? 0x1.FEp127F : std::numeric_limits<float>::infinity();
}

}  // namespace llmops
