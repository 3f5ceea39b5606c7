// Opening a store, and the scaffolding of every read and write.
// Opening takes no lock when nothing is to be done: the format and schema are known, the refs are those that the index was
// made from, and no interrupted process left anything behind.
#include "core/store/store.h"

#include <sys/stat.h>

#include <fmt/format.h>

#include "core/base/failpoint.h"
#include "core/base/fs.h"
#include "core/store/local_store.h"
#include "core/store/migrations.h"

namespace llmops {
namespace {

constexpr uint64_t kCheckpointBytes = uint64_t{16} << 20;

constexpr uint64_t kLongLogBytes = uint64_t{1} << 20;  // what a killed process left and whoever comes next copies

uint64_t file_bytes(const fs::path& path) {  // 0: none
  struct stat info {};
  return stat(path.c_str(), &info) == 0 ? static_cast<uint64_t>(info.st_size) : 0;
}

}  // namespace

Result<ReaderPool::Lease> ReaderPool::lend() {
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      Connection connection = std::move(idle_.back());
      idle_.pop_back();
      return Lease(*this, std::move(connection));
    }
  }
  LLMOPS_ASSIGN(Connection connection, Connection::open(path_, mode_));
  return Lease(*this, std::move(connection));
}

void ReaderPool::give_back(Connection connection) {
  const std::lock_guard lock(mutex_);
  idle_.push_back(std::move(connection));
}

Result<std::unique_ptr<Store>> Store::open(const StoreOptions& options) {
  auto store = std::make_unique<LocalStore>(options);
  LLMOPS_CHECK(store->start());
  return std::unique_ptr<Store>(std::move(store));
}

LocalStore::LocalStore(const StoreOptions& options)
    : options_(options),
      layout_{options.directory},
      read_only_(options.read_only),
      blobs_(layout_),
      readers_(layout_.database(), Connection::Mode::kReadOnly),
      committer_([this](const std::vector<Committer::Item>& batch) { return write_batch(batch); }) {}

LocalStore::~LocalStore() {
  committer_.drain();
  const std::lock_guard guard(write_mutex_);
  const uint64_t wal_bytes = file_bytes(layout_.database().string() + "-wal");
  if (wal_bytes == 0 || (!writer_ && (!is_current_ || wal_bytes < kLongLogBytes))) return;
  // A short log makes the next start faster. Whoever holds the lock will do it as well: no waiting.
  auto lock = FileLock::acquire(layout_.lock(), FileLock::Mode::kExclusive, 0);
  if (!lock) return;
  Status checkpointed = open_writer();
  if (checkpointed) checkpointed = writer_->checkpoint(*lock);
  static_cast<void>(checkpointed);  // the log stays and nothing is lost
}

Status LocalStore::start() {
  const Status standing = check_layout(layout_);
  if (!standing) {
    if (standing.error().code != ErrorCode::kNotFound || !options_.create || options_.read_only) return standing.error();
    LLMOPS_CHECK(ensure_directory(layout_.root, 0700));
    LLMOPS_ASSIGN(const FileLock lock, lock_store());
    LLMOPS_CHECK(create_layout(layout_));
    LLMOPS_CHECK(check_layout(layout_));
  }
  if (!can_write(layout_.root) || !can_write(layout_.repository()) || (fs::exists(layout_.database()) && !can_write(layout_.database()))) read_only_ = true;
  return read_only_ ? start_reading() : start_writing();
}

Status LocalStore::start_reading() {
  const int newest = embedded_migrations().back().version;
  const auto schema = [this, newest]() -> Result<int> {
    LLMOPS_ASSIGN(ReaderPool::Lease reader, readers_.lend());
    return schema_version(*reader, newest);
  };
  const bool holds_data = file_bytes(layout_.database()) > 0;
  auto version = holds_data ? schema() : Result<int>(0);
  if (!version && version.error().code != ErrorCode::kCorrupt && version.error().code != ErrorCode::kNewerStore) {
    // A write-ahead log needs its shared-memory file, which cannot be made here. Without a log the file is whole as it is.
    if (file_bytes(layout_.database().string() + "-wal") > 0) {
      return Error(ErrorCode::kIo, fmt::format("cannot read '{}': its write-ahead log needs a writable directory", layout_.database().string()),
                   "open the store once where it can be written, or copy it");
    }
    readers_.set_mode(Connection::Mode::kImmutable);
    version = schema();
  }
  if (!version) return std::move(version).error();
  if (*version == 0 && holds_refs(layout_)) {
    return Error(ErrorCode::kCorrupt, fmt::format("the database '{}' is {}", layout_.database().string(), fs::exists(layout_.database()) ? "empty" : "missing"),
                 "restore it from a backup, or open the store once where it can be written: versions come back from store.git, runs are lost");
  }
  if (*version < newest)
    return Error(ErrorCode::kIo, fmt::format("the store '{}' must be brought to a newer schema, and is read-only", layout_.root.string()), "open the store once where it can be written, or copy it");
  return {};
}

// Asked through a connection for reading, which the command that follows uses as well: most only read.
Result<bool> LocalStore::is_up_to_date(int newest_schema) {
  LLMOPS_ASSIGN(ReaderPool::Lease reader, readers_.lend());
  LLMOPS_ASSIGN(const int version, schema_version(*reader, newest_schema));
  if (version != newest_schema) return false;
  LLMOPS_ASSIGN(const std::string indexed, indexed_refs_digest(*reader));
  LLMOPS_ASSIGN(const std::string standing, refs_digest(layout_));
  return indexed == standing;
}

Status LocalStore::start_writing() {
  const std::vector<Migration> migrations = embedded_migrations();
  if (migrations.empty()) return Error(ErrorCode::kBug, "this binary holds no database schema");
  const bool is_network = is_network_file_system(layout_.root);  // the store may have been moved there
  if (!is_network && file_bytes(layout_.database()) > 0) {
    auto current = is_up_to_date(migrations.back().version);
    // What only a reader meets (a rollback journal to be played back) the writer below sees to.
    if (!current && (current.error().code == ErrorCode::kCorrupt || current.error().code == ErrorCode::kNewerStore)) return std::move(current).error();
    is_current_ = current && *current;
    if (is_current_ && stale_ref_locks(layout_).empty() && !has_temporary_files(layout_)) return {};
  }
  const std::lock_guard guard(write_mutex_);
  LLMOPS_ASSIGN(const FileLock lock, lock_store());
  LLMOPS_CHECK(open_writer());
  LLMOPS_CHECK(make_database(lock, is_network));
  LLMOPS_CHECK(sweep_garbage(layout_, lock, options_.clock->unix_ms()));
  return bring_index_up_to_date(lock);
}

Status LocalStore::make_database(const FileLock& lock, bool is_network) {
  const std::vector<Migration> migrations = embedded_migrations();
  LLMOPS_ASSIGN(const int version, schema_version(*writer_, migrations.back().version));  // a newer one is refused before anything is written
  if (version == migrations.back().version && !is_network) return {};
  const bool is_lost = version == 0 && holds_refs(layout_);
  LLMOPS_CHECK(writer_->set_journal_mode());
  LLMOPS_CHECK(migrate(*writer_, lock, layout_.root, migrations));
  if (is_lost && options_.note) options_.note("warning: the store had lost its database (db.sqlite): the versions are read back from store.git, the runs are gone");
  return {};
}

Status LocalStore::writable() const {
  if (!read_only_) return {};
  return Error(ErrorCode::kIo, fmt::format("cannot write to the store '{}': it is read-only", layout_.root.string()), "make the .llmops directory writable, or work in a copy");
}

Result<FileLock> LocalStore::lock_store() { return FileLock::acquire(layout_.lock(), FileLock::Mode::kExclusive, options_.lock_timeout_ms); }

Status LocalStore::open_writer() {
  if (writer_) return {};
  LLMOPS_ASSIGN(Connection connection, Connection::open(layout_.database(), Connection::Mode::kReadWrite));
  writer_.emplace(std::move(connection));
  return {};
}

Status LocalStore::write(Durability durability, const Body& body) {
  LLMOPS_CHECK(writable());
  const std::lock_guard guard(write_mutex_);
  LLMOPS_ASSIGN(const FileLock lock, lock_store());
  return write_locked(lock, durability, body);
}

Status LocalStore::write_locked(const FileLock& lock, Durability durability, const Body& body) {
  LLMOPS_CHECK(open_writer());
  LLMOPS_ASSIGN(Transaction transaction, Transaction::begin(*writer_, lock, durability));
  LLMOPS_CHECK(body(*writer_));
  LLMOPS_CHECK(transaction.commit());
  return checkpoint_above(lock, kCheckpointBytes);
}

// What was committed is in the log and stays there: a checkpoint that meets a full disk fails no write that is done.
Status LocalStore::checkpoint_above(const FileLock& lock, uint64_t wal_bytes) {
  if (writer_->wal_bytes() <= wal_bytes) return {};
  Status checkpointed = writer_->checkpoint(lock);
  if (!checkpointed && checkpointed.error().code == ErrorCode::kCorrupt) return checkpointed;
  return {};
}

Result<ObjectRepo*> LocalStore::objects() {
  const std::lock_guard guard(objects_mutex_);
  if (objects_ == nullptr) {
    LLMOPS_ASSIGN(objects_, ObjectRepo::open(layout_));
  }
  return objects_.get();
}

Status LocalStore::bring_index_up_to_date(const FileLock& lock) {
  LLMOPS_CHECK(open_writer());
  LLMOPS_ASSIGN(const std::string indexed, indexed_refs_digest(*writer_));
  LLMOPS_ASSIGN(const std::string standing, refs_digest(layout_));
  if (indexed == standing) return {};
  std::error_code failed;
  const bool no_refs = fs::is_empty(layout_.refs(), failed) && !failed && !fs::exists(layout_.repository() / "packed-refs");
  if (no_refs) return clear_version_index(*writer_, lock, layout_);
  LLMOPS_ASSIGN(ObjectRepo* repo, objects());
  return rebuild_version_index(*writer_, lock, *repo, layout_);
}

}  // namespace llmops
