#include "commands/monitor/feedback.h"

#include <charconv>
#include <cmath>
#include <unordered_map>

#include "core/base/json.h"

namespace llmops {
namespace {

std::optional<double> number_of(const Json& value) {
  std::optional<double> found;
  if (value.is_boolean()) found = value.get<bool>() ? 1.0 : 0.0;
  else if (value.is_number()) found = value.get<double>();
  else if (value.is_string()) {
    const std::string& text = value.get_ref<const std::string&>();
    double number = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
    if (!text.empty() && parsed.ec == std::errc() && parsed.ptr == text.data() + text.size()) found = number;
  }
  return found && std::isfinite(*found) ? found : std::nullopt;
}

}  // namespace

Result<std::vector<NumericScores>> numeric_scores(Store& store, const std::vector<StoredRecord>& records) {
  std::vector<NumericScores> own(records.size()), of_trace(records.size());
  std::unordered_map<std::string, std::vector<size_t>> by_trace;
  for (size_t i = 0; i < records.size(); ++i) by_trace[records[i].trace].push_back(i);
  const auto take = [&](const StoredScore& score) {
    const auto found = by_trace.find(score.trace);
    if (found == by_trace.end()) return true;
    const auto value = parse_json(score.value, "score");
    const std::optional<double> number = value ? number_of(*value) : std::nullopt;
    if (!number) return true;
    for (const size_t i : found->second) {
      if (score.span == records[i].span || (score.span.empty() && records[i].component.empty())) own[i][score.name] = *number;
      else if (records[i].component.empty()) of_trace[i].emplace(score.name, *number);
    }
    return true;
  };
  LLMOPS_CHECK(store.visit_scores(records.size() == 1 ? std::string_view(records.front().trace) : std::string_view(), take));
  for (size_t i = 0; i < records.size(); ++i) {
    own[i].insert(of_trace[i].begin(), of_trace[i].end());
    if (!records[i].scores) continue;
    const auto held = parse_json(*records[i].scores, "scores");
    if (!held || !held->is_object()) continue;
    for (const auto& [name, value] : held->items()) if (const auto number = number_of(value)) own[i].emplace(name, *number);
  }
  return own;
}

std::optional<std::string> most_used_score(const std::vector<NumericScores>& scores) {
  std::map<std::string, size_t> counts;
  for (const NumericScores& one : scores) for (const auto& [name, value] : one) ++counts[name];
  std::optional<std::string> most;
  for (const auto& [name, count] : counts) if (!most || count > counts[*most]) most = name;
  return most;
}

}  // namespace llmops
