// Weighted n-grams: counts by hand, weights by their formula.
#include "core/text/ngram_vectors.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <map>

namespace llmops {
namespace {

SparseRows counts(const std::vector<std::string_view>& texts, bool words, bool characters) {
  NgramOptions options;
  options.words = words;
  options.characters = characters;
  return ngram_counts(texts, options);
}

double total(const SparseRows& rows, size_t i) {
  double sum = 0;
  for (const float value : rows.row_values(i)) sum += value;
  return sum;
}

}  // namespace

TEST_CASE("words and pairs of words are counted, whatever their case") {
  const SparseRows rows = counts({"Where is my card", "where IS my card?", "card card card", ""}, true, false);
  REQUIRE(rows.rows() == 4);
  // Four words and three pairs.
  CHECK((rows.row_indices(0).size() == 7 && total(rows, 0) == 7));
  CHECK(std::equal(rows.row_indices(0).begin(), rows.row_indices(0).end(), rows.row_indices(1).begin(), rows.row_indices(1).end()));
  CHECK((rows.row_indices(2).size() == 2 && total(rows, 2) == 5));
  CHECK(rows.row_indices(3).empty());
}

TEST_CASE("runs of characters are taken within words, by characters and not by bytes") {
  // " ab ": " ab", "ab ", " ab ".
  CHECK(counts({"ab"}, false, true).row_indices(0).size() == 3);
  CHECK(counts({"äö"}, false, true).row_indices(0).size() == 3);
  CHECK(counts({"a"}, false, true).row_indices(0).size() == 1);
}

TEST_CASE("weights are those of the formula, and rows have length 1") {
  SparseRows rows = counts({"a b", "a a", "c"}, true, false);
  const std::vector<float> idf = inverse_document_frequencies(rows);
  const uint32_t a = counts({"a"}, true, false).indices[0], c = counts({"c"}, true, false).indices[0];
  CHECK(idf[a] == Approx(std::log(4.0 / 3) + 1));
  CHECK(idf[c] == Approx(std::log(4.0 / 2) + 1));
  weigh(rows, idf);
  for (size_t i = 0; i < 3; ++i) CHECK(rows.dot(i, i) == Approx(1).epsilon(1e-6));
  CHECK(rows.dot(0, 2) == 0);
  // "a a": a twice and the pair "a a" once.
  const double of_a = (1 + std::log(2.0)) * (std::log(4.0 / 3) + 1), of_pair = std::log(4.0 / 2) + 1;
  for (size_t k = 0; k < 2; ++k) if (rows.row_indices(1)[k] == a) CHECK(rows.row_values(1)[k] == Approx(of_a / std::hypot(of_a, of_pair)).epsilon(1e-6));
}

}  // namespace llmops
