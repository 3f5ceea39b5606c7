// REF := ( vid prefix of 6 or more | HEAD | @label ) [~n]: one version of a chain.
#pragma once

#include <string>

#include "commands/session.h"

namespace llmops {

// `chain` is the chain's name. "CHAIN:REF" overrides it. Errors (kNotFound): with did you mean over labels, or what would make it exist;
// kUsage: an ambiguous prefix, listing the candidates.
Result<VersionRecord> resolve_version(Store& store, const std::string& chain, const std::string& reference);

// Loads a stored version as a chain: its files are laid out below .llmops/tmp and read from there. Keys that are not part of a
// version (api_key, price, headers, timeout_s, rate_limit) come from the working tree's models of the same name.
Result<Chain> load_version(Session& session, Store& store, const VersionRecord& version, const std::vector<Override>& overrides);

// What a snapshot of a chain hands to the store. Errors: also a key in what would be kept (kConfig, see key_scan.h).
Result<VersionInput> version_input(const Session& session, const Chain& chain, std::string message, bool automatic);

// Snapshots the chains that a chain calls, innermost first: a version is whole only with them.
Status commit_called_chains(const Session& session, Store& store, const Chain& chain);

// Paths of the files that differ between a stored version and a chain, and "DOCUMENT" words for the chain file itself: for
// "(uncommitted: prompts/answer.md)".
std::vector<std::string> changed_parts(const Json& stored_manifest, const Chain& chain);

inline std::string short_vid(const std::string& vid) { return vid.substr(0, 12); }

}  // namespace llmops
