// The index of versions and labels in db.sqlite: what the refs of store.git say, made fast to ask. It can always be rebuilt.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/store/database.h"
#include "core/store/git_format.h"
#include "core/store/object_repo.h"
#include "core/store/records.h"

namespace llmops {

std::string head_ref(std::string_view chain);
std::string automatic_ref(std::string_view chain, std::string_view vid);
std::string label_ref(std::string_view chain, std::string_view name);
// One commit per move, newest first: the truth about labels, whose own refs follow it.
std::string label_log_ref(std::string_view chain);

// The digest of the refs that the index was made from; empty: none yet.
Result<std::string> indexed_refs_digest(Connection& connection);
Status set_indexed_refs_digest(Connection& connection, std::string_view digest);

// `depth`: place in the history of heads; nullopt: automatic.
Status insert_version(Connection& connection, const VersionRecord& record, const std::optional<int64_t>& depth);
Status insert_label_move(Connection& connection, const LabelRecord& label, int64_t sequence);
// What failed after the commit point: `what` is in store.git, and the next open brings the index up to date.
Error stored_without_index(std::string_view what, const Error& cause);
VersionRecord version_of(const Commit& commit, std::string commit_oid, bool automatic);

// Reads every ref and its history and writes the index anew, in one transaction. Label refs that a killed process left behind
// their log are moved.
Status rebuild_version_index(Connection& connection, const FileLock& lock, ObjectRepo& repo, const StoreLayout& layout);
// The same for a store without any ref, without libgit2.
Status clear_version_index(Connection& connection, const FileLock& lock, const StoreLayout& layout);

}  // namespace llmops
