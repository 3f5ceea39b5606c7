#include "core/data/word_edits.h"

#include <algorithm>
#include <array>
#include <vector>

namespace llmops {
namespace {

constexpr size_t kOnStack = 513;

// `row` holds b.size() + 1 numbers. Numbers past the limit stand for all of them.
size_t fill_band(std::span<const uint32_t> a, std::span<const uint32_t> b, size_t limit, uint32_t* row) {
  const auto too_many = static_cast<uint32_t>(limit + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = static_cast<uint32_t>(std::min(j, limit + 1));
  for (size_t i = 1; i <= a.size(); ++i) {
    const size_t from = i > limit ? i - limit : 1, to = std::min(b.size(), i + limit);
    uint32_t diagonal = row[from - 1];
    row[from - 1] = from == 1 ? static_cast<uint32_t>(std::min(i, limit + 1)) : too_many;
    uint32_t least = row[from - 1];
    for (size_t j = from; j <= to; ++j) {
      // Above the band's upper edge nothing was filled in the row before.
      const uint32_t above = j == i + limit ? too_many : row[j];
      const uint32_t best = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0u : 1u), too_many});
      diagonal = row[j];
      row[j] = best;
      least = std::min(least, best);
    }
    if (least == too_many) return limit + 1;
  }
  return row[b.size()];
}

}  // namespace

size_t word_edits(std::span<const uint32_t> a, std::span<const uint32_t> b, size_t limit) {
  if (a.size() < b.size()) std::swap(a, b);
  if (a.size() - b.size() > limit) return limit + 1;
  while (!b.empty() && a.front() == b.front()) { a = a.subspan(1); b = b.subspan(1); }
  while (!b.empty() && a.back() == b.back()) { a = a.first(a.size() - 1); b = b.first(b.size() - 1); }
  if (b.empty()) return a.size();
  limit = std::min(limit, a.size());
  if (b.size() < kOnStack) {
    std::array<uint32_t, kOnStack> row;
    return fill_band(a, b, limit, row.data());
  }
  std::vector<uint32_t> row(b.size() + 1);
  return fill_band(a, b, limit, row.data());
}

}  // namespace llmops
