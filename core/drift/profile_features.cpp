#include "core/drift/profile_features.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>

#include "core/sketch/feature_totals.h"
#include "core/sketch/hash64.h"

namespace llmops {
namespace {

// Four at a time. Lanes do not meet, so that wider registers would give the same bits.
using Lanes = float __attribute__((vector_size(16)));
using WholeLanes = int32_t __attribute__((vector_size(16)));
constexpr size_t kLanes = 4;

Lanes load(const float* at) {
  Lanes lanes;
  std::memcpy(&lanes, at, sizeof lanes);
  return lanes;
}

// Quarter turns are taken off in two parts (Cody & Waite 1980), whose first has so few digits that its products are exact; then Taylor's series on [-pi/4, pi/4]: errors below 1e-7 for angles up to 1000.
void sine_and_cosine(Lanes angle, Lanes& sine, Lanes& cosine) {
  constexpr float kQuarterHigh = 201.0F / 128, kQuarterLow = static_cast<float>(std::numbers::pi / 2 - 201.0 / 128), kInverse = static_cast<float>(2 / std::numbers::pi);
  const Lanes half = (angle < 0.0F) ? Lanes{-0.5F, -0.5F, -0.5F, -0.5F} : Lanes{0.5F, 0.5F, 0.5F, 0.5F};
  const WholeLanes turns = __builtin_convertvector(angle * kInverse + half, WholeLanes);
  const Lanes turned = __builtin_convertvector(turns, Lanes), r = (angle - turned * kQuarterHigh) - turned * kQuarterLow, q = r * r;
  const Lanes s = r + r * q * (-1.0F / 6 + q * (1.0F / 120 + q * (-1.0F / 5040 + q * (1.0F / 362880))));
  const Lanes c = (1.0F - q * 0.5F) + q * q * (1.0F / 24 + q * (-1.0F / 720 + q * (1.0F / 40320)));
  const WholeLanes is_odd = (turns & 1) != 0;
  const Lanes one = is_odd ? c : s, other = is_odd ? s : c;
  sine = ((turns & 2) != 0) ? -one : one;
  cosine = (((turns + 1) & 2) != 0) ? -other : other;
}

void store_whole(Lanes value, int32_t* at) {
  const WholeLanes whole = __builtin_convertvector(value * static_cast<float>(FeatureTotals::kOne), WholeLanes);
  std::memcpy(at, &whole, sizeof whole);
}

// In (0, 1].
double unit_of(uint64_t bits) { return (static_cast<double>(bits >> 11) + 1) * 0x1p-53; }

}  // namespace

ProfileFeatures::ProfileFeatures(size_t dimensions, size_t features, double sigma, uint64_t seed)
    : half_(features / 2), sigma_(sigma), seed_(mix_bits(seed + 0x9E3779B97F4A7C15u)), rows_(dimensions * half_), made_(dimensions), angles_(half_) {}

const float* ProfileFeatures::row(uint32_t ngram) {
  float* values = rows_.data() + size_t{ngram} * half_;
  if (made_[ngram]) return values;
  const uint64_t stream = mix_bits(seed_ ^ ngram);
  for (size_t f = 0; f < half_; f += 2) {
    const double radius = std::sqrt(-2 * std::log(unit_of(mix_bits(stream + f)))) / sigma_, angle = 2 * std::numbers::pi * unit_of(mix_bits(stream + f + 1));
    values[f] = static_cast<float>(radius * std::cos(angle));
    values[f + 1] = static_cast<float>(radius * std::sin(angle));
  }
  made_[ngram] = true;
  return values;
}

void ProfileFeatures::compute(std::span<const uint32_t> ngrams, std::span<int32_t> out) {
  std::fill(angles_.begin(), angles_.end(), 0.0F);
  double squares = 0;
  for (size_t i = 0; i < ngrams.size();) {
    size_t end = i + 1;
    while (end < ngrams.size() && ngrams[end] == ngrams[i]) ++end;
    const double value = end == i + 1 ? 1 : 1 + std::log(static_cast<double>(end - i));
    const float weight = static_cast<float>(value);
    squares += value * value;
    const float* weights = row(ngrams[i]);
    for (size_t f = 0; f < half_; f += kLanes) {
      const Lanes sum = load(&angles_[f]) + weight * load(weights + f);
      std::memcpy(&angles_[f], &sum, sizeof sum);
    }
    i = end;
  }
  const float scale = squares > 0 ? static_cast<float>(1 / std::sqrt(squares)) : 0;
  for (size_t f = 0; f < half_; f += kLanes) {
    Lanes sine, cosine;
    sine_and_cosine(load(&angles_[f]) * scale, sine, cosine);
    store_whole(cosine, &out[f]);
    store_whole(sine, &out[half_ + f]);
  }
}

}  // namespace llmops
