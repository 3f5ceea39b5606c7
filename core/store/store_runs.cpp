// Runs: rows that are durable when a call returns, and references to them.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "core/base/failpoint.h"
#include "core/base/fs.h"
#include "core/base/hash.h"
#include "core/store/local_store.h"
#include "core/store/run_writer.h"

namespace llmops {
namespace {

constexpr std::string_view kRunColumns = "number, uuid, chain, vid, suite, suite_id, state, stop_reason, started_ms, finished_ms, settings, summary, case_count";
constexpr size_t kMinUuidPrefix = 8;
constexpr uint64_t kFinishCheckpointBytes = uint64_t{1} << 20;

RunRecord run_row(const Statement& row) {
  RunRecord run;
  run.number = row.integer(0);
  run.uuid = row.text(1);
  run.chain = row.text(2);
  run.vid = row.text(3);
  run.suite = row.text(4);
  run.suite_id = row.text(5);
  run.state = static_cast<RunState>(row.integer(6));
  run.stop_reason = row.text(7);
  run.started_ms = row.integer(8);
  run.finished_ms = row.optional_integer(9);
  run.settings = row.text(10);
  run.summary = row.text(11);
  run.case_count = row.integer(12);
  return run;
}

std::optional<int64_t> whole_number(std::string_view text) {
  int64_t number = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || problem != std::errc{} || end != text.data() + text.size() || number < 0) return std::nullopt;
  return number;
}

Error no_run(int64_t number) { return {ErrorCode::kNotFound, fmt::format("no run '{}'", number)}; }

bool is_uuid_prefix(std::string_view text) {
  return text.size() >= kMinUuidPrefix && text.size() <= 36 &&
         std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || c == '-'; });
}

}  // namespace

Result<RunRecord> LocalStore::begin_run(RunRecord run) {
  LLMOPS_CHECK(writable());
  const int64_t now = options_.clock->unix_ms();
  if (run.uuid.empty()) run.uuid = make_uuid_v7(now);
  if (run.started_ms == 0) run.started_ms = now;
  if (!has_version(run.vid))
    return Error(ErrorCode::kNotFound, fmt::format("no version '{}' to run", std::string_view(run.vid).substr(0, 12)), "record the version before its run");
  const auto insert_run = [&run](Connection& connection) -> Status {
    LLMOPS_ASSIGN(Statement insert, connection.prepare("INSERT INTO run (uuid, chain, vid, suite, suite_id, state, stop_reason, started_ms, finished_ms, settings, summary, case_count) "
                                                       "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)"));
    insert.bind(1, run.uuid).bind(2, run.chain).bind(3, run.vid).bind(4, run.suite).bind(5, run.suite_id).bind(6, static_cast<int>(run.state)).bind(7, run.stop_reason)
        .bind(8, run.started_ms).bind(9, run.finished_ms).bind(10, run.settings).bind(11, run.summary).bind(12, run.case_count);
    LLMOPS_CHECK(insert.run());
    run.number = connection.last_insert_id();
    return {};
  };
  LLMOPS_CHECK(write(Durability::kPower, insert_run));
  return run;
}

Result<std::unique_ptr<RunWriter>> LocalStore::run_writer(int64_t run_number) {
  LLMOPS_CHECK(writable());
  {
    LLMOPS_ASSIGN(ReaderPool::Lease reader, readers_.lend());
    LLMOPS_CHECK(require_run(*reader, run_number));
  }
  return std::unique_ptr<RunWriter>(std::make_unique<LocalRunWriter>(*this, run_number));
}

Status LocalStore::require_run(Connection& connection, int64_t run_number) {
  LLMOPS_ASSIGN(Statement select, connection.prepare("SELECT 1 FROM run WHERE number = ?1"));
  LLMOPS_ASSIGN(const bool found, select.bind(1, run_number).step());
  return found ? Status() : Status(no_run(run_number));
}

Status LocalStore::finish_run(int64_t run_number, RunState state, std::string_view stop_reason, std::string_view summary_json) {
  const int64_t now = options_.clock->unix_ms();
  const auto update_run = [&](Connection& connection) -> Status {
    if (const int injected = failpoint("run.finish")) return io_error("write", layout_.database(), injected);
    LLMOPS_ASSIGN(Statement update, connection.prepare("UPDATE run SET state = ?2, stop_reason = ?3, summary = ?4, finished_ms = ?5 WHERE number = ?1"));
    return update.bind(1, run_number).bind(2, static_cast<int>(state)).bind(3, stop_reason).bind(4, summary_json).bind(5, now).run();
  };
  const std::lock_guard guard(write_mutex_);
  LLMOPS_ASSIGN(const FileLock lock, lock_store());
  LLMOPS_CHECK(write_locked(lock, Durability::kPower, update_run));
  return checkpoint_above(lock, kFinishCheckpointBytes);
}

Status LocalStore::reopen_run(int64_t run_number, std::string_view settings_json) {
  return write(Durability::kPower, [&](Connection& connection) -> Status {
    LLMOPS_ASSIGN(Statement update, connection.prepare("UPDATE run SET state = 0, stop_reason = '', summary = '', finished_ms = NULL, "
                                                       "settings = CASE WHEN ?2 = '' THEN settings ELSE ?2 END WHERE number = ?1"));
    LLMOPS_CHECK(update.bind(1, run_number).bind(2, settings_json).run());
    return connection.changes() == 1 ? Status() : Status(no_run(run_number));
  });
}

Status LocalStore::set_case_count(int64_t run_number, int64_t case_count) {
  return write(Durability::kPower, [&](Connection& connection) -> Status {
    LLMOPS_ASSIGN(Statement update, connection.prepare("UPDATE run SET case_count = ?2 WHERE number = ?1"));
    LLMOPS_CHECK(update.bind(1, run_number).bind(2, case_count).run());
    return connection.changes() == 1 ? Status() : Status(no_run(run_number));
  });
}

// Newest first. `bound` is ?1 of the condition.
Result<std::vector<RunRecord>> LocalStore::select_runs(std::string_view condition, std::string_view bound, int64_t limit) {
  LLMOPS_ASSIGN(ReaderPool::Lease reader, readers_.lend());
  LLMOPS_ASSIGN(Statement select, reader->prepare(fmt::format("SELECT {} FROM run WHERE {} ORDER BY number DESC LIMIT ?2", kRunColumns, condition)));
  select.bind(1, bound).bind(2, limit > 0 ? limit : -1);
  std::vector<RunRecord> found;
  while (true) {
    LLMOPS_ASSIGN(const bool row, select.step());
    if (!row) return found;
    found.push_back(run_row(select));
  }
}

Result<std::vector<RunRecord>> LocalStore::runs(int limit) { return select_runs("?1 = ''", "", limit); }

Error LocalStore::unknown_run(std::string_view reference) {
  Error error(ErrorCode::kNotFound, fmt::format("no run '{}'", reference), "make one with `llmops eval run`");
  auto newest = runs(5);
  if (!newest) return std::move(newest).error();
  if (newest->empty()) return error;
  error.hint = "choose one of the newest:";
  for (const RunRecord& run : *newest) error.hint += fmt::format("{} {}", &run == &newest->front() ? "" : ",", run.number);
  return error;
}

Result<RunRecord> LocalStore::find_run(std::string_view reference) {
  if (reference == "last" || reference.starts_with("last-")) {
    const std::optional<int64_t> back = reference == "last" ? 0 : whole_number(reference.substr(5));
    if (!back) return unknown_run(reference);
    LLMOPS_ASSIGN(ReaderPool::Lease reader, readers_.lend());
    LLMOPS_ASSIGN(Statement select, reader->prepare(fmt::format("SELECT {} FROM run ORDER BY number DESC LIMIT 1 OFFSET ?1", kRunColumns)));
    LLMOPS_ASSIGN(const bool row, select.bind(1, *back).step());
    if (row) return run_row(select);
    return unknown_run(reference);
  }
  if (whole_number(reference)) {
    LLMOPS_ASSIGN(std::vector<RunRecord> found, select_runs("number = CAST(?1 AS INTEGER)", reference, 1));
    if (!found.empty()) return std::move(found.front());
  }
  if (is_uuid_prefix(reference)) {
    LLMOPS_ASSIGN(std::vector<RunRecord> found, select_runs("uuid >= ?1 AND uuid < ?1 || 'g'", reference, 3));
    if (found.size() > 1) return Error(ErrorCode::kUsage, fmt::format("run '{}' is ambiguous", reference), fmt::format("write more of it, or the number: {}, {}", found[0].number, found[1].number));
    if (found.size() == 1) return std::move(found.front());
  }
  return unknown_run(reference);
}

Result<std::optional<RunRecord>> LocalStore::newest_finished_run(std::string_view vid, std::string_view suite_id) {
  LLMOPS_ASSIGN(ReaderPool::Lease reader, readers_.lend());
  LLMOPS_ASSIGN(Statement select, reader->prepare(fmt::format("SELECT {} FROM run WHERE vid = ?1 AND suite_id = ?2 AND state = 1 ORDER BY number DESC LIMIT 1", kRunColumns)));
  LLMOPS_ASSIGN(const bool row, select.bind(1, vid).bind(2, suite_id).step());
  return row ? std::optional(run_row(select)) : std::optional<RunRecord>();
}

}  // namespace llmops
