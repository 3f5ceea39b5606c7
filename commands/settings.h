// The table of settings: one row each, read by the precedence rules, by `config`, by the schema and by the help.
#pragma once

#include <span>
#include <string_view>

#include "core/base/result.h"

namespace llmops {

struct SettingKind {
  const char* key;            // in config.yaml, dots descend
  const char* variable;       // of the environment
  const char* project_key;    // JSON pointer in llmops.yaml; null: not a matter of the project
  const char* default_text;   // null: none
  const char* help;
  bool (*is_valid)(std::string_view);
  const char* wanted;         // what a valid value is, for errors
};
std::span<const SettingKind> setting_kinds();
// Errors (kUsage): unknown, with did you mean.
Result<const SettingKind*> find_setting(std::string_view key);

}  // namespace llmops
