// Layouts: ggml's block formats (https://github.com/ggml-org/ggml/blob/master/src/ggml-common.h).
#include "core/quant/block_types.h"

#include <algorithm>
#include <array>

#include "core/quant/avx2.h"
#include "core/quant/iq4.h"
#include "core/quant/k_quants.h"
#include "core/quant/plain_blocks.h"
#include "core/quant/weighted.h"

namespace llmops {
namespace {

constexpr BlockType row(std::string_view name, uint32_t gguf_id, uint32_t elements, uint32_t bytes, Quantize quantize, Dequantize dequantize,
                        double error_bound, QuantizeWeighted weighted) {
  return {name, gguf_id, elements, bytes, quantize, dequantize, error_bound, weighted, quantize, dequantize, weighted};
}

// Bounds: half a step. The steps of Q4_0 and Q5_0 reach from -8 (-16) to 7 (15), so that a value as large as the extreme, of the other
// sign, is a whole step off.
constexpr std::array<BlockType, 15> kTypes{{
    row("F32", 0, 1, 4, to_f32, from_f32, 0, nullptr),
    row("F16", 1, 1, 2, to_f16, from_f16, 0x1p-11, nullptr),
    row("BF16", 30, 1, 2, to_bf16, from_bf16, 0x1p-8, nullptr),
    row("Q8_0", 8, 32, 34, to_q8_0, from_q8_0, 0.5 / 127, nullptr),
    row("Q4_0", 2, 32, 18, to_q4_0, from_q4_0, 1.0 / 8, weighted_q4_0),
    row("Q4_1", 3, 32, 20, to_q4_1, from_q4_1, 0.5 / 15, weighted_q4_1),
    row("Q5_0", 6, 32, 22, to_q5_0, from_q5_0, 1.0 / 16, weighted_q5_0),
    row("Q5_1", 7, 32, 24, to_q5_1, from_q5_1, 0.5 / 31, weighted_q5_1),
    row("IQ4_NL", 20, 32, 18, to_iq4_nl, from_iq4_nl, 0, weighted_iq4_nl),
    row("IQ4_XS", 23, 256, 136, to_iq4_xs, from_iq4_xs, 0, weighted_iq4_xs),
    row("Q2_K", 10, 256, 84, to_q2_k, from_q2_k, 0, weighted_q2_k),
    row("Q3_K", 11, 256, 110, to_q3_k, from_q3_k, 0, weighted_q3_k),
    row("Q4_K", 12, 256, 144, to_q4_k, from_q4_k, 0, weighted_q4_k),
    row("Q5_K", 13, 256, 176, to_q5_k, from_q5_k, 0, weighted_q5_k),
    row("Q6_K", 14, 256, 210, to_q6_k, from_q6_k, 0, weighted_q6_k),
}};

#if LLMOPS_HAS_AVX2_KERNELS
struct Kernels {
  Quantize quantize;
  Dequantize dequantize;
  QuantizeWeighted weighted = nullptr;
};
// In the order of kTypes.
constexpr std::array<Kernels, 15> kAvx2{{
    {to_f32, from_f32},
    {avx2::to_f16, avx2::from_f16},
    {avx2::to_bf16, avx2::from_bf16},
    {avx2::to_q8_0, avx2::from_q8_0},
    {avx2::to_q4_0, avx2::from_q4_0, avx2::weighted_q4_0},
    {avx2::to_q4_1, avx2::from_q4_1, avx2::weighted_q4_1},
    {avx2::to_q5_0, avx2::from_q5_0, avx2::weighted_q5_0},
    {avx2::to_q5_1, avx2::from_q5_1, avx2::weighted_q5_1},
    {avx2::to_iq4_nl, avx2::from_iq4_nl, avx2::weighted_iq4_nl},
    {avx2::to_iq4_xs, avx2::from_iq4_xs, avx2::weighted_iq4_xs},
    {avx2::to_q2_k, avx2::from_q2_k, avx2::weighted_q2_k},
    {avx2::to_q3_k, avx2::from_q3_k, avx2::weighted_q3_k},
    {avx2::to_q4_k, avx2::from_q4_k, avx2::weighted_q4_k},
    {avx2::to_q5_k, avx2::from_q5_k, avx2::weighted_q5_k},
    {avx2::to_q6_k, avx2::from_q6_k, avx2::weighted_q6_k},
}};
#endif

std::array<BlockType, 15> fastest() {
  std::array<BlockType, 15> types = kTypes;
#if LLMOPS_HAS_AVX2_KERNELS
  for (size_t i = 0; has_avx2() && i < types.size(); ++i) {
    types[i].quantize = kAvx2[i].quantize;
    types[i].dequantize = kAvx2[i].dequantize;
    types[i].quantize_weighted = kAvx2[i].weighted;
  }
#endif
  return types;
}

}  // namespace

bool has_avx2() {
#if LLMOPS_HAS_AVX2_KERNELS
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("f16c");
#else
  return false;
#endif
}

std::span<const BlockType> block_types() {
  static const std::array<BlockType, 15> kFastest = fastest();
  return kFastest;
}

const BlockType* find_block_type(std::string_view name) {
  const auto types = block_types();
  const auto found = std::find_if(types.begin(), types.end(), [&](const BlockType& type) { return type.name == name; });
  return found == types.end() ? nullptr : &*found;
}

}  // namespace llmops
