// The code book and the search for scales are those of ggml's reference without an importance matrix.
#include "core/quant/iq4.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "core/base/half.h"
#include "core/quant/numbers.h"

namespace llmops {
namespace {

constexpr int kBlock = 32, kTries = 7;
constexpr size_t kSuper = 256;
constexpr const auto& kBook = kIq4Book;

struct Sums { float qx = 0, q2 = 0; };
Sums sums_of(const float* x, const float* weights, float inverse) {
  Sums sums;
  for (int i = 0; i < kBlock; ++i) {
    const auto q = static_cast<float>(kBook[nearest_iq4_entry(inverse * x[i])]);
    sums.qx += weights[i] * q * x[i];
    sums.q2 += weights[i] * q * q;
  }
  return sums;
}

void get_values(const uint8_t* packed, float scale, float* out) {
  for (int j = 0; j < 16; ++j) {
    out[j] = scale * static_cast<float>(kBook[packed[j] & 15]);
    out[16 + j] = scale * static_cast<float>(kBook[packed[j] >> 4]);
  }
}

float fit(const float* x) {
  std::array<float, kBlock> weights;
  for (size_t i = 0; i < kBlock; ++i) weights[i] = x[i] * x[i];
  return fit_iq4(x, weights.data());
}

}  // namespace

uint8_t nearest_iq4_entry(float value) {
  int index = 0;
  for (int step = 8; step > 0; step /= 2) index += value < between_iq4_entries(index + step - 1) ? 0 : step;
  return static_cast<uint8_t>(index);
}

float fit_iq4(const float* x, const float* weights) {
  const float extreme = extreme_of(x, kBlock);
  if (std::fabs(extreme) < kNoScale) return 0;
  const float first = -extreme / static_cast<float>(kBook.front());
  Sums sums = sums_of(x, weights, 1 / first);
  float scale = sums.q2 > 0 ? sums.qx / sums.q2 : 0, best = scale * sums.qx;   // weights so small that they vanish
  for (int step = -kTries; step <= kTries; ++step) {
    sums = sums_of(x, weights, static_cast<float>(step + kBook.front()) / extreme);
    if (!(sums.q2 > 0) || !(sums.qx * sums.qx > best * sums.q2)) continue;
    scale = sums.qx / sums.q2;
    best = scale * sums.qx;
  }
  return scale;
}

void put_iq4_indices(const float* x, float scale, uint8_t* packed) {
  const float inverse = scale != 0 ? 1 / scale : 0;
  for (int j = 0; j < 16; ++j) packed[j] = static_cast<uint8_t>(nearest_iq4_entry(inverse * x[j]) | nearest_iq4_entry(inverse * x[16 + j]) << 4);
}

// 8 scales of six bits, less 32: low four in 4 bytes, high two in a word.
Iq4Steps read_iq4_xs_scales(const uint8_t* block) {
  const float unit = float_of_half(get<uint16_t>(block));
  const int high = get<uint16_t>(block + 2);
  Iq4Steps read;
  for (size_t j = 0; j < 8; ++j) read.step[j] = unit * static_cast<float>((((block[4 + j / 2] >> (4 * (j % 2))) & 15) | ((high >> (2 * j)) & 3) << 4) - 32);
  return read;
}
Iq4Steps put_iq4_xs_scales(const float* scales, uint8_t* block) {
  std::fill_n(block, 8, uint8_t{0});
  const float unit = -extreme_of(scales, 8) / 32, inverse = unit != 0 ? 1 / unit : 0;
  put(block, half_of(unit));
  uint16_t high = 0;
  Iq4Steps chosen;
  for (size_t j = 0; j < 8; ++j) {
    const int scale = std::clamp(nearest(inverse * scales[j]), -32, 31);
    chosen.step[j] = unit * static_cast<float>(scale);
    block[4 + j / 2] = static_cast<uint8_t>(block[4 + j / 2] | ((scale + 32) & 15) << (4 * (j % 2)));
    high = static_cast<uint16_t>(high | ((scale + 32) >> 4) << (2 * j));
  }
  put(block + 2, high);
  return chosen;
}

// d, 16 bytes of indices.
void to_iq4_nl(std::span<const float> values, uint8_t* blocks) {
  for (size_t at = 0; at < values.size(); at += kBlock, blocks += 18) {
    const float scale = fit(values.data() + at);
    put(blocks, half_of(scale));
    put_iq4_indices(values.data() + at, scale, blocks + 2);
  }
}
void from_iq4_nl(const uint8_t* blocks, std::span<float> values) {
  for (size_t at = 0; at < values.size(); at += kBlock, blocks += 18) get_values(blocks + 2, float_of_half(get<uint16_t>(blocks)), values.data() + at);
}

// d, the high bits of 8 scales, their low bits, 128 bytes of indices.
void to_iq4_xs(std::span<const float> values, uint8_t* blocks) {
  for (size_t at = 0; at < values.size(); at += kSuper, blocks += 136) {
    const float* x = values.data() + at;
    std::array<float, 8> fitted;
    for (size_t j = 0; j < 8; ++j) fitted[j] = fit(x + j * kBlock);
    const Iq4Steps steps = put_iq4_xs_scales(fitted.data(), blocks);
    for (size_t j = 0; j < 8; ++j) put_iq4_indices(x + j * kBlock, steps.step[j], blocks + 8 + 16 * j);
  }
}
void from_iq4_xs(const uint8_t* blocks, std::span<float> values) {
  for (size_t at = 0; at < values.size(); at += kSuper, blocks += 136) {
    const Iq4Steps steps = read_iq4_xs_scales(blocks);
    for (size_t j = 0; j < 8; ++j) get_values(blocks + 8 + 16 * j, steps.step[j], values.data() + at + j * kBlock);
  }
}

}  // namespace llmops
