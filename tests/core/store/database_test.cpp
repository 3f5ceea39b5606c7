#include "core/store/database.h"

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <filesystem>

#include "tests/core/store/store_fixture.h"

namespace llmops {
namespace {

using test::must;

struct Database {
  test::TempDir directory;
  std::filesystem::path path = directory.path() / "db.sqlite";
  Connection connection = must(Connection::open(path, Connection::Mode::kReadWrite));
  FileLock lock = must(FileLock::acquire(directory.path() / "lock", FileLock::Mode::kExclusive, 0));
  Database() {
    must(connection.set_journal_mode());
    must(connection.execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b BLOB)"));
  }
  int64_t rows() { return must(connection.integer("SELECT count(*) FROM t")); }
  Status insert(int64_t id) {
    LLMOPS_ASSIGN(Transaction transaction, Transaction::begin(connection, lock, Durability::kProcess));
    LLMOPS_ASSIGN(Statement statement, connection.prepare("INSERT INTO t VALUES (?1, zeroblob(100000))"));
    LLMOPS_CHECK(statement.bind(1, id).run());
    return transaction.commit();
  }
};

}  // namespace

TEST_CASE("a transaction that is not committed leaves nothing") {
  Database db;
  {
    auto transaction = must(Transaction::begin(db.connection, db.lock, Durability::kPower));
    must(db.connection.execute("INSERT INTO t VALUES (1, 'x')"));
  }
  CHECK(db.rows() == 0);
  must(db.insert(2));
  CHECK(db.rows() == 1);
}

TEST_CASE("a database that is full is reported as a full disk and can be used again") {
  Database db;
  must(db.connection.execute("PRAGMA max_page_count=10"));
  const Status status = db.insert(1);
  REQUIRE_FALSE(status);
  CHECK(status.error().code == ErrorCode::kIo);
  CHECK(status.error().message == "cannot write '" + db.path.string() + "': the disk is full");
  must(db.connection.execute("PRAGMA max_page_count=1000"));
  must(db.insert(1));
  CHECK(db.rows() == 1);
}

TEST_CASE("a file that is no database is corrupt, with a way out") {
  test::TempDir directory;
  const auto path = directory.write("db.sqlite", std::string(5000, 'x'));
  auto connection = Connection::open(path, Connection::Mode::kReadWrite);
  auto value = connection ? connection->integer("PRAGMA user_version") : Result<int64_t>(connection.error());
  REQUIRE_FALSE(value);
  CHECK(value.error().code == ErrorCode::kCorrupt);
  CHECK(value.error().message == "the database '" + path.string() + "' is damaged: it is not a SQLite database");
  CHECK(value.error().hint == "restore it from a backup, or move it away: runs are lost, versions are not");
}

TEST_CASE("a database that another connection writes is locked, and says so") {
  Database db;
  Connection other = must(Connection::open(db.path, Connection::Mode::kReadWrite));
  must(other.execute("PRAGMA busy_timeout=10"));
  auto first = must(Transaction::begin(db.connection, db.lock, Durability::kProcess));
  auto second = Transaction::begin(other, db.lock, Durability::kProcess);
  REQUIRE_FALSE(second);
  CHECK(second.error().code == ErrorCode::kLocked);
  CHECK(second.error().retryable);
  CHECK(second.error().message == "the database '" + db.path.string() + "' is in use by another process");
}

TEST_CASE("a connection for reading does not write") {
  Database db;
  must(db.insert(1));
  Connection reader = must(Connection::open(db.path, Connection::Mode::kReadOnly));
  CHECK(must(reader.integer("SELECT count(*) FROM t")) == 1);
  const Status status = reader.execute("DELETE FROM t");
  REQUIRE_FALSE(status);
  CHECK(status.error().code == ErrorCode::kIo);
  CHECK(status.error().message == "cannot write '" + db.path.string() + "': it is read-only");
}

TEST_CASE("a new database is private and has the settings that the store relies on") {
  Database db;
  struct stat info {};
  REQUIRE(stat(db.path.c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0600);
  CHECK(must(db.connection.text("PRAGMA journal_mode")) == "wal");
  CHECK(must(db.connection.integer("PRAGMA wal_autocheckpoint")) == 0);
  CHECK(must(db.connection.integer("PRAGMA foreign_keys")) == 1);
  CHECK(must(db.connection.integer("PRAGMA trusted_schema")) == 0);
  CHECK(must(db.connection.integer("PRAGMA cell_size_check")) == 1);
  CHECK(must(db.connection.integer("PRAGMA mmap_size")) == 0);
}

TEST_CASE("durability is set per transaction") {
  Database db;
  { auto transaction = must(Transaction::begin(db.connection, db.lock, Durability::kProcess)); }
  CHECK(must(db.connection.integer("PRAGMA synchronous")) == 1);
  { auto transaction = must(Transaction::begin(db.connection, db.lock, Durability::kPower)); }
  CHECK(must(db.connection.integer("PRAGMA synchronous")) == 2);
}

TEST_CASE("the log is emptied by a checkpoint only, and closing is none") {
  Database db;
  must(db.insert(1));
  const uint64_t before = db.connection.wal_bytes();
  CHECK(before > 100'000);
  { Connection other = must(Connection::open(db.path, Connection::Mode::kReadWrite)); }
  CHECK(db.connection.wal_bytes() == before);
  must(db.connection.checkpoint(db.lock));
  CHECK(db.connection.wal_bytes() == 0);
}

TEST_CASE("a checkpoint does not wait for a reader") {
  Database db;
  must(db.insert(1));
  Connection reader = must(Connection::open(db.path, Connection::Mode::kReadOnly));
  Statement select = must(reader.prepare("SELECT a FROM t"));
  REQUIRE(must(select.step()));
  must(db.insert(2));
  must(db.connection.checkpoint(db.lock));
  CHECK(db.rows() == 2);
}

TEST_CASE("a statement that is in use up the stack is compiled once more") {
  Database db;
  must(db.insert(1));
  must(db.insert(2));
  const std::string_view sql = "SELECT a FROM t ORDER BY a";
  Statement outer = must(db.connection.prepare(sql));
  REQUIRE(must(outer.step()));
  {
    Statement inner = must(db.connection.prepare(sql));
    REQUIRE(must(inner.step()));
    REQUIRE(must(inner.step()));
    CHECK(inner.integer(0) == 2);
  }
  REQUIRE(must(outer.step()));
  CHECK(outer.integer(0) == 2);
}

TEST_CASE("values come back as they were bound, absent ones as absent") {
  Database db;
  must(db.connection.execute("CREATE TABLE v (a, b, c, d)"));
  const std::string bytes("\0\xff", 2), text("a\0b", 3);
  must(must(db.connection.prepare("INSERT INTO v VALUES (?1, ?2, ?3, ?4)")).bind(1, std::optional<double>(0.1)).bind(2, std::optional<int64_t>()).bind_blob(3, bytes).bind(4, text).run());
  Statement select = must(db.connection.prepare("SELECT a, b, c, d FROM v"));
  REQUIRE(must(select.step()));
  CHECK(select.optional_real(0) == 0.1);
  CHECK_FALSE(select.optional_integer(1));
  CHECK(select.text(2) == bytes);
  CHECK(select.text(3) == text);
}

TEST_CASE("paths with characters of URIs are opened as they are") {
  test::TempDir directory;
  const auto folder = directory.path() / "a?b#c%20d";
  std::filesystem::create_directory(folder);
  Connection connection = must(Connection::open(folder / "db.sqlite", Connection::Mode::kReadWrite));
  must(connection.execute("CREATE TABLE t (a)"));
  CHECK(std::filesystem::file_size(folder / "db.sqlite") > 0);
}

}  // namespace llmops
