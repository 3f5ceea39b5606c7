// latency, cost and tokens: what the step or the case cost, as measured. What was not measured or has no known price is
// unknown, never 0.
#include <fmt/format.h>

#include "core/eval/metrics/kinds.h"
#include "core/eval/metrics/scoring.h"

namespace llmops {
namespace {

MetricScore known_or(std::optional<double> value, const char* reason) {
  MetricScore score;
  score.value = value;
  if (!value) score.reason = reason;
  return score;
}

class Latency : public Metric {
 public:
  Result<MetricScore> score(const MetricInput& input) const override {
    return known_or(input.measured == nullptr ? std::nullopt : input.measured->latency_ms, "latency was not measured");
  }
};

class Cost : public Metric {
 public:
  Result<MetricScore> score(const MetricInput& input) const override {
    return known_or(input.measured == nullptr ? std::nullopt : input.measured->cost_usd, "the price or the token counts are unknown");
  }
};

class Tokens : public Metric {
 public:
  enum class Which { kTotal, kInput, kOutput };
  explicit Tokens(Which which) : which_(which) {}
  Result<MetricScore> score(const MetricInput& input) const override {
    constexpr const char* kUnknown = "the provider reported no token counts";
    if (input.measured == nullptr) return known_or(std::nullopt, kUnknown);
    const Measured& measured = *input.measured;
    if (which_ == Which::kInput) return known_or(measured.input_tokens, kUnknown);
    if (which_ == Which::kOutput) return known_or(measured.output_tokens, kUnknown);
    if (!measured.input_tokens || !measured.output_tokens) return known_or(std::nullopt, kUnknown);
    return known_or(*measured.input_tokens + *measured.output_tokens, "");
  }

 private:
  Which which_;
};

Result<std::unique_ptr<Metric>> make_tokens(const MetricBuild& build) {
  LLMOPS_ASSIGN(const std::string which, choice_parameter(*build.params, "tokens", "which", {"total", "input", "output"}));
  const auto kind = which == "input" ? Tokens::Which::kInput : which == "output" ? Tokens::Which::kOutput : Tokens::Which::kTotal;
  return std::unique_ptr<Metric>(std::make_unique<Tokens>(kind));
}

template <class Kind>
Result<std::unique_ptr<Metric>> make_plain(const MetricBuild&) { return std::unique_ptr<Metric>(std::make_unique<Kind>()); }

constexpr MetricParameter kTokensParameters[] = {{"which", "text", false, "total", "total, input or output"}};

}  // namespace

const MetricKind kLatencyKind{"latency", "time of the step, or of the whole case", "wall clock, by definition", "ms, 0 or more", MetricDirection::kLower, false, true,
                              {}, [](const Json&) { return std::string("latency|unit:ms|v:1"); }, make_plain<Latency>};

const MetricKind kCostKind{"cost", "price of the tokens used", "tokens x price per million, by definition", "USD, 0 or more", MetricDirection::kLower, false, true,
                           {}, [](const Json&) { return std::string("cost|unit:usd|v:1"); }, make_plain<Cost>};

const MetricKind kTokensKind{"tokens", "tokens used, as the provider counts them", "the provider's usage report", "tokens, 0 or more", MetricDirection::kLower, false, true,
                             kTokensParameters, [](const Json& params) {
                               const auto which = params.find("which");
                               return fmt::format("tokens|which:{}|v:1", which == params.end() ? "total" : json_to_text(*which));
                             }, make_tokens};

}  // namespace llmops
