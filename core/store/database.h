// SQLite behind RAII: connections, prepared statements, transactions. Every error is one of ours.
// A Connection and its statements belong to one thread at a time.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/lock.h"
#include "core/base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace llmops {

struct ConnectionState;

// A prepared statement, lent by its Connection, which keeps it for the next use. Bound text and blobs are not copied: they
// must live until the statement is reset or destroyed. A failed bind shows at the next step.
class Statement {
 public:
  Statement(Statement&& other) noexcept;
  Statement& operator=(Statement&&) = delete;
  ~Statement();

  Statement& bind(int index, int64_t value);
  Statement& bind(int index, int value) { return bind(index, int64_t{value}); }
  Statement& bind(int index, double value);
  Statement& bind(int index, std::string_view text);
  Statement& bind_blob(int index, std::string_view bytes);
  Statement& bind_null(int index);
  template <class T>
  Statement& bind(int index, const std::optional<T>& value) { return value ? bind(index, *value) : bind_null(index); }
  // Empty text is stored as NULL: for columns in which it means "none".
  Statement& bind_or_null(int index, std::string_view text) { return text.empty() ? bind_null(index) : bind(index, text); }

  Result<bool> step();  // true: there is a row
  Status run();         // for statements without rows; leaves it reset, ready to be bound again
  void reset();

  bool is_null(int column) const;
  int64_t integer(int column) const;
  double real(int column) const;
  std::string_view view(int column) const;  // until the next step or reset; NULL gives ""
  std::string text(int column) const { return std::string(view(column)); }
  std::optional<int64_t> optional_integer(int column) const;
  std::optional<double> optional_real(int column) const;

 private:
  friend class Connection;
  Statement(ConnectionState* connection, sqlite3_stmt* statement, bool cached) : connection_(connection), statement_(statement), cached_(cached) {}
  ConnectionState* connection_;
  sqlite3_stmt* statement_;
  bool cached_;
  int bind_error_ = 0;
};

class Connection {
 public:
  // kImmutable: a file that nobody writes, on a medium that cannot be written. A new file is made with mode 0600.
  enum class Mode { kReadWrite, kReadOnly, kImmutable };
  static Result<Connection> open(const std::filesystem::path& path, Mode mode);
  Connection(Connection&& other) noexcept;
  Connection& operator=(Connection&& other) noexcept;
  ~Connection();  // without a checkpoint

  // A write-ahead log, or a rollback journal on network file systems. Writes to the file: not before its version is known.
  Status set_journal_mode();
  // `sql` is kept by its text; the statement is compiled once.
  Result<Statement> prepare(std::string_view sql);
  Status execute(std::string_view sql);  // several statements, no rows
  Result<int64_t> integer(std::string_view sql);
  Result<std::string> text(std::string_view sql);
  int64_t changes() const;
  int64_t last_insert_id() const;
  const std::filesystem::path& path() const;

  // Copies the write-ahead log into the database and empties it. Readers that still need it make it keep a rest: no error.
  Status checkpoint(const FileLock& lock);
  uint64_t wal_bytes() const;

 private:
  friend class Transaction;
  explicit Connection(std::unique_ptr<ConnectionState> state);
  std::unique_ptr<ConnectionState> state_;
};

// kProcess: a committed transaction outlives the process (synchronous=NORMAL); kPower: power loss too (FULL).
enum class Durability { kProcess, kPower };

// A write transaction. The lock is proof that no other process writes or checkpoints meanwhile: SQLite before 3.51.3 can
// damage a write-ahead log that two connections write and checkpoint at once. Rolled back unless committed.
class Transaction {
 public:
  static Result<Transaction> begin(Connection& connection, const FileLock& lock, Durability durability);
  Transaction(Transaction&& other) noexcept;
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();
  Status commit();

 private:
  explicit Transaction(Connection* connection) : connection_(connection) {}
  Connection* connection_;
};

// True on file systems whose shared memory or locks SQLite's write-ahead log cannot rely on (NFS, CIFS, 9p, FUSE).
bool is_network_file_system(const std::filesystem::path& directory);

// The file exists and is writable by us; a directory likewise.
bool can_write(const std::filesystem::path& path);

}  // namespace llmops
