#include "core/drift/topics.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <numeric>
#include <set>
#include <unordered_map>

#include "core/drift/matrix_product.h"
#include "core/drift/tiles.h"
#include "core/stats/random.h"
#include "core/text/codepoint.h"
#include "core/text/unicode.h"

namespace llmops {
namespace {

constexpr size_t kTileRows = 512;

// Rows of length 1; a row of zeros stays zero.
Vectors unit_rows(const VectorsView& rows) {
  Vectors made{std::vector<float>(rows.values.begin(), rows.values.begin() + static_cast<std::ptrdiff_t>(rows.rows * rows.dimensions)), rows.rows, rows.dimensions};
  for (size_t i = 0; i < made.rows; ++i) {
    float* row = made.values.data() + i * made.dimensions;
    const double length = std::sqrt(std::transform_reduce(row, row + made.dimensions, 0.0, std::plus<>(), [](float v) { return static_cast<double>(v) * static_cast<double>(v); }));
    if (length > 0) std::transform(row, row + made.dimensions, row, [length](float v) { return static_cast<float>(static_cast<double>(v) / length); });
  }
  return made;
}

struct Assignment { std::vector<uint32_t> of_row; std::vector<double> similarities; double total = 0; };

Result<Assignment> nearest_centres(const Vectors& rows, const Vectors& centres, const TopicOptions& options) {
  Assignment made{std::vector<uint32_t>(rows.rows), std::vector<double>(rows.rows), 0};
  const size_t d = rows.dimensions, k = centres.rows;
  LLMOPS_CHECK(each_tile((rows.rows + kTileRows - 1) / kTileRows, options.threads, options.cancel, [&](size_t tile) {
    const size_t first = tile * kTileRows, count = std::min(kTileRows, rows.rows - first);
    std::vector<double> products(count * k);
    inner_products(count, k, d, rows.values.data() + first * d, d, centres.values.data(), d, products.data(), k);
    for (size_t i = 0; i < count; ++i) {
      const auto begin = products.begin() + static_cast<std::ptrdiff_t>(i * k);
      const auto best = std::max_element(begin, begin + static_cast<std::ptrdiff_t>(k));
      made.of_row[first + i] = static_cast<uint32_t>(best - begin);
      made.similarities[first + i] = *best;
    }
  }));
  made.total = std::accumulate(made.similarities.begin(), made.similarities.end(), 0.0);
  return made;
}

// Rows that are far from those chosen so far are chosen with a probability that grows with the square of the distance.
Vectors seeds_of(const Vectors& rows, size_t wanted, RandomSource& random) {
  const size_t d = rows.dimensions;
  Vectors centres{{}, 0, d};
  std::vector<double> distances(rows.rows, 1);
  size_t next = random.below(rows.rows);
  while (true) {
    const float* chosen = rows.values.data() + next * d;
    centres.values.insert(centres.values.end(), chosen, chosen + d);
    if (++centres.rows == wanted) return centres;
    std::vector<double> products(rows.rows);
    inner_products(rows.rows, 1, d, rows.values.data(), d, chosen, d, products.data(), 1);
    double sum = 0;
    for (size_t i = 0; i < rows.rows; ++i) {
      const double distance = std::max(0.0, 1 - products[i]);
      distances[i] = std::min(distances[i], distance * distance);
      if (distances[i] < 1e-12) distances[i] = 0;
      sum += distances[i];
    }
    if (sum <= 0) return centres;              // no other rows are left
    double target = static_cast<double>(random.next() >> 11) * 0x1p-53 * sum;
    for (next = 0; next + 1 < rows.rows && (target -= distances[next]) >= 0; ++next) {}
    while (distances[next] == 0) next = next == 0 ? rows.rows - 1 : next - 1;
  }
}

void move_centres(const Vectors& rows, const Assignment& assignment, Vectors& centres) {
  const size_t d = rows.dimensions;
  std::vector<double> sums(centres.rows * d);
  for (size_t i = 0; i < rows.rows; ++i) for (size_t j = 0; j < d; ++j) sums[assignment.of_row[i] * d + j] += static_cast<double>(rows.values[i * d + j]);
  for (size_t c = 0; c < centres.rows; ++c) {
    const double length = std::sqrt(std::transform_reduce(sums.begin() + static_cast<std::ptrdiff_t>(c * d), sums.begin() + static_cast<std::ptrdiff_t>((c + 1) * d), 0.0, std::plus<>(), [](double v) { return v * v; }));
    if (length <= 0) continue;                 // an empty one stays where it was
    for (size_t j = 0; j < d; ++j) centres.values[c * d + j] = static_cast<float>(sums[c * d + j] / length);
  }
}

struct Fit { Assignment assignment; Vectors centres; size_t rounds = 0; };

Result<Fit> fit_once(const Vectors& rows, size_t wanted, const TopicOptions& options, uint64_t seed) {
  RandomSource random(seed);
  Fit fit;
  fit.centres = seeds_of(rows, wanted, random);
  LLMOPS_ASSIGN(fit.assignment, nearest_centres(rows, fit.centres, options));
  while (fit.rounds < options.iterations) {
    ++fit.rounds;
    move_centres(rows, fit.assignment, fit.centres);
    LLMOPS_ASSIGN(Assignment next, nearest_centres(rows, fit.centres, options));
    const bool is_settled = next.of_row == fit.assignment.of_row;
    fit.assignment = std::move(next);
    if (is_settled) break;
  }
  return fit;
}

// The largest first, empty ones dropped.
Topics in_order(Fit fit) {
  std::vector<size_t> sizes(fit.centres.rows), firsts(fit.centres.rows, fit.assignment.of_row.size());
  for (size_t i = 0; i < fit.assignment.of_row.size(); ++i) {
    const uint32_t topic = fit.assignment.of_row[i];
    if (sizes[topic]++ == 0) firsts[topic] = i;
  }
  std::vector<size_t> order(sizes.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return sizes[a] != sizes[b] ? sizes[a] > sizes[b] : firsts[a] < firsts[b]; });
  std::erase_if(order, [&](size_t topic) { return sizes[topic] == 0; });
  std::vector<uint32_t> place(sizes.size());
  Topics made;
  made.count = order.size();
  made.centres = {{}, made.count, fit.centres.dimensions};
  for (size_t i = 0; i < order.size(); ++i) {
    place[order[i]] = static_cast<uint32_t>(i);
    const auto first = fit.centres.values.begin() + static_cast<std::ptrdiff_t>(order[i] * fit.centres.dimensions);
    made.centres.values.insert(made.centres.values.end(), first, first + static_cast<std::ptrdiff_t>(fit.centres.dimensions));
  }
  for (const uint32_t topic : fit.assignment.of_row) made.of_row.push_back(place[topic]);
  made.similarities = std::move(fit.assignment.similarities);
  made.rounds = fit.rounds;
  return made;
}

const std::set<std::string, std::less<>>& common_words() {
  static const std::set<std::string, std::less<>> kWords{
      "the", "and", "for", "that", "you", "are", "was", "with", "this", "have", "not", "but", "what", "can", "from", "how", "why", "who", "when", "where", "which", "will", "would", "could", "should", "there", "their", "they", "them", "then", "than", "your", "yours", "our", "ours",
      "his", "her", "hers", "him", "she", "its", "has", "had", "did", "does", "doing", "done", "been", "being", "were", "all", "any", "some", "one", "out", "about", "into", "over", "under", "also", "just", "get", "got", "let", "want", "need", "like", "please", "make", "made", "use",
      "using", "give", "tell", "know", "see", "way", "because", "these", "those", "here", "very", "more", "most", "much", "many", "each", "every", "other", "only", "own", "same", "too", "now", "still", "again", "once", "off", "down", "before", "after", "between", "both", "few",
      "nor", "such", "might", "must", "shall", "may", "upon", "while", "during", "through", "don", "doesn", "didn", "isn", "wasn", "can't", "don't", "i'm", "i've", "it's", "what's", "thing", "things", "help", "something", "anything", "two", "per", "via", "etc", "yes", "ever"};
  return kWords;
}

}  // namespace

bool is_common_word(std::string_view word) { return text::count_code_points(word) < 3 || common_words().contains(word); }

size_t topics_for(size_t rows) { return std::clamp<size_t>(rows / 25, 2, 40); }

Result<Topics> spherical_topics(const VectorsView& rows, const TopicOptions& options) {
  const Vectors units = unit_rows(rows);
  // Rows without a direction belong nowhere.
  std::vector<size_t> placed, none;
  for (size_t i = 0; i < units.rows; ++i) {
    const auto row = units.view().row(i);
    (std::all_of(row.begin(), row.end(), [](float v) { return v == 0; }) ? none : placed).push_back(i);
  }
  Vectors kept{{}, placed.size(), units.dimensions};
  for (const size_t i : placed) {
    const auto row = units.view().row(i);
    kept.values.insert(kept.values.end(), row.begin(), row.end());
  }
  Topics made;
  made.centres.dimensions = rows.dimensions;
  if (!placed.empty()) {
    const size_t wanted = std::min(placed.size(), options.topics != 0 ? options.topics : topics_for(placed.size()));
    std::optional<Fit> best;
    for (size_t restart = 0; restart < std::max<size_t>(1, options.restarts); ++restart) {
      LLMOPS_ASSIGN(Fit fit, fit_once(kept, wanted, options, options.seed * 0x9E3779B97F4A7C15u + restart));
      if (!best || fit.assignment.total > best->assignment.total) best = std::move(fit);
    }
    made = in_order(std::move(*best));
  }
  if (none.empty()) return made;
  std::vector<uint32_t> of_row(rows.rows, static_cast<uint32_t>(made.count));
  std::vector<double> similarities(rows.rows, 0);
  for (size_t i = 0; i < placed.size(); ++i) {
    of_row[placed[i]] = made.of_row[i];
    similarities[placed[i]] = made.similarities[i];
  }
  made.of_row = std::move(of_row);
  made.similarities = std::move(similarities);
  made.centres.values.resize((made.count + 1) * made.centres.dimensions, 0);
  ++made.centres.rows;
  ++made.count;
  return made;
}

std::vector<std::vector<std::string>> topic_words(std::span<const std::string_view> texts, std::span<const uint32_t> of_row, size_t topics, size_t words) {
  struct Word { std::map<uint32_t, int64_t> counts; int64_t all = 0, texts = 0; size_t last_text = SIZE_MAX; };
  std::unordered_map<std::string, Word> vocabulary;
  std::vector<int64_t> lengths(topics);
  for (size_t i = 0; i < texts.size(); ++i) {
    for (std::string& word : split_words(texts[i])) {
      ++lengths[of_row[i]];
      if (is_common_word(word)) continue;
      Word& entry = vocabulary[std::move(word)];
      ++entry.counts[of_row[i]];
      ++entry.all;
      if (entry.last_text != i) ++entry.texts;
      entry.last_text = i;
    }
  }
  const double mean = static_cast<double>(std::accumulate(lengths.begin(), lengths.end(), int64_t{0})) / static_cast<double>(std::max<size_t>(1, topics));
  std::vector<std::vector<std::pair<double, std::string>>> ranked(topics);
  for (const auto& [word, entry] : vocabulary) {
    if (entry.texts < 2) continue;
    for (const auto& [topic, count] : entry.counts) ranked[topic].emplace_back(-static_cast<double>(count) / static_cast<double>(lengths[topic]) * std::log1p(mean / static_cast<double>(entry.all)), word);
  }
  std::vector<std::vector<std::string>> made(topics);
  for (size_t topic = 0; topic < topics; ++topic) {
    const size_t kept = std::min(words, ranked[topic].size());
    std::partial_sort(ranked[topic].begin(), ranked[topic].begin() + static_cast<std::ptrdiff_t>(kept), ranked[topic].end());
    for (size_t i = 0; i < kept; ++i) made[topic].push_back(ranked[topic][i].second);
  }
  return made;
}

std::vector<size_t> topic_exemplars(const Topics& topics) {
  std::vector<size_t> made(topics.count, SIZE_MAX);
  for (size_t i = 0; i < topics.of_row.size(); ++i) {
    size_t& best = made[topics.of_row[i]];
    if (best == SIZE_MAX || topics.similarities[i] > topics.similarities[best]) best = i;
  }
  return made;
}

TopicTest topic_share_test(std::span<const uint32_t> of_row, size_t topics, const Memberships& memberships) {
  const size_t splits = memberships.columns();
  std::vector<float> members(splits);
  std::vector<double> counts(topics * splits), sizes(topics);
  for (size_t i = 0; i < of_row.size(); ++i) {
    memberships.expand(i, 1, members.data());
    double* row = counts.data() + of_row[i] * splits;
    for (size_t c = 0; c < splits; ++c) row[c] += static_cast<double>(members[c]);
    ++sizes[of_row[i]];
  }
  const auto all = static_cast<double>(of_row.size());
  std::vector<double> z(topics * splits);
  TopicTest made;
  made.permutations = splits - 1;
  made.statistics.assign(splits, 0);
  for (size_t t = 0; t < topics; ++t) {
    const double share = sizes[t] / all;
    for (size_t c = 0; c < splits; ++c) {
      const auto n = static_cast<double>(memberships.reference_size(c));
      const double m = all - n, in_reference = counts[t * splits + c];
      if (n == 0 || m == 0 || share >= 1) continue;
      z[t * splits + c] = ((sizes[t] - in_reference) / m - in_reference / n) / std::sqrt(share * (1 - share) * (1 / n + 1 / m));
      made.statistics[c] = std::max(made.statistics[c], std::fabs(z[t * splits + c]));
    }
  }
  made.statistic = made.statistics[0];
  made.p_value = permutation_p(made.statistics, 1e-9);
  for (size_t t = 0; t < topics; ++t) {
    const double own = z[t * splits];
    const auto at_least = std::count_if(made.statistics.begin(), made.statistics.end(), [&](double other) { return other >= std::fabs(own) - 1e-9; });
    made.shifts.push_back({t, static_cast<int64_t>(counts[t * splits]), static_cast<int64_t>(sizes[t] - counts[t * splits]), own, static_cast<double>(at_least) / static_cast<double>(splits)});
  }
  return made;
}

}  // namespace llmops
