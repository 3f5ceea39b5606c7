// Lee et al. 2022 (arXiv:2107.06499) verify the candidates of MinHash by edit similarity too: prompts of ten words share half
// of them by chance, in another order and with another meaning.
#include "core/data/near.h"

#include <algorithm>
#include <numeric>
#include <tuple>

#include "core/data/band_search.h"
#include "core/data/hash128.h"

namespace llmops {
namespace {

// By row the first with an equal encoding, on the same side of the boundary.
std::vector<uint32_t> first_equals(const ShingleStore& store, size_t boundary) {
  struct Key {
    Hash128 hash;
    uint32_t row;
    bool operator<(const Key& other) const { return std::tie(hash, row) < std::tie(other.hash, other.row); }
  };
  std::vector<Key> keys(store.size());
  for (uint32_t row = 0; row < keys.size(); ++row) {
    const auto numbers = store[row];
    keys[row] = {hash128({reinterpret_cast<const char*>(numbers.data()), numbers.size_bytes()}, row < boundary ? 1 : 0), row};
  }
  std::sort(keys.begin(), keys.end());
  std::vector<uint32_t> first(store.size());
  for (size_t i = 0; i < keys.size(); ++i) {
    const bool repeats = i > 0 && keys[i].hash == keys[i - 1].hash && !store[keys[i].row].empty();
    first[keys[i].row] = repeats ? first[keys[i - 1].row] : keys[i].row;
  }
  return first;
}

std::vector<uint32_t> searched_rows(const ShingleStore& store, const std::vector<uint32_t>& same_as) {
  std::vector<uint32_t> rows;
  for (uint32_t row = 0; row < same_as.size(); ++row) if (same_as[row] == row && !store[row].empty()) rows.push_back(row);
  return rows;
}

constexpr size_t kFullBucket = 128;

struct Edge { uint32_t later = 0, earlier = 0; float similarity = 0; };   // numbers of NearRows
bool goes_before(const Edge& a, const Edge& b) { return std::tie(a.later, a.earlier) < std::tie(b.later, b.earlier); }

// What the three searches share: rows, sketches, and the pairs that the buckets of a group of bands give.
class PairSearch {
 protected:
  // A bucket on its thread: its rows, ascending, their sketches, and the pairs that were found near.
  struct Slot {
    std::span<const uint32_t> bucket;
    std::vector<NearSketch> sketches, kept_sketches;
    std::vector<uint32_t> numbers;       // of the search that uses it
    std::vector<Edge> edges;
    uint64_t compared = 0, cut_buckets = 0;
  };

  PairSearch(const ShingleStore& store, const NearOptions& options, size_t boundary)
      : same_as_(first_equals(store, boundary)), rows_(store, options, searched_rows(store, same_as_)),
        pool_(std::max<size_t>(options.threads, 1), 4096), bands_(rows_, pool_), sketches_(rows_.size()) {
    facts_.banding = bands_.banding();
    facts_.recall_at_threshold = facts_.banding.found(candidate_similarity(options));
    while (second_ < rows_.size() && rows_.row_of(second_) < boundary) ++second_;
    constexpr size_t kSlice = 1 << 16;
    run_numbered(pool_, (rows_.size() + kSlice - 1) / kSlice, [&](size_t slice) {
      for (size_t i = slice * kSlice; i < std::min((slice + 1) * kSlice, rows_.size()); ++i) sketches_[i] = rows_.sketch(static_cast<uint32_t>(i));
    });
  }

  // The near pairs that `compare(slot)` puts into the slot for each bucket (see BandSearch): sorted, each pair once.
  template <class Compare>
  std::vector<Edge> near_pairs(size_t group, const std::vector<uint32_t>& active, const std::vector<bool>* chosen, const Compare& compare) {
    std::vector<Slot> slots(bands_.bands_at_once());
    bands_.run_group(group, active, chosen, [&](size_t number, std::span<const uint32_t> bucket) {
      Slot& slot = slots[number];
      slot.bucket = bucket;
      slot.sketches.clear();
      for (const uint32_t row : bucket) slot.sketches.push_back(sketches_[row]);
      compare(slot);
    });
    std::vector<Edge> edges;
    for (Slot& slot : slots) {
      edges.insert(edges.end(), slot.edges.begin(), slot.edges.end());
      facts_.compared += slot.compared;
      facts_.cut_buckets += slot.cut_buckets;
    }
    std::sort(edges.begin(), edges.end(), goes_before);
    const auto same = [](const Edge& a, const Edge& b) { return a.later == b.later && a.earlier == b.earlier; };
    edges.erase(std::unique(edges.begin(), edges.end(), same), edges.end());
    return edges;
  }

  float similarity(Slot& slot, uint32_t earlier, uint32_t later) const {
    ++slot.compared;
    return rows_.similarity(earlier, later);
  }
  std::vector<uint32_t> all() const {
    std::vector<uint32_t> numbers(rows_.size());
    std::iota(numbers.begin(), numbers.end(), 0u);
    return numbers;
  }

  std::vector<uint32_t> same_as_;        // by row
  NearRows rows_;
  ThreadPool pool_;
  BandSearch bands_;
  std::vector<NearSketch> sketches_;     // by number
  NearSearchFacts facts_;
  uint32_t second_ = 0;                  // the first number behind the boundary
};

// Rows in their order, each with what is known of it so far: it leads, or follows an earlier row that leads. When a leader is
// found to be near an earlier one, its followers lead again, and what they missed in the meantime is made up for in the end.
// Then every row that follows has an earlier leader near to it and no row that leads has, which only one choice of leaders
// fulfils: the one that goes through the rows in order and knows all near pairs.
class LeaderSearch : PairSearch {
 public:
  LeaderSearch(const ShingleStore& store, const NearOptions& options) : PairSearch(store, options, 0), leaders_(rows_.size()), absent_since_(rows_.size()) {
    for (uint32_t i = 0; i < leaders_.size(); ++i) leaders_[i] = {i, 1};
  }

  NearLeaders run() {
    for (uint32_t group = 0; group < bands_.groups(); ++group) take(near_pairs(group, leading(), nullptr, [this](Slot& slot) { compare_with_kept(slot, false); }), group);
    // Each pass settles at least the first row that is not settled yet; a few passes settle all.
    for (int pass = 0; pass < kMostPasses && !missed_.empty(); ++pass) make_up();
    NearLeaders found{std::vector<Leader>(same_as_.size()), facts_};
    for (uint32_t row = 0; row < same_as_.size(); ++row) found.leaders[row] = {row, 1};
    for (uint32_t i = 0; i < leaders_.size(); ++i) found.leaders[rows_.row_of(i)] = {rows_.row_of(leaders_[i].row), leaders_[i].similarity};
    for (uint32_t row = 0; row < same_as_.size(); ++row) if (same_as_[row] != row) found.leaders[row] = found.leaders[same_as_[row]];
    return found;
  }

 private:
  static constexpr int kMostPasses = 20;
  struct Missed { uint32_t row = 0, from = 0, to = 0; };   // groups [from, to)

  bool leads(uint32_t i) const { return leaders_[i].row == i; }
  std::vector<uint32_t> leading() const {
    std::vector<uint32_t> numbers;
    for (uint32_t i = 0; i < leaders_.size(); ++i) if (leads(i)) numbers.push_back(i);
    return numbers;
  }

  // The same choice within the bucket: a row is compared with those before it that are not near to one another. `marked_only`:
  // pairs without a mark were compared before.
  void compare_with_kept(Slot& slot, bool marked_only) const {
    std::vector<uint32_t>& kept = slot.numbers;
    kept.clear();
    slot.kept_sketches.clear();
    bool is_cut = false;
    for (size_t i = 0; i < slot.bucket.size(); ++i) {
      const NearSketch& sketch = slot.sketches[i];
      Edge best{slot.bucket[i], 0, 0};
      const auto look = [&](size_t from, size_t to) {
        for_each_candidate(rows_, std::span(slot.kept_sketches).subspan(from, to - from), sketch, [&](size_t k) {
          if (marked_only && (slot.kept_sketches[from + k].mark | sketch.mark) == 0) return;
          const float found = similarity(slot, kept[from + k], best.later);
          if (found > best.similarity) best = {best.later, kept[from + k], found};
        });
      };
      if (kept.size() <= kFullBucket) {
        look(0, kept.size());
      } else {
        is_cut = true;
        look(0, kFullBucket / 2);
        look(kept.size() - kFullBucket / 2, kept.size());
      }
      if (best.similarity > 0) {
        slot.edges.push_back(best);
        continue;
      }
      kept.push_back(slot.bucket[i]);
      slot.kept_sketches.push_back(sketch);
    }
    slot.cut_buckets += is_cut ? 1 : 0;
  }

  void take(const std::vector<Edge>& edges, uint32_t group) {
    if (edges.empty()) return;
    for (size_t i = 0; i < edges.size();) {
      const uint32_t later = edges[i].later;
      Leader best{later, 0};
      for (; i < edges.size() && edges[i].later == later; ++i) {
        if (leads(edges[i].earlier) && edges[i].similarity > best.similarity) best = {edges[i].earlier, edges[i].similarity};
      }
      if (best.row == later) {
        miss(later, group, group + 1);   // it leads on, though its bucket left it out behind the pair
      } else {
        leaders_[later] = best;
        absent_since_[later] = group + 1;
      }
    }
    for (uint32_t i = 0; i < leaders_.size(); ++i) {
      if (leads(i) || leads(leaders_[i].row)) continue;
      leaders_[i] = {i, 1};
      miss(i, absent_since_[i], group + 1);
    }
  }
  // In a pass a row meets only what is marked, so that whatever it missed is made up for as a whole.
  void miss(uint32_t row, uint32_t from, uint32_t to) {
    if (is_pass_) missed_.push_back({row, 0, static_cast<uint32_t>(bands_.groups())});
    else if (from < to) missed_.push_back({row, from, to});
  }

  void make_up() {
    is_pass_ = true;
    const std::vector<Missed> missed = std::exchange(missed_, {});
    std::vector<bool> chosen(rows_.size());
    for (uint32_t group = 0; group < bands_.groups(); ++group) {
      bool any = false;
      for (const Missed& one : missed) chosen[one.row] = false;
      for (const Missed& one : missed) {
        if (group < one.from || group >= one.to || !leads(one.row)) continue;
        any = chosen[one.row] = true;
      }
      for (const Missed& one : missed) sketches_[one.row].mark = chosen[one.row] ? 1 : 0;
      if (any) take(near_pairs(group, leading(), &chosen, [this](Slot& slot) { compare_with_kept(slot, true); }), group);
    }
    for (const Missed& one : missed) sketches_[one.row].mark = 0;
  }

  std::vector<Leader> leaders_;          // by number
  std::vector<uint32_t> absent_since_;   // of those that follow: the first group without them
  std::vector<Missed> missed_;
  bool is_pass_ = false;
};

class ComponentSearch : PairSearch {
 public:
  ComponentSearch(const ShingleStore& store, const NearOptions& options) : PairSearch(store, options, 0) {
    for (uint32_t i = 0; i < sketches_.size(); ++i) sketches_[i].mark = i;
  }

  // The mark is the parent in a forest whose roots are the first numbers of their components.
  NearComponents run() {
    const auto numbers = all();
    for (size_t group = 0; group < bands_.groups(); ++group) {
      for (const Edge& edge : near_pairs(group, numbers, nullptr, [this](Slot& slot) { join_bucket(slot); })) {
        const uint32_t a = root_of(edge.earlier), b = root_of(edge.later);
        sketches_[std::max(a, b)].mark = std::min(a, b);
      }
      for (uint32_t i = 0; i < sketches_.size(); ++i) sketches_[i].mark = root_of(i);
    }
    NearComponents found{same_as_, facts_};
    for (uint32_t i = 0; i < sketches_.size(); ++i) found.first_rows[rows_.row_of(i)] = rows_.row_of(sketches_[i].mark);
    for (uint32_t row = 0; row < same_as_.size(); ++row) found.first_rows[row] = found.first_rows[same_as_[row]];
    return found;
  }

 private:
  uint32_t root_of(uint32_t i) {
    while (sketches_[i].mark != i) i = sketches_[i].mark = sketches_[sketches_[i].mark].mark;
    return i;
  }

  // Pairs that join what is not joined yet. Here the mark is a component; components that the bucket itself joins share it.
  void join_bucket(Slot& slot) const {
    auto& sketches = slot.sketches;
    for (size_t i = 1; i < sketches.size(); ++i) {
      const auto look = [&](size_t from, size_t to) {
        for_each_candidate(rows_, std::span(sketches).subspan(from, to - from), sketches[i], [&](size_t k) {
          const uint32_t theirs = sketches[from + k].mark, ours = sketches[i].mark;
          if (theirs == ours) return;
          const float found = similarity(slot, slot.bucket[from + k], slot.bucket[i]);
          if (found <= 0) return;
          slot.edges.push_back({slot.bucket[i], slot.bucket[from + k], found});
          for (size_t j = 0; j <= i; ++j) if (sketches[j].mark == ours) sketches[j].mark = theirs;
        });
      };
      if (i > kFullBucket) look(0, kFullBucket / 2);
      look(i > kFullBucket ? i - kFullBucket / 2 : 0, i);
    }
    slot.cut_buckets += sketches.size() > kFullBucket ? 1 : 0;
  }
};

class MatchSearch : PairSearch {
 public:
  MatchSearch(const ShingleStore& store, const NearOptions& options, size_t boundary) : PairSearch(store, options, boundary) {}

  NearMatches run() {
    std::vector<Edge> edges;
    const auto numbers = all();
    for (size_t group = 0; second_ > 0 && group < bands_.groups(); ++group) {
      const auto found = near_pairs(group, numbers, nullptr, [this](Slot& slot) { compare_across(slot); });
      std::vector<Edge> fresh;
      std::set_difference(found.begin(), found.end(), edges.begin(), edges.end(), std::back_inserter(fresh), goes_before);
      for (const Edge& edge : fresh) {
        ++sketches_[edge.later].mark;
        sketches_[edge.earlier].mark = kEnough;
      }
      const auto middle = std::ssize(edges);
      edges.insert(edges.end(), fresh.begin(), fresh.end());
      std::inplace_merge(edges.begin(), edges.begin() + middle, edges.end(), goes_before);
    }
    NearMatches matches{std::move(same_as_), {}, facts_};
    for (const Edge& edge : edges) matches.matches.push_back({rows_.row_of(edge.later), rows_.row_of(edge.earlier), edge.similarity});
    return matches;
  }

 private:
  static constexpr uint32_t kEnough = 8;

  // The mark counts the matches of a row of B, and is kEnough for a row of A that has one. In a bucket with too many pairs each
  // row meets up to kFullBucket of the other side.
  void compare_across(Slot& slot) const {
    const auto middle = static_cast<size_t>(std::lower_bound(slot.bucket.begin(), slot.bucket.end(), second_) - slot.bucket.begin());
    const size_t left = middle, right = slot.bucket.size() - middle;
    if (left == 0 || right == 0) return;
    const bool is_full = left * right > kFullBucket * kFullBucket;
    slot.cut_buckets += is_full ? 1 : 0;
    for (size_t k = 0; k < right; ++k) {
      const size_t wanted = is_full ? std::min(left, kFullBucket) : left, from = is_full ? k * kFullBucket % left : 0;
      meet(slot, middle + k, from, std::min(from + wanted, left));
      if (from + wanted > left) meet(slot, middle + k, 0, from + wanted - left);
    }
    for (size_t i = 0; is_full && i < left; ++i) {
      const size_t wanted = std::min(right, kFullBucket), from = i * kFullBucket % right;
      meet(slot, i, middle + from, middle + std::min(from + wanted, right));
      if (from + wanted > right) meet(slot, i, middle, middle + from + wanted - right);
    }
  }
  void meet(Slot& slot, size_t one, size_t from, size_t to) const {
    for_each_candidate(rows_, std::span(slot.sketches).subspan(from, to - from), slot.sketches[one], [&](size_t k) {
      const size_t earlier = std::min(one, from + k), later = std::max(one, from + k);
      if (slot.sketches[earlier].mark >= kEnough && slot.sketches[later].mark >= kEnough) return;
      const float found = similarity(slot, slot.bucket[earlier], slot.bucket[later]);
      if (found > 0) slot.edges.push_back({slot.bucket[later], slot.bucket[earlier], found});
    });
  }
};

}  // namespace

NearLeaders find_near_leaders(const ShingleStore& store, const NearOptions& options) { return LeaderSearch(store, options).run(); }
NearComponents find_near_components(const ShingleStore& store, const NearOptions& options) { return ComponentSearch(store, options).run(); }
NearMatches find_near_matches(const ShingleStore& store, const NearOptions& options, size_t boundary) { return MatchSearch(store, options, boundary).run(); }

}  // namespace llmops
