#include "cli/sparkline.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

namespace llmops {

std::string sparkline(std::span<const std::optional<double>> values, const Terminal& terminal, double least_top) {
  constexpr std::array<std::string_view, 8> kBars{"\u2581", "\u2582", "\u2583", "\u2584", "\u2585", "\u2586", "\u2587", "\u2588"};
  constexpr std::array<std::string_view, 8> kAscii{"_", ".", "-", ":", "=", "+", "*", "#"};
  double largest = least_top;
  for (const auto& value : values) if (value && std::isfinite(*value)) largest = std::max(largest, *value);
  std::string line;
  for (const auto& value : values) {
    if (!value || !std::isfinite(*value)) {
      line += ' ';
      continue;
    }
    // 0 has a bar of its own: a single failure among many is seen.
    const size_t bar = *value <= 0 ? 0 : static_cast<size_t>(std::clamp(std::ceil(*value / largest * 7 - 1e-9), 1.0, 7.0));
    line += terminal.glyph(kBars[bar], kAscii[bar]);
  }
  return line;
}

}  // namespace llmops
