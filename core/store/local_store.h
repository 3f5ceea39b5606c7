// The Store on disk. Three ways in: `read` lends a connection of its own to every reader, `write` serialises writers of all
// processes and threads, `objects` loads libgit2 on first use. Order of locks: write_mutex_, the store's file lock,
// ObjectRepo's own mutex.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "core/store/blobs.h"
#include "core/store/committer.h"
#include "core/store/database.h"
#include "core/store/layout.h"
#include "core/store/object_repo.h"
#include "core/store/store.h"
#include "core/store/version_index.h"

namespace llmops {

// Connections for reading, lent one per thread at a time and kept for the next.
class ReaderPool {
 public:
  ReaderPool(std::filesystem::path path, Connection::Mode mode) : path_(std::move(path)), mode_(mode) {}
  class Lease {
   public:
    Lease(ReaderPool& pool, Connection connection) : pool_(&pool), connection_(std::move(connection)) {}
    Lease(Lease&& other) noexcept : pool_(other.pool_), connection_(std::move(other.connection_)) { other.pool_ = nullptr; }
    Lease& operator=(Lease&&) = delete;
    ~Lease() { if (pool_ != nullptr) pool_->give_back(std::move(connection_)); }
    Connection& operator*() { return connection_; }
    Connection* operator->() { return &connection_; }

   private:
    ReaderPool* pool_;
    Connection connection_;
  };
  Result<Lease> lend();
  void set_mode(Connection::Mode mode) { mode_ = mode; }

 private:
  void give_back(Connection connection);
  std::filesystem::path path_;
  Connection::Mode mode_;
  std::mutex mutex_;
  std::vector<Connection> idle_;
};

class LocalStore final : public Store {
 public:
  explicit LocalStore(const StoreOptions& options);
  ~LocalStore() override;
  Status start();  // what open() does after construction

  Result<VersionRecord> commit_version(const VersionInput& input) override;
  bool has_version(std::string_view vid) override;
  Result<std::optional<VersionRecord>> head(std::string_view chain) override;
  Result<std::vector<VersionRecord>> log(std::string_view chain, int limit) override;
  Result<std::vector<VersionRecord>> find_versions(std::string_view chain, std::string_view vid_prefix) override;
  Result<std::string> read_manifest(std::string_view vid) override;
  Result<std::string> read_version_file(std::string_view vid, std::string_view path) override;
  Result<std::vector<std::string>> chains() override;

  Status set_label(const LabelRecord& label) override;
  Result<std::optional<LabelRecord>> label(std::string_view chain, std::string_view name) override;
  Result<std::vector<LabelRecord>> labels(std::string_view chain) override;
  Result<std::vector<LabelRecord>> label_history(std::string_view chain, std::string_view name) override;

  Result<RunRecord> begin_run(RunRecord run) override;
  Result<std::unique_ptr<RunWriter>> run_writer(int64_t run_number) override;
  Status reopen_run(int64_t run_number, std::string_view settings_json) override;
  Status set_case_count(int64_t run_number, int64_t case_count) override;
  Result<RunRecord> find_run(std::string_view reference) override;
  Result<std::vector<RunRecord>> runs(int limit) override;
  Result<std::optional<RunRecord>> newest_finished_run(std::string_view vid, std::string_view suite_id) override;
  Status visit_cases(int64_t run_number, const CaseFilter& filter, const std::function<bool(const CaseRecord&)>& visit) override;
  Result<std::vector<std::pair<int64_t, int>>> finished_cases(int64_t run_number) override;

  Result<std::vector<SpanRecord>> find_step(std::string_view memo_key) override;
  Result<std::optional<CachedResponse>> find_response(std::string_view key) override;
  Status put_response(CachedResponse response) override;
  Result<CacheStats> cache_stats() override;
  Result<int64_t> clear_cache() override;

  Result<SpanCounts> add_traces(const std::vector<StoredTrace>& traces, const RecordMaker& records_of) override;
  Result<int64_t> put_scores(const std::vector<StoredScore>& scores) override;
  Result<std::vector<int64_t>> traces(std::string_view service) override;
  Result<std::vector<std::string>> trace_spans(int64_t trace) override;
  Status visit_records(const RecordFilter& filter, const std::function<bool(const StoredRecord&)>& visit) override;
  Result<std::vector<std::string>> record_components() override;
  Result<std::vector<std::pair<int64_t, int64_t>>> record_hours(std::string_view component) override;
  Result<std::vector<std::pair<int64_t, std::string>>> find_traces(std::string_view prefix, int limit) override;
  Status visit_scores(std::string_view trace, const std::function<bool(const StoredScore&)>& visit) override;
  Result<std::vector<std::pair<int64_t, std::string>>> traces_of_span(std::string_view span, int limit) override;
  Result<std::vector<int64_t>> traces_before(int64_t unix_ms) override;
  Result<int64_t> make_missing_records(const RecordMaker& records_of) override;
  Result<ProductionTotals> production_totals() override;
  Result<PurgeCounts> remove_traces(const std::vector<int64_t>& traces) override;
  Result<PurgeCounts> count_held(const std::vector<int64_t>& traces) override;
  Result<bool> vacuum() override;
  Result<bool> wants_vacuum() override;
  Status put_profiles(const std::vector<StoredProfile>& profiles) override;
  Status visit_profiles(const ProfileFilter& filter, const std::function<bool(const StoredProfile&)>& visit) override;
  Status add_looks(const std::vector<StoredLook>& looks) override;
  Result<std::vector<StoredLook>> looks() override;
  Result<int64_t> remove_looks(std::string_view monitor) override;
  Status put_made_files(const std::vector<MadeFile>& files) override;
  Result<std::optional<MadeFile>> made_file(std::string_view sha256) override;

  const std::filesystem::path& directory() const override { return layout_.root; }

  Committer& committer() { return committer_; }
  Status finish_run(int64_t run_number, RunState state, std::string_view stop_reason, std::string_view summary_json);

 private:
  using Body = std::function<Status(Connection&)>;
  Status start_reading();
  Status start_writing();
  Result<bool> is_up_to_date(int newest_schema);
  Status make_database(const FileLock& lock, bool is_network);
  Status heal(const FileLock& lock);
  Status writable() const;  // kIo when the store was opened for reading or lies where we cannot write
  Result<FileLock> lock_store();
  Status open_writer();     // needs write_mutex_
  // One write transaction of all processes.
  Status write(Durability durability, const Body& body);
  Status write_locked(const FileLock& lock, Durability durability, const Body& body);
  Status write_batch(const std::vector<Committer::Item>& batch);
  Status write_responses(Connection& connection, const std::vector<Committer::Item>& batch);
  Status checkpoint_above(const FileLock& lock, uint64_t wal_bytes);
  Result<ObjectRepo*> objects();
  Status bring_index_up_to_date(const FileLock& lock);

  Result<VersionRecord> commit_locked(const FileLock& lock, const VersionInput& input, const struct PlannedVersion& plan);
  Status index_version(const FileLock& lock, VersionRecord& record);
  Status label_locked(const FileLock& lock, const LabelRecord& label);
  Status follow_label_log(const FileLock& lock, const LabelRecord& record, const std::string& target);
  Result<std::string> commit_of(std::string_view vid);
  Result<std::optional<VersionRecord>> known_version(const VersionInput& input);
  Result<std::vector<RunRecord>> select_runs(std::string_view condition, std::string_view bound, int64_t limit);
  Error unknown_run(std::string_view reference);
  Status require_run(Connection& connection, int64_t run_number);

  StoreOptions options_;
  StoreLayout layout_;
  bool read_only_ = false, is_current_ = false;  // current: schema and index were found so, for writing
  Blobs blobs_;
  ReaderPool readers_;
  std::mutex write_mutex_;
  std::optional<Connection> writer_;
  std::optional<CaseRows> case_rows_;  // of writer_
  std::mutex objects_mutex_;
  std::unique_ptr<ObjectRepo> objects_;
  Committer committer_;                // last: its thread uses all of the above, and ends first
};

}  // namespace llmops
