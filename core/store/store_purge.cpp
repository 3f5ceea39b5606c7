// How stored traces are found, counted and forgotten.
#include <sys/stat.h>

#include "core/base/failpoint.h"
#include "core/base/fs.h"
#include "core/store/local_store.h"

namespace llmops {

namespace {

uint64_t file_bytes(const fs::path& path) {
  struct stat info {};
  return stat(path.c_str(), &info) == 0 ? static_cast<uint64_t>(info.st_size) : 0;
}

// Every row of "name, count", in the statement's order.
Result<std::vector<std::pair<std::string, int64_t>>> counted_names(Connection& connection, std::string_view sql) {
  LLMOPS_ASSIGN(Statement select, connection.prepare(sql));
  std::vector<std::pair<std::string, int64_t>> found;
  while (true) {
    LLMOPS_ASSIGN(const bool row, select.step());
    if (!row) return found;
    found.emplace_back(select.text(0), select.integer(1));
  }
}

struct PurgePart { std::string_view rows; int64_t Store::PurgeCounts::*count; };
// In the order in which they may go: rows that refer before those that are referred to.
constexpr PurgePart kPurged[] = {
    {"FROM trace_score WHERE trace = (SELECT trace FROM trace WHERE id = ?1)", &Store::PurgeCounts::scores},
    {"FROM record WHERE trace = ?1", &Store::PurgeCounts::records},
    {"FROM trace_span WHERE trace = ?1", &Store::PurgeCounts::spans},
    {"FROM trace WHERE id = ?1", &Store::PurgeCounts::traces},
};

}  // namespace

Result<std::vector<std::pair<int64_t, std::string>>> LocalStore::find_traces(std::string_view prefix, int limit) {
  LLMOPS_ASSIGN(ReaderPool::Lease reader, readers_.lend());
  LLMOPS_ASSIGN(Statement select, reader->prepare("SELECT id, trace FROM trace WHERE trace >= ?1 AND substr(trace, 1, length(?1)) = ?1 ORDER BY trace LIMIT ?2"));
  select.bind(1, prefix).bind(2, limit);
  std::vector<std::pair<int64_t, std::string>> found;
  while (true) {
    LLMOPS_ASSIGN(const bool row, select.step());
    if (!row) return found;
    found.emplace_back(select.integer(0), select.text(1));
  }
}

Status LocalStore::visit_scores(std::string_view trace, const std::function<bool(const StoredScore&)>& visit) {
  LLMOPS_ASSIGN(ReaderPool::Lease reader, readers_.lend());
  LLMOPS_ASSIGN(Statement select, reader->prepare("SELECT trace, span, name, value FROM trace_score WHERE ?1 = '' OR trace = ?1 ORDER BY trace, span, name"));
  select.bind(1, trace);
  while (true) {
    LLMOPS_ASSIGN(const bool row, select.step());
    if (!row || !visit({select.text(0), select.text(1), select.text(2), select.text(3)})) return {};
  }
}

Result<std::vector<int64_t>> LocalStore::traces_before(int64_t unix_ms) {
  LLMOPS_ASSIGN(ReaderPool::Lease reader, readers_.lend());
  LLMOPS_ASSIGN(Statement select, reader->prepare("SELECT id FROM trace WHERE start_ms > 0 AND start_ms < ?1 ORDER BY start_ms, id"));
  select.bind(1, unix_ms);
  std::vector<int64_t> found;
  while (true) {
    LLMOPS_ASSIGN(const bool row, select.step());
    if (!row) return found;
    found.push_back(select.integer(0));
  }
}

Result<std::vector<std::pair<int64_t, std::string>>> LocalStore::traces_of_span(std::string_view span, int limit) {
  LLMOPS_ASSIGN(ReaderPool::Lease reader, readers_.lend());
  LLMOPS_ASSIGN(Statement select, reader->prepare("SELECT t.id, t.trace FROM trace_span s JOIN trace t ON t.id = s.trace WHERE s.span = ?1 ORDER BY t.trace LIMIT ?2"));
  select.bind(1, span).bind(2, limit);
  std::vector<std::pair<int64_t, std::string>> found;
  while (true) {
    LLMOPS_ASSIGN(const bool row, select.step());
    if (!row) return found;
    found.emplace_back(select.integer(0), select.text(1));
  }
}

Result<ProductionTotals> LocalStore::production_totals() {
  LLMOPS_ASSIGN(ReaderPool::Lease reader, readers_.lend());
  ProductionTotals totals;
  const std::pair<const char*, int64_t*> counts[] = {
      {"SELECT count(*) FROM trace", &totals.traces}, {"SELECT count(*) FROM trace_span", &totals.spans}, {"SELECT count(*) FROM record", &totals.records}, {"SELECT count(*) FROM trace_score", &totals.scores},
      {"SELECT count(*) FROM profile", &totals.profiles}, {"SELECT count(*) FROM look", &totals.looks}, {"SELECT count(*) FROM trace WHERE start_ms <= 0", &totals.without_time},
      {"SELECT count(*) FROM trace WHERE id NOT IN (SELECT trace FROM record WHERE component = '')", &totals.without_records}};
  for (const auto& [sql, count] : counts) {
    LLMOPS_ASSIGN(*count, reader->integer(sql));
  }
  {
    LLMOPS_ASSIGN(Statement ends, reader->prepare("SELECT min(start_ms), max(start_ms) FROM trace WHERE start_ms > 0"));
    LLMOPS_ASSIGN(const bool row, ends.step());
    if (row) {
      totals.first_ms = ends.optional_integer(0);
      totals.last_ms = ends.optional_integer(1);
    }
  }
  LLMOPS_ASSIGN(totals.services, counted_names(*reader, "SELECT service, count(*) FROM trace GROUP BY service ORDER BY service"));
  LLMOPS_ASSIGN(totals.components, counted_names(*reader, "SELECT component, count(*) FROM record WHERE component <> '' GROUP BY component ORDER BY component"));
  // A text of which a digest alone was kept (capture: hash) is none.
  LLMOPS_ASSIGN(Statement told, reader->prepare("SELECT count(*), count(CASE WHEN substr(input, 1, 10) <> '{\"sha256\":' THEN 1 END), count(CASE WHEN substr(output, 1, 10) <> '{\"sha256\":' THEN 1 END), count(session), count(user), count(route), count(language), "
      "count(prompt), count(vid), count(coalesce(model_served, model_asked)), count(latency_ms), count(coalesce(input_tokens, output_tokens)), count(cost_usd) FROM record WHERE component = ''"));
  LLMOPS_ASSIGN(const bool row, told.step());
  if (row) {
    totals.requests = told.integer(0);
    int column = 1;
    for (const char* name : {"input", "output", "session", "user", "route", "language", "prompt", "version", "model", "latency", "tokens", "cost"}) totals.told.emplace_back(name, told.integer(column++));
  }
  totals.database_bytes = file_bytes(layout_.database());
  totals.log_bytes = file_bytes(layout_.database().string() + "-wal");
  return totals;
}

Result<Store::PurgeCounts> LocalStore::count_held(const std::vector<int64_t>& traces) {
  LLMOPS_ASSIGN(ReaderPool::Lease reader, readers_.lend());
  PurgeCounts counts;
  for (const PurgePart& part : kPurged) {
    LLMOPS_ASSIGN(Statement select, reader->prepare("SELECT count(*) " + std::string(part.rows)));
    for (const int64_t id : traces) {
      LLMOPS_ASSIGN(const bool row, select.bind(1, id).step());
      if (row) counts.*part.count += select.integer(0);
      select.reset();
    }
  }
  return counts;
}

Result<Store::PurgeCounts> LocalStore::remove_traces(const std::vector<int64_t>& traces) {
  PurgeCounts counts;
  const auto forget = [&](Connection& connection) -> Status {
    counts = {};
    // Freed pages are overwritten with zeros, so that what was purged cannot be read in the file.
    LLMOPS_CHECK(connection.execute("PRAGMA secure_delete = ON"));
    for (const PurgePart& part : kPurged) {
      LLMOPS_ASSIGN(Statement remove, connection.prepare("DELETE " + std::string(part.rows)));
      for (const int64_t id : traces) {
        LLMOPS_CHECK(remove.bind(1, id).run());
        counts.*part.count += connection.changes();
      }
    }
    if (counts.traces > 0) LLMOPS_CHECK(connection.execute("INSERT OR REPLACE INTO meta (key, value) VALUES ('wants_vacuum', '1')"));
    if (const int injected = failpoint("traces.remove")) return io_error("write", layout_.database(), injected);
    return {};
  };
  LLMOPS_CHECK(write(Durability::kPower, forget));
  return counts;
}

Result<bool> LocalStore::vacuum() {
  LLMOPS_CHECK(writable());
  const std::lock_guard guard(write_mutex_);
  LLMOPS_ASSIGN(const FileLock lock, lock_store());
  LLMOPS_CHECK(open_writer());
  if (const int injected = failpoint("db.before_vacuum")) return io_error("write", layout_.database(), injected);
  // secure_delete alone leaves what lies between the cells of a page that was split before: up to 9 copies of some 20,000 in the test. The copy of a large database is too much for memory.
  LLMOPS_CHECK(writer_->execute("PRAGMA temp_store = FILE"));
  const Status rewritten = writer_->execute("VACUUM");
  LLMOPS_CHECK(writer_->execute("PRAGMA temp_store = MEMORY"));
  LLMOPS_CHECK(rewritten);
  LLMOPS_CHECK(writer_->checkpoint(lock));
  if (writer_->wal_bytes() > 0) return false;
  const auto note = [](Connection& connection) { return connection.execute("DELETE FROM meta WHERE key = 'wants_vacuum'"); };
  LLMOPS_CHECK(write_locked(lock, Durability::kPower, note));
  return true;
}

Result<bool> LocalStore::wants_vacuum() {
  LLMOPS_ASSIGN(ReaderPool::Lease reader, readers_.lend());
  LLMOPS_ASSIGN(const int64_t wanted, reader->integer("SELECT count(*) FROM meta WHERE key = 'wants_vacuum'"));
  return wanted > 0;
}

}  // namespace llmops
