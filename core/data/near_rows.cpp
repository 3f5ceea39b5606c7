#include "core/data/near_rows.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/data/word_edits.h"

namespace llmops {
namespace {

constexpr double kRounding = 1e-9;       // of thresholds such as 2/3

}  // namespace

std::string_view near_measure_name(NearMeasure measure) { return measure == NearMeasure::kWordEdits ? "word_edits" : "jaccard"; }

NearOptions near_options_for(uint64_t median_words) {
  NearOptions options;
  if (median_words < 50) return options;
  options.shingling.size = 5;
  options.measure = NearMeasure::kJaccard;
  options.threshold = 0.7;
  return options;
}

Status check_near_options(const NearOptions& options) {
  const auto refuse = [](std::string message, std::string hint) { return Error(ErrorCode::kUsage, std::move(message), std::move(hint)); };
  if (!(options.threshold > 0 && options.threshold <= 1)) return refuse(fmt::format("threshold {} is not between 0 and 1", options.threshold), "give a similarity such as 0.7");
  if (!(options.recall > 0 && options.recall < 1)) return refuse(fmt::format("recall {} is not between 0 and 1", options.recall), "give a probability such as 0.97");
  if (options.shingling.size < 1) return refuse(fmt::format("shingles of {} are too short", options.shingling.size), "give 1 or more");
  if (options.measure == NearMeasure::kWordEdits && (options.shingling.unit != ShingleUnit::kWords || options.shingling.size != 1)) {
    return refuse("word edits are counted over single words", "ask for the Jaccard similarity with these shingles");
  }
  return {};
}

double candidate_similarity(const NearOptions& options) {
  return options.measure == NearMeasure::kJaccard ? options.threshold : options.threshold / (2 - options.threshold);
}

// kJaccard: the bag. kWordEdits: the bag, the words unless there are too many, and a last number that tells which.
void NearEncoder::encode(std::string_view normal, std::vector<uint32_t>& row) {
  shingler_.shingle(normal, row, with_order_ ? &sequence_ : nullptr);
  if (!with_order_ || row.empty()) return;
  const bool keeps_order = sequence_.size() <= kMostEditedWords;
  if (keeps_order) row.insert(row.end(), sequence_.begin(), sequence_.end());
  row.push_back(keeps_order ? 1 : 0);
}

NearRows::Parts NearRows::decode(uint32_t number) const {
  const auto numbers = store_[rows_[number]];
  if (options_.measure == NearMeasure::kJaccard) return {numbers, {}};
  const auto texts = numbers.first(numbers.size() - 1);
  if (numbers.back() == 0) return {texts, {}};
  return {texts.first(texts.size() / 2), texts.subspan(texts.size() / 2)};
}

NearSketch NearRows::sketch(uint32_t number) const {
  NearSketch sketch;
  const auto shingles = bag(number);
  sketch.size = static_cast<uint32_t>(shingles.size());
  for (const uint32_t shingle : shingles) sketch.bits[shingle >> 6 & 1] |= uint64_t{1} << (shingle & 63);
  return sketch;
}

float NearRows::similarity(uint32_t a, uint32_t b) const {
  const Parts one = decode(a), other = decode(b);
  if (one.words.empty() || other.words.empty()) {
    const double common = jaccard(one.bag, other.bag);
    return common >= options_.threshold - kRounding ? static_cast<float>(common) : 0;
  }
  const auto longer = static_cast<double>(std::max(one.words.size(), other.words.size()));
  const auto limit = static_cast<size_t>((1 - options_.threshold) * longer + kRounding);
  const size_t edits = word_edits(one.words, other.words, limit);
  return edits > limit ? 0 : static_cast<float>(1 - static_cast<double>(edits) / longer);
}

}  // namespace llmops
