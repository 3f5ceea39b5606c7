// MinHash (A. Broder, "On the resemblance and containment of documents", 1997) with banding (Mining of Massive Datasets,
// chapter 3). The expected share of equal minima is the Jaccard similarity; its standard error with k hashes is
// sqrt(s(1-s)/k).
#include "core/data/minhash.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "core/data/hash128.h"
#include "core/data/normal_form.h"

namespace llmops {
namespace {

using Lanes = uint32_t __attribute__((vector_size(32)));
static_assert(sizeof(Lanes) == MinHasher::kLanes * sizeof(uint32_t));

// Written once; compiled for AVX2 and for the baseline. What the vectors hold does not depend on which one runs.
__attribute__((always_inline)) inline void minima_of(const uint32_t* bag, size_t size, const uint32_t* multipliers, const uint32_t* offsets, size_t count, uint32_t* out) {
  for (size_t i = 0; i < count; i += MinHasher::kLanes) {
    Lanes multiplier, offset, least;
    std::memcpy(&multiplier, multipliers + i, sizeof multiplier);
    std::memcpy(&offset, offsets + i, sizeof offset);
    std::memset(&least, 0xFF, sizeof least);
    for (size_t k = 0; k < size; ++k) {
      const Lanes hash = multiplier * bag[k] + offset;
      least = hash < least ? hash : least;
    }
    std::memcpy(out + i, &least, sizeof least);
  }
}

void minima_baseline(const uint32_t* bag, size_t size, const uint32_t* multipliers, const uint32_t* offsets, size_t count, uint32_t* out) {
  minima_of(bag, size, multipliers, offsets, count, out);
}
#if defined(__x86_64__)
__attribute__((target("avx2"))) void minima_avx2(const uint32_t* bag, size_t size, const uint32_t* multipliers, const uint32_t* offsets, size_t count, uint32_t* out) {
  minima_of(bag, size, multipliers, offsets, count, out);
}
#endif

constexpr uint64_t kRoll = 0x9E3779B97F4A7C15u;  // odd

size_t code_point_bytes(char lead) {
  const auto byte = static_cast<unsigned char>(lead);
  return byte < 0xC0 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}

// One number per character.
void hash_characters(std::string_view text, std::vector<uint64_t>& units) {
  units.clear();
  for (size_t i = 0; i < text.size();) {
    const size_t size = std::min(code_point_bytes(text[i]), text.size() - i);
    uint64_t bytes = 0;
    std::memcpy(&bytes, text.data() + i, size);
    units.push_back(mix64(bytes + 1));
    i += size;
  }
}

}  // namespace

void Shingler::shingle(std::string_view normal, std::vector<uint32_t>& bag, std::vector<uint32_t>* sequence) {
  bag.clear();
  if (shingling_.unit == ShingleUnit::kWords) hash_words(normal, units_);
  else hash_characters(normal, units_);
  if (sequence != nullptr) sequence->clear();
  if (units_.empty()) return;
  const size_t size = std::min(static_cast<size_t>(std::max(shingling_.size, 1)), units_.size());
  uint64_t leaving = 1, sum = 0;
  for (size_t i = 0; i < size; ++i) leaving *= kRoll;
  for (size_t i = 0; i < units_.size(); ++i) {
    sum = sum * kRoll + units_[i];
    if (i >= size) sum -= leaving * units_[i - size];
    if (i + 1 >= size) bag.push_back(static_cast<uint32_t>(mix64(sum) >> 32));
  }
  if (sequence != nullptr) *sequence = bag;
  std::sort(bag.begin(), bag.end());
  bool changed = false;
  for (size_t i = 0; i < bag.size();) {
    const uint32_t hash = bag[i];
    uint64_t occurrence = 1;
    for (++i; i < bag.size() && bag[i] == hash; ++i) {
      bag[i] = static_cast<uint32_t>(mix64(hash + (occurrence++ << 32)) >> 32);
      changed = true;
    }
  }
  if (changed) std::sort(bag.begin(), bag.end());
  if (bag.size() > kMostShingles) bag.resize(kMostShingles);
}

double jaccard(std::span<const uint32_t> a, std::span<const uint32_t> b) {
  size_t i = 0, k = 0, common = 0;
  while (i < a.size() && k < b.size()) {
    const uint32_t x = a[i], y = b[k];
    common += x == y ? 1 : 0;
    i += x <= y ? 1 : 0;
    k += y <= x ? 1 : 0;
  }
  const size_t all = a.size() + b.size() - common;
  return all == 0 ? 0 : static_cast<double>(common) / static_cast<double>(all);
}

double Banding::found(double similarity) const { return 1 - std::pow(1 - std::pow(similarity, rows), bands); }

Banding choose_banding(double threshold, double recall, int most_hashes) {
  Banding best{0, 0};
  for (int rows = 1; rows <= most_hashes; ++rows) {
    const double agree = std::pow(threshold, rows);
    const double bands = agree >= recall ? 1 : std::ceil(std::log1p(-recall) / std::log1p(-agree));
    if (bands * rows > most_hashes) break;
    best = {static_cast<int>(bands), rows};
  }
  if (best.rows > 0) return best;
  return {std::max(most_hashes, 1), 1};
}

MinHasher::MinHasher(size_t hashes, uint64_t seed) {
  const size_t count = (hashes + kLanes - 1) / kLanes * kLanes;
  for (size_t i = 0; i < count; ++i) {
    multipliers_.push_back(static_cast<uint32_t>(mix64(seed + kRoll * (2 * i + 1))) | 1);
    offsets_.push_back(static_cast<uint32_t>(mix64(seed + kRoll * (2 * i + 2))));
  }
}

void MinHasher::minima(std::span<const uint32_t> bag, size_t first, size_t count, uint32_t* out) const {
#if defined(__x86_64__)
  static const bool has_avx2 = __builtin_cpu_supports("avx2") != 0;
  if (has_avx2) return minima_avx2(bag.data(), bag.size(), multipliers_.data() + first, offsets_.data() + first, count, out);
#endif
  minima_baseline(bag.data(), bag.size(), multipliers_.data() + first, offsets_.data() + first, count, out);
}

}  // namespace llmops
