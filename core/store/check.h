// Is everything in the store whole? What `version fsck` shows and what crash tests ask.
#pragma once

#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/store/store.h"

namespace llmops {

// One sentence per finding; empty: sound. Opens the store first (unless read_only), which heals what an interrupted process
// may leave: stale locks, an index behind its refs. Then: every ref resolves; every manifest hashes to its vid; every file of
// every version is there (`full`: read back and compared by digest, and so is every other blob); the index says what the refs
// say; SQLite's integrity_check (`full`, else quick_check) and foreign_key_check; every row belongs to something; every run's
// vid is a stored version; no lock is left; the ignore file and the modes protect the store.
// Errors: what keeps it from looking (kNotFound, kNewerStore, kLocked, kIo). Damage is a finding, never an error.
Result<std::vector<std::string>> check_store(const StoreOptions& options, bool full);

}  // namespace llmops
