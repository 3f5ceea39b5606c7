#include "commands/eval/error_tally.h"

#include <algorithm>

namespace llmops {

void ErrorTally::add(const CaseRecord& record) {
  // What failed inside a step (a tool that an agent called, a step of a called chain) is an error of the case only if the step failed too.
  for (const SpanRecord& span : record.spans) {
    if (!span.skipped && span.parent < 0 && !span.error_code.empty()) count(span.step, span.error_code, span.error_message, record);
  }
  if (!record.error_code.empty()) {
    if (record.error_step.empty()) count("output", record.error_code, record.error_message, record);
    return;
  }
  for (const ScoreRecord& score : record.scores) if (!score.error.empty()) count(score.metric, "no_score", score.error, record);
}

void ErrorTally::count(const std::string& step, const std::string& code, const std::string& message, const CaseRecord& record) {
  ++total_;
  const std::pair<int64_t, int> at{record.ordinal, record.repeat};
  Group& group = groups_[{step, code}];
  const int64_t before = group.group.count;
  if (before == 0 || at < group.first) group = {{step, code, message, record.case_id, before}, at};
  ++group.group.count;
}

std::vector<ErrorGroup> ErrorTally::groups() const {
  std::vector<ErrorGroup> sorted;
  for (const auto& [key, group] : groups_) sorted.push_back(group.group);
  std::stable_sort(sorted.begin(), sorted.end(), [](const ErrorGroup& a, const ErrorGroup& b) { return a.count > b.count; });
  return sorted;
}

}  // namespace llmops
