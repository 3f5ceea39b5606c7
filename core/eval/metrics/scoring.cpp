// Targets, parameters and reasons as all metrics treat them. An Error here means "no score for this case"; a wrong answer
// never comes this way.
#include "core/eval/metrics/scoring.h"

#include <fmt/format.h>

#include "core/text/unicode.h"

namespace llmops {

std::string_view json_type_word(const Json& value) {
  if (value.is_null()) return "null";
  if (value.is_boolean()) return "a bool";
  if (value.is_number()) return "a number";
  if (value.is_string()) return "text";
  return value.is_array() ? "a list" : "an object";
}

Result<const Json*> scored_target(const MetricInput& input) {
  if (input.target == nullptr || input.target->is_null()) return Error(ErrorCode::kData, "target is null");
  return input.target;
}

Result<std::string> scored_text(const MetricInput& input, const char* type) {
  LLMOPS_ASSIGN(const Json* target, scored_target(input));
  if (target->is_structured()) return Error(ErrorCode::kData, fmt::format("'{}' needs text, got {}", type, json_type_word(*target)));
  return json_to_text(*target);
}

Result<const Json*> scored_parameter(const MetricInput& input, const char* name) {
  if (input.params != nullptr && input.params->is_object()) {
    const auto found = input.params->find(name);
    if (found != input.params->end()) return &*found;
  }
  return Error(ErrorCode::kData, fmt::format("'{}' is missing", name));
}

Result<std::vector<std::string>> scored_texts(const MetricInput& input, const char* name) {
  LLMOPS_ASSIGN(const Json* value, scored_parameter(input, name));
  std::vector<std::string> texts;
  const auto add = [&](const Json& item) -> Status {
    if (item.is_null() || item.is_structured()) return Error(ErrorCode::kData, fmt::format("'{}' needs text, got {}", name, json_type_word(item)));
    texts.push_back(json_to_text(item));
    return {};
  };
  if (!value->is_array()) {
    LLMOPS_CHECK(add(*value));
    return texts;
  }
  for (const Json& item : *value) LLMOPS_CHECK(add(item));
  if (texts.empty()) return Error(ErrorCode::kData, fmt::format("'{}' is an empty list", name));
  return texts;
}

namespace {

constexpr int kShownColumns = 80;

}  // namespace

std::string shown_text(std::string_view text) {
  // Enough bytes for 80 columns of any script; the rest is not worth escaping.
  std::string escaped;
  for (const char c : text.substr(0, 1024)) {
    if (c == '\n') escaped += "\\n";
    else if (c == '\t') escaped += "\\t";
    else escaped += c;
  }
  return "'" + truncate_to_width(escape_control(replace_invalid_utf8(escaped)), kShownColumns) + "'";
}

std::string shown_value(const Json& value) {
  if (value.is_string()) return shown_text(value.get_ref<const std::string&>());
  if (value.is_number_float()) return fmt::format("{}", value.get<double>());
  return truncate_to_width(escape_control(dump_json(value)), kShownColumns);
}

MetricScore rate_score(bool passed, std::string reason_if_not) {
  MetricScore score;
  score.value = passed ? 1 : 0;
  if (!passed) score.reason = std::move(reason_if_not);
  return score;
}

Result<std::string> choice_parameter(const Json& params, const char* type, const char* name, const std::vector<std::string>& names) {
  const auto found = params.find(name);
  if (found == params.end()) return names.front();
  for (const std::string& known : names) {
    if (*found == known) return known;
  }
  const std::string text = json_to_text(*found);
  return Error(ErrorCode::kConfig, fmt::format("'{}' of '{}' cannot be '{}'", name, type, text), did_you_mean(text, names));
}

bool holds_template(const Json& value) {
  if (value.is_string()) {
    const std::string& text = value.get_ref<const std::string&>();
    return text.find("{{") != std::string::npos || text.find("{%") != std::string::npos;
  }
  if (!value.is_structured()) return false;
  for (const Json& item : value) {
    if (holds_template(item)) return true;
  }
  return false;
}

}  // namespace llmops
