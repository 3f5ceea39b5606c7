#include "core/sketch/quantile_sketch.h"

#include <algorithm>
#include <cmath>

namespace llmops {
namespace {

constexpr double kGamma = (1 + QuantileSketch::kAccuracy) / (1 - QuantileSketch::kAccuracy);

// Upper bounds of the buckets by multiplication alone, which rounds alike everywhere: logarithms do not, and a number at a bound would fall here into one bucket and there into another.
const std::vector<double>& upper_bounds() {
  static const std::vector<double> kBounds = [] {
    std::vector<double> bounds;
    for (double bound = QuantileSketch::kLeast; bounds.empty() || bounds.back() < QuantileSketch::kMost;) bounds.push_back(bound *= kGamma);
    return bounds;
  }();
  return kBounds;
}

size_t bucket_of(double value) {
  const std::vector<double>& bounds = upper_bounds();
  static const double kInverse = 1 / std::log(kGamma);
  const double guess = std::log(value / QuantileSketch::kLeast) * kInverse;
  size_t bucket = std::min(static_cast<size_t>(std::max(0.0, guess)), bounds.size() - 1);
  while (bucket > 0 && value <= bounds[bucket - 1]) --bucket;
  while (bucket + 1 < bounds.size() && value > bounds[bucket]) ++bucket;
  return bucket;
}

double value_of(size_t bucket) { return 2 * upper_bounds()[bucket] / (kGamma + 1); }

}  // namespace

bool QuantileSketch::add(double value) {
  if (!(value >= 0) || std::isinf(value)) return false;
  value = std::min(value, kMost);
  least_ = count_ == 0 ? value : std::min(least_, value);
  most_ = count_ == 0 ? value : std::max(most_, value);
  sum_ += static_cast<Wide>(std::nearbyint(std::ldexp(value, 32)));
  ++count_;
  if (value <= kLeast) ++zeros_;
  else count_in(bucket_of(value), 1);
  return true;
}

void QuantileSketch::count_in(size_t bucket, int64_t times) {
  if (counts_.empty()) first_ = bucket;
  if (bucket < first_) {
    counts_.insert(counts_.begin(), first_ - bucket, 0);
    first_ = bucket;
  }
  if (bucket - first_ >= counts_.size()) counts_.resize(bucket - first_ + 1);
  counts_[bucket - first_] += times;
}

void QuantileSketch::merge(const QuantileSketch& other) {
  if (other.count_ == 0) return;
  least_ = count_ == 0 ? other.least_ : std::min(least_, other.least_);
  most_ = count_ == 0 ? other.most_ : std::max(most_, other.most_);
  sum_ += other.sum_;
  count_ += other.count_;
  zeros_ += other.zeros_;
  for (size_t i = 0; i < other.counts_.size(); ++i) if (other.counts_[i] > 0) count_in(other.first_ + i, other.counts_[i]);
}

std::optional<double> QuantileSketch::quantile(double q) const {
  if (count_ == 0) return std::nullopt;
  const auto rank = static_cast<int64_t>(q * static_cast<double>(count_ - 1));
  int64_t seen = zeros_;
  if (rank < seen) return 0.0;
  for (size_t i = 0; i < counts_.size(); ++i) {
    seen += counts_[i];
    if (rank < seen) return std::clamp(value_of(first_ + i), least_, most_);
  }
  return most_;
}

double QuantileSketch::sum() const { return std::ldexp(static_cast<double>(sum_), -32); }

std::optional<double> QuantileSketch::mean() const { return count_ > 0 ? std::optional(sum() / static_cast<double>(count_)) : std::nullopt; }

std::vector<std::pair<double, int64_t>> QuantileSketch::buckets() const {
  std::vector<std::pair<double, int64_t>> found;
  if (zeros_ > 0) found.emplace_back(0.0, zeros_);
  for (size_t i = 0; i < counts_.size(); ++i) if (counts_[i] > 0) found.emplace_back(value_of(first_ + i), counts_[i]);
  return found;
}

// count, then (unless 0) zeros, least, most, sum as low and high halves, buckets, and for each: distance from the one before, count.
void QuantileSketch::append_to(std::string& out) const {
  append_varint(out, static_cast<uint64_t>(count_));
  if (count_ == 0) return;
  append_varint(out, static_cast<uint64_t>(zeros_));
  append_double(out, least_);
  append_double(out, most_);
  append_varint(out, static_cast<uint64_t>(sum_));
  append_varint(out, static_cast<uint64_t>(sum_ >> 64));
  append_varint(out, static_cast<uint64_t>(std::count_if(counts_.begin(), counts_.end(), [](int64_t n) { return n > 0; })));
  size_t last = 0;
  for (size_t i = 0; i < counts_.size(); ++i) {
    if (counts_[i] == 0) continue;
    append_varint(out, first_ + i - last);
    append_varint(out, static_cast<uint64_t>(counts_[i]));
    last = first_ + i;
  }
}

std::optional<QuantileSketch> QuantileSketch::read(ByteReader& reader) {
  QuantileSketch made;
  made.count_ = reader.count();
  if (made.count_ == 0) return reader.failed() ? std::nullopt : std::optional(made);
  made.zeros_ = reader.count();
  made.least_ = reader.number();
  made.most_ = reader.number();
  const uint64_t low = reader.varint(), high = reader.varint();
  constexpr uint64_t kMostHigh = uint64_t{1} << 30;      // 2^50 numbers of 1e12
  if (!(made.least_ >= 0 && made.least_ <= made.most_ && made.most_ <= kMost) || high > kMostHigh) return std::nullopt;
  made.sum_ = (static_cast<Wide>(high) << 64) | static_cast<Wide>(low);
  int64_t counted = made.zeros_;
  size_t bucket = 0;
  for (uint64_t left = reader.varint(); left > 0; --left) {
    const uint64_t step = reader.varint();
    const int64_t times = reader.count();
    if (reader.failed() || step >= upper_bounds().size() - bucket || times == 0) return std::nullopt;
    bucket += step;
    made.count_in(bucket, times);
    if ((counted += times) > made.count_) return std::nullopt;
  }
  return reader.failed() || counted != made.count_ ? std::nullopt : std::optional(made);
}

}  // namespace llmops
