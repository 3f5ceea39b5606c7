// How files of weights were made, under the digest of what they hold: a version that has such a file as an asset leads here.
#include "core/base/failpoint.h"
#include "core/base/fs.h"
#include "core/store/local_store.h"

namespace llmops {

Status LocalStore::put_made_files(const std::vector<MadeFile>& files) {
  return write(Durability::kPower, [&](Connection& connection) -> Status {
    LLMOPS_ASSIGN(Statement insert, connection.prepare("INSERT OR REPLACE INTO made_file (sha256, name, made_ms, report) VALUES (?1, ?2, ?3, ?4)"));
    for (const MadeFile& file : files) LLMOPS_CHECK(insert.bind(1, file.sha256).bind(2, file.name).bind(3, file.made_ms).bind(4, file.report).run());
    if (const int injected = failpoint("made_files.write")) return io_error("write", layout_.database(), injected);
    return {};
  });
}

Result<std::optional<MadeFile>> LocalStore::made_file(std::string_view sha256) {
  LLMOPS_ASSIGN(ReaderPool::Lease reader, readers_.lend());
  LLMOPS_ASSIGN(Statement select, reader->prepare("SELECT name, made_ms, report FROM made_file WHERE sha256 = ?1"));
  select.bind(1, sha256);
  LLMOPS_ASSIGN(const bool row, select.step());
  if (!row) return std::optional<MadeFile>();
  return std::optional(MadeFile{std::string(sha256), select.text(0), select.integer(1), select.text(2)});
}

}  // namespace llmops
