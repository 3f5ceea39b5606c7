#include "core/data/repeats.h"

#include <algorithm>

#include "core/base/thread_pool.h"

namespace llmops {
namespace {

bool goes_before(const RowKey& a, const RowKey& b) {
  if (a.hash.high != b.hash.high) return a.hash.high < b.hash.high;
  if (a.hash.low != b.hash.low) return a.hash.low < b.hash.low;
  return a.row < b.row;
}

struct Found {
  std::vector<Repeat> repeats;
  int64_t groups = 0;
};

void find_in(std::vector<RowKey>& keys, Found& found) {
  std::sort(keys.begin(), keys.end(), goes_before);
  for (size_t i = 0; i < keys.size();) {
    size_t next = i + 1;
    for (; next < keys.size() && keys[next].hash == keys[i].hash; ++next) found.repeats.push_back({keys[next].row, keys[next].line, keys[i].row, keys[i].line});
    found.groups += next > i + 1 ? 1 : 0;
    i = next;
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
