// `llmops config set`: one setting of a person, in their own file.
#pragma once

#include "commands/session.h"

namespace llmops {

struct ConfigSetReport { std::string path; bool dry_run = false; };
// Errors: kUsage for an unknown setting or a value that is not one; kIo without HOME and XDG_CONFIG_HOME.
Result<ConfigSetReport> config_set(const Session& session, const std::string& key, const std::string& value, bool dry_run);

}  // namespace llmops
