// Private to cli/: what the commands over a window of stored requests share.
#pragma once

#include <string>

#include "cli/terminal.h"
#include "commands/monitor/request_window.h"

namespace CLI {
class App;
}

namespace llmops {

// --since, --until, --component, --service. since_default: as --help tells it.
void add_request_options(CLI::App& app, RequestChoice& choice, const char* since_default);
// "8.1 %", "12 %".
std::string share_text(double share);
// Without line ends and control characters.
std::string on_one_line(const std::string& text);
// The same, cut to the terminal, with a line end.
std::string cut_line(const std::string& text, const Terminal& terminal);
std::string joined_words(const std::vector<std::string>& words, const char* between);

}  // namespace llmops
