// contains and regex: what a text must hold. Regular expressions are RE2's, whose time is linear in the text: a pattern
// cannot hang an evaluation, and there is no look-around and no back-reference.
#include <fmt/format.h>
#include <re2/re2.h>

#include "core/eval/metrics/kinds.h"
#include "core/eval/metrics/normalize.h"
#include "core/eval/metrics/scoring.h"

namespace llmops {
namespace {

class Contains : public Metric {
 public:
  Contains(Normalization normalization, bool any) : normalization_(normalization), any_(any) {}
  Result<MetricScore> score(const MetricInput& input) const override {
    LLMOPS_ASSIGN(std::string text, scored_text(input, "contains"));
    LLMOPS_ASSIGN(const std::vector<std::string> values, scored_texts(input, "value"));
    text = normalization_.apply(text);
    Json missing = Json::array();
    for (const std::string& value : values) {
      if (text.find(normalization_.apply(value)) == std::string::npos) missing.push_back(value);
    }
    const bool passed = any_ ? missing.size() < values.size() : missing.empty();
    std::string names;
    for (const Json& value : missing) names += (names.empty() ? "" : ", ") + shown_text(value.get_ref<const std::string&>());
    MetricScore score = rate_score(passed, (any_ && values.size() > 1 ? "contains none of " : "does not contain ") + names);
    if (!missing.empty()) score.detail = Json{{"missing", std::move(missing)}};
    return score;
  }

 private:
  Normalization normalization_;
  bool any_;
};

Result<std::unique_ptr<const RE2>> compile(const std::string& pattern, ErrorCode code) {
  RE2::Options options;
  options.set_log_errors(false);
  auto compiled = std::make_unique<const RE2>(pattern, options);
  if (!compiled->ok()) {
    return Error(code, fmt::format("regex {} does not compile: {}", shown_text(pattern), compiled->error()), "use RE2 syntax, which has no look-around and no back-references");
  }
  return compiled;
}

class Regex : public Metric {
 public:
  // compiled: null when the pattern is known per case only.
  Regex(std::unique_ptr<const RE2> compiled, bool full) : compiled_(std::move(compiled)), full_(full) {}
  Result<MetricScore> score(const MetricInput& input) const override {
    LLMOPS_ASSIGN(const std::string text, scored_text(input, "regex"));
    const RE2* pattern = compiled_.get();
    std::unique_ptr<const RE2> own;
    if (pattern == nullptr) {
      LLMOPS_ASSIGN(const Json* value, scored_parameter(input, "pattern"));
      if (!value->is_string()) return Error(ErrorCode::kData, fmt::format("'pattern' needs text, got {}", json_type_word(*value)));
      LLMOPS_ASSIGN(own, compile(value->get<std::string>(), ErrorCode::kData));
      pattern = own.get();
    }
    const bool matched = full_ ? RE2::FullMatch(text, *pattern) : RE2::PartialMatch(text, *pattern);
    return rate_score(matched, fmt::format("{} does not match {}", shown_text(text), shown_text(pattern->pattern())));
  }

 private:
  std::unique_ptr<const RE2> compiled_;
  bool full_;
};

Result<std::unique_ptr<Metric>> make_contains(const MetricBuild& build) {
  LLMOPS_ASSIGN(const Normalization normalization, parse_normalization(*build.params));
  if (const auto value = build.params->find("value"); value != build.params->end() && *value == "") {
    return Error(ErrorCode::kConfig, "'value' is empty, and every text holds the empty one", "write the text to look for");
  }
  LLMOPS_ASSIGN(const std::string mode, choice_parameter(*build.params, "contains", "mode", {"all", "any"}));
  return std::unique_ptr<Metric>(std::make_unique<Contains>(normalization, mode == "any"));
}

Result<std::unique_ptr<Metric>> make_regex(const MetricBuild& build) {
  LLMOPS_ASSIGN(const std::string match, choice_parameter(*build.params, "regex", "match", {"search", "full"}));
  std::unique_ptr<const RE2> compiled;
  const auto pattern = build.params->find("pattern");
  if (pattern != build.params->end() && !holds_template(*pattern)) {
    if (!pattern->is_string()) return Error(ErrorCode::kConfig, fmt::format("'pattern' must be text, got {}", json_type_word(*pattern)), "put it in quotes");
    LLMOPS_ASSIGN(compiled, compile(pattern->get<std::string>(), ErrorCode::kConfig));
  }
  return std::unique_ptr<Metric>(std::make_unique<Regex>(std::move(compiled), match == "full"));
}

std::string choice_name(const Json& params, const char* name, const char* otherwise) {
  const auto found = params.find(name);
  return found == params.end() ? otherwise : json_to_text(*found);
}

constexpr MetricParameter kContainsParameters[] = {
    {"value", "text or list", true, "", "a text, or a list of texts"},
    {"mode", "text", false, "all", "all: every text of the list must be there; any: one is enough"},
    {"normalize", "list of text", false, "[]", "any of case, space, punctuation, articles, applied to both sides"}};
constexpr MetricParameter kRegexParameters[] = {{"pattern", "text", true, "", "a regular expression in RE2 syntax"},
                                                {"match", "text", false, "search", "search: anywhere in the text; full: the whole text"}};

}  // namespace

const MetricKind kContainsKind{"contains", "the target holds a text, or all or any of several", "substring of the UTF-8 bytes", "0 or 1", MetricDirection::kHigher,
                               true, false, kContainsParameters, [](const Json& params) {
                                 return fmt::format("contains|mode:{}|normalize:{}|v:1", choice_name(params, "mode", "all"), normalization_name(params));
                               }, make_contains};

const MetricKind kRegexKind{"regex", "the target matches a regular expression", "RE2 syntax, https://github.com/google/re2/wiki/Syntax", "0 or 1",
                            MetricDirection::kHigher, true, false, kRegexParameters,
                            [](const Json& params) { return fmt::format("regex|re2|match:{}|v:1", choice_name(params, "match", "search")); }, make_regex};

}  // namespace llmops
