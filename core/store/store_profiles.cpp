// What is kept of production without its texts, and what monitors saw in it.
#include <fmt/format.h>

#include "core/base/failpoint.h"
#include "core/base/fs.h"
#include "core/store/local_store.h"

namespace llmops {

Status LocalStore::put_profiles(const std::vector<StoredProfile>& profiles) {
  return write(Durability::kProcess, [&](Connection& connection) -> Status {
    LLMOPS_ASSIGN(Statement insert, connection.prepare("INSERT OR REPLACE INTO profile (spec, component, period_ms, stratum, records, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6)"));
    for (const StoredProfile& one : profiles) LLMOPS_CHECK(insert.bind(1, one.spec).bind(2, one.component).bind(3, one.period_ms).bind(4, one.stratum).bind(5, one.records).bind_blob(6, one.body).run());
    if (const int injected = failpoint("profiles.put")) return io_error("write", layout_.database(), injected);
    return {};
  });
}

Status LocalStore::visit_profiles(const ProfileFilter& filter, const std::function<bool(const StoredProfile&)>& visit) {
  LLMOPS_ASSIGN(ReaderPool::Lease reader, readers_.lend());
  LLMOPS_ASSIGN(Statement select, reader->prepare("SELECT period_ms, stratum, records, body FROM profile WHERE spec = ?1 AND component = ?2 AND (?3 IS NULL OR period_ms >= ?3) AND (?4 IS NULL OR period_ms < ?4) ORDER BY period_ms, stratum"));
  select.bind(1, filter.spec).bind(2, filter.component).bind(3, filter.from_ms).bind(4, filter.to_ms);
  while (true) {
    LLMOPS_ASSIGN(const bool row, select.step());
    if (!row || !visit({filter.spec, filter.component, select.integer(0), select.text(1), select.integer(2), select.text(3)})) return {};
  }
}

Status LocalStore::add_looks(const std::vector<StoredLook>& looks) {
  return write(Durability::kPower, [&](Connection& connection) -> Status {
    LLMOPS_ASSIGN(Statement find, connection.prepare("SELECT 1 FROM look WHERE monitor = ?1 AND period_ms = ?2"));
    LLMOPS_ASSIGN(Statement insert, connection.prepare("INSERT INTO look (monitor, period_ms, looked_ms, body) VALUES (?1, ?2, ?3, ?4)"));
    for (const StoredLook& one : looks) {
      LLMOPS_ASSIGN(const bool is_known, find.bind(1, one.monitor).bind(2, one.period_ms).step());
      find.reset();
      if (is_known) return Error(ErrorCode::kData, fmt::format("'{}' looked at the period from {} already", one.monitor, format_utc(one.period_ms)), "another process watches this store: run it once");
      LLMOPS_CHECK(insert.bind(1, one.monitor).bind(2, one.period_ms).bind(3, one.looked_ms).bind(4, one.body).run());
    }
    if (const int injected = failpoint("looks.add")) return io_error("write", layout_.database(), injected);
    return {};
  });
}

Result<std::vector<StoredLook>> LocalStore::looks() {
  LLMOPS_ASSIGN(ReaderPool::Lease reader, readers_.lend());
  LLMOPS_ASSIGN(Statement select, reader->prepare("SELECT monitor, period_ms, looked_ms, body FROM look ORDER BY monitor, period_ms"));
  std::vector<StoredLook> found;
  while (true) {
    LLMOPS_ASSIGN(const bool row, select.step());
    if (!row) return found;
    found.push_back({select.text(0), select.integer(1), select.integer(2), select.text(3)});
  }
}

Result<int64_t> LocalStore::remove_looks(std::string_view monitor) {
  int64_t removed = 0;
  const auto forget = [&](Connection& connection) -> Status {
    LLMOPS_ASSIGN(Statement remove, connection.prepare("DELETE FROM look WHERE monitor = ?1"));
    LLMOPS_CHECK(remove.bind(1, monitor).run());
    removed = connection.changes();
    return {};
  };
  LLMOPS_CHECK(write(Durability::kPower, forget));
  return removed;
}

}  // namespace llmops
