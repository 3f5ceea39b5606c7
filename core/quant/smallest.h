// Private to core/quant: the smallest of a few scores.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <span>
#include <vector>

namespace llmops {

// Calls `remove` with the place of each of the `count` smallest scores, of equal ones the earlier, in no order. `keys` is room to work in.
// Preconditions: scores are >= 0 (not -0) and fewer than 2^32; count <= scores.size().
template <class Remove>
void for_smallest(std::span<const float> scores, size_t count, std::vector<uint64_t>& keys, const Remove& remove) {
  if (count == 0) return;
  keys.resize(scores.size());
  // Floats >= 0 are ordered as their bits; the place in the lower half makes every key different.
  for (size_t i = 0; i < scores.size(); ++i) keys[i] = (uint64_t{std::bit_cast<uint32_t>(scores[i])} << 32) | i;
  if (count < keys.size()) std::nth_element(keys.begin(), keys.begin() + static_cast<ptrdiff_t>(count), keys.end());
  for (size_t i = 0; i < count; ++i) remove(static_cast<size_t>(keys[i] & 0xFFFFFFFF));
}

}  // namespace llmops
