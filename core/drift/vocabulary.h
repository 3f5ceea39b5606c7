// Which words came and went between two samples of texts, and how much of a sample was never said before.
//
// The largest of all word-by-word differences, held against the largest of the same words under other splits, names the words that moved; it needs a word that many texts share. A change of many rare words (other subjects, one text each) shows in
// the rate of new words instead. 300 banking prompts against 300 of which 10 % are of other domains (banking77, CLINC150; 199 splits, level .05): found in 8 of 100 runs by the first, in 87 by the second. Ways of spelling are words too.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/cancel.h"
#include "core/base/result.h"
#include "core/drift/permutations.h"
#include "core/text/ngram_vectors.h"

namespace llmops {

// The words of texts (split_words, case folded; with `pairs`, also two neighbours joined by a space), in the order of their bytes. Row i: which stand in text i, and how often each.
struct TextTerms { std::vector<std::string> terms; SparseRows rows; };
TextTerms text_terms(std::span<const std::string_view> texts, bool pairs = false);

struct VocabularyOptions {
  size_t least_texts = 5;            // of the pool, that hold a term: what is rarer is not tested
  double prior = 0.25;               // the prior counts as so many texts for each text of the pool
  size_t threads = 0;
  CancelToken cancel;
};

// The log-odds ratio of two proportions with an informative prior (Monroe, Colaresi & Quinn 2008, "Fightin' Words", equations 16 and 20, of texts that hold a term instead of times that it stands there), in its standard deviations:
//   a = y + alpha, b = n - y + alpha0 - alpha on each side,   z = (ln(a2 / b2) - ln(a1 / b1)) / sqrt(1/a1 + 1/b1 + 1/a2 + 1/b2)
// Above 0: more in the second. 0 where the term stands in none or in all. Precondition: y <= n on each side, 0 <= alpha <= alpha0.
double log_odds_z(double first, double first_texts, double second, double second_texts, double alpha, double alpha0);

struct TermChange {
  std::string term;
  size_t reference = 0, current = 0;                    // texts that hold it
  double z = 0, p_adjusted = 1;                         // above 0: more in the current sample
  bool is_new() const { return reference == 0; }
  bool is_vanished() const { return current == 0; }
};
struct VocabularyTest {
  double statistic = 0, p_value = 1;                    // largest |z|, and the p-value that not one term changed
  size_t permutations = 0;
  std::vector<double> statistics;                       // largest |z| of each split, the observed first
  std::vector<TermChange> terms;                        // all that were tested, by |z|, the largest first
};
// z of each term with alpha = prior times the texts of the pool that hold it, and alpha0 = prior times all texts. Adjusted p: the share of splits whose largest |z| reaches the term's (single-step max-T, Westfall & Young 1993), so that the
// chance of naming any term when nothing changed is at most alpha, however many there are and however they go together. The terms and the prior do not know the sides: exact for any splits that `memberships` allows.
// Errors: kData: fewer than 5 texts on a side, no term in `least_texts` texts; kInterrupted. Cost: texts' distinct terms times splits / 64 bit operations (some 20), and a logarithm for each term and split.
Result<VocabularyTest> vocabulary_test(const TextTerms& pooled, const Memberships& memberships, const VocabularyOptions& options = {});

struct NewWordsTest {
  double reference = 0, current = 0;                    // mean over the texts of the share of their words (each as often as it stands there) that no other reference text holds
  double of_all_words = 0;                              // the same share of all words of the current texts together
  double statistic = 0, p_value = 1;                    // current less reference, one-sided
  size_t permutations = 0, without_words = 0;           // texts without a word, which are left out
  std::vector<double> statistics;
  std::vector<double> texts;                            // the share of each current text; 0 of one without words
};
// Out-of-vocabulary rate. A reference text is looked up in the other reference texts and a current one in all of them, under every split anew: the same rule on both sides, so the test is exact at its level, and the reference's own rate (which
// rare names keep above 0 for ever) is what the current one is held against. Precondition: terms are words alone. Errors: kData: a sample without a text that holds a word; kInterrupted. Cost: as vocabulary_test, and an addition for each word
// that is out of the vocabulary and each split.
Result<NewWordsTest> new_words_test(const TextTerms& pooled, const Memberships& memberships, size_t threads = 0, const CancelToken& cancel = {});

struct WeightedTerm {
  std::string term;
  size_t texts = 0;                                     // that hold it
  double share = 0;                                     // sum of the weights of these
  double z = 0;                                         // above 0: more among the texts of weight than among all
};
// Terms in at least `least_texts` texts by how much of `weights` (one for each text, such as its share of the statistic in mmd_shares) goes with them, the largest z first. z: log_odds_z of all texts against the same texts drawn by weight, where
// the weighted sample counts as (sum w)^2 / sum w^2 texts (Kish 1965) and negative weights as 0. It ranks; it is no test, because the weights were made from the same texts. Empty where no weight is above 0.
std::vector<WeightedTerm> weighted_log_odds(const TextTerms& texts, std::span<const double> weights, size_t least_texts = 2, double prior = 0.25);

}  // namespace llmops
