#include "cli/monitor_requests.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "core/text/unicode.h"

namespace llmops {

void add_request_options(CLI::App& app, RequestChoice& choice, const char* since_default) {
  app.add_option("--since,--window", choice.since, fmt::format("how long the window is (default {})", since_default))->type_name("TIME");
  app.add_option("--until", choice.until, "when it ends: 2026-11-21 or 2026-11-21T14:00:00Z (default: now)")->type_name("TIME");
  app.add_option("--component", choice.component, "calls of one component instead of whole requests")->type_name("NAME");
  app.add_option("--service", choice.service, "of one service alone")->type_name("NAME");
}

std::string share_text(double share) { return share < 0.0995 ? fmt::format("{:.1f} %", share * 100) : fmt::format("{:.0f} %", share * 100); }
std::string on_one_line(const std::string& text) { return escape_control(collapse_space(text)); }
std::string cut_line(const std::string& text, const Terminal& terminal) { return truncate_to_width(on_one_line(text), terminal.width(), terminal.unicode()) + "\n"; }

std::string joined_words(const std::vector<std::string>& words, const char* between) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : between) + word;
  return text;
}

}  // namespace llmops
