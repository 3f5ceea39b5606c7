// Sums of bounded features of a kernel as integers: sums of doubles hang on their order in the last bits, these do not. (Rahimi & Recht 2007, "Random features for large-scale kernel machines", for the features.)
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/sketch/bytes.h"

namespace llmops {

struct FeatureTotals {
  static constexpr int32_t kOne = int32_t{1} << 30;      // what stands for 1: a feature is off by at most 1e-9, and 8e9 items fit
  static constexpr size_t kMostFeatures = 1 << 16;

  std::vector<int64_t> totals;       // of each feature; empty before the first item
  int64_t count = 0;                 // items

  // Precondition: as many features each time, each between -kOne and kOne.
  void add(std::span<const int32_t> features);
  // Precondition: as many features, or none on a side.
  void merge(const FeatureTotals& other);
  double total(size_t feature) const { return static_cast<double>(totals[feature]) / kOne; }

  void append_to(std::string& out) const;
  static std::optional<FeatureTotals> read(ByteReader& reader);      // nullopt: not what append_to wrote
  bool operator==(const FeatureTotals&) const = default;
};

}  // namespace llmops
