// The schemas of formats.md: few-shot {input, output}; task-dataset messages or {input, output}; preferences {prompt, chosen,
// rejected} as DPO reads them (Rafailov et al. 2023, arXiv:2305.18290): a pair with two equal replies has no gradient.
#include "core/data/kind_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "core/data/json_line.h"

namespace llmops {
namespace {

constexpr std::array<std::string_view, 6> kRoles{"system", "developer", "user", "assistant", "tool", "function"};

// False: missing or empty, and reported.
bool check_filled(const Row& row, std::string_view name, const RuleReport& report) {
  const Field* field = row.find(name);
  if (field == nullptr) {
    report(ProblemCode::kMissingField, fmt::format("has no '{}'", name));
    return false;
  }
  if (is_blank(*field)) report(ProblemCode::kEmptyField, fmt::format("has an empty '{}'", name));
  return !is_blank(*field);
}

std::string check_message(const Field& message, Row& parts, std::string& role) {
  if (message.type != ValueType::kObject || scan_json_object(message.raw, parts)) return "is no object";
  const Field* field = parts.find("role");
  if (field == nullptr || field->type != ValueType::kText) return "has no role";
  std::string scratch;
  role = field_text(*field, scratch);
  if (std::find(kRoles.begin(), kRoles.end(), role) == kRoles.end()) return fmt::format("has the unknown role '{}'", role.substr(0, 40));
  const Field* content = parts.find("content");
  if (parts.find("tool_calls") != nullptr && (content == nullptr || content->type == ValueType::kNull)) return {};
  if (content == nullptr) return "has no content";
  if (content->type != ValueType::kText && content->type != ValueType::kList) return "has content that is no text";
  return is_blank(*content) && parts.find("tool_calls") == nullptr ? "has empty content" : "";
}

void check_messages(const Field& field, bool wants_reply, const RuleReport& report) {
  if (field.type != ValueType::kList) return report(ProblemCode::kWrongType, fmt::format("has '{}' that is no list of messages", field.name));
  Row parts;
  std::string role;
  int number = 0;
  for_each_element(field.raw, [&](const Field& message) {
    ++number;
    if (const std::string what = check_message(message, parts, role); !what.empty()) {
      report(ProblemCode::kBadMessages, fmt::format("has '{}' whose message {} {}", field.name, number, what));
    }
  });
  if (wants_reply && number > 0 && role != "assistant") report(ProblemCode::kBadMessages, fmt::format("has '{}' that do not end with the assistant", field.name));
}

// Text, or a list of messages.
void check_turn(const Row& row, std::string_view name, const RuleReport& report) {
  if (!check_filled(row, name, report)) return;
  const Field& field = *row.find(name);
  if (field.type == ValueType::kText) return;
  check_messages(field, false, report);
}

void check_task_row(const Row& row, const RuleReport& report) {
  if (const Field* messages = row.find("messages"); messages != nullptr) {
    if (check_filled(row, "messages", report)) check_messages(*messages, true, report);
  } else if (row.find("input") == nullptr && row.find("output") == nullptr) {
    report(ProblemCode::kMissingField, "has neither 'messages' nor 'input' and 'output'");
  } else {
    check_filled(row, "input", report);
    check_filled(row, "output", report);
  }
}

void check_preference(const Row& row, const RuleReport& report) {
  check_turn(row, "prompt", report);
  check_turn(row, "chosen", report);
  check_turn(row, "rejected", report);
  const Field *chosen = row.find("chosen"), *rejected = row.find("rejected");
  if (chosen == nullptr || rejected == nullptr || is_blank(*chosen)) return;
  std::string a, b;
  if (field_text(*chosen, a) == field_text(*rejected, b)) report(ProblemCode::kSameReply, "has 'chosen' equal to 'rejected'");
}

}  // namespace

void check_required(const std::vector<std::string>& required, const Row& row, const RuleReport& report) {
  for (const std::string& name : required) check_filled(row, name, report);
}

void check_kind(DataKind kind, const Row& row, const RuleReport& report) {
  switch (kind) {
    case DataKind::kFewShot:
      check_filled(row, "input", report);
      check_filled(row, "output", report);
      return;
    case DataKind::kTaskDataset: return check_task_row(row, report);
    case DataKind::kPreferences: return check_preference(row, report);
    case DataKind::kCorpus:
      if (row.find("text") == nullptr || row.find("text")->type == ValueType::kText) check_filled(row, "text", report);
      else report(ProblemCode::kWrongType, "has a 'text' that is no text");
      return;
    case DataKind::kDataset:
    case DataKind::kGrounding:
    case DataKind::kConditioningPrompt: return;
  }
}

}  // namespace llmops
