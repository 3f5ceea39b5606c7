// Splits lie side by side in the bits of a word, 64 at a time: the texts of the reference that hold a term are counted under 64 splits by one pass over the texts that hold it (counters whose bits lie in separate words; Harley & Seal's adder in
// its plain form). 5,000 prompts of 12 words under 1,000 splits are 60,000 additions of 16 words.
#include "core/drift/vocabulary.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <map>
#include <unordered_map>

#include "core/drift/tiles.h"
#include "core/text/unicode.h"

namespace llmops {
namespace {

constexpr size_t kLeastTexts = 5, kSplits = 64;

// Texts that hold each term, by term.
struct Postings {
  std::vector<size_t> offsets;
  std::vector<uint32_t> texts;
  std::span<const uint32_t> of(size_t term) const { return std::span(texts).subspan(offsets[term], offsets[term + 1] - offsets[term]); }
};

Postings postings_of(const SparseRows& rows) {
  Postings made{std::vector<size_t>(rows.dimensions + 1), std::vector<uint32_t>(rows.indices.size())};
  for (const uint32_t term : rows.indices) ++made.offsets[term + 1];
  for (size_t t = 0; t < rows.dimensions; ++t) made.offsets[t + 1] += made.offsets[t];
  std::vector<size_t> next(made.offsets);
  for (size_t i = 0; i < rows.rows(); ++i) for (const uint32_t term : rows.row_indices(i)) made.texts[next[term]++] = static_cast<uint32_t>(i);
  return made;
}

// Of every text, whether it is in the reference of the splits from `first` on, a bit each.
std::vector<uint64_t> side_bits(const Memberships& memberships, size_t first, size_t count) {
  std::vector<uint64_t> bits(memberships.items());
  for (size_t i = 0; i < bits.size(); ++i) for (size_t c = 0; c < count; ++c) bits[i] |= uint64_t{memberships.is_reference(i, first + c)} << c;
  return bits;
}

// 64 counters, bit k of all in plane k.
class Counters {
 public:
  void add(uint64_t ones) {
    for (size_t k = 0; ones != 0; ++k) {
      const uint64_t carry = planes_[k] & ones;
      planes_[k] ^= ones;
      ones = carry;
      used_ = std::max(used_, k + 1);
    }
  }
  size_t value(size_t counter) const {
    size_t made = 0;
    for (size_t k = 0; k < used_; ++k) made |= static_cast<size_t>(planes_[k] >> counter & 1) << k;
    return made;
  }

 private:
  std::array<uint64_t, 64> planes_{};
  size_t used_ = 0;
};

// z of a term between the sides of a split of `all` texts.
class TermOdds {
 public:
  TermOdds(size_t all, double prior) : all_(static_cast<double>(all)), prior_(prior) {}
  double z(size_t in_reference, size_t reference, size_t holding) const {
    const double y = static_cast<double>(in_reference), n = static_cast<double>(reference), held = static_cast<double>(holding);
    return log_odds_z(y, n, held - y, all_ - n, prior_ * held, prior_ * all_);
  }

 private:
  double all_, prior_;
};

Status check_fit(const TextTerms& pooled, const Memberships& memberships) {
  if (pooled.rows.rows() != memberships.items()) return Error(ErrorCode::kData, fmt::format("the words of {} texts do not fit splits of {}", pooled.rows.rows(), memberships.items()));
  return {};
}

// Words of each text, each as often as it stands there.
std::vector<double> lengths_of(const SparseRows& rows) {
  std::vector<double> made(rows.rows());
  for (size_t i = 0; i < made.size(); ++i) for (const float count : rows.row_values(i)) made[i] += static_cast<double>(count);
  return made;
}

}  // namespace

TextTerms text_terms(std::span<const std::string_view> texts, bool pairs) {
  std::unordered_map<std::string, uint32_t> seen;
  std::vector<const std::string*> names;
  TextTerms made;
  std::vector<std::vector<uint32_t>> found(texts.size());
  for (size_t i = 0; i < texts.size(); ++i) {
    const auto put = [&](std::string term) {
      const auto [at, is_first] = seen.emplace(std::move(term), static_cast<uint32_t>(names.size()));
      if (is_first) names.push_back(&at->first);
      found[i].push_back(at->second);
    };
    const std::vector<std::string> words = split_words(texts[i]);
    for (size_t w = 0; w < words.size(); ++w) {
      put(words[w]);
      if (pairs && w > 0) put(words[w - 1] + " " + words[w]);
    }
  }
  std::vector<uint32_t> order(names.size()), place(names.size());
  for (uint32_t t = 0; t < order.size(); ++t) order[t] = t;
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return *names[a] < *names[b]; });
  for (uint32_t t = 0; t < order.size(); ++t) {
    place[order[t]] = t;
    made.terms.push_back(*names[order[t]]);
  }
  made.rows.dimensions = made.terms.size();
  for (std::vector<uint32_t>& terms : found) {
    for (uint32_t& term : terms) term = place[term];
    std::sort(terms.begin(), terms.end());
    for (size_t k = 0; k < terms.size();) {
      const size_t from = k;
      while (k < terms.size() && terms[k] == terms[from]) ++k;
      made.rows.indices.push_back(terms[from]);
      made.rows.values.push_back(static_cast<float>(k - from));
    }
    made.rows.offsets.push_back(made.rows.indices.size());
  }
  return made;
}

double log_odds_z(double first, double first_texts, double second, double second_texts, double alpha, double alpha0) {
  const double a1 = first + alpha, b1 = first_texts - first + alpha0 - alpha, a2 = second + alpha, b2 = second_texts - second + alpha0 - alpha;
  if (a1 <= 0 || b1 <= 0 || a2 <= 0 || b2 <= 0) return 0;
  return std::log(a2 / b2 * (b1 / a1)) / std::sqrt(1 / a1 + 1 / b1 + 1 / a2 + 1 / b2);
}

Result<VocabularyTest> vocabulary_test(const TextTerms& pooled, const Memberships& memberships, const VocabularyOptions& options) {
  LLMOPS_CHECK(check_fit(pooled, memberships));
  const size_t all = memberships.items(), reference = memberships.reference_size(0), columns = memberships.columns();
  if (reference < kLeastTexts || all - reference < kLeastTexts) return Error(ErrorCode::kData, fmt::format("{} and {} texts are too few: at least {} are needed on each side", reference, all - reference, kLeastTexts), "take a longer window");
  const Postings postings = postings_of(pooled.rows);
  std::vector<size_t> tested;
  for (size_t t = 0; t < pooled.terms.size(); ++t) if (postings.of(t).size() >= std::max<size_t>(1, options.least_texts)) tested.push_back(t);
  if (tested.empty()) return Error(ErrorCode::kData, fmt::format("no word stands in {} of the {} texts", options.least_texts, all), "take a longer window");
  const TermOdds odds(all, options.prior);
  VocabularyTest made;
  made.permutations = columns - 1;
  made.statistics.assign(columns, 0);
  made.terms.resize(tested.size());
  LLMOPS_CHECK(each_tile((columns + kSplits - 1) / kSplits, options.threads, options.cancel, [&](size_t tile) {
    const size_t first = tile * kSplits, count = std::min(kSplits, columns - first);
    const std::vector<uint64_t> bits = side_bits(memberships, first, count);
    for (size_t k = 0; k < tested.size(); ++k) {
      const auto texts = postings.of(tested[k]);
      Counters counters;
      for (const uint32_t text : texts) counters.add(bits[text]);
      for (size_t c = 0; c < count; ++c) {
        const size_t in_reference = counters.value(c);
        const double z = odds.z(in_reference, memberships.reference_size(first + c), texts.size());
        made.statistics[first + c] = std::max(made.statistics[first + c], std::fabs(z));
        if (first + c == 0) made.terms[k] = {pooled.terms[tested[k]], in_reference, texts.size() - in_reference, z, 1};
      }
    }
  }));
  constexpr double kTolerance = 1e-9;
  std::vector<double> sorted(made.statistics);
  std::sort(sorted.begin(), sorted.end());
  for (TermChange& one : made.terms) one.p_adjusted = static_cast<double>(sorted.end() - std::lower_bound(sorted.begin(), sorted.end(), std::fabs(one.z) - kTolerance)) / static_cast<double>(columns);
  std::stable_sort(made.terms.begin(), made.terms.end(), [](const TermChange& a, const TermChange& b) { return std::fabs(a.z) > std::fabs(b.z); });
  made.statistic = made.statistics[0];
  made.p_value = permutation_p(made.statistics, kTolerance);
  return made;
}

Result<NewWordsTest> new_words_test(const TextTerms& pooled, const Memberships& memberships, size_t threads, const CancelToken& cancel) {
  LLMOPS_CHECK(check_fit(pooled, memberships));
  const std::vector<double> lengths = lengths_of(pooled.rows);
  const Postings postings = postings_of(pooled.rows);
  const size_t columns = memberships.columns(), reference = memberships.reference_size(0);
  NewWordsTest made;
  made.permutations = columns - 1;
  made.without_words = static_cast<size_t>(std::count(lengths.begin(), lengths.end(), 0.0));
  made.statistics.assign(columns, 0);
  made.texts.assign(lengths.size() - reference, 0);
  const auto any_word = [](double length) { return length > 0; };
  if (std::none_of(lengths.begin(), lengths.begin() + static_cast<std::ptrdiff_t>(reference), any_word) || std::none_of(lengths.begin() + static_cast<std::ptrdiff_t>(reference), lengths.end(), any_word)) return Error(ErrorCode::kData, "a sample holds no text with a word", "take a longer window");
  double new_words = 0, words = 0;
  LLMOPS_CHECK(each_tile((columns + kSplits - 1) / kSplits, threads, cancel, [&](size_t tile) {
    const size_t first = tile * kSplits, count = std::min(kSplits, columns - first);
    const uint64_t all_splits = ~uint64_t{0} >> (kSplits - count);
    const std::vector<uint64_t> bits = side_bits(memberships, first, count);
    // Whether a term stands in one reference text at least, and in two.
    std::vector<uint64_t> in_one(pooled.terms.size()), in_two(pooled.terms.size());
    for (size_t t = 0; t < pooled.terms.size(); ++t) {
      for (const uint32_t text : postings.of(t)) {
        in_two[t] |= in_one[t] & bits[text];
        in_one[t] |= bits[text];
      }
    }
    struct Mean { double sum = 0, count = 0; double value() const { return count > 0 ? sum / count : 0; } };
    std::array<std::array<Mean, kSplits>, 2> means{};
    for (size_t i = 0; i < lengths.size(); ++i) {
      if (lengths[i] == 0) continue;
      for (size_t c = 0; c < count; ++c) ++means[bits[i] >> c & 1][c].count;
      const auto terms = pooled.rows.row_indices(i);
      const auto counts = pooled.rows.row_values(i);
      for (size_t k = 0; k < terms.size(); ++k) {
        uint64_t missing = ((~bits[i] & ~in_one[terms[k]]) | (bits[i] & ~in_two[terms[k]])) & all_splits;
        const double share = static_cast<double>(counts[k]) / lengths[i];
        if (tile == 0 && i >= reference && (missing & 1) != 0) {
          made.texts[i - reference] += share;
          new_words += static_cast<double>(counts[k]);
        }
        for (; missing != 0; missing &= missing - 1) {
          const auto c = static_cast<size_t>(std::countr_zero(missing));
          means[bits[i] >> c & 1][c].sum += share;
        }
      }
      if (tile == 0 && i >= reference) words += lengths[i];
    }
    for (size_t c = 0; c < count; ++c) made.statistics[first + c] = means[0][c].value() - means[1][c].value();
    if (tile == 0) {
      made.current = means[0][0].value();
      made.reference = means[1][0].value();
    }
  }));
  made.of_all_words = new_words / words;
  made.statistic = made.statistics[0];
  made.p_value = permutation_p(made.statistics, 1e-10);
  return made;
}

std::vector<WeightedTerm> weighted_log_odds(const TextTerms& texts, std::span<const double> weights, size_t least_texts, double prior) {
  double sum = 0, squares = 0;
  for (const double weight : weights) {
    sum += std::max(0.0, weight);
    squares += std::max(0.0, weight) * std::max(0.0, weight);
  }
  if (sum <= 0) return {};
  const double drawn = sum * sum / squares, all = static_cast<double>(texts.rows.rows());
  const Postings postings = postings_of(texts.rows);
  std::vector<WeightedTerm> made;
  for (size_t t = 0; t < texts.terms.size(); ++t) {
    const auto holding = postings.of(t);
    if (holding.size() < std::max<size_t>(1, least_texts)) continue;
    WeightedTerm one{texts.terms[t], holding.size(), 0, 0};
    double above = 0;
    for (const uint32_t text : holding) {
      one.share += weights[text];
      above += std::max(0.0, weights[text]);
    }
    const double held = static_cast<double>(holding.size());
    // Rounding must not put more into a term than there is.
    one.z = log_odds_z(held, all, std::min(drawn, drawn * above / sum), drawn, prior * held, prior * all);
    made.push_back(std::move(one));
  }
  std::stable_sort(made.begin(), made.end(), [](const WeightedTerm& a, const WeightedTerm& b) { return a.z > b.z; });
  return made;
}

}  // namespace llmops
