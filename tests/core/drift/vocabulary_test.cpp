#include "core/drift/vocabulary.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <set>
#include <sstream>

#include "tests/core/drift/drift_fixture.h"

namespace llmops {
namespace {

using test::splits;

TextTerms terms_of(const std::vector<std::string>& texts, bool pairs = false) {
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  return text_terms(views, pairs);
}

// Texts of `words` words w0, w1, ...: low numbers often, high ones rarely.
std::vector<std::string> random_texts(std::mt19937& random, size_t count, size_t words = 6) {
  std::vector<std::string> made;
  for (size_t i = 0; i < count; ++i) {
    std::string text;
    for (size_t w = 0; w < words; ++w) text += "w" + std::to_string(random() % (1 + random() % 40)) + " ";
    made.push_back(text);
  }
  return made;
}

// The words of a text, each as often as it stands there.
std::vector<std::string> words_of(const std::string& text) {
  std::istringstream in(text);
  return {std::istream_iterator<std::string>(in), {}};
}

// Monroe's z of every word in 5 texts under one split, and the largest, by counting each word anew.
double slow_largest(const std::vector<std::string>& texts, const std::vector<bool>& is_reference) {
  std::map<std::string, std::pair<double, double>> held;
  double n = 0, m = 0;
  for (size_t i = 0; i < texts.size(); ++i) {
    (is_reference[i] ? n : m) += 1;
    const auto words = words_of(texts[i]);
    for (const std::string& word : std::set<std::string>(words.begin(), words.end())) (is_reference[i] ? held[word].first : held[word].second) += 1;
  }
  double largest = 0;
  for (const auto& [word, counts] : held) {
    const auto [x, y] = counts;
    const double alpha = (x + y) / 4, alpha0 = (n + m) / 4;
    if (x + y < 5 || x + y == n + m) continue;
    const double odds1 = (x + alpha) / (n + alpha0 - x - alpha), odds2 = (y + alpha) / (m + alpha0 - y - alpha);
    const double variance = 1 / (x + alpha) + 1 / (n + alpha0 - x - alpha) + 1 / (y + alpha) + 1 / (m + alpha0 - y - alpha);
    largest = std::max(largest, std::fabs(std::log(odds2) - std::log(odds1)) / std::sqrt(variance));
  }
  return largest;
}

// Mean shares of words that no other reference text holds, current less reference, by looking every word up in every text.
double slow_new_words(const std::vector<std::vector<std::string>>& texts, const std::vector<bool>& is_reference) {
  double sums[2] = {0, 0}, counts[2] = {0, 0};
  for (size_t i = 0; i < texts.size(); ++i) {
    const std::vector<std::string>& words = texts[i];
    if (words.empty()) continue;
    double missing = 0;
    for (const std::string& word : words) {
      bool is_known = false;
      for (size_t j = 0; j < texts.size(); ++j) {
        if (j == i || !is_reference[j]) continue;
        for (const std::string& other : texts[j]) is_known |= other == word;
      }
      missing += !is_known;
    }
    sums[is_reference[i]] += missing / static_cast<double>(words.size());
    ++counts[is_reference[i]];
  }
  return (counts[0] > 0 ? sums[0] / counts[0] : 0) - (counts[1] > 0 ? sums[1] / counts[1] : 0);
}

std::vector<std::vector<std::string>> words_of_all(const std::vector<std::string>& texts) {
  std::vector<std::vector<std::string>> made;
  for (const std::string& text : texts) made.push_back(words_of(text));
  return made;
}

std::vector<bool> side(const Memberships& memberships, size_t column) {
  std::vector<bool> made;
  for (size_t i = 0; i < memberships.items(); ++i) made.push_back(memberships.is_reference(i, column));
  return made;
}

// A statistic under each of all splits of `items` with `reference` in the reference.
template <class Statistic>
std::vector<double> over_all_splits(size_t items, size_t reference, const Statistic& statistic) {
  std::vector<bool> is_reference(items);
  std::fill(is_reference.end() - static_cast<std::ptrdiff_t>(reference), is_reference.end(), true);
  std::vector<double> made;
  do made.push_back(statistic(is_reference));
  while (std::next_permutation(is_reference.begin(), is_reference.end()));
  return made;
}

}  // namespace

TEST_CASE("terms are words without their case, each text's with how often it stands there, and pairs of neighbours on request") {
  const TextTerms words = terms_of({"Where is my card?", "my card, MY card", ""});
  CHECK(words.terms == std::vector<std::string>{"card", "is", "my", "where"});
  CHECK(words.rows.offsets == std::vector<size_t>{0, 4, 6, 6});
  CHECK(words.rows.indices == std::vector<uint32_t>{0, 1, 2, 3, 0, 2});
  CHECK(words.rows.values == std::vector<float>{1, 1, 1, 1, 2, 2});
  CHECK(terms_of({"my card, MY card"}, true).terms == std::vector<std::string>{"card", "card my", "my", "my card"});
  CHECK(terms_of({}).terms.empty());
}

TEST_CASE("z is the log-odds ratio with the prior in its standard deviations") {
  // By awk from the formula: 2 of 10 against 7 of 12 texts.
  CHECK(log_odds_z(2, 10, 7, 12, 2.25, 5.5) == Approx(1.46222001863566).epsilon(1e-12));
  CHECK(log_odds_z(7, 12, 2, 10, 2.25, 5.5) == Approx(-1.46222001863566).epsilon(1e-12));
  CHECK(log_odds_z(3, 10, 3, 10, 1.5, 5) == Approx(0).margin(1e-15));
  // In all texts, and in none.
  CHECK((log_odds_z(10, 10, 12, 12, 5.5, 5.5) == 0 && log_odds_z(0, 10, 0, 12, 0, 5.5) == 0));
}

TEST_CASE("the largest change of a word and the share of new words are those of counting anew, under every split and for any number of threads") {
  std::mt19937 random(1);
  std::vector<std::string> texts = random_texts(random, 43);
  texts[3] = "";
  const std::vector<int64_t> blocks = [] {
    std::vector<int64_t> made;
    for (int64_t i = 0; i < 43; ++i) made.push_back(i < 20 ? i / 3 : 100 + i / 4);
    return made;
  }();
  PermutationPlan by_block;
  by_block.permutations = 100;
  by_block.blocks = blocks;
  for (const Memberships& memberships : {splits(43, 20, 150), *Memberships::make(43, 20, by_block)}) {
    const TextTerms terms = terms_of(texts);
    const auto each_word = words_of_all(texts);
    VocabularyOptions one, three;
    one.threads = 1;
    three.threads = 3;
    const auto vocabulary = vocabulary_test(terms, memberships, one);
    const auto words = new_words_test(terms, memberships, 1);
    REQUIRE((vocabulary && words));
    for (size_t c = 0; c < memberships.columns(); ++c) {
      CHECK(vocabulary->statistics[c] == Approx(slow_largest(texts, side(memberships, c))).epsilon(1e-12));
      CHECK(words->statistics[c] == Approx(slow_new_words(each_word, side(memberships, c))).margin(1e-12));
    }
    CHECK(vocabulary->statistics == vocabulary_test(terms, memberships, three)->statistics);
    CHECK(words->statistics == new_words_test(terms, memberships, 3)->statistics);
    CHECK(words->without_words == 1);
    CHECK((vocabulary->p_value == vocabulary->terms.front().p_adjusted && vocabulary->statistic == std::fabs(vocabulary->terms.front().z)));
    for (size_t k = 1; k < vocabulary->terms.size(); ++k) CHECK(vocabulary->terms[k].p_adjusted >= vocabulary->terms[k - 1].p_adjusted);
  }
}

TEST_CASE("p-values are those of all splits") {
  const std::vector<std::string> texts{"a b", "a b", "a c", "a c b", "a b", "a d c", "d c", "d b", "d c e", "d c"};
  constexpr size_t kPermutations = 20'000;
  const Memberships memberships = splits(10, 5, kPermutations);
  const auto exact = [](const std::vector<double>& all, double observed) { return static_cast<double>(std::count_if(all.begin(), all.end(), [&](double t) { return t >= observed - 1e-9; })) / static_cast<double>(all.size()); };
  const auto vocabulary = vocabulary_test(terms_of(texts), memberships);
  REQUIRE(vocabulary);
  const auto largest = over_all_splits(10, 5, [&](const std::vector<bool>& is_reference) { return slow_largest(texts, is_reference); });
  CHECK(largest.size() == 252);
  for (const TermChange& one : vocabulary->terms) {
    INFO(one.term);
    const double p = exact(largest, std::fabs(one.z));
    CHECK(std::fabs(one.p_adjusted - p) < 4 * std::sqrt(p * (1 - p) / kPermutations) + 1e-4);
  }
  // d is in all of the second half and in none of the first.
  const TermChange& first = vocabulary->terms.front();
  CHECK((first.term == "d" && first.reference == 0 && first.current == 5 && first.is_new() && !first.is_vanished() && first.z > 0));
  const auto words = new_words_test(terms_of(texts), memberships);
  const auto differences = over_all_splits(10, 5, [each_word = words_of_all(texts)](const std::vector<bool>& is_reference) { return slow_new_words(each_word, is_reference); });
  const double p = exact(differences, words->statistic);
  CHECK(std::fabs(words->p_value - p) < 4 * std::sqrt(p * (1 - p) / kPermutations) + 1e-4);
}

TEST_CASE("words that come and go are named, and the rate of new words rises") {
  std::mt19937 random(2);
  std::vector<std::string> texts = random_texts(random, 120);
  for (size_t i = 0; i < 20; ++i) texts[i] += "Cheque";
  for (size_t i = 60; i < 75; ++i) texts[i] += "Guitar g" + std::to_string(i);
  const auto made = vocabulary_test(terms_of(texts), splits(120, 60, 499));
  REQUIRE(made);
  CHECK(made->p_value <= 0.01);
  CHECK((made->terms[0].term == "cheque" && made->terms[0].is_vanished() && made->terms[0].reference == 20 && made->terms[0].z < 0));
  CHECK((made->terms[1].term == "guitar" && made->terms[1].is_new() && made->terms[1].current == 15 && made->terms[1].z > 0 && made->terms[1].p_adjusted <= 0.01));
  CHECK(made->terms[2].p_adjusted > 0.05);
  CHECK(vocabulary_test(terms_of(texts, true), splits(120, 60, 499))->terms.size() > made->terms.size());
  const auto words = new_words_test(terms_of(texts), splits(120, 60, 499));
  REQUIRE(words);
  CHECK(words->p_value <= 0.01);
  CHECK(words->statistic == Approx(words->current - words->reference));
  // Two of eight words in a text of the first 15, none but by chance in the others.
  CHECK(words->texts[0] >= 0.25);
  CHECK(words->of_all_words >= 30.0 / 390);
}

TEST_CASE("both tests keep their level") {
  std::mt19937 random(3);
  int vocabulary = 0, words = 0;
  for (int run = 0; run < 200; ++run) {
    const TextTerms terms = terms_of(random_texts(random, 40));
    const Memberships memberships = splits(40, 24, 99, static_cast<uint64_t>(run));
    vocabulary += vocabulary_test(terms, memberships, {})->p_value <= 0.05;
    words += new_words_test(terms, memberships, 1)->p_value <= 0.05;
  }
  // 10 expected; the binomial exceeds 21 with a probability of 0.0006.
  CHECK(vocabulary <= 21);
  CHECK(words <= 21);
}

TEST_CASE("texts that are all the same have not changed, and too few are told") {
  const std::vector<std::string> same(20, "where is my card");
  const auto vocabulary = vocabulary_test(terms_of(same), splits(20, 10, 99));
  const auto words = new_words_test(terms_of(same), splits(20, 10, 99));
  CHECK((vocabulary->p_value == 1 && vocabulary->statistic == 0 && vocabulary->terms.size() == 4));
  CHECK((words->p_value == 1 && words->current == 0 && words->reference == 0));
  CHECK(vocabulary_test(terms_of(std::vector<std::string>(10, "a")), splits(10, 4, 9)).error().message == "4 and 6 texts are too few: at least 5 are needed on each side");
  CHECK(vocabulary_test(terms_of({"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"}), splits(10, 5, 9)).error().message == "no word stands in 5 of the 10 texts");
  CHECK(vocabulary_test(terms_of(same), splits(10, 5, 9)).error().message == "the words of 20 texts do not fit splits of 10");
  CHECK(new_words_test(terms_of({"a", "b", "", "?"}), splits(4, 2, 9)).error().message == "a sample holds no text with a word");
  CancelToken cancel;
  cancel.cancel();
  CHECK(new_words_test(terms_of(same), splits(20, 10, 9), 1, cancel).error().code == ErrorCode::kInterrupted);
}

TEST_CASE("terms are ranked by the weights of the texts that hold them") {
  const TextTerms terms = terms_of({"my oven", "my oven burns", "my card", "my card", "my card", "my pin"});
  const std::vector<double> weights{0.5, 0.25, -0.125, 0, 0.0625, 0};
  const auto made = weighted_log_odds(terms, weights);
  REQUIRE(made.size() == 3);
  CHECK((made[0].term == "oven" && made[0].texts == 2 && made[0].share == 0.75 && made[0].z > 0));
  CHECK((made[1].term == "my" && made[1].texts == 6 && made[1].share == 0.6875 && made[1].z == 0));
  CHECK((made[2].term == "card" && made[2].texts == 3 && made[2].share == -0.0625 && made[2].z < 0));
  for (const WeightedTerm& one : weighted_log_odds(terms, std::vector<double>(6, 0.1), 1)) CHECK(one.z == Approx(0).margin(1e-12));
  CHECK(weighted_log_odds(terms, std::vector<double>(6, 0.0)).empty());
}

}  // namespace llmops
