// equals and one_of: is the value the expected one. Numbers compare as numbers, lists and objects as JSON whatever the
// order of keys, a text with a number or bool by its written form.
#include <fmt/format.h>

#include "core/eval/metrics/kinds.h"
#include "core/eval/metrics/normalize.h"
#include "core/eval/metrics/scoring.h"

namespace llmops {
namespace {

bool same_value(const Json& target, const Json& expected, const Normalization& normalization) {
  const bool mixed_text = target.is_string() != expected.is_string() && (target.is_primitive() && expected.is_primitive()) &&
                          !target.is_null() && !expected.is_null();
  if (mixed_text) return normalization.apply(json_to_text(target)) == normalization.apply(json_to_text(expected));
  return json_equal(normalization.apply_to(target), normalization.apply_to(expected));
}

class Equals : public Metric {
 public:
  explicit Equals(Normalization normalization) : normalization_(normalization) {}
  Result<MetricScore> score(const MetricInput& input) const override {
    LLMOPS_ASSIGN(const Json* expected, scored_parameter(input, "expected"));
    // A case may expect null: then null is the right answer, not a missing one.
    if (expected->is_null() && input.target != nullptr && input.target->is_null()) return rate_score(true, "");
    LLMOPS_ASSIGN(const Json* target, scored_target(input));
    return rate_score(same_value(*target, *expected, normalization_), fmt::format("expected {}, got {}", shown_value(*expected), shown_value(*target)));
  }

 private:
  Normalization normalization_;
};

class OneOf : public Metric {
 public:
  explicit OneOf(Normalization normalization) : normalization_(normalization) {}
  Result<MetricScore> score(const MetricInput& input) const override {
    LLMOPS_ASSIGN(const Json* target, scored_target(input));
    LLMOPS_ASSIGN(const Json* values, scored_parameter(input, "values"));
    if (!values->is_array()) return Error(ErrorCode::kData, fmt::format("'values' must be a list, got {}", json_type_word(*values)));
    if (values->empty()) return Error(ErrorCode::kData, "'values' is an empty list");
    for (const Json& value : *values) {
      if (same_value(*target, value, normalization_)) return rate_score(true, "");
    }
    return rate_score(false, fmt::format("{} is none of {}", shown_value(*target), shown_value(*values)));
  }

 private:
  Normalization normalization_;
};

constexpr MetricParameter kNormalizeParameter{"normalize", "list of text", false, "[]",
                                              "any of case, space, punctuation, articles: what does not count as a difference"};
constexpr MetricParameter kEqualsParameters[] = {{"expected", "any", true, "", "the right value"}, kNormalizeParameter};
constexpr MetricParameter kOneOfParameters[] = {{"values", "list", true, "", "a list of right values"}, kNormalizeParameter};

template <class Kind>
Result<std::unique_ptr<Metric>> make_normalized(const MetricBuild& build) {
  LLMOPS_ASSIGN(const Normalization normalization, parse_normalization(*build.params));
  return std::unique_ptr<Metric>(std::make_unique<Kind>(normalization));
}

}  // namespace

const MetricKind kEqualsKind{
    "equals", "the target is the expected value", "RFC 8259 values; Unicode 15 case folding", "0 or 1", MetricDirection::kHigher, true, false, kEqualsParameters,
    [](const Json& params) { return fmt::format("equals|normalize:{}|v:1", normalization_name(params)); }, make_normalized<Equals>};

const MetricKind kOneOfKind{
    "one_of", "the target is one of the listed values", "RFC 8259 values; Unicode 15 case folding", "0 or 1", MetricDirection::kHigher, true, false, kOneOfParameters,
    [](const Json& params) { return fmt::format("one_of|normalize:{}|v:1", normalization_name(params)); }, make_normalized<OneOf>};

}  // namespace llmops
