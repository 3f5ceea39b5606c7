// Private to core/quant: the sums of ErrorSums::add before they are added up.
#pragma once

#include <array>
#include <cstddef>
#include <span>

#include "core/quant/avx2.h"

namespace llmops {

constexpr size_t kErrorLanes = 8;
using Lanes = std::array<double, kErrorLanes>;
struct ErrorLanes { Lanes most{}, source{}, error{}, output{}, product{}; };

// Value i goes into lane i % 8.
void add_error_lanes(std::span<const float> x, std::span<const float> y, ErrorLanes& lanes);
bool all_within_reference(std::span<const float> values, float largest);

#if LLMOPS_HAS_AVX2_KERNELS
namespace avx2 {
void add_error_lanes(std::span<const float> x, std::span<const float> y, ErrorLanes& lanes);
bool all_within(std::span<const float> values, float largest);
}  // namespace avx2
#endif

}  // namespace llmops
