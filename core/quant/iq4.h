// Private to core/quant: four bits that name one of 16 values, which are denser around zero.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace llmops {

inline constexpr std::array<int8_t, 16> kIq4Book{-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
// Halfway between entries `index` and `index + 1`: near it ggml's two differences are exact, so that comparing with it is comparing them.
constexpr float between_iq4_entries(int index) {
  const auto first = static_cast<size_t>(index);
  return static_cast<float>(kIq4Book[first] + kIq4Book[first + 1]) / 2;
}
// The entry nearest to the value; of two equally near the higher one; of NaN the last.
uint8_t nearest_iq4_entry(float value);

// The scale of 32 values with the least weighted squared error.
float fit_iq4(const float* x, const float* weights);

// The steps of the eight groups of IQ4_XS. The six bits of a scale are chosen with the unit before that is rounded to a half, and so
// are the steps that put_ gives for the indices (as in ggml's reference); read_ gives those that values are made with.
struct Iq4Steps { std::array<float, 8> step{}; };
Iq4Steps put_iq4_xs_scales(const float* scales, uint8_t* block);
Iq4Steps read_iq4_xs_scales(const uint8_t* block);
// 32 indices of x / scale into 16 bytes.
void put_iq4_indices(const float* x, float scale, uint8_t* packed);

void to_iq4_nl(std::span<const float> values, uint8_t* blocks);
void from_iq4_nl(const uint8_t* blocks, std::span<float> values);
void to_iq4_xs(std::span<const float> values, uint8_t* blocks);
void from_iq4_xs(const uint8_t* blocks, std::span<float> values);

}  // namespace llmops
