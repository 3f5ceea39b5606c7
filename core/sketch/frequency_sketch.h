// How often each of very many things came, in a fixed table: Count-Min (Cormode & Muthukrishnan 2005, "An improved data stream summary: the count-min sketch and its applications", J. Algorithms 55:58).
//
// d = 4 rows of w = 2048 counts; a thing adds to one count of each row, and the least of the four estimates it. Never too low; too high by more than e / w = 0.13 % of everything counted with a probability of at most e^-d = 1.8 %.
// The estimator is the plain one: "conservative updates" are closer, but hang on the order and do not add up.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/sketch/bytes.h"

namespace llmops {

class FrequencySketch {
 public:
  static constexpr size_t kDepth = 4, kWidth = 2048;

  // A hash that is uniform over 64 bits (hash64.h).
  void add(uint64_t hash, int64_t times = 1);
  // Afterwards as if this one had counted for both, to the bit.
  void merge(const FrequencySketch& other);
  int64_t estimate(uint64_t hash) const;
  int64_t total() const { return total_; }

  void append_to(std::string& out) const;                            // few bytes while few counts are not 0
  static std::optional<FrequencySketch> read(ByteReader& reader);    // nullopt: not what append_to wrote
  bool operator==(const FrequencySketch& other) const;

 private:
  // Memory: 16 bytes for each count that is not 0, or, past kFew of them, 64 KB.
  static constexpr size_t kFew = 512;
  void count_at(uint32_t place, int64_t times);
  int64_t at(uint32_t place) const;
  std::vector<std::pair<uint32_t, int64_t>> entries() const;          // (place, count), by place
  int64_t total_ = 0;
  std::vector<std::pair<uint32_t, int64_t>> few_;                     // by place
  std::vector<int64_t> table_;                                        // kDepth x kWidth, or empty: few_ holds them
};

}  // namespace llmops
