#include "core/drift/knn_graph.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "tests/core/drift/drift_fixture.h"

namespace llmops {
namespace {

using test::normal_vectors;
using test::splits;

// The share of edges within a sample: all distances of each row sorted, those equal to the last one reached sharing what is left.
double slow_share(const Vectors& rows, const std::vector<bool>& is_reference, size_t nearest) {
  const auto cosine = [&](size_t a, size_t b) {
    double product = 0, x = 0, y = 0;
    for (size_t j = 0; j < rows.dimensions; ++j) {
      const double u = static_cast<double>(rows.values[a * rows.dimensions + j]), v = static_cast<double>(rows.values[b * rows.dimensions + j]);
      product += u * v;
      x += u * u;
      y += v * v;
    }
    return product / std::sqrt(x * y);
  };
  double within = 0;
  for (size_t i = 0; i < rows.rows; ++i) {
    std::vector<std::pair<double, bool>> others;
    for (size_t j = 0; j < rows.rows; ++j) if (j != i) others.emplace_back(cosine(i, j), is_reference[i] == is_reference[j]);
    std::sort(others.begin(), others.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
    const double last = others[nearest - 1].first;
    double nearer = 0, tied = 0, same_nearer = 0, same_tied = 0;
    for (const auto& [similarity, is_same] : others) {
      const bool is_tied = std::fabs(similarity - last) < 1e-9;
      if (!is_tied && similarity < last) continue;
      (is_tied ? tied : nearer) += 1;
      if (is_same) (is_tied ? same_tied : same_nearer) += 1;
    }
    within += same_nearer + same_tied * (static_cast<double>(nearest) - nearer) / tied;
  }
  return within / static_cast<double>(nearest * rows.rows);
}

std::vector<bool> side(const Memberships& memberships, size_t column) {
  std::vector<bool> made;
  for (size_t i = 0; i < memberships.items(); ++i) made.push_back(memberships.is_reference(i, column));
  return made;
}

KnnGraphOptions with(size_t nearest, size_t threads = 1) { return {nearest, threads, {}}; }

}  // namespace

TEST_CASE("the share of edges within a sample is that of sorting all distances, under every split, with rows that repeat, and for any number of threads") {
  std::mt19937 random(1);
  Vectors rows = normal_vectors(random, 30, 3);
  const Memberships memberships = splits(30, 13, 99);
  for (const bool repeats : {false, true}) {
    // Rows 4 to 9 and 15 to 19 are row 1, 20 and 21 are row 2.
    const auto copy = [&](size_t from, size_t to) { std::copy_n(rows.values.begin() + static_cast<std::ptrdiff_t>(from * 3), 3, rows.values.begin() + static_cast<std::ptrdiff_t>(to * 3)); };
    if (repeats) {
      for (const size_t to : {4, 5, 6, 7, 8, 9, 15, 16, 17, 18, 19}) copy(1, to);
      for (const size_t to : {20, 21}) copy(2, to);
    }
    for (const size_t nearest : {1, 3, 5}) {
      const auto made = knn_graph_test(rows.view(), memberships, with(nearest));
      REQUIRE(made);
      for (size_t c = 0; c < memberships.columns(); ++c) CHECK(made->statistics[c] == Approx(slow_share(rows, side(memberships, c), nearest)).epsilon(1e-12));
      CHECK(made->statistics == knn_graph_test(rows.view(), memberships, with(nearest, 3))->statistics);
      CHECK(made->distinct == (repeats ? 17 : 30));
    }
  }
}

TEST_CASE("over all splits the mean is Schilling's, and p is the share of them that reach the observed one") {
  std::mt19937 random(2);
  const Vectors x = normal_vectors(random, 5, 2, 1), y = normal_vectors(random, 4, 2, -1), rows = joined(x.view(), y.view());
  constexpr size_t kPermutations = 20'000;
  const auto made = knn_graph_test(rows.view(), splits(9, 5, kPermutations), with(2));
  REQUIRE(made);
  std::vector<bool> is_reference{false, false, false, false, true, true, true, true, true};
  double sum = 0, all = 0, reached = 0;
  do {
    const double share = slow_share(rows, is_reference, 2);
    sum += share;
    all += 1;
    reached += share >= made->statistic - 1e-9;
  } while (std::next_permutation(is_reference.begin(), is_reference.end()));
  CHECK(all == 126);
  CHECK(sum / all == Approx(32.0 / 72));
  CHECK(made->expected == Approx(32.0 / 72));
  const double p = reached / all;
  CHECK(std::fabs(made->p_value - p) < 4 * std::sqrt(p * (1 - p) / kPermutations) + 1e-4);
}

TEST_CASE("the order of rows does not matter, where many are equal too") {
  std::mt19937 random(3);
  Vectors x{{}, 20, 2}, y{{}, 30, 2};
  for (Vectors* sample : {&x, &y}) for (size_t i = 0; i < 2 * sample->rows; ++i) sample->values.push_back(static_cast<float>(random() % 3));
  const auto made = knn_graph_test(joined(x.view(), y.view()).view(), splits(50, 20, 9), with(5));
  REQUIRE(made);
  for (int run = 0; run < 5; ++run) {
    Vectors other{{}, 30, 2};
    std::vector<size_t> order(30);
    std::iota(order.begin(), order.end(), size_t{0});
    std::shuffle(order.begin(), order.end(), random);
    for (const size_t i : order) other.values.insert(other.values.end(), y.view().row(i).begin(), y.view().row(i).end());
    CHECK(knn_graph_test(joined(x.view(), other.view()).view(), splits(50, 20, 9), with(5))->statistic == Approx(made->statistic).epsilon(1e-12));
  }
}

TEST_CASE("a sample that moved keeps to itself, and the level is kept, with rows that repeat too") {
  std::mt19937 random(4);
  const Vectors x = normal_vectors(random, 80, 4), y = normal_vectors(random, 70, 4, 0.7);
  const auto moved = knn_graph_test(joined(x.view(), y.view()).view(), splits(150, 80, 199));
  CHECK((moved->p_value <= 0.01 && moved->statistic > moved->expected + 0.1));
  int alarms = 0, with_repeats = 0;
  for (int run = 0; run < 200; ++run) {
    const auto seed = static_cast<uint64_t>(run);
    alarms += knn_graph_test(normal_vectors(random, 40, 3).view(), splits(40, 24, 99, seed), with(5))->p_value <= 0.05;
    Vectors coarse{{}, 40, 2};
    for (size_t i = 0; i < 80; ++i) coarse.values.push_back(static_cast<float>(random() % 4));
    with_repeats += knn_graph_test(coarse.view(), splits(40, 24, 99, seed), with(5))->p_value <= 0.05;
  }
  // 10 expected; the binomial exceeds 21 with a probability of 0.0006.
  CHECK(alarms <= 21);
  CHECK(with_repeats <= 21);
}

TEST_CASE("rows that are all the same have the mean share, and too few are told") {
  const Vectors same{std::vector<float>(40, 1.0F), 20, 2};
  const auto made = knn_graph_test(same.view(), splits(20, 8, 99));
  CHECK((made->p_value == 1 && made->distinct == 1 && made->statistic == Approx(made->expected)));
  CHECK(knn_graph_test(same.view(), splits(20, 5, 9)).error().message == "5 and 15 rows are too few: at least 6 are needed on each side");
  CHECK(knn_graph_test(same.view(), splits(10, 5, 9)).error().message == "20 rows do not fit splits of 10");
}

}  // namespace llmops
