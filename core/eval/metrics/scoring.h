// What every kind of metric does with its target and parameters: the same words for the same mistakes.
#pragma once

#include <string>
#include <string_view>

#include "core/eval/metric.h"

namespace llmops {

// "null", "a bool", "a number", "text", "a list", "an object".
std::string_view json_type_word(const Json& value);

// Errors (kData): "target is null".
Result<const Json*> scored_target(const MetricInput& input);
// The target as text: numbers and bools in their JSON form. Errors (kData): null; "'contains' needs text, got a list".
Result<std::string> scored_text(const MetricInput& input, const char* type);
// Errors (kData): "'expected' is missing".
Result<const Json*> scored_parameter(const MetricInput& input, const char* name);
// A text parameter, or a list of them, as texts. Errors (kData): missing, empty list, null, a list or object inside.
Result<std::vector<std::string>> scored_texts(const MetricInput& input, const char* name);

// A value for a reason: text in single quotes with control characters escaped, cut to 80 columns; else JSON, cut.
std::string shown_value(const Json& value);
std::string shown_text(std::string_view text);

MetricScore rate_score(bool passed, std::string reason_if_not);

// A literal parameter that must be one of `names` ("search", "full"); absent gives the first. Errors (kConfig).
Result<std::string> choice_parameter(const Json& params, const char* type, const char* name, const std::vector<std::string>& names);

// Whether a parameter still holds a template, so that its value is known per case only.
bool holds_template(const Json& value);

}  // namespace llmops
