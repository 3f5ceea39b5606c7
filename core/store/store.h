// The local store `.llmops/`: versions in a bare git repository, large files in content-addressed blobs, runs in SQLite.
// Write order, never reversed: blobs -> git objects -> ref (the commit point, under the lock) -> SQLite.
// Two processes may use one store at once. A Store is thread-safe.
//
// Failpoints (core/base/failpoint.h), in the order in which a store's life meets them:
//   create.before_format    the directory is made, the file that marks it whole is not
//   migrate.before_commit   a schema step is done and not committed
//   reindex.before_commit   the index of versions is read from the refs and not committed
//   blob.write, blob.before_rename          a blob before its first byte; whole below tmp/ and without its name
//   git.write, git.before_pack              before git objects are written; a pack is written and has no name yet
//   git.before_ref, git.after_ref           before and after any ref moves: the commit point of versions and label moves
//   label.after_log         the label log says that a label moved, the label's own ref does not yet
//   db.before_commit, db.after_commit       around every commit of SQLite
//   db.before_checkpoint    before the write-ahead log is copied into the database
//   run.batch, run.finish   before a batch of cases and responses; inside the transaction that ends a run
//   traces.batch            inside the transaction that adds spans of production
//   traces.remove, profiles.put, looks.add  inside the transactions that forget traces, keep profiles, and keep what monitors saw
//   db.before_vacuum        before the database is rewritten without what was removed from it
//   download.write, external.record, external.restore   before bytes of an external file are appended; it is whole and not
//                           recorded; it is made anew from its blob
// and those of core/base/fs.h (fs.write, fs.before_rename, fs.mkdir).
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/clock.h"
#include "core/base/result.h"
#include "core/store/records.h"

namespace llmops {

struct StoreOptions {
  std::filesystem::path directory;       // the .llmops directory
  bool create = false;                   // make it when absent (and only then); otherwise kNotFound with the hint `llmops init`
  bool read_only = false;
  int64_t lock_timeout_ms = 10'000;
  Clock* clock = nullptr;                // required; must outlive the store
  std::function<void(const std::string&)> note;  // warnings for people; may be empty
};

// Batches finished cases into transactions on its own thread. Thread-safe.
class RunWriter {
 public:
  virtual ~RunWriter() = default;        // without finish(): the run stays "running" and can be resumed
  // Hands over one case with its spans and scores; blocks while the queue (by bytes) is full. Once a write has failed every
  // later call returns that error. A case becomes durable within a second. A case written before under the same (ordinal, repeat) is replaced.
  virtual Status add(CaseRecord record) = 0;
  virtual Status flush() = 0;            // returns when everything added so far is committed
  // Flushes, sets the final state and summary; durable (synchronous=FULL) when it returns.
  virtual Status finish(RunState state, std::string_view stop_reason, std::string_view summary_json) = 0;
};

class Store {
 public:
  // Errors: kNotFound, kNewerStore ("written by llmops N; this one reads up to M"), kCorrupt (with the file), kLocked, kIo
  // (read-only directory, disk full). A store of an older schema is migrated, after a copy to .llmops/backup/. One that has lost
  // its database gets a new one with the versions of store.git, and a note that the runs are gone; for reading only: kCorrupt.
  static Result<std::unique_ptr<Store>> open(const StoreOptions& options);
  virtual ~Store() = default;

  // ---- versions ----
  // Idempotent by vid: a known vid that already is the head changes nothing and returns its record. automatic: only
  // refs/llmops/<chain>/auto/<vid>; else refs/llmops/<chain>/heads/main moves to a new commit with the old head as parent.
  virtual Result<VersionRecord> commit_version(const VersionInput& input) = 0;
  virtual bool has_version(std::string_view vid) = 0;
  // From the index, without libgit2: fast enough for `version status`.
  virtual Result<std::optional<VersionRecord>> head(std::string_view chain) = 0;
  virtual Result<std::vector<VersionRecord>> log(std::string_view chain, int limit = 0) = 0;     // newest first, heads only; 0: all
  virtual Result<std::vector<VersionRecord>> find_versions(std::string_view chain, std::string_view vid_prefix) = 0;  // automatic ones too; chain empty: any
  virtual Result<std::string> read_manifest(std::string_view vid) = 0;
  // The file's original bytes; `path` as in the manifest. kCorrupt when the digest does not match.
  virtual Result<std::string> read_version_file(std::string_view vid, std::string_view path) = 0;
  virtual Result<std::vector<std::string>> chains() = 0;

  // ---- labels ----
  virtual Status set_label(const LabelRecord& label) = 0;                                        // moves it; history is kept
  virtual Result<std::optional<LabelRecord>> label(std::string_view chain, std::string_view name) = 0;
  virtual Result<std::vector<LabelRecord>> labels(std::string_view chain) = 0;                   // chain empty: all
  virtual Result<std::vector<LabelRecord>> label_history(std::string_view chain, std::string_view name) = 0;  // newest first

  // ---- runs ----
  // Gives the number; the row is durable when this returns.
  virtual Result<RunRecord> begin_run(RunRecord run) = 0;
  virtual Result<std::unique_ptr<RunWriter>> run_writer(int64_t run_number) = 0;
  virtual Status reopen_run(int64_t run_number, std::string_view settings_json) = 0;            // to resume: back to running
  virtual Status set_case_count(int64_t run_number, int64_t case_count) = 0;
  // REF of a run: number, UUID or a prefix of 8 or more, "last", "last-1". kNotFound lists the newest runs in its hint.
  virtual Result<RunRecord> find_run(std::string_view reference) = 0;
  virtual Result<std::vector<RunRecord>> runs(int limit) = 0;                                   // newest first
  virtual Result<std::optional<RunRecord>> newest_finished_run(std::string_view vid, std::string_view suite_id) = 0;

  // Cases in order of (ordinal, repeat); the visitor returns false to stop. Memory stays flat.
  struct CaseFilter {
    std::optional<std::string> case_id;
    bool failed_only = false, errors_only = false;                     // both: cases that failed or met an error
    bool with_spans = false, with_scores = true, with_bodies = true;  // bodies: row and output
    std::optional<std::string> step;                                   // spans of this step only
  };
  virtual Status visit_cases(int64_t run_number, const CaseFilter& filter, const std::function<bool(const CaseRecord&)>& visit) = 0;
  // (ordinal, repeat) of the cases that are stored without an error.
  virtual Result<std::vector<std::pair<int64_t, int>>> finished_cases(int64_t run_number) = 0;

  // ---- caches ----
  // The span that was stored under this key without an error, first, then its descendants (external spans); empty: none.
  virtual Result<std::vector<SpanRecord>> find_step(std::string_view memo_key) = 0;
  virtual Result<std::optional<CachedResponse>> find_response(std::string_view key) = 0;
  // Buffered; durable within a second or at the next flush of a run writer, whichever is first.
  virtual Status put_response(CachedResponse response) = 0;
  struct CacheStats { int64_t responses = 0, response_bytes = 0, steps = 0; };
  virtual Result<CacheStats> cache_stats() = 0;
  // Forgets responses and step keys (runs stay whole). Returns how many entries.
  virtual Result<int64_t> clear_cache() = 0;

  // ---- production ----
  struct SpanCounts { int64_t added = 0, known = 0, new_traces = 0; };
  // The records of a trace of which spans were known before, from the bodies of all of them.
  using RecordMaker = std::function<Result<std::vector<StoredRecord>>(const std::vector<std::string>& bodies)>;
  // All or none. A span that is stored already, by its trace and its own identifier, stays as it is.
  virtual Result<SpanCounts> add_traces(const std::vector<StoredTrace>& traces, const RecordMaker& records_of) = 0;
  // Replaces those of the same trace, span and name. Returns how many were not known.
  virtual Result<int64_t> put_scores(const std::vector<StoredScore>& scores) = 0;
  // Traces of a service (empty: of all), by the start of their earliest span; then the bodies of one, by the span's identifier.
  virtual Result<std::vector<int64_t>> traces(std::string_view service) = 0;
  virtual Result<std::vector<std::string>> trace_spans(int64_t trace) = 0;
  // From (incl.) and to (excl.) in unix ms; absent: no bound, and those without a time too. component empty: whole requests.
  struct RecordFilter { std::optional<int64_t> from_ms, to_ms; std::string component; std::optional<std::string> service; };
  // By start, then by arrival; the visitor returns false to stop. Memory stays flat.
  virtual Status visit_records(const RecordFilter& filter, const std::function<bool(const StoredRecord&)>& visit) = 0;
  virtual Result<std::vector<std::string>> record_components() = 0;          // in order of their names
  // Records of a component by hour of their start (hours since 1970): by hour. Those without a time are not counted.
  virtual Result<std::vector<std::pair<int64_t, int64_t>>> record_hours(std::string_view component) = 0;
  // Traces whose identifier begins with `prefix`, at most `limit`: their number and identifier, in order of these.
  virtual Result<std::vector<std::pair<int64_t, std::string>>> find_traces(std::string_view prefix, int limit) = 0;
  // What was judged apart from the spans; trace empty: of all. By trace, span and name.
  virtual Status visit_scores(std::string_view trace, const std::function<bool(const StoredScore&)>& visit) = 0;
  // Traces that hold a span of this identifier, at most `limit`, as find_traces gives them. Cost: the spans' keys, once.
  virtual Result<std::vector<std::pair<int64_t, std::string>>> traces_of_span(std::string_view span, int limit) = 0;
  // Traces that began before: by start. Those that tell no time began at no time.
  virtual Result<std::vector<int64_t>> traces_before(int64_t unix_ms) = 0;
  // Makes the records of traces that have none (stored before schema 4), some hundred traces at a time, each such batch all or none. Returns of how many.
  virtual Result<int64_t> make_missing_records(const RecordMaker& records_of) = 0;
  // What is stored of production. Cost: the keys of spans and records, once.
  virtual Result<ProductionTotals> production_totals() = 0;
  // Their spans, records and scores with them, all or none; what they held is overwritten in the database (secure_delete), but for what older splits of pages left beside it: vacuum(). Numbers that are not there count as nothing.
  struct PurgeCounts { int64_t traces = 0, spans = 0, records = 0, scores = 0; };
  virtual Result<PurgeCounts> remove_traces(const std::vector<int64_t>& traces) = 0;
  virtual Result<PurgeCounts> count_held(const std::vector<int64_t>& traces) = 0;   // what remove_traces would remove
  // Rewrites the database without what was removed from it, and empties its write-ahead log: afterwards no byte of that is in a file of the database.
  // False: another process reads, and the log keeps a rest until a later writer empties it. Copies in backup/ stay. Errors: kIo. Cost: the database, written twice.
  virtual Result<bool> vacuum() = 0;
  // Traces were removed, and no vacuum() has gone well since.
  virtual Result<bool> wants_vacuum() = 0;
  // Replaces those of the same spec, component, period and stratum; all or none.
  virtual Status put_profiles(const std::vector<StoredProfile>& profiles) = 0;
  // From (incl.) and to (excl.); by period and stratum. Memory: one row.
  struct ProfileFilter { std::string spec, component; std::optional<int64_t> from_ms, to_ms; };
  virtual Status visit_profiles(const ProfileFilter& filter, const std::function<bool(const StoredProfile&)>& visit) = 0;
  // A look that was taken stays as it is: kData when one of them was.
  virtual Status add_looks(const std::vector<StoredLook>& looks) = 0;
  virtual Result<std::vector<StoredLook>> looks() = 0;                       // by monitor and period
  virtual Result<int64_t> remove_looks(std::string_view monitor) = 0;        // begins it anew

  // ---- made files ----
  // How files of weights were made, by the SHA-256 of what they hold; one that is known is replaced.
  virtual Status put_made_files(const std::vector<MadeFile>& files) = 0;
  virtual Result<std::optional<MadeFile>> made_file(std::string_view sha256) = 0;

  virtual const std::filesystem::path& directory() const = 0;
};

}  // namespace llmops
