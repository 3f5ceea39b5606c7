// Schema changes that cannot strand data: a copy first (VACUUM INTO), each step whole or not at all, the number in
// user_version raised in the same transaction, and a newer database never touched. Other tools' schema upgrades that failed
// half-way are a recurring complaint (mlflow#6703, #6166).
#include "core/store/migrations.h"

#include <charconv>
#include <fmt/format.h>

#include "core/base/embedded.h"
#include "core/base/failpoint.h"
#include "core/base/fs.h"

namespace llmops {

std::vector<Migration> embedded_migrations() {
  constexpr std::string_view kFolder = "schemas/sql/";
  std::vector<Migration> found;
  for (const std::string_view path : embedded_paths(kFolder)) {
    const std::string_view name = path.substr(kFolder.size());
    int version = 0;
    if (std::from_chars(name.data(), name.data() + name.size(), version).ec == std::errc{}) found.push_back({version, embedded_file(path)});
  }
  return found;
}

Result<int> schema_version(Connection& connection, int newest_known) {
  LLMOPS_ASSIGN(const int64_t application, connection.integer("PRAGMA application_id"));
  LLMOPS_ASSIGN(const int64_t version, connection.integer("PRAGMA user_version"));
  if (application != kApplicationId) {
    LLMOPS_ASSIGN(const int64_t objects, connection.integer("SELECT count(*) FROM sqlite_schema"));
    if (application == 0 && version == 0 && objects == 0) return 0;
    return Error(ErrorCode::kCorrupt, fmt::format("the database '{}' is not one of llmops", connection.path().string()), "move it away: runs are lost, versions are not");
  }
  if (version > newest_known) {
    return Error(ErrorCode::kNewerStore,
                 fmt::format("the store '{}' was written by a newer llmops (schema {}; this one reads up to {})", connection.path().parent_path().string(), version, newest_known),
                 "upgrade llmops");
  }
  return static_cast<int>(version);
}

namespace {

Status back_up(Connection& connection, const std::filesystem::path& directory, int next_version) {
  const std::filesystem::path folder = directory / "backup";
  LLMOPS_CHECK(ensure_directory(folder, 0700));
  const std::filesystem::path copy = folder / fmt::format("pre-v{}.sqlite", next_version), unfinished = copy.string() + ".tmp";
  LLMOPS_CHECK(remove_file(unfinished));
  {
    LLMOPS_ASSIGN(Statement vacuum, connection.prepare("VACUUM INTO ?1"));
    const std::string target = unfinished.string();
    LLMOPS_CHECK(vacuum.bind(1, target).run());
  }
  std::error_code failed;
  std::filesystem::permissions(unfinished, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write, failed);
  std::filesystem::rename(unfinished, copy, failed);
  if (failed) return io_error("write", copy, failed.value());
  return {};
}

}  // namespace

Status migrate(Connection& connection, const FileLock& lock, const std::filesystem::path& directory, const std::vector<Migration>& migrations) {
  const int newest = migrations.empty() ? 0 : migrations.back().version;
  LLMOPS_ASSIGN(const int current, schema_version(connection, newest));
  if (current == newest) return {};
  if (current > 0) LLMOPS_CHECK(back_up(connection, directory, current + 1));
  for (const Migration& migration : migrations) {
    if (migration.version <= current) continue;
    LLMOPS_ASSIGN(Transaction transaction, Transaction::begin(connection, lock, Durability::kPower));
    LLMOPS_CHECK(connection.execute(migration.sql));
    LLMOPS_CHECK(connection.execute(fmt::format("PRAGMA application_id={}; PRAGMA user_version={};", kApplicationId, migration.version)));
    LLMOPS_ASSIGN(const int64_t dangling, connection.integer("SELECT count(*) FROM pragma_foreign_key_check"));
    if (dangling != 0) return Error(ErrorCode::kCorrupt, fmt::format("the database '{}' has {} dangling references", connection.path().string(), dangling), "restore it from a backup");
    if (const int injected = failpoint("migrate.before_commit")) return io_error("write", connection.path(), injected);
    LLMOPS_CHECK(transaction.commit());
  }
  return {};
}

}  // namespace llmops
