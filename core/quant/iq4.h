// Private to core/quant: four bits that name one of 16 values, which are denser around zero.
#pragma once

#include <cstdint>
#include <span>

namespace llmops {

void to_iq4_nl(std::span<const float> values, uint8_t* blocks);
void from_iq4_nl(const uint8_t* blocks, std::span<float> values);
void to_iq4_xs(std::span<const float> values, uint8_t* blocks);
void from_iq4_xs(const uint8_t* blocks, std::span<float> values);

}  // namespace llmops
