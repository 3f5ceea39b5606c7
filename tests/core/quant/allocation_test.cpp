// The knapsack of mixed precision against every choice there is.
#include "core/quant/allocation.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <functional>
#include <limits>
#include <random>

using namespace llmops;

namespace {

using Items = std::vector<AllocationItem>;

Items random_items(std::mt19937& random, size_t items, size_t options, bool whole_errors) {
  Items made(items);
  for (AllocationItem& item : made) {
    const size_t count = 1 + random() % options;
    for (size_t k = 0; k < count; ++k) {
      const double error = static_cast<double>(random() % 1000);
      item.push_back({random() % 60, whole_errors ? std::floor(error / 100) : error / 7});
    }
  }
  return made;
}

// Errors that fall as bytes grow, as those of types do, each item at its own scale.
Items typical_items(unsigned seed, size_t items, size_t options) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<double> unit(0, 1);
  Items made(items);
  for (AllocationItem& item : made) {
    const double scale = std::exp(6 * unit(random)), weights = 1 << (12 + random() % 8);
    for (size_t k = 0; k < options; ++k) {
      const double bits = 2 + 14 * static_cast<double>(k) / static_cast<double>(options);
      item.push_back({static_cast<uint64_t>(weights * bits / 8), scale * std::exp2(-2 * bits) * (0.7 + 0.6 * unit(random))});
    }
  }
  return made;
}

uint64_t total(const Items& items, const std::function<uint64_t(const AllocationItem&)>& bytes) {
  uint64_t sum = 0;
  for (const AllocationItem& item : items) sum += bytes(item);
  return sum;
}
uint64_t least_bytes(const Items& items) {
  return total(items, [](const AllocationItem& item) {
    uint64_t least = item[0].bytes;
    for (const AllocationOption& option : item) least = std::min(least, option.bytes);
    return least;
  });
}
uint64_t most_bytes(const Items& items) {
  return total(items, [](const AllocationItem& item) {
    uint64_t most = 0;
    for (const AllocationOption& option : item) most = std::max(most, option.bytes);
    return most;
  });
}

double best_of_all(const Items& items, uint64_t budget, size_t from = 0) {
  if (from == items.size()) return 0;
  double best = std::numeric_limits<double>::infinity();
  for (const AllocationOption& option : items[from]) if (option.bytes <= budget) best = std::min(best, option.error + best_of_all(items, budget - option.bytes, from + 1));
  return best;
}

void check_consistent(const Items& items, uint64_t budget, const Allocation& made) {
  REQUIRE(made.choices.size() == items.size());
  uint64_t bytes = 0;
  double error = 0;
  for (size_t i = 0; i < items.size(); ++i) {
    bytes += items[i][made.choices[i]].bytes;
    error += items[i][made.choices[i]].error;
  }
  CHECK(bytes == made.bytes);
  CHECK(bytes <= budget);
  CHECK(error == Approx(made.error));
  CHECK(made.lower_bound <= made.error);
}

}  // namespace

TEST_CASE("small instances get the least error of every choice there is") {
  std::mt19937 random(1);
  for (int round = 0; round < 4000; ++round) {
    const Items items = random_items(random, 1 + random() % 6, 5, round % 2 == 0);
    const uint64_t least = least_bytes(items), budget = least + random() % (most_bytes(items) - least + 10);
    INFO("round " << round);
    const auto made = allocate(items, budget);
    REQUIRE(made);
    check_consistent(items, budget, *made);
    CHECK(made->exact);
    CHECK(made->error == Approx(best_of_all(items, budget)).epsilon(1e-9).margin(1e-9));
  }
}

TEST_CASE("without a search the bound is one, and the gap at most a step of a hull") {
  std::mt19937 random(2);
  for (int round = 0; round < 2000; ++round) {
    const Items items = random_items(random, 2 + random() % 5, 5, false);
    const uint64_t least = least_bytes(items), budget = least + random() % (most_bytes(items) - least + 1);
    const auto made = allocate(items, budget, {0});
    REQUIRE(made);
    check_consistent(items, budget, *made);
    const double best = best_of_all(items, budget);
    CHECK(made->lower_bound <= best * (1 + 1e-12));
    CHECK(best <= made->error * (1 + 1e-12));
    double widest = 0;
    for (const AllocationItem& item : items) for (const AllocationOption& option : item) widest = std::max(widest, option.error);
    CHECK(made->gap() <= widest);
  }
}

TEST_CASE("a search that ends early says so, and one that does not is right") {
  std::mt19937 random(4);
  int exact = 0;
  for (int round = 0; round < 2000; ++round) {
    const Items items = random_items(random, 5 + random() % 3, 5, round % 2 == 0);
    const uint64_t least = least_bytes(items), budget = least + random() % (most_bytes(items) - least + 1);
    const auto made = allocate(items, budget, {5 + random() % 60});
    REQUIRE(made);
    check_consistent(items, budget, *made);
    const double best = best_of_all(items, budget);
    CHECK(made->lower_bound <= best * (1 + 1e-12));
    if (made->exact) CHECK(made->error == Approx(best).epsilon(1e-9).margin(1e-9));
    exact += made->exact;
  }
  CHECK((exact > 200 && exact < 1990));
}

TEST_CASE("the end of the front is the sum of the least errors, to the last digit") {
  const Items items = {{{1, 0.1}, {2, 0}}, {{1, 0.2}, {2, 0}}, {{1, 0.3}, {2, 0}}};
  const auto points = pareto(items);
  REQUIRE(points);
  CHECK(points->back().error == 0);
  CHECK(points->back().bytes == 6);
  CHECK(points->front().error == Approx(0.6).epsilon(1e-14));
}

TEST_CASE("a larger budget never has more error, and a point of the hull is an optimum of its bytes") {
  const Items items = typical_items(3, 12, 6);
  double before = std::numeric_limits<double>::infinity();
  const uint64_t least = least_bytes(items), most = most_bytes(items);
  for (int k = 0; k <= 200; ++k) {
    const auto made = allocate(items, least + (most - least) * static_cast<uint64_t>(k) / 200);
    REQUIRE(made);
    CHECK(made->exact);
    CHECK(made->error <= before);
    before = made->error;
  }
  const auto points = pareto(items);
  REQUIRE(points);
  CHECK(points->front().bytes == least);
  CHECK(points->size() > 20);
  for (size_t i = 0; i < points->size(); ++i) {
    CHECK(allocate(items, (*points)[i].bytes)->error == Approx((*points)[i].error).epsilon(1e-9));
    if (i > 0) CHECK(((*points)[i].bytes > (*points)[i - 1].bytes && (*points)[i].error < (*points)[i - 1].error));
  }
}

TEST_CASE("a thousand tensors of fifteen types are solved within a ten-thousandth of the bound, the same each time") {
  for (unsigned seed = 10; seed < 14; ++seed) {
    const Items items = typical_items(seed, 1000, 15);
    const uint64_t least = least_bytes(items), budget = least + (most_bytes(items) - least) / 3;
    const auto made = allocate(items, budget);
    REQUIRE(made);
    check_consistent(items, budget, *made);
    CHECK(made->gap() <= 1e-4 * made->error);
    CHECK(made->choices == allocate(items, budget)->choices);
  }
}

TEST_CASE("what cannot be allocated is refused with what it would take") {
  const Items items = {{{10, 1}, {4, 5}}, {{7, 0}}};
  const auto refusal = [](const auto& made) { return made ? std::string("made") : made.error().message; };
  const auto small = allocate(items, 10);
  REQUIRE_FALSE(small);
  CHECK(small.error().code == ErrorCode::kBudget);
  CHECK(small.error().message == "the budget of 10 bytes is below the 11 bytes that the smallest options need");
  CHECK(small.error().hint == "allow at least 11 bytes");
  CHECK(allocate(items, 11)->choices == std::vector<size_t>{1, 0});
  CHECK(allocate(items, 17)->choices == std::vector<size_t>{0, 0});
  CHECK(refusal(allocate(Items{{}}, 10)) == "item 0 has no option");
  CHECK(refusal(allocate(Items{{{1, -1}}}, 10)) == "item 0 has an option with the error -1");
  CHECK(refusal(allocate(Items{{{1, NAN}}}, 10)) == "item 0 has an option with the error nan");
  CHECK(refusal(pareto(Items{{{1, INFINITY}}})) == "item 0 has an option with the error inf");
  CHECK(refusal(allocate(Items{{{uint64_t{1} << 62, 1}}, {{uint64_t{1} << 62, 1}}}, UINT64_MAX)) == "the bytes of all items pass 2^63");
  const auto none = allocate(Items{}, 0);
  REQUIRE(none);
  CHECK((none->exact && none->error == 0 && none->choices.empty()));
}

TEST_CASE("of equal options the smaller is taken, and errors of any size are told apart") {
  CHECK(allocate(Items{{{9, 1}, {3, 1}, {5, 1}}}, 100)->choices == std::vector<size_t>{1});
  CHECK(allocate(Items{{{1, 5e-324}, {2, 0}}, {{1, 5e-324}, {3, 0}}}, 4)->error <= 5e-324);
  CHECK(allocate(Items{{{0, 1e300}, {1, 0}}, {{0, 1e-300}, {1, 0}}}, 1)->choices == std::vector<size_t>{1, 0});
}
