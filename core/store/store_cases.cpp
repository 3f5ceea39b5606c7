// Cases: written in batches by the committer's thread, read one at a time.
#include <fmt/format.h>

#include "core/base/failpoint.h"
#include "core/base/fs.h"
#include "core/store/local_store.h"

namespace llmops {
namespace {

#define LLMOPS_CASE_COLUMNS                                                                                                              \
  "id, ordinal, repeat, case_id, case_hash, pass, latency_ms, cost_usd, input_tokens, output_tokens, "                                   \
  "(SELECT text FROM name WHERE name.id = error_code), (SELECT text FROM name WHERE name.id = error_step), error_message"
#define LLMOPS_CASE_CONDITION                                                                                                            \
  " FROM run_case WHERE run = ?1 AND (?2 IS NULL OR case_id = ?2) AND (NOT (?3 OR ?4) OR (?3 AND pass = 0) OR (?4 AND error_code IS NOT NULL)) " \
  "ORDER BY ordinal, repeat"

constexpr std::string_view kCasesWithBodies = "SELECT " LLMOPS_CASE_COLUMNS ", row, output" LLMOPS_CASE_CONDITION;
constexpr std::string_view kCasesWithoutBodies = "SELECT " LLMOPS_CASE_COLUMNS LLMOPS_CASE_CONDITION;  // spares reading overflow pages

#undef LLMOPS_CASE_COLUMNS
#undef LLMOPS_CASE_CONDITION

CaseRecord case_row(const Statement& row, bool with_bodies) {
  CaseRecord record;
  record.ordinal = row.integer(1);
  record.repeat = static_cast<int>(row.integer(2));
  record.case_id = row.text(3);
  record.case_hash = row.text(4);
  if (const auto pass = row.optional_integer(5)) record.pass = *pass != 0;
  record.latency_ms = row.real(6);
  record.cost_usd = row.optional_real(7);
  record.input_tokens = row.optional_integer(8);
  record.output_tokens = row.optional_integer(9);
  record.error_code = row.text(10);
  record.error_step = row.text(11);
  record.error_message = row.text(12);
  if (with_bodies) {
    record.row = row.text(13);
    record.output = row.text(14);
  }
  return record;
}

}  // namespace

// Both failed_only and errors_only: cases that failed or met an error.
Status LocalStore::visit_cases(int64_t run_number, const CaseFilter& filter, const std::function<bool(const CaseRecord&)>& visit) {
  LLMOPS_ASSIGN(ReaderPool::Lease reader, readers_.lend());
  LLMOPS_CHECK(require_run(*reader, run_number));
  LLMOPS_ASSIGN(Statement select, reader->prepare(filter.with_bodies ? kCasesWithBodies : kCasesWithoutBodies));
  select.bind(1, run_number).bind(2, filter.case_id).bind(3, filter.failed_only ? 1 : 0).bind(4, filter.errors_only ? 1 : 0);
  while (true) {
    LLMOPS_ASSIGN(const bool row, select.step());
    if (!row) return {};
    CaseRecord record = case_row(select, filter.with_bodies);
    if (filter.with_spans) {
      LLMOPS_ASSIGN(record.spans, read_spans(*reader, select.integer(0)));
      if (filter.step) std::erase_if(record.spans, [&filter](const SpanRecord& span) { return span.step != *filter.step; });
    }
    if (filter.with_scores) {
      LLMOPS_ASSIGN(record.scores, read_scores(*reader, select.integer(0)));
    }
    if (!visit(record)) return {};
  }
}

Result<std::vector<std::pair<int64_t, int>>> LocalStore::finished_cases(int64_t run_number) {
  LLMOPS_ASSIGN(ReaderPool::Lease reader, readers_.lend());
  LLMOPS_CHECK(require_run(*reader, run_number));
  LLMOPS_ASSIGN(Statement select, reader->prepare("SELECT ordinal, repeat FROM run_case WHERE run = ?1 AND error_code IS NULL ORDER BY ordinal, repeat"));
  select.bind(1, run_number);
  std::vector<std::pair<int64_t, int>> found;
  while (true) {
    LLMOPS_ASSIGN(const bool row, select.step());
    if (!row) return found;
    found.emplace_back(select.integer(0), static_cast<int>(select.integer(1)));
  }
}

Status LocalStore::write_batch(const std::vector<Committer::Item>& batch) {
  if (const int injected = failpoint("run.batch")) return io_error("write", layout_.database(), injected);
  const std::lock_guard guard(write_mutex_);
  LLMOPS_ASSIGN(const FileLock lock, lock_store());
  const Status written = write_locked(lock, Durability::kProcess, [&](Connection& connection) -> Status {
    if (!case_rows_) case_rows_.emplace(connection);
    for (const Committer::Item& item : batch) {
      if (item.run != nullptr) LLMOPS_CHECK(case_rows_->write(item.run->run, item.record));
    }
    return write_responses(connection, batch);
  });
  if (!written) case_rows_.reset();  // its numbers of names may have been rolled back
  return written;
}

}  // namespace llmops
