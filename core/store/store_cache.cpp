// Two caches: steps, found again in the spans of earlier runs, and replies of providers.
#include <algorithm>

#include "core/store/local_store.h"

namespace llmops {

// The subtree hangs together by `parent`; a descendant comes after its parent in order of sequence.
Result<std::vector<SpanRecord>> LocalStore::find_step(std::string_view memo_key) {
  LLMOPS_ASSIGN(ReaderPool::Lease reader, readers_.lend());
  int64_t span = 0;
  {
    LLMOPS_ASSIGN(Statement select, reader->prepare("SELECT span FROM memo WHERE key = ?1"));
    LLMOPS_ASSIGN(const bool found, select.bind_blob(1, memo_key).step());
    if (!found) return std::vector<SpanRecord>();
    span = select.integer(0);
  }
  LLMOPS_ASSIGN(std::vector<SpanRecord> all, read_spans(*reader, span >> kSpanBits));
  const int root = static_cast<int>(span & (kMaxSpans - 1));
  std::vector<SpanRecord> found;
  for (SpanRecord& one : all) {
    const bool wanted = one.sequence == root || std::any_of(found.begin(), found.end(), [&one](const SpanRecord& above) { return above.sequence == one.parent; });
    if (wanted) found.push_back(std::move(one));
  }
  return found;
}

Result<std::optional<CachedResponse>> LocalStore::find_response(std::string_view key) {
  if (const auto pending = committer_.pending(key)) return std::optional(*pending);
  LLMOPS_ASSIGN(ReaderPool::Lease reader, readers_.lend());
  LLMOPS_ASSIGN(Statement select, reader->prepare("SELECT key, parts, reply, created_ms FROM response WHERE key = ?1"));
  LLMOPS_ASSIGN(const bool row, select.bind_blob(1, key).step());
  if (!row) return std::optional<CachedResponse>();
  return std::optional(CachedResponse{select.text(0), select.text(1), select.text(2), select.integer(3)});
}

Status LocalStore::put_response(CachedResponse response) {
  LLMOPS_CHECK(writable());
  if (response.created_ms == 0) response.created_ms = options_.clock->unix_ms();
  return committer_.put(std::move(response));
}

Status LocalStore::write_responses(Connection& connection, const std::vector<Committer::Item>& batch) {
  LLMOPS_ASSIGN(Statement insert, connection.prepare("INSERT INTO response (key, parts, reply, created_ms) VALUES (?1, ?2, ?3, ?4) "
                                                     "ON CONFLICT (key) DO UPDATE SET parts = excluded.parts, reply = excluded.reply, created_ms = excluded.created_ms"));
  for (const Committer::Item& item : batch) {
    if (item.response == nullptr) continue;
    const CachedResponse& response = *item.response;
    LLMOPS_CHECK(insert.bind_blob(1, response.key).bind(2, response.parts).bind(3, response.reply).bind(4, response.created_ms).run());
  }
  return {};
}

Result<Store::CacheStats> LocalStore::cache_stats() {
  committer_.drain();
  LLMOPS_ASSIGN(ReaderPool::Lease reader, readers_.lend());
  LLMOPS_ASSIGN(Statement select, reader->prepare("SELECT (SELECT count(*) FROM response), (SELECT coalesce(sum(length(CAST(parts AS BLOB)) + length(CAST(reply AS BLOB))), 0) FROM response), "
                                                  "(SELECT count(*) FROM memo)"));
  LLMOPS_ASSIGN(const bool row, select.step());
  CacheStats stats;
  if (row) stats = {select.integer(0), select.integer(1), select.integer(2)};
  return stats;
}

Result<int64_t> LocalStore::clear_cache() {
  committer_.drain();
  int64_t removed = 0;
  const auto remove = [&removed](Connection& connection) -> Status {
    LLMOPS_ASSIGN(const int64_t steps, connection.integer("SELECT count(*) FROM memo"));
    LLMOPS_ASSIGN(const int64_t responses, connection.integer("SELECT count(*) FROM response"));
    removed = steps + responses;
    return connection.execute("DELETE FROM memo; DELETE FROM response;");
  };
  LLMOPS_CHECK(write(Durability::kPower, remove));
  return removed;
}

}  // namespace llmops
