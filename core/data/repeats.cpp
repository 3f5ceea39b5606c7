#include "core/data/repeats.h"

#include <algorithm>
#include <bit>

#include "core/base/thread_pool.h"

namespace llmops {
namespace {

struct Found {
  std::vector<Repeat> repeats;
  int64_t groups = 0;
};

// The keys of a division come in the order of rows, so that the first of equal ones is the first to be put into the table.
void find_in(const std::vector<RowKey>& keys, Found& found) {
  struct Entry { uint32_t first = 0; bool repeats = false; };   // first: index of the key + 1; 0: free
  std::vector<Entry> table(std::bit_ceil(keys.size() * 2 + 1));
  for (uint32_t i = 0; i < keys.size(); ++i) {
    size_t at = keys[i].hash.low & (table.size() - 1);
    while (table[at].first != 0 && keys[table[at].first - 1].hash != keys[i].hash) at = (at + 1) & (table.size() - 1);
    if (table[at].first == 0) {
      table[at].first = i + 1;
      continue;
    }
    const RowKey& first = keys[table[at].first - 1];
    found.repeats.push_back({keys[i].row, keys[i].line, first.row, first.line});
    found.groups += table[at].repeats ? 0 : 1;
    table[at].repeats = true;
  }
}

}  // namespace

void RepeatFinder::add(const std::vector<RowKey>& keys) {
  for (const RowKey& key : keys) divisions_[key.hash.high >> (64 - kBits)].push_back(key);
}

std::vector<Repeat> RepeatFinder::find(size_t threads, int64_t& groups) {
  std::vector<Found> found(divisions_.size());
  {
    ThreadPool pool(std::max<size_t>(threads, 1), divisions_.size());
    for (size_t i = 0; i < divisions_.size(); ++i) pool.submit([&, i] { find_in(divisions_[i], found[i]); });
    pool.wait_idle();
  }
  std::vector<Repeat> all;
  groups = 0;
  for (const Found& division : found) {
    all.insert(all.end(), division.repeats.begin(), division.repeats.end());
    groups += division.groups;
  }
  std::sort(all.begin(), all.end(), [](const Repeat& a, const Repeat& b) { return a.row < b.row; });
  return all;
}

}  // namespace llmops
