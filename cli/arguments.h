// Private to cli/: what the files of the layer share.
#pragma once

#include <string>

#include "cli/app.h"
#include "core/base/json.h"

namespace llmops {

// Names of the help topics, joined by ", ".
std::string help_topic_names();
// What `llmops` and `llmops GROUP` without a command print; empty for an unknown group.
std::string run_overview();
std::string group_overview(const std::string& name);
// `llmops --version --json`: the program's and its libraries' versions.
std::string version_json();

// Asks on stderr and reads a line; anything but "y", "Y" and "yes" is no. Precondition: standard input is a terminal.
bool ask(const std::string& question);

// A report as the answer to --json.
inline Outcome json_outcome(const Json& document, int exit_code = 0) { return {dump_json_pretty(document) + "\n", exit_code, false}; }

}  // namespace llmops
