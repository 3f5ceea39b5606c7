// The schema of db.sqlite as an append-only list of SQL files (schemas/sql/NNNN_*.sql), and the steps from an older one.
#pragma once

#include <filesystem>
#include <string_view>
#include <vector>

#include "core/store/database.h"

namespace llmops {

inline constexpr int64_t kApplicationId = 0x4C4C4D4F;  // "LLMO"

struct Migration { int version; std::string_view sql; };

// The migrations inside the binary, in order, without gaps from 1.
std::vector<Migration> embedded_migrations();

// What a database says of itself. Errors: kNewerStore, kCorrupt (another program's database). 0: empty.
Result<int> schema_version(Connection& connection, int newest_known);

// Brings the database to the last of `migrations`, each step in a transaction of its own. A database that holds something is
// first copied to <directory>/backup/pre-v<its next version>.sqlite. Nothing happens when it is up to date.
Status migrate(Connection& connection, const FileLock& lock, const std::filesystem::path& directory, const std::vector<Migration>& migrations);

}  // namespace llmops
