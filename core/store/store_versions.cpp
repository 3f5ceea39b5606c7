// Versions: blobs first, then git objects, then the ref under the lock, which is the commit point, then the index.
#include <fmt/format.h>

#include <algorithm>

#include "core/base/failpoint.h"
#include "core/base/fs.h"
#include "core/base/hash.h"
#include "core/store/local_store.h"
#include "core/store/snapshot.h"

namespace llmops {
namespace {

constexpr std::string_view kVersionColumns = "commit_oid, chain, vid, parent_vid, message, author, created_ms, depth";

VersionRecord version_row(const Statement& row) {
  VersionRecord record;
  record.commit_oid = row.text(0);
  record.chain = row.text(1);
  record.vid = row.text(2);
  record.parent_vid = row.text(3);
  record.message = row.text(4);
  record.author = row.text(5);
  record.created_ms = row.integer(6);
  record.automatic = row.is_null(7);
  return record;
}

Result<std::vector<VersionRecord>> all_versions(Statement& select) {
  std::vector<VersionRecord> found;
  while (true) {
    LLMOPS_ASSIGN(const bool row, select.step());
    if (!row) return found;
    found.push_back(version_row(select));
  }
}

bool is_vid(std::string_view text) {
  return text.size() == 64 && is_hex(text);
}

Error unknown_version(std::string_view vid) {
  return {ErrorCode::kNotFound, fmt::format("no version '{}'", vid.substr(0, 12)), "list the stored ones with `llmops version log`"};
}

}  // namespace

// What commit_version has to return without doing anything: the head, or for automatic ones any commit of the vid. An index
// that is behind the refs (another process died) knows nothing.
Result<std::optional<VersionRecord>> LocalStore::known_version(const VersionInput& input) {
  LLMOPS_ASSIGN(ReaderPool::Lease reader, readers_.lend());
  LLMOPS_ASSIGN(const std::string indexed, indexed_refs_digest(*reader));
  LLMOPS_ASSIGN(const std::string standing, refs_digest(layout_));
  if (indexed != standing && !read_only_) return std::optional<VersionRecord>();
  LLMOPS_ASSIGN(Statement select, reader->prepare(fmt::format("SELECT {} FROM version WHERE chain = ?1 AND (depth IS NOT NULL OR (?3 AND vid = ?2)) AND (NOT ?3 OR vid = ?2) "
                                                              "ORDER BY depth IS NULL, depth DESC LIMIT 1", kVersionColumns)));
  LLMOPS_ASSIGN(const bool row, select.bind(1, input.chain).bind(2, input.vid).bind(3, input.automatic ? 1 : 0).step());
  std::optional<VersionRecord> found;
  if (row) found = version_row(select);
  if (found && found->vid != input.vid) found.reset();
  return found;
}

Result<VersionRecord> LocalStore::commit_version(const VersionInput& input) {
  LLMOPS_CHECK(check_name("chain", input.chain));
  if (!is_vid(input.vid)) return Error(ErrorCode::kBug, fmt::format("'{}' is not a vid", input.vid));
  LLMOPS_ASSIGN(std::optional<VersionRecord> known, known_version(input));
  if (known) return std::move(*known);
  LLMOPS_CHECK(writable());
  LLMOPS_ASSIGN(const PlannedVersion plan, plan_version(input, blobs_));
  const std::lock_guard guard(write_mutex_);
  LLMOPS_ASSIGN(const FileLock lock, lock_store());
  LLMOPS_CHECK(bring_index_up_to_date(lock));
  LLMOPS_ASSIGN(known, known_version(input));  // somebody may have been faster
  if (known) return std::move(*known);
  return commit_locked(lock, input, plan);
}

Result<VersionRecord> LocalStore::commit_locked(const FileLock& lock, const VersionInput& input, const PlannedVersion& plan) {
  LLMOPS_ASSIGN(ObjectRepo* repo, objects());
  LLMOPS_CHECK(ensure_chain_refs(layout_, input.chain));
  LLMOPS_ASSIGN(VersionObjects objects, version_objects(plan, *repo));
  const std::string ref = input.automatic ? automatic_ref(input.chain, input.vid) : head_ref(input.chain);
  LLMOPS_ASSIGN(const std::optional<std::string> old, repo->ref(ref));
  Commit commit{objects.root, old && !input.automatic ? *old : "", input.author, options_.clock->unix_ms(), input.message, {{"vid", input.vid}, {"chain", input.chain}}};
  const std::string bytes = encode_commit(commit);
  LLMOPS_ASSIGN(const std::string oid, repo->id_of(GitKind::kCommit, bytes));
  objects.objects.push_back({GitKind::kCommit, bytes});
  LLMOPS_CHECK(repo->write(objects.objects));
  LLMOPS_CHECK(repo->move_ref(lock, ref, oid, old, "version " + input.vid.substr(0, 12)));
  LLMOPS_ASSIGN(commit, decode_commit(bytes));  // as a rebuilt index would have it
  VersionRecord record = version_of(commit, oid, input.automatic);
  const Status indexed = index_version(lock, record);
  if (!indexed) return stored_without_index(fmt::format("version {} of '{}'", input.vid.substr(0, 12), input.chain), indexed.error());
  return record;
}

// Past the commit point: the version is stored whatever happens here.
Status LocalStore::index_version(const FileLock& lock, VersionRecord& record) {
  if (const int injected = failpoint("git.after_ref")) return io_error("write to", layout_.repository(), injected);
  LLMOPS_ASSIGN(const std::string digest, refs_digest(layout_));
  return write_locked(lock, Durability::kPower, [&](Connection& connection) -> Status {
    std::optional<int64_t> depth;
    if (!record.automatic) {
      LLMOPS_ASSIGN(Statement select, connection.prepare("SELECT vid, depth FROM version WHERE chain = ?1 AND depth IS NOT NULL ORDER BY depth DESC LIMIT 1"));
      LLMOPS_ASSIGN(const bool row, select.bind(1, record.chain).step());
      depth = row ? select.integer(1) + 1 : 0;
      if (row) record.parent_vid = select.text(0);
    }
    LLMOPS_CHECK(insert_version(connection, record, depth));
    return set_indexed_refs_digest(connection, digest);
  });
}

bool LocalStore::has_version(std::string_view vid) {
  auto commit = commit_of(vid);
  return commit.has_value();
}

Result<std::string> LocalStore::commit_of(std::string_view vid) {
  LLMOPS_ASSIGN(ReaderPool::Lease reader, readers_.lend());
  LLMOPS_ASSIGN(Statement select, reader->prepare("SELECT commit_oid FROM version WHERE vid = ?1 ORDER BY depth IS NULL, depth DESC, commit_oid LIMIT 1"));
  LLMOPS_ASSIGN(const bool row, select.bind(1, vid).step());
  if (!row) return unknown_version(vid);
  return select.text(0);
}

Result<std::optional<VersionRecord>> LocalStore::head(std::string_view chain) {
  LLMOPS_ASSIGN(std::vector<VersionRecord> newest, log(chain, 1));
  return newest.empty() ? std::optional<VersionRecord>() : std::optional(std::move(newest.front()));
}

Result<std::vector<VersionRecord>> LocalStore::log(std::string_view chain, int limit) {
  LLMOPS_ASSIGN(ReaderPool::Lease reader, readers_.lend());
  LLMOPS_ASSIGN(Statement select, reader->prepare(fmt::format("SELECT {} FROM version WHERE chain = ?1 AND depth IS NOT NULL ORDER BY depth DESC LIMIT ?2", kVersionColumns)));
  return all_versions(select.bind(1, chain).bind(2, limit > 0 ? limit : -1));
}

// One record per chain and vid: its newest place in the history, else the automatic one.
Result<std::vector<VersionRecord>> LocalStore::find_versions(std::string_view chain, std::string_view vid_prefix) {
  std::string end(vid_prefix);
  end += 'g';  // past every hex digit
  LLMOPS_ASSIGN(ReaderPool::Lease reader, readers_.lend());
  LLMOPS_ASSIGN(Statement select, reader->prepare(fmt::format("SELECT {} FROM version WHERE vid >= ?2 AND vid < ?3 AND (?1 = '' OR chain = ?1) "
                                                              "ORDER BY depth IS NULL, created_ms DESC, chain, depth DESC, commit_oid", kVersionColumns)));
  LLMOPS_ASSIGN(std::vector<VersionRecord> rows, all_versions(select.bind(1, chain).bind(2, vid_prefix).bind(3, end)));
  std::vector<VersionRecord> found;
  for (VersionRecord& row : rows) {
    const bool seen = std::any_of(found.begin(), found.end(), [&row](const VersionRecord& other) { return other.vid == row.vid && other.chain == row.chain; });
    if (!seen) found.push_back(std::move(row));
  }
  std::stable_sort(found.begin(), found.end(), [](const VersionRecord& a, const VersionRecord& b) { return a.created_ms > b.created_ms; });
  return found;
}

Result<std::string> LocalStore::read_manifest(std::string_view vid) {
  LLMOPS_ASSIGN(const std::string commit, commit_of(vid));
  LLMOPS_ASSIGN(ObjectRepo* repo, objects());
  LLMOPS_ASSIGN(const Snapshot snapshot, Snapshot::open(*repo, blobs_, commit));
  return snapshot.manifest();
}

Result<std::string> LocalStore::read_version_file(std::string_view vid, std::string_view path) {
  LLMOPS_ASSIGN(const std::string commit, commit_of(vid));
  LLMOPS_ASSIGN(ObjectRepo* repo, objects());
  LLMOPS_ASSIGN(const Snapshot snapshot, Snapshot::open(*repo, blobs_, commit));
  std::string bytes;
  LLMOPS_CHECK(snapshot.read(path, [&bytes](std::string_view piece) -> Status {
    bytes += piece;
    return {};
  }));
  return bytes;
}

Result<std::vector<std::string>> LocalStore::chains() {
  LLMOPS_ASSIGN(ReaderPool::Lease reader, readers_.lend());
  LLMOPS_ASSIGN(Statement select, reader->prepare("SELECT DISTINCT chain FROM version ORDER BY chain"));
  std::vector<std::string> found;
  while (true) {
    LLMOPS_ASSIGN(const bool row, select.step());
    if (!row) return found;
    found.push_back(select.text(0));
  }
}

}  // namespace llmops
