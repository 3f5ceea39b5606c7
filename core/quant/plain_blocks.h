// Private to core/quant: plain floats, and the types of 32 values with one scale (and one minimum).
#pragma once

#include <cstdint>
#include <span>

namespace llmops {

void to_f32(std::span<const float> values, uint8_t* blocks);
void from_f32(const uint8_t* blocks, std::span<float> values);
void to_f16(std::span<const float> values, uint8_t* blocks);
void from_f16(const uint8_t* blocks, std::span<float> values);
void to_bf16(std::span<const float> values, uint8_t* blocks);
void from_bf16(const uint8_t* blocks, std::span<float> values);
void to_q8_0(std::span<const float> values, uint8_t* blocks);
void from_q8_0(const uint8_t* blocks, std::span<float> values);
void to_q4_0(std::span<const float> values, uint8_t* blocks);
void from_q4_0(const uint8_t* blocks, std::span<float> values);
void to_q4_1(std::span<const float> values, uint8_t* blocks);
void from_q4_1(const uint8_t* blocks, std::span<float> values);
void to_q5_0(std::span<const float> values, uint8_t* blocks);
void from_q5_0(const uint8_t* blocks, std::span<float> values);
void to_q5_1(std::span<const float> values, uint8_t* blocks);
void from_q5_1(const uint8_t* blocks, std::span<float> values);

}  // namespace llmops
