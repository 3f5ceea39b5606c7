// What production asks about: clusters of texts, named by their own words, and how their shares move.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/cancel.h"
#include "core/base/result.h"
#include "core/drift/permutations.h"
#include "core/drift/vectors.h"

namespace llmops {

struct TopicOptions {
  size_t topics = 0;                 // 0: by the number of rows, topics_for(rows)
  size_t restarts = 4, iterations = 40;
  uint64_t seed = 0;
  size_t threads = 0;
  CancelToken cancel;
};
// One for 25 rows, from 2 to 40.
size_t topics_for(size_t rows);

// Every row's topic, 0 to count - 1, the largest topic first (ties by the first row). A row of zeros, which has no direction, is in the last topic of its own, `none`, when there is one.
struct Topics {
  std::vector<uint32_t> of_row;
  size_t count = 0;
  Vectors centres;                   // count x dimensions, each of length 1
  std::vector<double> similarities;  // of each row to its centre, cosine
  size_t rounds = 0;                 // of the restart that was kept
};
// Spherical k-means (Dhillon & Modha 2001, Machine Learning 42:143) with seeds drawn by squared cosine distance (k-means++, Arthur & Vassilvitskii 2007); of the restarts the one of the largest sum of cosines. Fit it on the pool of both
// samples, blind to which row is whose. Deterministic for a seed, the same for any number of threads. Fewer topics where fewer rows differ. Errors: kInterrupted. Cost: restarts iterations rows topics dimensions.
Result<Topics> spherical_topics(const VectorsView& rows, const TopicOptions& options = {});

// The words that set each topic apart, best first, by class-based TF-IDF (Grootendorst 2022, "BERTopic"): share of a word in its topic times ln(1 + A / f), A the mean number of words of a topic and f the word's count in all. Words of fewer than three letters, that stand in one text alone,
// or among the 150 that English uses most, are left out; a topic of such words alone has none. In order of the topics.
std::vector<std::vector<std::string>> topic_words(std::span<const std::string_view> texts, std::span<const uint32_t> of_row, size_t topics, size_t words = 4);
// Fewer than three letters, or among the 150 that English uses most: says nothing of what is asked.
bool is_common_word(std::string_view word);
// The row nearest to each topic's centre: an exemplar.
std::vector<size_t> topic_exemplars(const Topics& topics);

struct TopicShift {
  size_t topic = 0;
  int64_t reference = 0, current = 0;          // rows
  double z = 0;                                // of the difference of shares, pooled standard error; positive: more of it now
  double p_value = 1;                          // adjusted over all topics: single-step max-T (Westfall & Young 1993)
};
struct TopicTest {
  double statistic = 0, p_value = 1;           // the largest |z|
  std::vector<TopicShift> shifts;              // of each topic
  std::vector<double> statistics;              // the largest |z| under each split, the observed first
  size_t permutations = 0;
};
// Exact for topics that were fitted blind to the split. Cost: rows times splits. Precondition: of_row as long as the memberships' items.
TopicTest topic_share_test(std::span<const uint32_t> of_row, size_t topics, const Memberships& memberships);

}  // namespace llmops
