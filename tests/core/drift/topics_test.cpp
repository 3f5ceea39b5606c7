#include "core/drift/topics.h"

#include <cmath>
#include <set>

#include "core/drift/latent.h"
#include "core/text/ngram_vectors.h"
#include "tests/core/drift/drift_fixture.h"

namespace llmops::test {

namespace {

// Around `count` directions, `each` rows of each, in turns.
Vectors around_axes(std::mt19937& random, size_t count, size_t each, double noise) {
  std::normal_distribution<double> normal;
  Vectors made{{}, count * each, count + 2};
  for (size_t i = 0; i < made.rows; ++i) for (size_t j = 0; j < made.dimensions; ++j) made.values.push_back(static_cast<float>((j == i % count ? 1 : 0) + noise * normal(random)));
  return made;
}

}  // namespace

TEST_CASE("topics: rows around a few directions are found again, the largest topic first") {
  std::mt19937 random(3);
  const Vectors rows = around_axes(random, 4, 30, 0.1);
  TopicOptions options;
  options.topics = 4;
  const auto made = spherical_topics(rows.view(), options);
  REQUIRE(made);
  REQUIRE(made->count == 4);
  for (size_t i = 0; i < rows.rows; ++i) CHECK(made->of_row[i] == made->of_row[i % 4]);
  CHECK(std::set<uint32_t>(made->of_row.begin(), made->of_row.end()).size() == 4);
  CHECK(made->of_row[0] == 0);
  options.threads = 3;
  const auto again = spherical_topics(rows.view(), options);
  REQUIRE(again);
  CHECK(again->of_row == made->of_row);
  CHECK(again->centres.values == made->centres.values);
}

TEST_CASE("topics: the sum of cosines never falls below that of a start, and each row is in its nearest topic") {
  std::mt19937 random(5);
  const Vectors rows = normal_vectors(random, 200, 6);
  TopicOptions few, many;
  few.topics = many.topics = 8;
  few.iterations = 1;
  few.restarts = many.restarts = 1;
  const auto begun = spherical_topics(rows.view(), few), settled = spherical_topics(rows.view(), many);
  REQUIRE(begun);
  REQUIRE(settled);
  const auto total = [](const Topics& topics) { double sum = 0; for (const double one : topics.similarities) sum += one; return sum; };
  CHECK(total(*settled) >= total(*begun) - 1e-9);
  for (size_t i = 0; i < rows.rows; ++i) {
    double best = -2, length = 0;
    for (const float v : rows.view().row(i)) length += static_cast<double>(v) * static_cast<double>(v);
    for (size_t c = 0; c < settled->count; ++c) {
      double dot = 0;
      for (size_t j = 0; j < 6; ++j) dot += static_cast<double>(rows.view().row(i)[j]) * static_cast<double>(settled->centres.view().row(c)[j]);
      best = std::max(best, dot / std::sqrt(length));
    }
    CHECK(settled->similarities[i] == Approx(best).margin(1e-6));
  }
}

TEST_CASE("topics: rows that repeat, or have no direction, make fewer topics and no error") {
  const Vectors same = vectors(2, std::vector<float>(40, 0.5F));
  TopicOptions options;
  options.topics = 5;
  const auto one = spherical_topics(same.view(), options);
  REQUIRE(one);
  CHECK(one->count == 1);
  const Vectors none = vectors(2, {0, 0, 1, 0, 0, 0, 1, 0});
  const auto two = spherical_topics(none.view(), options);
  REQUIRE(two);
  CHECK(two->count == 2);
  CHECK(two->of_row == std::vector<uint32_t>{1, 0, 1, 0});
  const auto empty = spherical_topics(vectors(2, {}).view(), options);
  REQUIRE(empty);
  CHECK(empty->count == 0);
}

TEST_CASE("topics: named by the words that set them apart") {
  // Topic 0: card card lost / card lost; topic 1: loan rate / loan rate high. Words of a topic are 5 on average: A = 5 (all words count).
  const std::vector<std::string_view> texts{"card card lost", "card lost", "loan rate", "loan rate high"};
  const std::vector<uint32_t> of_row{0, 0, 1, 1};
  const auto words = topic_words(texts, of_row, 2, 2);
  // tf-idf of card: 3/5 ln(1 + 5/3) = 0.5885; lost: 2/5 ln(1 + 5/2) = 0.5011; loan and rate 2/5 ln(1 + 5/2): in order of their names; "high" stands in one text alone.
  CHECK(words == std::vector<std::vector<std::string>>{{"card", "lost"}, {"loan", "rate"}});
}

TEST_CASE("topics: shares by the largest z, exact over all splits") {
  // 5 rows, reference of 3: topic 0 holds rows 0, 1, 2, topic 1 rows 3, 4. |z| is largest for the observed split and its like: of the 10 splits, one has all of topic 0 in the reference.
  const std::vector<uint32_t> of_row{0, 0, 0, 1, 1};
  const Memberships members = splits(5, 3, 20'000);
  const TopicTest made = topic_share_test(of_row, 2, members);
  // z = ((2/2) - (0/3)) of topic 1, pooled share 0.4: 1 / sqrt(0.24 (1/3 + 1/2)) = 2.236.
  CHECK(made.statistic == Approx(std::sqrt(5.0)));
  CHECK(made.shifts[1].z == Approx(std::sqrt(5.0)));
  CHECK(made.shifts[0].z == Approx(-std::sqrt(5.0)));
  CHECK(made.shifts[0].reference == 3);
  CHECK(made.shifts[0].current == 0);
  CHECK(made.p_value == Approx(0.1).margin(0.01));
  CHECK(made.shifts[1].p_value == made.p_value);
}

TEST_CASE("topics: a text of its own topic is an exemplar, and one topic has no shift") {
  const std::vector<uint32_t> of_row{0, 0, 0, 0};
  const TopicTest made = topic_share_test(of_row, 1, splits(4, 2, 99));
  CHECK(made.statistic == 0);
  CHECK(made.p_value == 1);
  Topics topics;
  topics.of_row = {0, 1, 0};
  topics.similarities = {0.3, 0.9, 0.8};
  topics.count = 2;
  CHECK(topic_exemplars(topics) == std::vector<size_t>{2, 1});
}

}  // namespace llmops::test
