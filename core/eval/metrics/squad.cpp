// exact_match and token_f1 of SQuAD (Rajpurkar et al. 2016, arXiv:1606.05250): the best over the references, of texts
// normalised as in evaluate-v1.1.py. Where both texts are empty after that, F1 is 1 and with one empty 0, as in
// evaluate-v2.0.py; version 1.1 gives 0 to both.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "core/eval/metrics/kinds.h"
#include "core/eval/metrics/normalize.h"
#include "core/eval/metrics/scoring.h"

namespace llmops {
namespace {

double token_f1(const std::vector<std::string>& prediction, const std::vector<std::string>& reference) {
  if (prediction.empty() || reference.empty()) return prediction.empty() && reference.empty() ? 1 : 0;
  std::map<std::string_view, int64_t> left;
  for (const std::string& token : reference) ++left[token];
  int64_t same = 0;
  for (const std::string& token : prediction) {
    const auto found = left.find(token);
    if (found != left.end() && found->second-- > 0) ++same;
  }
  if (same == 0) return 0;
  const double precision = static_cast<double>(same) / static_cast<double>(prediction.size());
  const double recall = static_cast<double>(same) / static_cast<double>(reference.size());
  return 2 * precision * recall / (precision + recall);
}

std::string expected_words(const std::vector<std::string>& references) {
  return references.size() == 1 ? shown_text(references[0]) : fmt::format("one of {} references, first {}", references.size(), shown_text(references[0]));
}

class ExactMatch : public Metric {
 public:
  Result<MetricScore> score(const MetricInput& input) const override {
    LLMOPS_ASSIGN(const std::string text, scored_text(input, "exact_match"));
    LLMOPS_ASSIGN(const std::vector<std::string> references, scored_texts(input, "references"));
    const std::string answer = squad_normalize(text);
    const bool matched = std::any_of(references.begin(), references.end(), [&](const std::string& r) { return squad_normalize(r) == answer; });
    return rate_score(matched, fmt::format("expected {}, got {}", expected_words(references), shown_text(text)));
  }
};

class TokenF1 : public Metric {
 public:
  Result<MetricScore> score(const MetricInput& input) const override {
    LLMOPS_ASSIGN(const std::string text, scored_text(input, "token_f1"));
    LLMOPS_ASSIGN(const std::vector<std::string> references, scored_texts(input, "references"));
    const std::vector<std::string> answer = squad_tokens(text);
    double best = 0;
    for (const std::string& reference : references) best = std::max(best, token_f1(answer, squad_tokens(reference)));
    MetricScore score;
    score.value = best;
    if (best < 1) score.reason = fmt::format("expected {}, got {}", expected_words(references), shown_text(text));
    return score;
  }
};

constexpr MetricParameter kReferenceParameters[] = {{"references", "text or list", true, "", "a text, or a list of texts of which the best counts"}};

template <class Kind>
Result<std::unique_ptr<Metric>> make_plain(const MetricBuild&) { return std::unique_ptr<Metric>(std::make_unique<Kind>()); }

}  // namespace

const MetricKind kExactMatchKind{"exact_match", "the target is a reference, but for case, punctuation, articles and spacing",
                                 "SQuAD evaluate-v1.1, Rajpurkar et al. 2016, arXiv:1606.05250", "0 or 1", MetricDirection::kHigher, true, false, kReferenceParameters,
                                 [](const Json&) { return std::string("exact_match|norm:squad|refs:max|v:1"); }, make_plain<ExactMatch>};

const MetricKind kTokenF1Kind{"token_f1", "harmonic mean of precision and recall of the words shared with a reference",
                              "SQuAD evaluate-v1.1, Rajpurkar et al. 2016, arXiv:1606.05250; empty texts as in v2.0", "0 .. 1", MetricDirection::kHigher, false, false,
                              kReferenceParameters, [](const Json&) { return std::string("token_f1|norm:squad|refs:max|empty:1|v:1"); }, make_plain<TokenF1>};

}  // namespace llmops
