#include "core/store/check.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <map>
#include <set>

#include "core/base/fs.h"
#include "core/store/blobs.h"
#include "core/store/case_rows.h"
#include "core/store/database.h"
#include "core/store/layout.h"
#include "core/store/migrations.h"
#include "core/store/object_repo.h"
#include "core/store/snapshot.h"
#include "core/store/version_index.h"

namespace llmops {
namespace {

class Check {
 public:
  Check(StoreLayout layout, bool full, bool healed) : layout_(std::move(layout)), blobs_(layout_), full_(full), healed_(healed) {}

  Status run() {
    protection();
    // Runs are looked at before refs: a version is stored before its run, so what is read later holds it.
    const Status database = check_database();
    if (!database) LLMOPS_CHECK(note(database.error()));
    LLMOPS_CHECK(versions());
    if (full_) LLMOPS_CHECK(loose_blobs());
    for (const auto& [run, vid] : runs_) {
      if (!vids_.contains(vid)) found(fmt::format("run {} is of version {}, which is not stored", run, vid.substr(0, 12)));
    }
    for (const auto& [commit, vid] : indexed_) {
      if (healed_ && !commits_.contains(commit)) found(fmt::format("the index has version {} (commit {}), which no ref reaches", vid.substr(0, 12), commit));
    }
    return {};
  }
  std::vector<std::string> take() && { return std::move(findings_); }

 private:
  void found(std::string text) { findings_.push_back(std::move(text)); }

  // Damage is a finding; anything else keeps the check from looking.
  Status note(const Error& error) {
    if (error.code != ErrorCode::kCorrupt && error.code != ErrorCode::kNotFound && error.code != ErrorCode::kData) return error;
    found(error.message);
    return {};
  }

  void protection() {
    struct stat info {};
    if (stat(layout_.root.c_str(), &info) == 0 && (info.st_mode & 077) != 0) found(fmt::format("'{}' may be read by other users", layout_.root.string()));
    if (stat(layout_.database().c_str(), &info) == 0 && (info.st_mode & 077) != 0) found(fmt::format("'{}' may be read by other users", layout_.database().string()));
    const auto ignore = read_file(layout_.ignore(), 4096);
    if (!ignore || *ignore != "/*\n") found(fmt::format("'{}' does not keep the store out of the enclosing repository", layout_.ignore().string()));
    for (const fs::path& path : stale_ref_locks(layout_)) {
      if (healed_) found(fmt::format("a lock file is left: '{}'", path.string()));
    }
  }

  Status check_database() {
    LLMOPS_ASSIGN(Connection connection, Connection::open(layout_.database(), Connection::Mode::kReadOnly));
    LLMOPS_ASSIGN(const int version, schema_version(connection, embedded_migrations().back().version));
    if (version == 0) {
      found(fmt::format("the database '{}' is empty", layout_.database().string()));
      return {};
    }
    LLMOPS_CHECK(rows(connection, full_ ? "PRAGMA integrity_check" : "PRAGMA quick_check", [this](const Statement& row) {
      if (row.view(0) != "ok") found(fmt::format("the database '{}' is damaged: {}", layout_.database().string(), row.view(0)));
    }));
    LLMOPS_CHECK(rows(connection, "PRAGMA foreign_key_check", [this](const Statement& row) { found(fmt::format("a row of table {} refers to none of table {}", row.view(0), row.view(2))); }));
    LLMOPS_CHECK(count(connection, fmt::format("SELECT count(*) FROM span WHERE NOT EXISTS (SELECT 1 FROM run_case WHERE run_case.id = span.id >> {})", kSpanBits), "spans belong to no case"));
    LLMOPS_CHECK(count(connection, "SELECT count(*) FROM score WHERE NOT EXISTS (SELECT 1 FROM run_case WHERE run_case.id = score.case_id)", "scores belong to no case"));
    LLMOPS_CHECK(count(connection, "SELECT count(*) FROM memo WHERE NOT EXISTS (SELECT 1 FROM span WHERE span.id = memo.span)", "step keys belong to no span"));
    LLMOPS_CHECK(rows(connection, "SELECT number, vid FROM run ORDER BY number", [this](const Statement& row) { runs_[row.integer(0)] = row.text(1); }));
    return rows(connection, "SELECT commit_oid, vid FROM version", [this](const Statement& row) { indexed_[row.text(0)] = row.text(1); });
  }

  Status rows(Connection& connection, std::string_view sql, const std::function<void(const Statement&)>& each) {
    LLMOPS_ASSIGN(Statement select, connection.prepare(sql));
    while (true) {
      LLMOPS_ASSIGN(const bool row, select.step());
      if (!row) return {};
      each(select);
    }
  }

  Status count(Connection& connection, std::string_view sql, std::string_view what) {
    LLMOPS_ASSIGN(const int64_t number, connection.integer(sql));
    if (number != 0) found(fmt::format("{} {}", number, what));
    return {};
  }

  Status versions() {
    std::error_code failed;
    if (fs::is_empty(layout_.refs(), failed) && !fs::exists(layout_.repository() / "packed-refs")) return {};
    auto repo = ObjectRepo::open(layout_);
    if (!repo) return note(repo.error());
    auto refs = (*repo)->refs();
    if (!refs) return note(refs.error());
    for (const GitRef& ref : *refs) LLMOPS_CHECK(history(**repo, ref));
    return {};
  }

  Status history(ObjectRepo& repo, const GitRef& ref) {
    const bool labels_only = ref.name.ends_with("/label-log");
    std::set<std::string>& seen = labels_only ? label_commits_ : commits_;
    std::string oid = ref.oid;
    while (!oid.empty() && seen.insert(oid).second) {
      auto commit = labels_only ? label_commit(repo, oid) : version(repo, oid);
      if (!commit) {
        LLMOPS_CHECK(note(commit.error()));
        found(fmt::format("'{}' does not resolve to whole versions", ref.name));
        return {};
      }
      oid = commit->parent;
    }
    return {};
  }

  Result<Commit> label_commit(ObjectRepo& repo, const std::string& oid) {
    LLMOPS_ASSIGN(const std::string bytes, repo.read(GitKind::kCommit, oid));
    return decode_commit(bytes);
  }

  Result<Commit> version(ObjectRepo& repo, const std::string& oid) {
    LLMOPS_ASSIGN(const Snapshot snapshot, Snapshot::open(repo, blobs_, oid));
    const std::string& vid = snapshot.commit().trailers.at("vid");
    vids_.insert(vid);
    for (const ListedFile& file : snapshot.files()) {
      const Status whole = full_ || snapshot.in_git(file.path) ? snapshot.read(file.path, [](std::string_view) -> Status { return {}; }) : snapshot.present(file.path);
      if (!whole) LLMOPS_CHECK(note(whole.error()));
      if (const std::string blob = snapshot.blob_of(file.path); !blob.empty()) checked_blobs_.insert(blob);
    }
    return snapshot.commit();
  }

  // Blobs of interrupted commits belong to no version: garbage, but they too must be what their names say.
  Status loose_blobs() {
    const Blobs::Listing listing = blobs_.list();
    for (const std::string& name : listing.foreign) found(fmt::format("'{}' is no blob", name));
    for (const std::string& digest : listing.digests) {
      if (checked_blobs_.contains(digest)) continue;
      const Status whole = blobs_.read(digest, [](std::string_view) -> Status { return {}; });
      if (!whole) LLMOPS_CHECK(note(whole.error()));
    }
    return {};
  }

  StoreLayout layout_;
  Blobs blobs_;
  bool full_, healed_;
  std::vector<std::string> findings_;
  std::map<int64_t, std::string> runs_;            // number -> vid
  std::map<std::string, std::string> indexed_;     // commit -> vid
  std::set<std::string> commits_, label_commits_, vids_, checked_blobs_;
};

}  // namespace

Result<std::vector<std::string>> check_store(const StoreOptions& options, bool full) {
  StoreOptions opening = options;
  opening.create = false;
  auto opened = Store::open(opening);
  if (!opened && opened.error().code != ErrorCode::kCorrupt) return std::move(opened).error();
  const bool healed = opened && !options.read_only;
  if (opened) opened->reset();
  Check check(StoreLayout{options.directory}, full, healed);
  LLMOPS_CHECK(check.run());
  std::vector<std::string> findings = std::move(check).take();
  if (!opened && findings.empty()) findings.push_back(opened.error().message);
  return findings;
}

}  // namespace llmops
