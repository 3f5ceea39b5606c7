// Quantiles of non-negative numbers in counts that add up: DDSketch (Masson, Rim & Lee 2019, "DDSketch: a fast and fully-mergeable quantile sketch with relative-error guarantees", PVLDB 12:2195).
//
// A number x > 0 counts in bucket i with g^i < x / 1e-9 <= g^(i+1), g = (1 + a) / (1 - a), a = 0.01; what stands for the bucket is off by at most a of x. The paper collapses the lowest buckets when there are many, which hangs on the order;
// here the range is fixed instead: numbers up to 1e-9 count as 0, numbers above 1e12 in the last bucket. At most 2,418 buckets, 19 KB.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/sketch/bytes.h"

namespace llmops {

class QuantileSketch {
 public:
  static constexpr double kAccuracy = 0.01, kLeast = 1e-9, kMost = 1e12;

  // False, and nothing is counted: negative, NaN, infinite.
  bool add(double value);
  // Afterwards as if this one had seen the numbers of both, to the bit.
  void merge(const QuantileSketch& other);

  int64_t count() const { return count_; }
  // The number of rank floor(q (n - 1)) from 0, off by at most 1 % of it where it is between kLeast and kMost. nullopt: nothing was counted. Precondition: 0 <= q <= 1.
  std::optional<double> quantile(double q) const;
  std::optional<double> least() const { return count_ > 0 ? std::optional(least_) : std::nullopt; }      // exact
  std::optional<double> most() const { return count_ > 0 ? std::optional(most_) : std::nullopt; }        // exact
  // Of all numbers (those past kMost count as kMost), each rounded to 2^-32: exact integers inside, so that no order of adding makes a difference.
  double sum() const;
  std::optional<double> mean() const;
  // (what stands for the bucket, count) by number, the empty ones left out; 0 first.
  std::vector<std::pair<double, int64_t>> buckets() const;

  void append_to(std::string& out) const;
  static std::optional<QuantileSketch> read(ByteReader& reader);   // nullopt: not what append_to wrote
  bool operator==(const QuantileSketch&) const = default;

 private:
  __extension__ using Wide = __int128;
  void count_in(size_t bucket, int64_t times);
  int64_t count_ = 0, zeros_ = 0;
  double least_ = 0, most_ = 0;
  Wide sum_ = 0;                     // in units of 2^-32
  size_t first_ = 0;                 // bucket of counts_[0]
  std::vector<int64_t> counts_;      // from the first bucket that is not empty to the last
};

}  // namespace llmops
