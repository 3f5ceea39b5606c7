// SQLite as the store uses it: a write-ahead log, so that readers never wait for the writer; no checkpoint that we did not
// ask for; every write under the store's own lock. Debian 12's SQLite 3.40.1 has the WAL-reset bug (3.7.0 to 3.51.2: two
// connections that write and checkpoint at once can lose pages, https://sqlite.org/wal.html), hence the lock.
#include "core/store/database.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <fmt/format.h>
#include <map>
#include <utility>

#include "core/base/failpoint.h"
#include "core/base/fs.h"

namespace llmops {

struct ConnectionState {
  struct Cached { sqlite3_stmt* statement = nullptr; bool lent = false; };
  sqlite3* handle = nullptr;
  std::filesystem::path path;
  Durability durability = Durability::kPower;  // SQLite's default
  std::map<std::string, Cached, std::less<>> statements;
  std::map<sqlite3_stmt*, Cached*> by_handle;

  ~ConnectionState() {
    for (auto& [sql, cached] : statements) sqlite3_finalize(cached.statement);
    if (handle != nullptr) sqlite3_close_v2(handle);
  }
  Error error(int code) const;
};

namespace {

constexpr int kBusyTimeoutMs = 5000;

Error damaged(const std::filesystem::path& path, std::string_view how) {
  return {ErrorCode::kCorrupt, fmt::format("the database '{}' is damaged: {}", path.string(), how),
          "restore it from a backup, or move it away: runs are lost, versions are not"};
}

Error read_only(const std::filesystem::path& path) {
  return {ErrorCode::kIo, fmt::format("cannot write '{}': it is read-only", path.string()), "make the .llmops directory writable, or work in a copy"};
}

}  // namespace

Error ConnectionState::error(int code) const {
  const int system_errno = handle != nullptr ? sqlite3_system_errno(handle) : 0;
  switch (code & 0xff) {
    case SQLITE_FULL: return io_error("write", path, ENOSPC);
    case SQLITE_IOERR: return io_error("read or write", path, system_errno != 0 ? system_errno : EIO);
    case SQLITE_NOTADB: return damaged(path, "it is not a SQLite database");
    case SQLITE_CORRUPT: return damaged(path, handle != nullptr ? sqlite3_errmsg(handle) : "malformed");
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return Error(ErrorCode::kLocked, fmt::format("the database '{}' is in use by another process", path.string()), "try again when it is done").with_kind("", true);
    case SQLITE_READONLY: return read_only(path);
    case SQLITE_PERM:
    case SQLITE_AUTH: return io_error("open", path, EACCES);
    case SQLITE_CANTOPEN: return io_error("open", path, system_errno != 0 ? system_errno : EACCES);
    case SQLITE_NOMEM: return {ErrorCode::kIo, fmt::format("cannot use the database '{}': out of memory", path.string())};
    default:
      return {ErrorCode::kBug, fmt::format("the database '{}' refused a statement: {}", path.string(), handle != nullptr ? sqlite3_errmsg(handle) : sqlite3_errstr(code))};
  }
}

// ---- Statement ----

Statement::Statement(Statement&& other) noexcept
    : connection_(other.connection_), statement_(std::exchange(other.statement_, nullptr)), cached_(other.cached_), bind_error_(other.bind_error_) {}

Statement::~Statement() {
  if (statement_ == nullptr) return;
  if (!cached_) {
    sqlite3_finalize(statement_);
    return;
  }
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
  connection_->by_handle[statement_]->lent = false;
}

Statement& Statement::bind(int index, int64_t value) {
  if (const int code = sqlite3_bind_int64(statement_, index, value)) bind_error_ = code;
  return *this;
}
Statement& Statement::bind(int index, double value) {
  if (const int code = sqlite3_bind_double(statement_, index, value)) bind_error_ = code;
  return *this;
}
Statement& Statement::bind(int index, std::string_view text) {
  const char* bytes = text.data() != nullptr ? text.data() : "";
  if (const int code = sqlite3_bind_text64(statement_, index, bytes, text.size(), SQLITE_STATIC, SQLITE_UTF8)) bind_error_ = code;
  return *this;
}
Statement& Statement::bind_blob(int index, std::string_view bytes) {
  const char* data = bytes.data() != nullptr ? bytes.data() : "";
  if (const int code = sqlite3_bind_blob64(statement_, index, data, bytes.size(), SQLITE_STATIC)) bind_error_ = code;
  return *this;
}
Statement& Statement::bind_null(int index) {
  if (const int code = sqlite3_bind_null(statement_, index)) bind_error_ = code;
  return *this;
}

Result<bool> Statement::step() {
  if (bind_error_ != 0) return connection_->error(std::exchange(bind_error_, 0));
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  Error error = connection_->error(code);
  sqlite3_reset(statement_);
  return error;
}

Status Statement::run() {
  LLMOPS_ASSIGN(bool row, step());
  while (row) {
    LLMOPS_ASSIGN(row, step());
  }
  sqlite3_reset(statement_);
  return {};
}

void Statement::reset() { sqlite3_reset(statement_); }

bool Statement::is_null(int column) const { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }
int64_t Statement::integer(int column) const { return sqlite3_column_int64(statement_, column); }
double Statement::real(int column) const { return sqlite3_column_double(statement_, column); }
std::string_view Statement::view(int column) const {
  const void* bytes = sqlite3_column_blob(statement_, column);
  return bytes == nullptr ? std::string_view() : std::string_view(static_cast<const char*>(bytes), static_cast<size_t>(sqlite3_column_bytes(statement_, column)));
}
std::optional<int64_t> Statement::optional_integer(int column) const { return is_null(column) ? std::nullopt : std::optional(integer(column)); }
std::optional<double> Statement::optional_real(int column) const { return is_null(column) ? std::nullopt : std::optional(real(column)); }

// ---- Connection ----

Connection::Connection(std::unique_ptr<ConnectionState> state) : state_(std::move(state)) {}
Connection::Connection(Connection&&) noexcept = default;
Connection& Connection::operator=(Connection&&) noexcept = default;
Connection::~Connection() = default;

namespace {

// SQLite would make the file with mode 0644; the log and shared-memory files take the mode of the database. Made only when
// absent: closing a second descriptor of an open database would drop its POSIX locks.
Status create_private_file(const std::filesystem::path& path) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd >= 0) close(fd);
  else if (errno != EEXIST) return io_error("create", path, errno);
  return {};
}

std::string percent_encoded(const std::string& path) {
  std::string out;
  for (const char c : path) {
    if (c == '?' || c == '#' || c == '%') out += fmt::format("%{:02x}", static_cast<unsigned char>(c));
    else out += c;
  }
  return out;
}

}  // namespace

Result<Connection> Connection::open(const std::filesystem::path& path, Mode mode) {
  if (mode == Mode::kReadWrite) LLMOPS_CHECK(create_private_file(path));
  auto state = std::make_unique<ConnectionState>();
  state->path = path;
  const std::string uri = "file:" + percent_encoded(path.string()) + (mode == Mode::kImmutable ? "?immutable=1" : "");
  const int flags = SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX | (mode == Mode::kReadWrite ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY);
  if (const int code = sqlite3_open_v2(uri.c_str(), &state->handle, flags, nullptr)) return state->error(code);
  sqlite3_extended_result_codes(state->handle, 1);
  sqlite3_busy_timeout(state->handle, kBusyTimeoutMs);
  // The last connection to close would otherwise checkpoint, without our lock.
  sqlite3_db_config(state->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  sqlite3_db_config(state->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(state->handle, SQLITE_DBCONFIG_ENABLE_FKEY, 1, nullptr);
  sqlite3_db_config(state->handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  sqlite3_wal_autocheckpoint(state->handle, 0);
  Connection connection(std::move(state));
  LLMOPS_CHECK(connection.execute("PRAGMA cell_size_check=ON; PRAGMA mmap_size=0; PRAGMA temp_store=MEMORY;"));
  // page_size counts for a new file only: three spans with bodies of 1 KiB fit on 8 KiB, one on SQLite's 4 KiB (100,000 cases:
  // 289 MB and 2.0 s of CPU against 426 MB and 3.5 s). A reader is one of many and keeps a smaller cache than the writer.
  LLMOPS_CHECK(connection.execute(mode == Mode::kReadWrite ? "PRAGMA page_size=8192; PRAGMA cache_size=-16384" : "PRAGMA query_only=ON; PRAGMA cache_size=-2048"));
  return connection;
}

Status Connection::set_journal_mode() {
  const bool network = is_network_file_system(state_->path.parent_path());
  LLMOPS_ASSIGN(const std::string mode, text(network ? "PRAGMA journal_mode=DELETE" : "PRAGMA journal_mode=WAL"));
  static_cast<void>(mode);  // where a write-ahead log is impossible, SQLite keeps its rollback journal: slower, as safe
  return {};
}

Result<Statement> Connection::prepare(std::string_view sql) {
  auto found = state_->statements.find(sql);
  if (found != state_->statements.end() && !found->second.lent) {
    found->second.lent = true;
    return Statement(state_.get(), found->second.statement, true);
  }
  sqlite3_stmt* statement = nullptr;
  if (const int code = sqlite3_prepare_v3(state_->handle, sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT, &statement, nullptr)) return state_->error(code);
  if (found != state_->statements.end()) return Statement(state_.get(), statement, false);  // in use further up the stack
  found = state_->statements.emplace(std::string(sql), ConnectionState::Cached{statement, true}).first;
  state_->by_handle[statement] = &found->second;
  return Statement(state_.get(), statement, true);
}

Status Connection::execute(std::string_view sql) {
  const std::string text(sql);
  if (const int code = sqlite3_exec(state_->handle, text.c_str(), nullptr, nullptr, nullptr)) return state_->error(code);
  return {};
}

Result<int64_t> Connection::integer(std::string_view sql) {
  LLMOPS_ASSIGN(Statement statement, prepare(sql));
  LLMOPS_ASSIGN(const bool row, statement.step());
  return row ? statement.integer(0) : 0;
}

Result<std::string> Connection::text(std::string_view sql) {
  LLMOPS_ASSIGN(Statement statement, prepare(sql));
  LLMOPS_ASSIGN(const bool row, statement.step());
  return row ? statement.text(0) : std::string();
}

int64_t Connection::changes() const { return sqlite3_changes64(state_->handle); }
int64_t Connection::last_insert_id() const { return sqlite3_last_insert_rowid(state_->handle); }
const std::filesystem::path& Connection::path() const { return state_->path; }

Status Connection::checkpoint(const FileLock&) {
  if (const int injected = failpoint("db.before_checkpoint")) return io_error("write", state_->path, injected);
  // Emptying the log needs that no reader uses it. Waiting for one is not worth it: what can be copied is copied, and the
  // rest waits for the next checkpoint.
  sqlite3_busy_timeout(state_->handle, 0);
  const int code = sqlite3_wal_checkpoint_v2(state_->handle, nullptr, SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr);
  sqlite3_busy_timeout(state_->handle, kBusyTimeoutMs);
  if (code == SQLITE_OK || (code & 0xff) == SQLITE_BUSY || (code & 0xff) == SQLITE_LOCKED) return {};
  return state_->error(code);
}

uint64_t Connection::wal_bytes() const {
  struct stat info {};
  const std::string wal = state_->path.string() + "-wal";
  return stat(wal.c_str(), &info) == 0 ? static_cast<uint64_t>(info.st_size) : 0;
}

// ---- Transaction ----

Result<Transaction> Transaction::begin(Connection& connection, const FileLock&, Durability durability) {
  if (connection.state_->durability != durability) {  // this pragma acts when it is compiled: no cached statement
    LLMOPS_CHECK(connection.execute(durability == Durability::kPower ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL"));
    connection.state_->durability = durability;
  }
  LLMOPS_ASSIGN(Statement begin, connection.prepare("BEGIN IMMEDIATE"));
  LLMOPS_CHECK(begin.run());
  return Transaction(&connection);
}

Transaction::Transaction(Transaction&& other) noexcept : connection_(std::exchange(other.connection_, nullptr)) {}

Transaction::~Transaction() {
  if (connection_ == nullptr || sqlite3_get_autocommit(connection_->state_->handle) != 0) return;
  sqlite3_exec(connection_->state_->handle, "ROLLBACK", nullptr, nullptr, nullptr);
}

Status Transaction::commit() {
  const std::filesystem::path& path = connection_->path();
  if (const int injected = failpoint("db.before_commit")) return io_error("write", path, injected);
  {
    LLMOPS_ASSIGN(Statement statement, connection_->prepare("COMMIT"));
    LLMOPS_CHECK(statement.run());
  }
  connection_ = nullptr;
  if (const int injected = failpoint("db.after_commit")) return io_error("write", path, injected);
  return {};
}

// ---- places ----

bool is_network_file_system(const std::filesystem::path& directory) {
  struct statfs info {};
  if (statfs(directory.c_str(), &info) != 0) return false;
  switch (static_cast<uint32_t>(info.f_type)) {  // from linux/magic.h and the sources of the file systems
    case 0x6969:      // NFS
    case 0xFF534D42:  // CIFS
    case 0xFE534D42:  // SMB2
    case 0x517B:      // SMB
    case 0x01021997:  // 9p
    case 0x65735546:  // FUSE
    case 0x5346414F:  // AFS
    case 0x00C36400:  // Ceph
      return true;
    default: return false;
  }
}

bool can_write(const std::filesystem::path& path) { return access(path.c_str(), W_OK) == 0; }

}  // namespace llmops
