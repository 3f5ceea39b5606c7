// Where things lie in `.llmops/`, how it is made, and what its refs say, without libgit2.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/lock.h"
#include "core/base/result.h"

namespace llmops {

inline constexpr int kStoreFormat = 1;
inline constexpr int64_t kGarbageAgeMs = 3'600'000;  // what an interrupted writer left is swept when it is an hour old

struct StoreLayout {
  std::filesystem::path root;  // .llmops
  std::filesystem::path format() const { return root / "format"; }
  std::filesystem::path ignore() const { return root / ".gitignore"; }
  std::filesystem::path lock() const { return root / "lock"; }
  std::filesystem::path database() const { return root / "db.sqlite"; }
  std::filesystem::path repository() const { return root / "store.git"; }
  std::filesystem::path refs() const { return repository() / "refs" / "llmops"; }
  std::filesystem::path blobs() const { return root / "blobs"; }
  std::filesystem::path external() const { return root / "external"; }
  std::filesystem::path temporary() const { return root / "tmp"; }
};

// Makes what is missing; the format file comes last and marks a whole store. Durable. Idempotent.
Status create_layout(const StoreLayout& layout);
// Errors: kNotFound (no store, or one whose making was interrupted), kNewerStore, kCorrupt, kIo (another user's).
Status check_layout(const StoreLayout& layout);

// fsync of a directory: names in it are durable. Network file systems that cannot are no error.
Status sync_directory(const std::filesystem::path& path);

// Something was ever committed: then the store had a database, too.
bool holds_refs(const StoreLayout& layout);

// Letters, digits, '.', '_', '-'; not starting with '.' or '-', no "..", not ending with '.' or ".lock": a ref name as well.
bool is_ref_component(std::string_view name);
// kUsage, "label name 'x y' is not usable"
Status check_name(std::string_view what, std::string_view name);

// A digest over every ref below refs/llmops (automatic ones by name: they never move), and packed-refs. Equal digests mean
// that the index of versions is up to date.
Result<std::string> refs_digest(const StoreLayout& layout);
// Makes refs/llmops/<chain>/{heads,labels,auto}, durably.
Status ensure_chain_refs(const StoreLayout& layout, std::string_view chain);

// *.lock files below refs/: nobody but a killed process leaves one while we hold the store's lock.
std::vector<std::filesystem::path> stale_ref_locks(const StoreLayout& layout);
// Removes those, and temporary files of an hour's age (`now_ms`). Needs the exclusive lock.
Status sweep_garbage(const StoreLayout& layout, const FileLock& lock, int64_t now_ms);
bool has_temporary_files(const StoreLayout& layout);

}  // namespace llmops
