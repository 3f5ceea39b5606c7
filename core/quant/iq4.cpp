// The code book and the search for scales are those of ggml's reference without an importance matrix.
#include "core/quant/iq4.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "core/quant/half.h"
#include "core/quant/numbers.h"

namespace llmops {
namespace {

constexpr int kBlock = 32, kTries = 7;
constexpr size_t kSuper = 256;
constexpr std::array<int8_t, 16> kBook{-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

// Of two equally near the higher one.
uint8_t nearest_entry(float value) {
  if (value <= kBook.front()) return 0;
  if (value >= kBook.back()) return 15;
  const auto above = std::find_if(kBook.begin(), kBook.end(), [&](int8_t entry) { return value < entry; });
  const auto index = static_cast<uint8_t>(above - kBook.begin());
  return value - static_cast<float>(kBook[index - 1U]) < static_cast<float>(kBook[index]) - value ? static_cast<uint8_t>(index - 1) : index;
}

struct Sums { float qx = 0, q2 = 0; };
Sums sums_of(const float* x, float inverse) {
  Sums sums;
  for (int i = 0; i < kBlock; ++i) {
    const auto q = static_cast<float>(kBook[nearest_entry(inverse * x[i])]);
    const float weight = x[i] * x[i];
    sums.qx += weight * q * x[i];
    sums.q2 += weight * q * q;
  }
  return sums;
}

// The scale of least squared error, each value weighted by its square.
float fit(const float* x) {
  const float extreme = extreme_of(x, kBlock);
  if (std::fabs(extreme) < kNoScale) return 0;
  const float first = -extreme / static_cast<float>(kBook.front());
  Sums sums = sums_of(x, 1 / first);
  float scale = sums.qx / sums.q2, best = scale * sums.qx;
  for (int step = -kTries; step <= kTries; ++step) {
    sums = sums_of(x, static_cast<float>(step + kBook.front()) / extreme);
    if (!(sums.q2 > 0) || !(sums.qx * sums.qx > best * sums.q2)) continue;
    scale = sums.qx / sums.q2;
    best = scale * sums.qx;
  }
  return scale;
}

void put_indices(const float* x, float inverse, uint8_t* packed) {
  for (int j = 0; j < 16; ++j) packed[j] = static_cast<uint8_t>(nearest_entry(inverse * x[j]) | nearest_entry(inverse * x[16 + j]) << 4);
}
void get_values(const uint8_t* packed, float scale, float* out) {
  for (int j = 0; j < 16; ++j) {
    out[j] = scale * static_cast<float>(kBook[packed[j] & 15]);
    out[16 + j] = scale * static_cast<float>(kBook[packed[j] >> 4]);
  }
}

// 8 scales of six bits, less 32: low four in 4 bytes, high two in a word.
int scale_of(const uint8_t* block, size_t j) { return (((block[4 + j / 2] >> (4 * (j % 2))) & 15) | ((get<uint16_t>(block + 2) >> (2 * j)) & 3) << 4) - 32; }

}  // namespace

// d, 16 bytes of indices.
void to_iq4_nl(std::span<const float> values, uint8_t* blocks) {
  for (size_t at = 0; at < values.size(); at += kBlock, blocks += 18) {
    const float scale = fit(values.data() + at);
    put(blocks, half_of(scale));
    put_indices(values.data() + at, scale != 0 ? 1 / scale : 0, blocks + 2);
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
    std::fill_n(blocks, 8, uint8_t{0});
    const float unit = -extreme_of(fitted.data(), 8) / 32, inverse = unit != 0 ? 1 / unit : 0;
    put(blocks, half_of(unit));
    uint16_t high = 0;
    for (size_t j = 0; j < 8; ++j) {
      const int scale = std::clamp(nearest(inverse * fitted[j]), -32, 31);
      const float step = unit * static_cast<float>(scale);
      put_indices(x + j * kBlock, step != 0 ? 1 / step : 0, blocks + 8 + 16 * j);
      blocks[4 + j / 2] = static_cast<uint8_t>(blocks[4 + j / 2] | ((scale + 32) & 15) << (4 * (j % 2)));
      high = static_cast<uint16_t>(high | ((scale + 32) >> 4) << (2 * j));
    }
    put(blocks + 2, high);
  }
}
void from_iq4_xs(const uint8_t* blocks, std::span<float> values) {
  for (size_t at = 0; at < values.size(); at += kSuper, blocks += 136) {
    const float unit = float_of_half(get<uint16_t>(blocks));
    for (size_t j = 0; j < 8; ++j) get_values(blocks + 8 + 16 * j, unit * static_cast<float>(scale_of(blocks, j)), values.data() + at + j * kBlock);
  }
}

}  // namespace llmops
