// Rows whose hash an earlier row has, without holding the rows.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "core/data/hash128.h"

namespace llmops {

struct RowKey {
  Hash128 hash;
  uint32_t row = 0, line = 0;
};

// A row (from 1) and the first with the same hash.
struct Repeat { uint32_t row = 0, line = 0, first_row = 0, first_line = 0; };

// 24 bytes of memory per row. Keys are divided by their upper bits as they come, so that the table of each division fits into the
// cache of one core. Precondition: keys are added in the order of rows.
class RepeatFinder {
 public:
  void add(const std::vector<RowKey>& keys);
  // By row. `groups`: hashes that more than one row has.
  std::vector<Repeat> find(size_t threads, int64_t& groups);

 private:
  static constexpr int kBits = 8;
  std::array<std::vector<RowKey>, 1 << kBits> divisions_;
};

}  // namespace llmops
