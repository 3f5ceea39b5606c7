#include "core/store/migrations.h"

#include <catch2/catch.hpp>
#include <filesystem>

#include "tests/core/store/store_fixture.h"

namespace llmops {
namespace {

using test::must;

const std::vector<Migration> kOne = {{1, "CREATE TABLE a (x); INSERT INTO a VALUES (7);"}};
const std::vector<Migration> kTwo = {{1, "CREATE TABLE a (x); INSERT INTO a VALUES (7);"}, {2, "ALTER TABLE a ADD COLUMN y; UPDATE a SET y = x + 1;"}};

struct Folder {
  test::TempDir directory;
  FileLock lock = must(FileLock::acquire(directory.path() / "lock", FileLock::Mode::kExclusive, 0));
  Connection connection = must(Connection::open(directory.path() / "db.sqlite", Connection::Mode::kReadWrite));
  Status to(const std::vector<Migration>& migrations) { return migrate(connection, lock, directory.path(), migrations); }
};

}  // namespace

TEST_CASE("the migrations in the binary count from 1 without gaps") {
  const auto migrations = embedded_migrations();
  REQUIRE_FALSE(migrations.empty());
  for (size_t i = 0; i < migrations.size(); ++i) CHECK(migrations[i].version == static_cast<int>(i) + 1);
}

TEST_CASE("an older database is copied before it is migrated") {
  Folder folder;
  must(folder.to(kOne));
  CHECK_FALSE(std::filesystem::exists(folder.directory.path() / "backup"));
  must(folder.to(kTwo));
  CHECK(must(folder.connection.integer("SELECT y FROM a")) == 8);
  CHECK(must(schema_version(folder.connection, 2)) == 2);
  Connection copy = must(Connection::open(folder.directory.path() / "backup" / "pre-v2.sqlite", Connection::Mode::kReadOnly));
  CHECK(must(schema_version(copy, 2)) == 1);
  CHECK(must(copy.integer("SELECT x FROM a")) == 7);
}

TEST_CASE("a migration that fails leaves the older database whole, and can be repeated") {
  Folder folder;
  must(folder.to(kOne));
  {
    const test::Failpoints points("migrate.before_commit:enospc");
    const Status status = folder.to(kTwo);
    REQUIRE_FALSE(status);
    CHECK(status.error().code == ErrorCode::kIo);
  }
  CHECK(must(schema_version(folder.connection, 2)) == 1);
  CHECK(must(folder.connection.integer("SELECT count(*) FROM pragma_table_info('a')")) == 1);
  must(folder.to(kTwo));
  CHECK(must(folder.connection.integer("SELECT y FROM a")) == 8);
}

TEST_CASE("a newer database is refused") {
  Folder folder;
  must(folder.to(kTwo));
  const Status status = folder.to(kOne);
  REQUIRE_FALSE(status);
  CHECK(status.error().code == ErrorCode::kNewerStore);
  CHECK(status.error().message == "the store '" + folder.directory.path().string() + "' was written by a newer llmops (schema 2; this one reads up to 1)");
  CHECK(status.error().hint == "upgrade llmops");
}

TEST_CASE("another program's database is refused") {
  Folder folder;
  must(folder.connection.execute("CREATE TABLE theirs (x); PRAGMA application_id=5;"));
  const Status status = folder.to(kOne);
  REQUIRE_FALSE(status);
  CHECK(status.error().code == ErrorCode::kCorrupt);
  CHECK(status.error().message == "the database '" + (folder.directory.path() / "db.sqlite").string() + "' is not one of llmops");
}

}  // namespace llmops
