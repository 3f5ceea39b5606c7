// The store's bare git repository through libgit2, which is loaded on first use: it costs 6 to 12 ms, and most commands need
// only the index of versions.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/lock.h"
#include "core/base/result.h"
#include "core/store/layout.h"

namespace llmops {

enum class GitKind { kBlob, kTree, kCommit };

struct GitRef { std::string name, oid; };  // oid: 40 hex

// Thread-safe. Errors: kIo (libgit2 not installed, disk), kCorrupt (damaged objects).
class ObjectRepo {
 public:
  static Result<std::unique_ptr<ObjectRepo>> open(const StoreLayout& layout);
  ~ObjectRepo();
  ObjectRepo(const ObjectRepo&) = delete;
  ObjectRepo& operator=(const ObjectRepo&) = delete;

  struct NewObject { GitKind kind; std::string bytes; };
  // The id that an object has or would have.
  Result<std::string> id_of(GitKind kind, std::string_view bytes);
  // Writes what is not there yet; durable when it returns. More than a few, and with a commit among them that reaches all
  // others, become one pack: 1000 objects take 90 ms instead of 1.1 s.
  Status write(const std::vector<NewObject>& objects);
  // kCorrupt: not there, of another kind, or its bytes do not have its id.
  Result<std::string> read(GitKind kind, std::string_view oid);
  bool exists(std::string_view oid);

  Result<std::optional<std::string>> ref(std::string_view name);
  Result<std::vector<GitRef>> refs();  // below refs/llmops, sorted by name
  // `expected`: where the ref must stand, nullopt: it must not exist, else kLocked (somebody moved it). The commit point.
  Status move_ref(const FileLock& lock, std::string_view name, std::string_view oid, const std::optional<std::string>& expected, std::string_view reason);

 private:
  struct Handles;
  ObjectRepo(StoreLayout layout, std::unique_ptr<Handles> handles);
  Status write_pack(const std::vector<NewObject>& objects);
  Error error(std::string_view what, int code);
  std::mutex mutex_;
  StoreLayout layout_;
  std::unique_ptr<Handles> handles_;
};

}  // namespace llmops
