// How many different things there were, in 4 KB: HyperLogLog (Flajolet, Fusy, Gandouet & Meunier 2007) on 64-bit hashes (Heule, Nunkesser & Hall 2013), with the estimator of Ertl 2017 ("New cardinality estimation algorithms for HyperLogLog
// sketches", arXiv:1702.01284, algorithm 6), which needs no table of biases and no second estimator for small numbers.
//
// The first 12 bits of a hash name one of m = 4096 registers, which keeps the longest run of leading zeros of the rest, plus 1. Standard error: 1.04 / sqrt(m) = 1.63 % of the number.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/sketch/bytes.h"

namespace llmops {

class DistinctSketch {
 public:
  static constexpr unsigned kPrecision = 12;
  static constexpr size_t kRegisters = size_t{1} << kPrecision;

  // A hash that is uniform over 64 bits (hash64.h).
  void add(uint64_t hash);
  // Afterwards as if this one had seen the things of both, to the bit.
  void merge(const DistinctSketch& other);
  double estimate() const;

  void append_to(std::string& out) const;                           // few bytes while few registers are set
  static std::optional<DistinctSketch> read(ByteReader& reader);    // nullopt: not what append_to wrote
  bool operator==(const DistinctSketch&) const = default;

 private:
  std::vector<uint8_t> registers_;   // kRegisters, or none before the first thing
};

}  // namespace llmops
