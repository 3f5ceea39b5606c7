// What applications recorded of themselves: spans by trace, each once.
#include "core/base/failpoint.h"
#include "core/base/fs.h"
#include "core/store/local_store.h"

namespace llmops {

Result<Store::SpanCounts> LocalStore::add_spans(const std::vector<StoredSpan>& spans) {
  SpanCounts counts;
  const auto add = [&](Connection& connection) -> Status {
    counts = {};
    LLMOPS_ASSIGN(Statement find, connection.prepare("SELECT id, start_ms FROM trace WHERE trace = ?1"));
    LLMOPS_ASSIGN(Statement begin, connection.prepare("INSERT INTO trace (trace, start_ms, service) VALUES (?1, ?2, ?3)"));
    LLMOPS_ASSIGN(Statement earlier, connection.prepare("UPDATE trace SET start_ms = ?2 WHERE id = ?1"));
    LLMOPS_ASSIGN(Statement insert, connection.prepare("INSERT OR IGNORE INTO trace_span (trace, span, body) VALUES (?1, ?2, ?3)"));
    for (const StoredSpan& span : spans) {
      LLMOPS_ASSIGN(const bool is_known, find.bind(1, span.trace).step());
      int64_t trace = 0;
      if (is_known) {
        trace = find.integer(0);
        if (span.start_ms < find.integer(1)) LLMOPS_CHECK(earlier.bind(1, trace).bind(2, span.start_ms).run());
      } else {
        LLMOPS_CHECK(begin.bind(1, span.trace).bind(2, span.start_ms).bind(3, span.service).run());
        trace = connection.last_insert_id();
        ++counts.new_traces;
      }
      find.reset();
      LLMOPS_CHECK(insert.bind(1, trace).bind(2, span.span).bind(3, span.body).run());
      ++(connection.changes() > 0 ? counts.added : counts.known);
    }
    if (const int injected = failpoint("traces.batch")) return io_error("write", layout_.database(), injected);
    return {};
  };
  LLMOPS_CHECK(write(Durability::kProcess, add));
  return counts;
}

Result<std::vector<int64_t>> LocalStore::traces(std::string_view service) {
  LLMOPS_ASSIGN(ReaderPool::Lease reader, readers_.lend());
  LLMOPS_ASSIGN(Statement select, reader->prepare("SELECT id FROM trace WHERE ?1 = '' OR service = ?1 ORDER BY start_ms, id"));
  select.bind(1, service);
  std::vector<int64_t> found;
  while (true) {
    LLMOPS_ASSIGN(const bool row, select.step());
    if (!row) return found;
    found.push_back(select.integer(0));
  }
}

Result<std::vector<std::string>> LocalStore::trace_spans(int64_t trace) {
  LLMOPS_ASSIGN(ReaderPool::Lease reader, readers_.lend());
  LLMOPS_ASSIGN(Statement select, reader->prepare("SELECT body FROM trace_span WHERE trace = ?1 ORDER BY span"));
  select.bind(1, trace);
  std::vector<std::string> found;
  while (true) {
    LLMOPS_ASSIGN(const bool row, select.step());
    if (!row) return found;
    found.push_back(select.text(0));
  }
}

}  // namespace llmops
