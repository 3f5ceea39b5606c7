// git is the truth about versions, SQLite answers questions about them. Whoever dies between the two leaves refs whose digest
// is not the one that the index was made from; the next open sees that and reads the refs again (Fossil's "rebuild").
#include "core/store/version_index.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "core/base/failpoint.h"
#include "core/base/fs.h"
#include "core/store/layout.h"

namespace llmops {

std::string head_ref(std::string_view chain) { return fmt::format("refs/llmops/{}/heads/main", chain); }
std::string automatic_ref(std::string_view chain, std::string_view vid) { return fmt::format("refs/llmops/{}/auto/{}", chain, vid); }
std::string label_ref(std::string_view chain, std::string_view name) { return fmt::format("refs/llmops/{}/labels/{}", chain, name); }
std::string label_log_ref(std::string_view chain) { return fmt::format("refs/llmops/{}/label-log", chain); }

Result<std::string> indexed_refs_digest(Connection& connection) { return connection.text("SELECT value FROM meta WHERE key='refs_digest'"); }

Status set_indexed_refs_digest(Connection& connection, std::string_view digest) {
  LLMOPS_ASSIGN(Statement statement, connection.prepare("INSERT INTO meta (key, value) VALUES ('refs_digest', ?1) ON CONFLICT (key) DO UPDATE SET value = excluded.value"));
  return statement.bind(1, digest).run();
}

Status insert_version(Connection& connection, const VersionRecord& record, const std::optional<int64_t>& depth) {
  LLMOPS_ASSIGN(Statement statement, connection.prepare("INSERT OR REPLACE INTO version (commit_oid, chain, vid, parent_vid, message, author, created_ms, depth) "
                                                        "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"));
  return statement.bind(1, record.commit_oid).bind(2, record.chain).bind(3, record.vid).bind(4, record.parent_vid).bind(5, record.message)
      .bind(6, record.author).bind(7, record.created_ms).bind(8, depth).run();
}

Status insert_label_move(Connection& connection, const LabelRecord& label, int64_t sequence) {
  LLMOPS_ASSIGN(Statement statement, connection.prepare("INSERT INTO label_move (chain, name, sequence, vid, reason, author, moved_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"));
  return statement.bind(1, label.chain).bind(2, label.name).bind(3, sequence).bind(4, label.vid).bind(5, label.reason).bind(6, label.author).bind(7, label.moved_ms).run();
}

Error stored_without_index(std::string_view what, const Error& cause) {
  return {cause.code, fmt::format("{} is stored, but the index is not brought up to date: {}", what, cause.message), "mend what failed: the next command brings the index up to date"};
}

VersionRecord version_of(const Commit& commit, std::string commit_oid, bool automatic) {
  VersionRecord record;
  record.commit_oid = std::move(commit_oid);
  record.vid = commit.trailers.at("vid");
  if (const auto chain = commit.trailers.find("chain"); chain != commit.trailers.end()) record.chain = chain->second;
  record.message = commit.message;
  record.author = commit.author;
  record.created_ms = commit.time_ms;
  record.automatic = automatic;
  return record;
}

namespace {

struct ChainRefs {
  std::string head, label_log;                 // oids; empty: none
  std::vector<std::string> automatic;
  std::map<std::string, std::string> labels;   // name -> oid
};

Result<std::map<std::string, ChainRefs>> refs_by_chain(ObjectRepo& repo) {
  LLMOPS_ASSIGN(const std::vector<GitRef> refs, repo.refs());
  std::map<std::string, ChainRefs> chains;
  for (const GitRef& ref : refs) {
    std::string_view name = std::string_view(ref.name).substr(std::string_view("refs/llmops/").size());
    const size_t slash = name.find('/');
    if (slash == std::string_view::npos) continue;
    ChainRefs& chain = chains[std::string(name.substr(0, slash))];
    name.remove_prefix(slash + 1);
    if (name == "heads/main") chain.head = ref.oid;
    else if (name == "label-log") chain.label_log = ref.oid;
    else if (name.starts_with("auto/")) chain.automatic.push_back(ref.oid);
    else if (name.starts_with("labels/")) chain.labels[std::string(name.substr(7))] = ref.oid;
  }
  return chains;
}

Result<std::vector<std::pair<std::string, Commit>>> history(ObjectRepo& repo, std::string oid) {
  std::vector<std::pair<std::string, Commit>> commits;  // newest first
  while (!oid.empty()) {
    LLMOPS_ASSIGN(const std::string bytes, repo.read(GitKind::kCommit, oid));
    LLMOPS_ASSIGN(Commit commit, decode_commit(bytes));
    std::string parent = commit.parent;
    commits.emplace_back(std::move(oid), std::move(commit));
    oid = std::move(parent);
  }
  std::reverse(commits.begin(), commits.end());
  return commits;
}

class Rebuild {
 public:
  Rebuild(Connection& connection, const FileLock& lock, ObjectRepo& repo) : connection_(connection), lock_(lock), repo_(repo) {}

  Status chain(const std::string& name, const ChainRefs& refs) {
    commits_.clear();
    LLMOPS_CHECK(versions(name, refs));
    return labels(name, refs);
  }

 private:
  Status versions(const std::string& name, const ChainRefs& refs) {
    for (const std::string& oid : refs.automatic) {
      LLMOPS_ASSIGN(const std::string bytes, repo_.read(GitKind::kCommit, oid));
      LLMOPS_ASSIGN(const Commit commit, decode_commit(bytes));
      VersionRecord record = version_of(commit, oid, true);
      record.chain = name;
      LLMOPS_CHECK(insert_version(connection_, record, std::nullopt));
      commits_[record.vid] = oid;
    }
    LLMOPS_ASSIGN(const auto heads, history(repo_, refs.head));
    int64_t depth = 0;
    std::string parent_vid;
    for (const auto& [oid, commit] : heads) {
      VersionRecord record = version_of(commit, oid, false);
      record.chain = name;
      record.parent_vid = parent_vid;
      LLMOPS_CHECK(insert_version(connection_, record, depth++));
      commits_[record.vid] = oid;
      parent_vid = record.vid;
    }
    return {};
  }

  Status labels(const std::string& chain_name, const ChainRefs& refs) {
    LLMOPS_ASSIGN(const auto log, history(repo_, refs.label_log));
    std::map<std::string, std::string> newest;  // label -> vid
    int64_t sequence = 0;
    for (const auto& [oid, commit] : log) {
      const auto name = commit.trailers.find("label");
      if (name == commit.trailers.end()) continue;
      const LabelRecord label{chain_name, name->second, commit.trailers.at("vid"), commit.message, commit.author, commit.time_ms};
      LLMOPS_CHECK(insert_label_move(connection_, label, sequence++));
      newest[label.name] = label.vid;
    }
    // A label ref that no log knows came from elsewhere (a fetch): it counts as moved when its version was made.
    for (const auto& [name, oid] : refs.labels) {
      if (newest.contains(name)) continue;
      LLMOPS_ASSIGN(const std::string bytes, repo_.read(GitKind::kCommit, oid));
      LLMOPS_ASSIGN(const Commit commit, decode_commit(bytes));
      LLMOPS_CHECK(insert_label_move(connection_, {chain_name, name, commit.trailers.at("vid"), "", commit.author, commit.time_ms}, sequence++));
    }
    for (const auto& [name, vid] : newest) {
      const auto wanted = commits_.find(vid);
      const auto standing = refs.labels.find(name);
      if (wanted == commits_.end()) continue;
      if (standing == refs.labels.end()) {
        LLMOPS_CHECK(repo_.move_ref(lock_, label_ref(chain_name, name), wanted->second, std::nullopt, "follow the label log"));
        continue;
      }
      LLMOPS_ASSIGN(const std::string bytes, repo_.read(GitKind::kCommit, standing->second));
      LLMOPS_ASSIGN(const Commit commit, decode_commit(bytes));
      if (commit.trailers.at("vid") != vid) LLMOPS_CHECK(repo_.move_ref(lock_, label_ref(chain_name, name), wanted->second, standing->second, "follow the label log"));
    }
    return {};
  }

  Connection& connection_;
  const FileLock& lock_;
  ObjectRepo& repo_;
  std::map<std::string, std::string> commits_;  // vid -> commit, of the current chain; heads win
};

Status finish(Connection& connection, Transaction& transaction, const StoreLayout& layout) {
  LLMOPS_ASSIGN(const std::string digest, refs_digest(layout));
  LLMOPS_CHECK(set_indexed_refs_digest(connection, digest));
  if (const int injected = failpoint("reindex.before_commit")) return io_error("write", connection.path(), injected);
  return transaction.commit();
}

}  // namespace

Status rebuild_version_index(Connection& connection, const FileLock& lock, ObjectRepo& repo, const StoreLayout& layout) {
  LLMOPS_ASSIGN(Transaction transaction, Transaction::begin(connection, lock, Durability::kPower));
  LLMOPS_CHECK(connection.execute("DELETE FROM version; DELETE FROM label_move;"));
  LLMOPS_ASSIGN(const auto chains, refs_by_chain(repo));
  Rebuild rebuild(connection, lock, repo);
  for (const auto& [name, refs] : chains) LLMOPS_CHECK(rebuild.chain(name, refs));
  return finish(connection, transaction, layout);
}

Status clear_version_index(Connection& connection, const FileLock& lock, const StoreLayout& layout) {
  LLMOPS_ASSIGN(Transaction transaction, Transaction::begin(connection, lock, Durability::kPower));
  LLMOPS_CHECK(connection.execute("DELETE FROM version; DELETE FROM label_move;"));
  return finish(connection, transaction, layout);
}

}  // namespace llmops
