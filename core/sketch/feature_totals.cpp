#include "core/sketch/feature_totals.h"

#include <cstdlib>

namespace llmops {

void FeatureTotals::add(std::span<const int32_t> features) {
  if (totals.empty()) totals.resize(features.size());
  for (size_t i = 0; i < features.size(); ++i) totals[i] += features[i];
  ++count;
}

void FeatureTotals::merge(const FeatureTotals& other) {
  if (totals.empty()) totals.resize(other.totals.size());
  for (size_t i = 0; i < other.totals.size(); ++i) totals[i] += other.totals[i];
  count += other.count;
}

void FeatureTotals::append_to(std::string& out) const {
  append_varint(out, static_cast<uint64_t>(count));
  append_varint(out, totals.size());
  for (const int64_t total : totals) append_signed(out, total);
}

std::optional<FeatureTotals> FeatureTotals::read(ByteReader& reader) {
  constexpr int64_t kMostItems = int64_t{1} << 32;
  FeatureTotals made;
  made.count = reader.count();
  const uint64_t size = reader.varint();
  if (reader.failed() || size > kMostFeatures || made.count > kMostItems || (size == 0) != (made.count == 0)) return std::nullopt;
  for (uint64_t i = 0; i < size; ++i) {
    const int64_t total = reader.signed_number();
    if (reader.failed() || total > made.count * kOne || total < -made.count * kOne) return std::nullopt;
    made.totals.push_back(total);
  }
  return made;
}

}  // namespace llmops
