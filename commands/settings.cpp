#include "commands/settings.h"

#include <charconv>
#include <fmt/format.h>
#include <string>
#include <vector>

namespace llmops {
namespace {

bool is_any(std::string_view) { return true; }
bool is_whole_number(std::string_view text) {
  int64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  return parsed.ec == std::errc() && parsed.ptr == text.data() + text.size() && value >= 0 && value <= 1'000'000'000'000;
}
bool is_jobs(std::string_view text) {
  int value = 0;
  return is_whole_number(text) && std::from_chars(text.data(), text.data() + text.size(), value).ec == std::errc() && value >= 1 && value <= 4096;
}
bool is_small_number(std::string_view text) { return is_whole_number(text) && text.size() <= 6; }
bool is_color(std::string_view text) { return text == "auto" || text == "always" || text == "never"; }
bool is_capture(std::string_view text) { return text == "full" || text == "redacted" || text == "hash"; }
bool is_switch(std::string_view text) { return text == "0" || text == "1" || text == "true" || text == "false"; }

constexpr SettingKind kSettings[] = {
    {"author.name", "LLMOPS_AUTHOR_NAME", nullptr, nullptr, "name on versions and labels", is_any, "text"},
    {"author.email", "LLMOPS_AUTHOR_EMAIL", nullptr, nullptr, "address on versions and labels", is_any, "text"},
    {"capture", "LLMOPS_CAPTURE", "/capture", "full", "what traces keep of prompts and outputs", is_capture, "full, redacted or hash"},
    {"color", "LLMOPS_COLOR", nullptr, "auto", "colour on a terminal", is_color, "auto, always or never"},
    {"jobs", "LLMOPS_JOBS", nullptr, "16", "cases at once (-j)", is_jobs, "a whole number from 1 to 4096"},
    {"lock_timeout_s", "LLMOPS_LOCK_TIMEOUT", nullptr, "10", "seconds to wait for another process", is_small_number, "a whole number up to 999999"},
    {"offline", "LLMOPS_OFFLINE", nullptr, "0", "refuse every address but this machine's", is_switch, "0 or 1"},
    {"retries", "LLMOPS_RETRIES", nullptr, "4", "tries after the first, per call", is_small_number, "a whole number up to 999999"},
    {"seed", "LLMOPS_SEED", nullptr, "0", "seed of everything that draws", is_whole_number, "a whole number"},
    {"suite", "LLMOPS_SUITE", "/suite", nullptr, "the suite when none is named", is_any, "a path"},
};

}  // namespace

std::span<const SettingKind> setting_kinds() { return kSettings; }

Result<const SettingKind*> find_setting(std::string_view key) {
  std::vector<std::string> names;
  for (const SettingKind& kind : kSettings) {
    if (key == kind.key) return &kind;
    names.emplace_back(kind.key);
  }
  return Error(ErrorCode::kUsage, fmt::format("unknown setting '{}'", key), did_you_mean(key, names));
}

}  // namespace llmops
