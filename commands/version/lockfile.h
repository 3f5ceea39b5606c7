// llmops.lock: committed beside llmops.yaml, so that a review sees which version the code goes with. One line per component,
// sorted, so that it merges by lines.
//   lock 1
//   chain NAME PATH VID
//   file NAME PATH ROLE SHA256 SIZE
#pragma once

#include "commands/session.h"

namespace llmops {

std::string make_lockfile(const Session& session, const std::vector<Chain>& chains);

struct LockReport {
  std::string path;                       // as shown
  bool exists = false, matches = false, written = false;
  std::vector<std::string> differences;   // "chain support: 1a2b3c -> 4d5e6f", "support: prompts/a.md changed"
};
// check: compares only. Else writes when it differs (last of all writes).
Result<LockReport> version_lock(const Session& session, bool check, bool dry_run);
Result<LockReport> write_lockfile(const Session& session, const std::vector<Chain>& chains, bool check, bool dry_run);

// Every chain of the project, loaded. Errors: the first that does not load.
Result<std::vector<Chain>> load_project_chains(const Session& session);

}  // namespace llmops
