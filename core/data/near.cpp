// Candidates come band by band (Mining of Massive Datasets, 3.4): rows are sorted by the key of the band, rows with one
// key are a bucket, and pairs of a bucket are compared exactly. Lee et al. 2022 (arXiv:2107.06499) verify candidates too: with
// short texts a band agrees by chance too often for the estimate alone.
#include "core/data/near.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <tuple>

#include "core/base/thread_pool.h"
#include "core/data/hash128.h"

namespace llmops {
namespace {

constexpr size_t kFullBucket = 64;       // rows of a bucket that are compared pair by pair
constexpr uint32_t kEnoughNear = 16;
constexpr size_t kBandsAtOnce = 8;
constexpr size_t kSlice = 8192;          // rows a task hashes

template <class Task>
void run_tasks(ThreadPool& pool, size_t count, const Task& task) {
  for (size_t i = 0; i < count; ++i) pool.submit([&task, i] { task(i); });
  pool.wait_idle();
}

class DisjointSets {
 public:
  explicit DisjointSets(size_t size) : parents_(size) { std::iota(parents_.begin(), parents_.end(), 0u); }
  uint32_t find(uint32_t x) {
    while (parents_[x] != x) x = parents_[x] = parents_[parents_[x]];
    return x;
  }
  // Does not write: may be called from several threads.
  uint32_t look_up(uint32_t x) const {
    while (parents_[x] != x) x = parents_[x];
    return x;
  }
  // The smaller of the two roots stays.
  void join(uint32_t a, uint32_t b) {
    a = find(a);
    b = find(b);
    if (a != b) parents_[std::max(a, b)] = std::min(a, b);
  }
  void flatten() { for (uint32_t i = 0; i < parents_.size(); ++i) parents_[i] = find(i); }

 private:
  std::vector<uint32_t> parents_;
};

// The first row of each bag, in order. Fills same_as.
std::vector<uint32_t> first_of_bags(const ShingleStore& store, size_t boundary, std::vector<uint32_t>& same_as) {
  struct Key {
    Hash128 hash;
    uint32_t row;
    bool operator<(const Key& other) const { return std::tie(hash, row) < std::tie(other.hash, other.row); }
  };
  std::vector<Key> keys(store.size());
  for (uint32_t row = 0; row < keys.size(); ++row) {
    const auto bag = store[row];
    keys[row] = {hash128({reinterpret_cast<const char*>(bag.data()), bag.size_bytes()}, row < boundary ? 1 : 0), row};
  }
  std::sort(keys.begin(), keys.end());
  same_as.resize(store.size());
  std::vector<uint32_t> firsts;
  for (size_t i = 0; i < keys.size(); ++i) {
    const bool empty = store[keys[i].row].empty();
    const bool repeats = i > 0 && keys[i].hash == keys[i - 1].hash && !empty;
    same_as[keys[i].row] = repeats ? same_as[keys[i - 1].row] : keys[i].row;
    if (!repeats && !empty) firsts.push_back(keys[i].row);
  }
  std::sort(firsts.begin(), firsts.end());
  return firsts;
}

// Sorts by the upper 32 bits, keeping the order of equal ones: the lower 32 bits ascend already.
void sort_by_key(std::vector<uint64_t>& entries, std::vector<uint64_t>& scratch) {
  scratch.resize(entries.size());
  for (const int shift : {32, 43, 54}) {
    std::array<uint32_t, 2048> starts{};
    for (const uint64_t entry : entries) ++starts[entry >> shift & 2047];
    uint32_t sum = 0;
    for (uint32_t& start : starts) start = std::exchange(sum, sum + start);
    for (const uint64_t entry : entries) scratch[starts[entry >> shift & 2047]++] = entry;
    std::swap(entries, scratch);
  }
}

class NearSearch {
 public:
  NearSearch(const ShingleStore& store, const NearOptions& options, size_t boundary)
      : store_(store), options_(options), boundary_(boundary), pool_(std::max<size_t>(options.threads, 1), 4096), sets_(0) {}

  NearPairs run() {
    pairs_.rows = store_.size();
    firsts_ = first_of_bags(store_, boundary_, pairs_.same_as);
    first_of_second_ = static_cast<size_t>(std::lower_bound(firsts_.begin(), firsts_.end(), boundary_) - firsts_.begin());
    sets_ = DisjointSets(firsts_.size());
    near_count_.assign(firsts_.size(), 0);
    pairs_.banding = choose_banding(options_.threshold, options_.recall, most_hashes());
    pairs_.recall_at_threshold = pairs_.banding.found(options_.threshold);
    const auto bands = static_cast<size_t>(pairs_.banding.bands);
    for (size_t first = 0; first < bands; first += kBandsAtOnce) search_bands(first, std::min(kBandsAtOnce, bands - first));
    for (NearEdge& edge : edges_) {
      edge.later = firsts_[edge.later];
      edge.earlier = firsts_[edge.earlier];
    }
    pairs_.edges = std::move(edges_);
    return std::move(pairs_);
  }

 private:
  struct BandWork {
    std::vector<uint64_t> entries, scratch;
    std::vector<NearEdge> edges;
    uint64_t compared = 0, cut_buckets = 0;
  };

  int most_hashes() const {
    if (options_.most_hashes > 0) return options_.most_hashes;
    uint64_t shingles = 0;
    for (const uint32_t row : firsts_) shingles += store_[row].size();
    const uint64_t mean = firsts_.empty() ? 1 : shingles / firsts_.size() + 1;
    return static_cast<int>(std::clamp<uint64_t>(32768 / mean, 128, 2048));
  }

  void search_bands(size_t first, size_t count) {
    const size_t slices = (firsts_.size() + kSlice - 1) / kSlice;
    std::vector<BandWork> work(count);
    for (BandWork& band : work) band.entries.resize(firsts_.size());
    const auto rows = static_cast<size_t>(pairs_.banding.rows);
    // Each group has functions of its own, from a seed of its own: no table of all of them is needed.
    const MinHasher hasher(count * rows, mix64(options_.seed * 0x9E3779B97F4A7C15u + first + 1));
    run_tasks(pool_, slices, [&](size_t slice) { hash_slice(hasher, slice, rows, work); });
    run_tasks(pool_, count, [&](size_t band) {
      sort_by_key(work[band].entries, work[band].scratch);
      compare_buckets(work[band]);
    });
    for (BandWork& band : work) {
      pairs_.compared += band.compared;
      pairs_.cut_buckets += band.cut_buckets;
    }
    take_edges(work);
  }

  void hash_slice(const MinHasher& hasher, size_t slice, size_t rows, std::vector<BandWork>& work) const {
    std::vector<uint32_t> minima(hasher.hashes());
    const size_t stop = std::min((slice + 1) * kSlice, firsts_.size());
    for (size_t i = slice * kSlice; i < stop; ++i) {
      hasher.minima(store_[firsts_[i]], 0, hasher.hashes(), minima.data());
      for (size_t band = 0; band < work.size(); ++band) {
        uint64_t key = 0;
        for (size_t k = 0; k < rows; ++k) key = mix64(key + minima[band * rows + k]) * 3;
        work[band].entries[i] = (key >> 32 << 32) | i;
      }
    }
  }

  void compare_buckets(BandWork& band) const {
    const auto& entries = band.entries;
    for (size_t start = 0; start < entries.size();) {
      size_t stop = start + 1;
      while (stop < entries.size() && entries[stop] >> 32 == entries[start] >> 32) ++stop;
      if (stop - start > 1) {
        if (boundary_ == 0) compare_within(band, start, stop);
        else compare_across(band, start, stop);
      }
      start = stop;
    }
  }

  void compare_within(BandWork& band, size_t start, size_t stop) const {
    const bool full = stop - start > kFullBucket;
    band.cut_buckets += full ? 1 : 0;
    const size_t head = start + kFullBucket / 2;
    for (size_t later = start + 1; later < stop; ++later) {
      size_t from = start;
      if (full && later > start + kFullBucket) {
        for (size_t i = start; i < head; ++i) compare(band, row_at(band, i), row_at(band, later));
        from = later - kFullBucket / 2;
      }
      for (size_t i = from; i < later; ++i) compare(band, row_at(band, i), row_at(band, later));
    }
  }

  void compare_across(BandWork& band, size_t start, size_t stop) const {
    size_t middle = start;
    while (middle < stop && row_at(band, middle) < first_of_second_) ++middle;
    const size_t left = middle - start, right = stop - middle;
    if (left == 0 || right == 0) return;
    if (left * right <= kFullBucket * kFullBucket) {
      for (size_t i = start; i < middle; ++i) for (size_t k = middle; k < stop; ++k) compare(band, row_at(band, i), row_at(band, k));
      return;
    }
    // Each row of either side meets up to 64 of the other.
    ++band.cut_buckets;
    for (size_t i = 0; i < left; ++i)
      for (size_t k = 0; k < std::min(kFullBucket, right); ++k) compare(band, row_at(band, start + i), row_at(band, middle + (i * kFullBucket + k) % right));
    for (size_t k = 0; k < right; ++k)
      for (size_t i = 0; i < std::min(kFullBucket, left); ++i) compare(band, row_at(band, start + (k * kFullBucket + i) % left), row_at(band, middle + k));
  }

  static uint32_t row_at(const BandWork& band, size_t entry) { return static_cast<uint32_t>(band.entries[entry]); }

  void compare(BandWork& band, uint32_t earlier, uint32_t later) const {
    const bool has_enough = near_count_[later] >= kEnoughNear && (boundary_ == 0 || near_count_[earlier] >= kEnoughNear);
    if (has_enough && sets_.look_up(earlier) == sets_.look_up(later)) return;
    const auto a = store_[firsts_[earlier]], b = store_[firsts_[later]];
    const auto smaller = static_cast<double>(std::min(a.size(), b.size())), larger = static_cast<double>(std::max(a.size(), b.size()));
    if (smaller < options_.threshold * larger) return;  // the similarity is at most smaller / larger
    ++band.compared;
    const double similarity = jaccard(a, b);
    if (similarity >= options_.threshold) band.edges.push_back({later, earlier, static_cast<float>(similarity)});
  }

  static bool goes_before(const NearEdge& a, const NearEdge& b) { return std::tie(a.later, a.earlier) < std::tie(b.later, b.earlier); }

  // New edges into the sorted list.
  void take_edges(std::vector<BandWork>& work) {
    std::vector<NearEdge> found;
    for (BandWork& band : work) found.insert(found.end(), band.edges.begin(), band.edges.end());
    std::sort(found.begin(), found.end(), goes_before);
    const auto same = [](const NearEdge& a, const NearEdge& b) { return a.later == b.later && a.earlier == b.earlier; };
    found.erase(std::unique(found.begin(), found.end(), same), found.end());
    std::vector<NearEdge> fresh;
    std::set_difference(found.begin(), found.end(), edges_.begin(), edges_.end(), std::back_inserter(fresh), goes_before);
    for (const NearEdge& edge : fresh) {
      ++near_count_[edge.later];
      if (boundary_ > 0) ++near_count_[edge.earlier];
      sets_.join(edge.later, edge.earlier);
    }
    sets_.flatten();
    const auto old = std::ssize(edges_);
    edges_.insert(edges_.end(), fresh.begin(), fresh.end());
    std::inplace_merge(edges_.begin(), edges_.begin() + old, edges_.end(), goes_before);
  }

  const ShingleStore& store_;
  const NearOptions& options_;
  size_t boundary_ = 0, first_of_second_ = 0;
  ThreadPool pool_;
  NearPairs pairs_;
  std::vector<uint32_t> firsts_;         // rows; everything below speaks of positions in it
  std::vector<uint32_t> near_count_;
  std::vector<NearEdge> edges_;
  DisjointSets sets_;
};

}  // namespace

NearOptions near_options_for(uint64_t median_words) {
  NearOptions options;
  if (median_words < 50) return options;
  options.shingling.size = 5;
  options.threshold = 0.7;
  return options;
}

Status check_near_options(const NearOptions& options) {
  const auto refuse = [](std::string message, std::string hint) { return Error(ErrorCode::kUsage, std::move(message), std::move(hint)); };
  if (!(options.threshold > 0 && options.threshold <= 1)) return refuse(fmt::format("threshold {} is not between 0 and 1", options.threshold), "give a similarity such as 0.7");
  if (!(options.recall > 0 && options.recall < 1)) return refuse(fmt::format("recall {} is not between 0 and 1", options.recall), "give a probability such as 0.97");
  if (options.shingling.size < 1) return refuse(fmt::format("shingles of {} are too short", options.shingling.size), "give 1 or more");
  return {};
}

NearPairs find_near(const ShingleStore& store, const NearOptions& options, size_t boundary) { return NearSearch(store, options, boundary).run(); }

std::vector<Leader> find_leaders(const NearPairs& pairs) {
  std::vector<Leader> leaders(pairs.rows);
  size_t edge = 0;
  for (uint32_t row = 0; row < pairs.rows; ++row) {
    leaders[row] = {row, 1};
    if (pairs.same_as[row] != row) {
      leaders[row] = leaders[pairs.same_as[row]];
      continue;
    }
    float best = -1;
    for (; edge < pairs.edges.size() && pairs.edges[edge].later == row; ++edge) {
      const NearEdge& near = pairs.edges[edge];
      if (leaders[near.earlier].row != near.earlier || near.similarity <= best) continue;
      best = near.similarity;
      leaders[row] = {near.earlier, near.similarity};
    }
  }
  return leaders;
}

std::vector<uint32_t> find_components(const NearPairs& pairs) {
  DisjointSets sets(pairs.rows);
  for (uint32_t row = 0; row < pairs.rows; ++row) sets.join(row, pairs.same_as[row]);
  for (const NearEdge& edge : pairs.edges) sets.join(edge.later, edge.earlier);
  std::vector<uint32_t> components(pairs.rows);
  for (uint32_t row = 0; row < pairs.rows; ++row) components[row] = sets.find(row);
  return components;
}

}  // namespace llmops
