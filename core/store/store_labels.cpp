// Labels: a move is a commit on the chain's label log, which is the commit point; the label's own ref and the index follow.
#include <fmt/format.h>

#include "core/base/failpoint.h"
#include "core/base/fs.h"
#include "core/store/local_store.h"

namespace llmops {
namespace {

constexpr std::string_view kMoveColumns = "chain, name, vid, reason, author, moved_ms";

LabelRecord label_row(const Statement& row) { return {row.text(0), row.text(1), row.text(2), row.text(3), row.text(4), row.integer(5)}; }

Result<std::vector<LabelRecord>> all_labels(Statement& select) {
  std::vector<LabelRecord> found;
  while (true) {
    LLMOPS_ASSIGN(const bool row, select.step());
    if (!row) return found;
    found.push_back(label_row(select));
  }
}

}  // namespace

Status LocalStore::set_label(const LabelRecord& label) {
  LLMOPS_CHECK(check_name("chain", label.chain));
  LLMOPS_CHECK(check_name("label", label.name));
  LLMOPS_CHECK(writable());
  const std::lock_guard guard(write_mutex_);
  LLMOPS_ASSIGN(const FileLock lock, lock_store());
  LLMOPS_CHECK(bring_index_up_to_date(lock));
  return label_locked(lock, label);
}

Status LocalStore::label_locked(const FileLock& lock, const LabelRecord& label) {
  std::string target;
  {
    LLMOPS_ASSIGN(Statement select, writer_->prepare("SELECT commit_oid FROM version WHERE chain = ?1 AND vid = ?2 ORDER BY depth IS NULL, depth DESC LIMIT 1"));
    LLMOPS_ASSIGN(const bool row, select.bind(1, label.chain).bind(2, label.vid).step());
    if (!row)
      return Error(ErrorCode::kNotFound, fmt::format("chain '{}' has no version '{}'", label.chain, std::string_view(label.vid).substr(0, 12)), "list the stored ones with `llmops version log`");
    target = select.text(0);
  }
  LLMOPS_ASSIGN(ObjectRepo* repo, objects());
  LLMOPS_CHECK(ensure_chain_refs(layout_, label.chain));
  LLMOPS_ASSIGN(const std::optional<std::string> log, repo->ref(label_log_ref(label.chain)));
  LLMOPS_ASSIGN(const std::string no_files, repo->id_of(GitKind::kTree, ""));
  Commit commit{no_files, log.value_or(""), label.author, label.moved_ms != 0 ? label.moved_ms : options_.clock->unix_ms(), label.reason,
                {{"vid", label.vid}, {"chain", label.chain}, {"label", label.name}}};
  const std::string bytes = encode_commit(commit);
  LLMOPS_ASSIGN(const std::string oid, repo->id_of(GitKind::kCommit, bytes));
  LLMOPS_CHECK(repo->write({{GitKind::kTree, ""}, {GitKind::kCommit, bytes}}));
  LLMOPS_CHECK(repo->move_ref(lock, label_log_ref(label.chain), oid, log, "label " + label.name));
  LLMOPS_ASSIGN(commit, decode_commit(bytes));  // as a rebuilt index would have it
  const Status followed = follow_label_log(lock, {label.chain, label.name, label.vid, commit.message, commit.author, commit.time_ms}, target);
  if (!followed) return stored_without_index(fmt::format("the move of label '{}' to {}", label.name, std::string_view(label.vid).substr(0, 12)), followed.error());
  return {};
}

// Past the commit point: the label has moved whatever happens here.
Status LocalStore::follow_label_log(const FileLock& lock, const LabelRecord& record, const std::string& target) {
  for (const char* point : {"git.after_ref", "label.after_log"}) {
    if (const int injected = failpoint(point)) return io_error("write to", layout_.repository(), injected);
  }
  LLMOPS_ASSIGN(ObjectRepo* repo, objects());
  const std::string ref = label_ref(record.chain, record.name);
  LLMOPS_ASSIGN(const std::optional<std::string> standing, repo->ref(ref));
  if (standing != target) LLMOPS_CHECK(repo->move_ref(lock, ref, target, standing, "label " + record.name));
  LLMOPS_ASSIGN(const std::string digest, refs_digest(layout_));
  return write_locked(lock, Durability::kPower, [&](Connection& connection) -> Status {
    LLMOPS_ASSIGN(Statement select, connection.prepare("SELECT coalesce(max(sequence) + 1, 0) FROM label_move WHERE chain = ?1"));
    LLMOPS_ASSIGN(const bool row, select.bind(1, record.chain).step());
    LLMOPS_CHECK(insert_label_move(connection, record, row ? select.integer(0) : 0));
    return set_indexed_refs_digest(connection, digest);
  });
}

Result<std::optional<LabelRecord>> LocalStore::label(std::string_view chain, std::string_view name) {
  LLMOPS_ASSIGN(std::vector<LabelRecord> history, label_history(chain, name));
  return history.empty() ? std::optional<LabelRecord>() : std::optional(std::move(history.front()));
}

Result<std::vector<LabelRecord>> LocalStore::labels(std::string_view chain) {
  LLMOPS_ASSIGN(ReaderPool::Lease reader, readers_.lend());
  LLMOPS_ASSIGN(Statement select, reader->prepare(fmt::format("SELECT {} FROM label_move AS m WHERE (?1 = '' OR chain = ?1) AND sequence = "
                                                              "(SELECT max(sequence) FROM label_move WHERE chain = m.chain AND name = m.name) ORDER BY chain, name", kMoveColumns)));
  return all_labels(select.bind(1, chain));
}

Result<std::vector<LabelRecord>> LocalStore::label_history(std::string_view chain, std::string_view name) {
  LLMOPS_ASSIGN(ReaderPool::Lease reader, readers_.lend());
  LLMOPS_ASSIGN(Statement select, reader->prepare(fmt::format("SELECT {} FROM label_move WHERE chain = ?1 AND name = ?2 ORDER BY sequence DESC", kMoveColumns)));
  return all_labels(select.bind(1, chain).bind(2, name));
}

}  // namespace llmops
