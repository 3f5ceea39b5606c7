// With a multiplier m >= 0 every choice within the budget B has error >= sum over items of min(error + m bytes) - m B, and an option whose
// error + m bytes is r above its item's minimum adds r to that. At the multiplier of the relaxation few options have an r below the
// gap between the bound and the best choice known: the search is over those.
#include "core/quant/allocation.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace llmops {
namespace {

constexpr uint64_t kMostBytes = uint64_t{1} << 63;
constexpr int kRepairs = 64;          // options taken one by one from what the greedy choice leaves
constexpr double kRounding = 1e-12;
constexpr ptrdiff_t kMostListLevels = 100;

// From one corner of an item's hull to the next.
struct Step { size_t item, option; uint64_t bytes; double gain, slope; };

struct Instance {
  std::vector<std::vector<size_t>> kept;    // of each item: undominated options, bytes ascending
  std::vector<std::vector<size_t>> hulls;   // those of them that are corners of the hull
  std::vector<Step> steps;                  // slope descending; of one item in the order of its corners
  uint64_t least_bytes = 0;
};

Status check(std::span<const AllocationItem> items) {
  uint64_t most = 0;
  for (size_t i = 0; i < items.size(); ++i) {
    if (items[i].empty()) return Error(ErrorCode::kData, fmt::format("item {} has no option", i));
    uint64_t largest = 0;
    for (const AllocationOption& option : items[i]) {
      if (!std::isfinite(option.error) || option.error < 0) return Error(ErrorCode::kData, fmt::format("item {} has an option with the error {}", i, option.error));
      largest = std::max(largest, option.bytes);
    }
    if (largest >= kMostBytes - most) return Error(ErrorCode::kData, "the bytes of all items pass 2^63");
    most += largest;
  }
  return {};
}

// Options that no other one beats in both figures, bytes ascending and error descending; of equal ones the first.
std::vector<size_t> undominated(const AllocationItem& item) {
  std::vector<size_t> order(item.size()), kept;
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return item[a].bytes != item[b].bytes ? item[a].bytes < item[b].bytes : item[a].error < item[b].error; });
  for (const size_t option : order) if (kept.empty() || item[option].error < item[kept.back()].error) kept.push_back(option);
  return kept;
}

double slope(const AllocationOption& from, const AllocationOption& to) { return (from.error - to.error) / static_cast<double>(to.bytes - from.bytes); }

std::vector<size_t> lower_hull(const AllocationItem& item, const std::vector<size_t>& kept) {
  std::vector<size_t> hull;
  for (const size_t option : kept) {
    while (hull.size() >= 2 && slope(item[hull[hull.size() - 2]], item[hull.back()]) <= slope(item[hull.back()], item[option])) hull.pop_back();
    hull.push_back(option);
  }
  return hull;
}

Instance make_instance(std::span<const AllocationItem> items) {
  Instance made;
  for (size_t i = 0; i < items.size(); ++i) {
    made.kept.push_back(undominated(items[i]));
    const std::vector<size_t>& hull = made.hulls.emplace_back(lower_hull(items[i], made.kept[i]));
    made.least_bytes += items[i][hull[0]].bytes;
    for (size_t k = 1; k < hull.size(); ++k) {
      const AllocationOption &from = items[i][hull[k - 1]], &to = items[i][hull[k]];
      made.steps.push_back({i, hull[k], to.bytes - from.bytes, from.error - to.error, slope(from, to)});
    }
  }
  std::stable_sort(made.steps.begin(), made.steps.end(), [](const Step& a, const Step& b) { return a.slope > b.slope; });
  return made;
}

class Allocator {
 public:
  Allocator(std::span<const AllocationItem> items, uint64_t budget) : items_(items), instance_(make_instance(items)), budget_(budget) {}

  Result<Allocation> allocate(const AllocationLimits& limits) {
    if (instance_.least_bytes > budget_) return Error(ErrorCode::kBudget, fmt::format("the budget of {} bytes is below the {} bytes that the smallest options need", budget_, instance_.least_bytes), fmt::format("allow at least {} bytes", instance_.least_bytes));
    for (const std::vector<size_t>& hull : instance_.hulls) best_.push_back(hull[0]);
    climb();
    repair();
    set_bound();
    complete_ = fits_;
    if (!complete_ && limits.search_nodes > 0) {
      make_levels();
      complete_ = search(limits.search_nodes) || search_by_lists(limits.search_nodes);
    }
    Allocation made{best_, bytes_of(best_), error_of(best_), 0, complete_};
    made.lower_bound = complete_ ? made.error : std::clamp(bound_, 0.0, made.error);
    return made;
  }

 private:
  const AllocationOption& chosen(size_t item) const { return items_[item][best_[item]]; }
  uint64_t bytes_of(const std::vector<size_t>& choices) const {
    uint64_t sum = 0;
    for (size_t i = 0; i < choices.size(); ++i) sum += items_[i][choices[i]].bytes;
    return sum;
  }
  double error_of(const std::vector<size_t>& choices) const {
    double sum = 0;
    for (size_t i = 0; i < choices.size(); ++i) sum += items_[i][choices[i]].error;
    return sum;
  }

  // Steps by slope until one does not fit: its slope is the multiplier. Of other items those that fit are taken too.
  void climb() {
    uint64_t left = budget_ - instance_.least_bytes;
    std::vector<bool> stopped(items_.size());
    for (const Step& step : instance_.steps) {
      if (stopped[step.item]) continue;
      if (step.bytes <= left) {
        left -= step.bytes;
        best_[step.item] = step.option;
        continue;
      }
      if (fits_) multiplier_ = step.slope;
      fits_ = false;
      stopped[step.item] = true;
    }
  }

  // Options between the corners of hulls, the one that gains most first.
  void repair() {
    uint64_t left = budget_ - bytes_of(best_);
    for (int round = 0; round < kRepairs; ++round) {
      double most = 0;
      size_t item = 0, option = 0;
      for (size_t i = 0; i < items_.size(); ++i) {
        for (const size_t k : instance_.kept[i]) {
          const double gain = chosen(i).error - items_[i][k].error;
          if (gain <= most || items_[i][k].bytes > chosen(i).bytes + left) continue;
          most = gain;
          item = i;
          option = k;
        }
      }
      if (most == 0) return;
      left = left + chosen(item).bytes - items_[item][option].bytes;
      best_[item] = option;
    }
  }

  double priced(const AllocationOption& option) const { return option.error + multiplier_ * static_cast<double>(option.bytes); }

  void set_bound() {
    double priced_sum = 0;
    for (size_t i = 0; i < items_.size(); ++i) {
      double least = std::numeric_limits<double>::infinity();
      for (const size_t corner : instance_.hulls[i]) least = std::min(least, priced(items_[i][corner]));
      floors_.push_back(least);
      priced_sum += least;
    }
    bound_ = priced_sum - multiplier_ * static_cast<double>(budget_);
    // What was lost in the sums must not make a bound that is none.
    bound_ -= kRounding * priced_sum;
    upper_ = error_of(best_);
  }

  // An option that may be in a better choice than the best known, with what it adds to the bound.
  struct Candidate { size_t option; uint64_t bytes; double excess; };
  struct Level { size_t item; std::vector<Candidate> candidates; uint64_t least_after, most_after; };

  void make_levels() {
    for (size_t i = 0; i < items_.size(); ++i) {
      Level level{i, {}, 0, 0};
      for (const size_t option : instance_.kept[i]) {
        const double excess = std::max(0.0, priced(items_[i][option]) - floors_[i]);
        if (bound_ + excess < upper_) level.candidates.push_back({option, items_[i][option].bytes, excess});
      }
      if (level.candidates.empty()) level.candidates.push_back({best_[i], chosen(i).bytes, std::max(0.0, priced(chosen(i)) - floors_[i])});
      std::stable_sort(level.candidates.begin(), level.candidates.end(), [](const Candidate& a, const Candidate& b) { return a.excess < b.excess; });
      levels_.push_back(std::move(level));
    }
    // Items whose second choice costs most decide first.
    const auto second = [](const Level& level) { return level.candidates.size() > 1 ? level.candidates[1].excess : std::numeric_limits<double>::infinity(); };
    std::stable_sort(levels_.begin(), levels_.end(), [&](const Level& a, const Level& b) { return second(a) > second(b); });
    uint64_t least = 0, most = 0;
    for (size_t k = levels_.size(); k-- > 0;) {
      levels_[k].least_after = least;
      levels_[k].most_after = most;
      const auto smaller = [](const Candidate& a, const Candidate& b) { return a.bytes < b.bytes; };
      const auto [low, high] = std::minmax_element(levels_[k].candidates.begin(), levels_[k].candidates.end(), smaller);
      least += low->bytes;
      most += high->bytes;
    }
  }

  // Depth first without recursion: at[k] is the candidate of level k that is tried next. False: ended by `nodes`.
  bool search(uint64_t nodes) {
    const size_t depth = levels_.size();
    std::vector<size_t> at(depth, 0), choices = best_;
    std::vector<uint64_t> left(depth + 1, budget_);
    std::vector<double> excess(depth + 1, 0);
    size_t k = 0;
    while (true) {
      if (at[k] == levels_[k].candidates.size()) {
        if (k == 0) break;
        --k;
        continue;
      }
      if (nodes-- == 0) return false;
      const Level& level = levels_[k];
      const Candidate& candidate = level.candidates[at[k]++];
      if (bound_ + excess[k] + candidate.excess >= upper_) {
        at[k] = level.candidates.size();              // later ones add more
        continue;
      }
      if (candidate.bytes > left[k] || left[k] - candidate.bytes < level.least_after) continue;
      const uint64_t rest = left[k] - candidate.bytes;
      const double unused = rest > level.most_after ? multiplier_ * static_cast<double>(rest - level.most_after) : 0;
      if (bound_ + excess[k] + candidate.excess + unused >= upper_) continue;
      choices[level.item] = candidate.option;
      if (k + 1 == depth) {
        keep_if_better(choices);
        continue;
      }
      left[k + 1] = rest;
      excess[k + 1] = excess[k] + candidate.excess;
      at[++k] = 0;
    }
    return true;
  }

  // A choice for the levels so far. Of two, that with more bytes and no less error leads to nothing better.
  struct State { uint64_t bytes; double error; uint32_t parent, candidate; };

  bool can_be_better(const State& state, const Level& level, double floors) const {
    if (state.bytes > budget_ || budget_ - state.bytes < level.least_after) return false;
    const uint64_t rest = budget_ - state.bytes, unused = rest > level.most_after ? rest - level.most_after : 0;
    return bound_ + std::max(0.0, state.error + multiplier_ * static_cast<double>(state.bytes) - floors) + multiplier_ * static_cast<double>(unused) < upper_;
  }

  // Level by level over lists of such choices: the search that ends where few items are left but their options are many. False: not
  // tried, or ended by `most_states`.
  bool search_by_lists(uint64_t most_states) {
    const auto is_open = [](const Level& level) { return level.candidates.size() > 1; };
    if (std::count_if(levels_.begin(), levels_.end(), is_open) > kMostListLevels) return false;
    std::vector<std::vector<State>> lists{{{0, 0, 0, 0}}};
    double floors = 0;
    uint64_t states = 0;
    for (const Level& level : levels_) {
      floors += floors_[level.item];
      std::vector<State> next;
      for (size_t from = 0; from < lists.back().size(); ++from) {
        if (states + next.size() > most_states) return false;
        for (size_t c = 0; c < level.candidates.size(); ++c) {
          const State& state = lists.back()[from];
          const State made{state.bytes + level.candidates[c].bytes, state.error + items_[level.item][level.candidates[c].option].error, static_cast<uint32_t>(from), static_cast<uint32_t>(c)};
          if (can_be_better(made, level, floors)) next.push_back(made);
        }
      }
      states += next.size();
      std::stable_sort(next.begin(), next.end(), [](const State& a, const State& b) { return a.bytes != b.bytes ? a.bytes < b.bytes : a.error < b.error; });
      std::vector<State>& list = lists.emplace_back();
      for (const State& state : next) if (list.empty() || state.error < list.back().error) list.push_back(state);
    }
    if (!lists.back().empty()) keep_if_better(choices_of(lists));
    return true;
  }

  // The last list ends with its least error.
  std::vector<size_t> choices_of(const std::vector<std::vector<State>>& lists) const {
    std::vector<size_t> choices = best_;
    size_t at = lists.back().size() - 1;
    for (size_t k = levels_.size(); k-- > 0;) {
      const State& state = lists[k + 1][at];
      choices[levels_[k].item] = levels_[k].candidates[state.candidate].option;
      at = state.parent;
    }
    return choices;
  }

  void keep_if_better(const std::vector<size_t>& choices) {
    const double error = error_of(choices);
    if (error >= upper_) return;
    upper_ = error;
    best_ = choices;
  }

  std::span<const AllocationItem> items_;
  Instance instance_;
  uint64_t budget_;
  std::vector<size_t> best_;
  bool fits_ = true;                  // every item has its least error
  double multiplier_ = 0;             // error per byte
  std::vector<double> floors_;        // of each item: least error + multiplier * bytes
  double bound_ = 0, upper_ = 0;      // of the error: of any choice, of the best one known
  std::vector<Level> levels_;
  bool complete_ = false;
};

}  // namespace

Result<Allocation> allocate(std::span<const AllocationItem> items, uint64_t budget_bytes, const AllocationLimits& limits) {
  LLMOPS_CHECK(check(items));
  return Allocator(items, budget_bytes).allocate(limits);
}

Result<std::vector<ParetoPoint>> pareto(std::span<const AllocationItem> items) {
  LLMOPS_CHECK(check(items));
  const Instance instance = make_instance(items);
  std::vector<ParetoPoint> points{{instance.least_bytes, 0}};
  for (const Step& step : instance.steps) points.push_back({points.back().bytes + step.bytes, 0});
  // From the end on, where every item has its least error: sums of what is not negative lose nothing.
  double error = 0;
  for (size_t i = 0; i < items.size(); ++i) error += items[i][instance.hulls[i].back()].error;
  for (size_t i = points.size(); i-- > 0;) {
    points[i].error = error;
    if (i > 0) error += instance.steps[i - 1].gain;
  }
  return points;
}

}  // namespace llmops
