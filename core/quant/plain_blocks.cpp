// The index of a value comes from the scale before that is rounded to a half, as in ggml's reference, so that the same bytes come out.
#include "core/quant/plain_blocks.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "core/base/half.h"
#include "core/quant/numbers.h"

namespace llmops {
namespace {

constexpr uint32_t kBlock = 32, kHalfBlock = 16;

float inverse(float scale) { return scale != 0 ? 1.0F / scale : 0.0F; }

// Towards zero, as ggml's casts do where a float has no such integer (a NaN of 0 times infinity, under a scale too small to have an inverse): what x86 makes of
// them, whose low byte is 0.
int whole(float value) { return std::fabs(value) < 2147483648.0F ? static_cast<int>(value) : std::numeric_limits<int>::min(); }

uint8_t capped(float value, int most) { return static_cast<uint8_t>(std::min(most, static_cast<int>(static_cast<int8_t>(whole(value))))); }

struct Range { float least, scale, id; };
Range range_of(const float* x, float levels) {
  float least = x[0], most = x[0];
  for (uint32_t i = 1; i < kBlock; ++i) {
    if (x[i] < least) least = x[i];
    if (x[i] > most) most = x[i];
  }
  const float scale = (most - least) / levels;
  return {least, scale, inverse(scale)};
}

// The fifth bit of value i is bit i of a word of 32.
template <class Index>
void put_five_bits(const float* x, const Index& index, uint8_t* high_bits, uint8_t* low_bits) {
  uint32_t high = 0;
  for (uint32_t j = 0; j < kHalfBlock; ++j) {
    const uint32_t first = index(x[j]), second = index(x[kHalfBlock + j]);
    low_bits[j] = static_cast<uint8_t>((first & 15) | (second & 15) << 4);
    high |= (first >> 4) << j | (second >> 4) << (j + kHalfBlock);
  }
  put(high_bits, high);
}
template <class Value>
void get_five_bits(const uint8_t* high_bits, const uint8_t* low_bits, const Value& value, float* out) {
  const uint32_t high = get<uint32_t>(high_bits);
  for (uint32_t j = 0; j < kHalfBlock; ++j) {
    out[j] = value(static_cast<int>((low_bits[j] & 15) | ((high >> j) & 1) << 4));
    out[kHalfBlock + j] = value(static_cast<int>((low_bits[j] >> 4) | ((high >> (j + kHalfBlock)) & 1) << 4));
  }
}

}  // namespace

void to_f32(std::span<const float> values, uint8_t* blocks) { if (!values.empty()) std::memcpy(blocks, values.data(), values.size_bytes()); }
void from_f32(const uint8_t* blocks, std::span<float> values) { if (!values.empty()) std::memcpy(values.data(), blocks, values.size_bytes()); }
void to_f16(std::span<const float> values, uint8_t* blocks) { for (size_t i = 0; i < values.size(); ++i) put(blocks + 2 * i, half_of(values[i])); }
void from_f16(const uint8_t* blocks, std::span<float> values) { for (size_t i = 0; i < values.size(); ++i) values[i] = float_of_half(get<uint16_t>(blocks + 2 * i)); }
void to_bf16(std::span<const float> values, uint8_t* blocks) { for (size_t i = 0; i < values.size(); ++i) put(blocks + 2 * i, brain_of(values[i])); }
void from_bf16(const uint8_t* blocks, std::span<float> values) { for (size_t i = 0; i < values.size(); ++i) values[i] = float_of_brain(get<uint16_t>(blocks + 2 * i)); }

void to_q8_0(std::span<const float> values, uint8_t* blocks) {
  for (size_t at = 0; at < values.size(); at += kBlock, blocks += 34) {
    const float* x = values.data() + at;
    float largest = 0;
    for (uint32_t i = 0; i < kBlock; ++i) largest = std::max(largest, std::fabs(x[i]));
    const float scale = largest / 127, id = inverse(scale);
    put(blocks, half_of(scale));
    for (uint32_t i = 0; i < kBlock; ++i) blocks[2 + i] = static_cast<uint8_t>(whole(std::round(x[i] * id)));
  }
}
void from_q8_0(const uint8_t* blocks, std::span<float> values) {
  for (size_t at = 0; at < values.size(); at += kBlock, blocks += 34) {
    const float scale = float_of_half(get<uint16_t>(blocks));
    for (uint32_t i = 0; i < kBlock; ++i) values[at + i] = static_cast<float>(static_cast<int8_t>(blocks[2 + i])) * scale;
  }
}

// Value j in the low four bits of byte j, value j + 16 in the high ones.
void to_q4_0(std::span<const float> values, uint8_t* blocks) {
  for (size_t at = 0; at < values.size(); at += kBlock, blocks += 18) {
    const float* x = values.data() + at;
    const float scale = extreme_of(x, kBlock) / -8, id = inverse(scale);
    put(blocks, half_of(scale));
    for (uint32_t j = 0; j < kHalfBlock; ++j) blocks[2 + j] = static_cast<uint8_t>(capped(x[j] * id + 8.5F, 15) | capped(x[kHalfBlock + j] * id + 8.5F, 15) << 4);
  }
}
void from_q4_0(const uint8_t* blocks, std::span<float> values) {
  for (size_t at = 0; at < values.size(); at += kBlock, blocks += 18) {
    const float scale = float_of_half(get<uint16_t>(blocks));
    for (uint32_t j = 0; j < kHalfBlock; ++j) {
      values[at + j] = static_cast<float>((blocks[2 + j] & 15) - 8) * scale;
      values[at + kHalfBlock + j] = static_cast<float>((blocks[2 + j] >> 4) - 8) * scale;
    }
  }
}

void to_q4_1(std::span<const float> values, uint8_t* blocks) {
  for (size_t at = 0; at < values.size(); at += kBlock, blocks += 20) {
    const float* x = values.data() + at;
    const Range range = range_of(x, 15);
    put(blocks, half_of(range.scale));
    put(blocks + 2, half_of(range.least));
    const auto index = [&](float value) { return capped((value - range.least) * range.id + 0.5F, 15); };
    for (uint32_t j = 0; j < kHalfBlock; ++j) blocks[4 + j] = static_cast<uint8_t>(index(x[j]) | index(x[kHalfBlock + j]) << 4);
  }
}
void from_q4_1(const uint8_t* blocks, std::span<float> values) {
  for (size_t at = 0; at < values.size(); at += kBlock, blocks += 20) {
    const float scale = float_of_half(get<uint16_t>(blocks)), least = float_of_half(get<uint16_t>(blocks + 2));
    for (uint32_t j = 0; j < kHalfBlock; ++j) {
      values[at + j] = static_cast<float>(blocks[4 + j] & 15) * scale + least;
      values[at + kHalfBlock + j] = static_cast<float>(blocks[4 + j] >> 4) * scale + least;
    }
  }
}

void to_q5_0(std::span<const float> values, uint8_t* blocks) {
  for (size_t at = 0; at < values.size(); at += kBlock, blocks += 22) {
    const float scale = extreme_of(values.data() + at, kBlock) / -16, id = inverse(scale);
    put(blocks, half_of(scale));
    put_five_bits(values.data() + at, [&](float value) { return capped(value * id + 16.5F, 31); }, blocks + 2, blocks + 6);
  }
}
void from_q5_0(const uint8_t* blocks, std::span<float> values) {
  for (size_t at = 0; at < values.size(); at += kBlock, blocks += 22) {
    const float scale = float_of_half(get<uint16_t>(blocks));
    get_five_bits(blocks + 2, blocks + 6, [&](int index) { return static_cast<float>(index - 16) * scale; }, values.data() + at);
  }
}

void to_q5_1(std::span<const float> values, uint8_t* blocks) {
  for (size_t at = 0; at < values.size(); at += kBlock, blocks += 24) {
    const Range range = range_of(values.data() + at, 31);
    put(blocks, half_of(range.scale));
    put(blocks + 2, half_of(range.least));
    put_five_bits(values.data() + at, [&](float value) { return static_cast<uint8_t>(whole((value - range.least) * range.id + 0.5F)); }, blocks + 4, blocks + 8);
  }
}
void from_q5_1(const uint8_t* blocks, std::span<float> values) {
  for (size_t at = 0; at < values.size(); at += kBlock, blocks += 24) {
    const float scale = float_of_half(get<uint16_t>(blocks)), least = float_of_half(get<uint16_t>(blocks + 2));
    get_five_bits(blocks + 4, blocks + 8, [&](int index) { return static_cast<float>(index) * scale + least; }, values.data() + at);
  }
}

}  // namespace llmops
