#include "core/sketch/distinct_sketch.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <numbers>

namespace llmops {
namespace {

constexpr unsigned kRest = 64 - DistinctSketch::kPrecision;   // q of the paper: registers hold 0 to q + 1

// Ertl 2017, sigma(x) = x + sum over k >= 1 of x^(2^k) 2^(k - 1). Precondition: 0 <= x <= 1; infinite at 1.
double sigma(double x) {
  if (x == 1) return HUGE_VAL;
  double weight = 1, sum = x;
  for (double before = -1; sum != before; weight *= 2) {
    x *= x;
    before = sum;
    sum += x * weight;
  }
  return sum;
}

// tau(x) = (1 - x - sum over k >= 1 of (1 - x^(2^-k))^2 2^-k) / 3.
double tau(double x) {
  if (x == 0 || x == 1) return 0;
  double weight = 1, sum = 1 - x;
  for (double before = -1; sum != before;) {
    x = std::sqrt(x);
    before = sum;
    weight *= 0.5;
    sum -= (1 - x) * (1 - x) * weight;
  }
  return sum / 3;
}

}  // namespace

void DistinctSketch::add(uint64_t hash) {
  if (registers_.empty()) registers_.resize(kRegisters);
  const uint64_t rest = hash << kPrecision;
  const auto rank = static_cast<uint8_t>(rest == 0 ? kRest + 1 : static_cast<unsigned>(std::countl_zero(rest)) + 1);
  uint8_t& place = registers_[hash >> kRest];
  place = std::max(place, rank);
}

void DistinctSketch::merge(const DistinctSketch& other) {
  if (other.registers_.empty()) return;
  if (registers_.empty()) registers_.resize(kRegisters);
  for (size_t i = 0; i < kRegisters; ++i) registers_[i] = std::max(registers_[i], other.registers_[i]);
}

double DistinctSketch::estimate() const {
  if (registers_.empty()) return 0;
  std::array<int, kRest + 2> with{};
  for (const uint8_t value : registers_) ++with[value];
  constexpr double m = static_cast<double>(kRegisters);
  double z = m * tau(1 - with[kRest + 1] / m);
  for (unsigned k = kRest; k >= 1; --k) z = 0.5 * (z + with[k]);
  z += m * sigma(with[0] / m);
  return m * m / (2 * std::numbers::ln2 * z);
}

// How many registers are set; all 4096 as bytes when more than a third are, else for each: distance from the one before, value.
void DistinctSketch::append_to(std::string& out) const {
  const auto set = static_cast<size_t>(std::count_if(registers_.begin(), registers_.end(), [](uint8_t value) { return value > 0; }));
  append_varint(out, set);
  if (set > kRegisters / 3) {
    out.append(registers_.begin(), registers_.end());
    return;
  }
  size_t last = 0;
  for (size_t i = 0; i < registers_.size(); ++i) {
    if (registers_[i] == 0) continue;
    append_varint(out, i - last);
    out.push_back(static_cast<char>(registers_[i]));
    last = i;
  }
}

std::optional<DistinctSketch> DistinctSketch::read(ByteReader& reader) {
  DistinctSketch made;
  const uint64_t set = reader.varint();
  if (set > kRegisters || reader.failed()) return std::nullopt;
  if (set == 0) return made;
  made.registers_.resize(kRegisters);
  if (set > kRegisters / 3) {
    const std::string_view bytes = reader.bytes(kRegisters);
    std::transform(bytes.begin(), bytes.end(), made.registers_.begin(), [](char c) { return static_cast<uint8_t>(c); });
  } else {
    size_t at = 0;
    for (uint64_t i = 0; i < set; ++i) {
      const uint64_t step = reader.varint();
      const std::string_view value = reader.bytes(1);
      if (reader.failed() || step >= kRegisters - at || (i > 0 && step == 0)) return std::nullopt;
      at += step;
      made.registers_[at] = static_cast<uint8_t>(value[0]);
    }
  }
  const auto found = static_cast<uint64_t>(std::count_if(made.registers_.begin(), made.registers_.end(), [](uint8_t value) { return value > 0; }));
  if (reader.failed() || found != set || *std::max_element(made.registers_.begin(), made.registers_.end()) > kRest + 1) return std::nullopt;
  return made;
}

}  // namespace llmops
