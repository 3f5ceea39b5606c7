// `llmops version`: the chain as one artefact with its own history.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "commands/session.h"
#include "commands/version/lockfile.h"

namespace llmops {

struct ChainStatus {
  std::string name, path, vid;
  std::optional<VersionRecord> head;
  std::vector<std::string> changed;       // against the head; empty and a head: nothing to commit
  std::vector<std::string> labels;        // at the head
  std::vector<std::string> warnings;
};
struct VersionStatusReport { std::vector<ChainStatus> chains; LockReport lock; bool has_store = false; };
Result<VersionStatusReport> version_status(Session& session, const std::string& chain);

struct CommitOptions { std::string chain, message; bool dry_run = false; };
struct CommittedChain { std::string name, vid, parent_vid; std::vector<std::string> changed; bool is_new = false; };
struct VersionCommitReport { std::vector<CommittedChain> chains; LockReport lock; bool dry_run = false; };
Result<VersionCommitReport> version_commit(Session& session, const CommitOptions& options);

struct LogEntry { VersionRecord version; std::vector<std::string> labels; bool is_current = false; };
struct VersionLogReport { std::string chain; std::vector<LogEntry> entries; };
Result<VersionLogReport> version_log(Session& session, const std::string& chain, int limit);

// How a file of the version was made (`compress`): the report that was stored then.
struct MadeAsset { std::string path; MadeFile made; Json report; };
struct VersionShowReport { VersionRecord version; std::vector<std::string> labels; Json manifest; std::vector<MadeAsset> made; };
Result<VersionShowReport> version_show(Session& session, const std::string& chain, const std::string& reference);

struct LabelOptions { std::string chain, name, reference, reason; bool dry_run = false; };
struct VersionLabelReport { LabelRecord label; std::optional<LabelRecord> before; bool dry_run = false; };
Result<VersionLabelReport> version_label(Session& session, const LabelOptions& options);

struct VersionLabelsReport { std::vector<LabelRecord> labels; bool is_history = false; };
// With a name: its history, newest first.
Result<VersionLabelsReport> version_labels(Session& session, const std::string& chain, const std::string& name);

}  // namespace llmops
