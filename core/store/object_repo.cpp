// libgit2 with its traps closed (versions 1.1 to 1.9): no configuration of the user's or the system's is read; files and
// directories are fsynced; the ownership check is off, because the store checks the owner itself and libgit2 1.5 reports a
// foreign repository as a missing configuration value; objects are read through the checking path only, since its read
// streams verify no hash; and its reference locks never wait, so references move under the store's own lock.
#include "core/store/object_repo.h"

#include <dlfcn.h>
#include <git2.h>
#include <git2/sys/mempack.h>

#include <algorithm>
#include <cerrno>
#include <fmt/format.h>

#include "core/base/failpoint.h"
#include "core/base/fs.h"

namespace llmops {
namespace {

constexpr size_t kFewObjects = 20;                      // up to here loose objects, each with its own fsync
constexpr size_t kMaxObjectBytes = size_t{256} << 20;  // a header is trusted for the allocation: bound it first

// Every function of libgit2 that is used.
struct GitApi {
#define LLMOPS_GIT_FUNCTIONS(X)                                                                                           \
  X(git_libgit2_init) X(git_libgit2_opts) X(git_error_last) X(git_repository_open_bare) X(git_repository_free)            \
  X(git_repository_odb) X(git_repository_set_ident) X(git_odb_free) X(git_odb_write) X(git_odb_hash) X(git_odb_read)      \
  X(git_odb_read_header) X(git_odb_exists) X(git_odb_add_backend) X(git_odb_object_data) X(git_odb_object_size)           \
  X(git_odb_object_type) X(git_odb_object_free) X(git_oid_fromstrn) X(git_oid_tostr) X(git_mempack_new)                   \
  X(git_mempack_dump) X(git_buf_dispose) X(git_indexer_new) X(git_indexer_append) X(git_indexer_commit)                   \
  X(git_indexer_free) X(git_reference_name_to_id) X(git_reference_create_matching) X(git_reference_free)                  \
  X(git_reference_iterator_glob_new) X(git_reference_next) X(git_reference_iterator_free) X(git_reference_name)           \
  X(git_reference_target)
#define LLMOPS_GIT_DECLARE(function) decltype(&::function) function = nullptr;
  LLMOPS_GIT_FUNCTIONS(LLMOPS_GIT_DECLARE)
#undef LLMOPS_GIT_DECLARE
};

struct LoadedGit { GitApi api; std::string problem; };

void configure(const GitApi& api) {
  api.git_libgit2_opts(GIT_OPT_ENABLE_FSYNC_GITDIR, 1);
  api.git_libgit2_opts(GIT_OPT_SET_OWNER_VALIDATION, 0);
  for (const int level : {GIT_CONFIG_LEVEL_PROGRAMDATA, GIT_CONFIG_LEVEL_SYSTEM, GIT_CONFIG_LEVEL_XDG, GIT_CONFIG_LEVEL_GLOBAL})
    api.git_libgit2_opts(GIT_OPT_SET_SEARCH_PATH, level, "");
}

LoadedGit load() {
  LoadedGit loaded;
  void* library = nullptr;
  for (const char* name : {"libgit2.so.1.5", "libgit2.so.1.7", "libgit2.so.1.8", "libgit2.so.1.9", "libgit2.so.1.1", "libgit2.so"}) {
    library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (library != nullptr) break;
  }
  if (library == nullptr) {
    loaded.problem = "libgit2 is not installed";
    return loaded;
  }
#define LLMOPS_GIT_RESOLVE(function)                                                                \
  loaded.api.function = reinterpret_cast<decltype(loaded.api.function)>(dlsym(library, #function)); \
  if (loaded.api.function == nullptr) loaded.problem = "libgit2 has no " #function;
  LLMOPS_GIT_FUNCTIONS(LLMOPS_GIT_RESOLVE)
#undef LLMOPS_GIT_RESOLVE
  if (!loaded.problem.empty()) return loaded;
  if (loaded.api.git_libgit2_init() < 0) loaded.problem = "libgit2 does not start";
  else configure(loaded.api);
  return loaded;
}

// Loaded once per process and kept.
Result<const GitApi*> git_api() {
  static const LoadedGit loaded = load();
  if (!loaded.problem.empty()) return Error(ErrorCode::kIo, "cannot read or write versions: " + loaded.problem, "install libgit2 1.5 or newer (Debian 12: apt-get install libgit2-1.5)");
  return &loaded.api;
}

git_object_t kind_code(GitKind kind) {
  switch (kind) {
    case GitKind::kBlob: return GIT_OBJECT_BLOB;
    case GitKind::kTree: return GIT_OBJECT_TREE;
    case GitKind::kCommit: return GIT_OBJECT_COMMIT;
  }
  return GIT_OBJECT_INVALID;
}

std::string oid_text(const GitApi& api, const git_oid& oid) {
  char text[41];
  api.git_oid_tostr(text, sizeof text, &oid);
  return text;
}

Result<git_oid> parse_oid(const GitApi& api, std::string_view text) {
  git_oid oid{};
  if (text.size() != 40 || api.git_oid_fromstrn(&oid, text.data(), text.size()) != 0)
    return Error(ErrorCode::kCorrupt, fmt::format("'{}' is not a git object id", text));
  return oid;
}

// Frees through the function table.
template <class T>
class Owned {
 public:
  Owned(void (*release)(T*)) : release_(release) {}
  ~Owned() { if (value_ != nullptr) release_(value_); }
  Owned(const Owned&) = delete;
  Owned& operator=(const Owned&) = delete;
  T** out() { return &value_; }
  T* get() const { return value_; }

 private:
  void (*release_)(T*);
  T* value_ = nullptr;
};

}  // namespace

struct ObjectRepo::Handles {
  const GitApi& api;
  git_repository* repository = nullptr;
  git_odb* odb = nullptr;
  explicit Handles(const GitApi& table) : api(table) {}
  ~Handles() {
    if (odb != nullptr) api.git_odb_free(odb);
    if (repository != nullptr) api.git_repository_free(repository);
  }
};

ObjectRepo::ObjectRepo(StoreLayout layout, std::unique_ptr<Handles> handles) : layout_(std::move(layout)), handles_(std::move(handles)) {}
ObjectRepo::~ObjectRepo() = default;

// errno is set to 0 before a call that may meet the disk, so that a full one is told apart from damage.
Error ObjectRepo::error(std::string_view what, int code) {
  if (const int number = errno; number == ENOSPC || number == EDQUOT || number == EACCES || number == EROFS || number == EIO)
    return io_error(what, layout_.repository(), number);
  const git_error* last = handles_->api.git_error_last();
  const std::string text = last != nullptr && last->message != nullptr ? last->message : fmt::format("libgit2 error {}", code);
  return {ErrorCode::kCorrupt, fmt::format("cannot {} '{}': {}", what, layout_.repository().string(), text), "restore store.git from a backup, or fetch it from a remote"};
}

Result<std::unique_ptr<ObjectRepo>> ObjectRepo::open(const StoreLayout& layout) {
  LLMOPS_ASSIGN(const GitApi* api, git_api());
  std::unique_ptr<ObjectRepo> repo(new ObjectRepo(layout, std::make_unique<Handles>(*api)));
  Handles& handles = *repo->handles_;
  errno = 0;
  if (const int code = api->git_repository_open_bare(&handles.repository, layout.repository().c_str())) return repo->error("open", code);
  if (const int code = api->git_repository_odb(&handles.odb, handles.repository)) return repo->error("open", code);
  api->git_repository_set_ident(handles.repository, "llmops", "llmops@localhost");  // of reflog entries only
  return repo;
}

Result<std::string> ObjectRepo::id_of(GitKind kind, std::string_view bytes) {
  git_oid oid{};
  if (const int code = handles_->api.git_odb_hash(&oid, bytes.data(), bytes.size(), kind_code(kind))) return error("hash for", code);
  return oid_text(handles_->api, oid);
}

Status ObjectRepo::write(const std::vector<NewObject>& objects) {
  const std::lock_guard guard(mutex_);
  if (const int injected = failpoint("git.write")) return io_error("write to", layout_.repository(), injected);
  if (objects.size() > kFewObjects) return write_pack(objects);
  for (const NewObject& object : objects) {
    git_oid oid{};
    errno = 0;
    if (const int code = handles_->api.git_odb_write(&oid, handles_->odb, object.bytes.data(), object.bytes.size(), kind_code(object.kind))) return error("write to", code);
  }
  return {};
}

// A repository handle of its own, because an in-memory backend stays with its object database for good.
Status ObjectRepo::write_pack(const std::vector<NewObject>& objects) {
  const GitApi& api = handles_->api;
  errno = 0;
  Owned<git_repository> repository(api.git_repository_free);
  if (const int code = api.git_repository_open_bare(repository.out(), layout_.repository().c_str())) return error("write to", code);
  Owned<git_odb> odb(api.git_odb_free);
  if (const int code = api.git_repository_odb(odb.out(), repository.get())) return error("write to", code);
  git_odb_backend* memory = nullptr;  // owned by the database once added
  if (const int code = api.git_mempack_new(&memory)) return error("write to", code);
  if (const int code = api.git_odb_add_backend(odb.get(), memory, 999)) return error("write to", code);
  for (const NewObject& object : objects) {
    git_oid oid{};
    if (const int code = api.git_odb_write(&oid, odb.get(), object.bytes.data(), object.bytes.size(), kind_code(object.kind))) return error("write to", code);
  }
  git_buf pack{};
  if (const int code = api.git_mempack_dump(&pack, repository.get(), memory)) return error("write to", code);
  const fs::path directory = layout_.repository() / "objects" / "pack";
  Owned<git_indexer> indexer(api.git_indexer_free);
  git_indexer_progress progress{};
  int code = api.git_indexer_new(indexer.out(), directory.c_str(), 0, nullptr, nullptr);
  if (code == 0) code = api.git_indexer_append(indexer.get(), pack.ptr, pack.size, &progress);
  api.git_buf_dispose(&pack);
  if (code != 0) return error("write to", code);
  if (const int injected = failpoint("git.before_pack")) return io_error("write to", layout_.repository(), injected);
  if ((code = api.git_indexer_commit(indexer.get(), &progress)) != 0) return error("write to", code);
  return sync_directory(directory);
}

Result<std::string> ObjectRepo::read(GitKind kind, std::string_view oid) {
  const std::lock_guard guard(mutex_);
  const GitApi& api = handles_->api;
  LLMOPS_ASSIGN(const git_oid id, parse_oid(api, oid));
  size_t size = 0;
  git_object_t stored = GIT_OBJECT_INVALID;
  errno = 0;
  if (const int code = api.git_odb_read_header(&size, &stored, handles_->odb, &id)) return error("read", code);
  if (size > kMaxObjectBytes || stored != kind_code(kind))
    return Error(ErrorCode::kCorrupt, fmt::format("object {} of '{}' is not what the store wrote", oid, layout_.repository().string()), "restore store.git from a backup, or fetch it from a remote");
  Owned<git_odb_object> object(api.git_odb_object_free);
  if (const int code = api.git_odb_read(object.out(), handles_->odb, &id)) return error("read", code);
  return std::string(static_cast<const char*>(api.git_odb_object_data(object.get())), api.git_odb_object_size(object.get()));
}

bool ObjectRepo::exists(std::string_view oid) {
  const std::lock_guard guard(mutex_);
  auto id = parse_oid(handles_->api, oid);
  return id && handles_->api.git_odb_exists(handles_->odb, &*id) == 1;
}

Result<std::optional<std::string>> ObjectRepo::ref(std::string_view name) {
  const std::lock_guard guard(mutex_);
  git_oid oid{};
  errno = 0;
  const int code = handles_->api.git_reference_name_to_id(&oid, handles_->repository, std::string(name).c_str());
  if (code == GIT_ENOTFOUND) return std::optional<std::string>();
  if (code != 0) return error("read", code);
  return std::optional(oid_text(handles_->api, oid));
}

Result<std::vector<GitRef>> ObjectRepo::refs() {
  const std::lock_guard guard(mutex_);
  const GitApi& api = handles_->api;
  Owned<git_reference_iterator> iterator(api.git_reference_iterator_free);
  errno = 0;
  if (const int code = api.git_reference_iterator_glob_new(iterator.out(), handles_->repository, "refs/llmops/*")) return error("read", code);
  std::vector<GitRef> found;
  while (true) {
    Owned<git_reference> reference(api.git_reference_free);
    const int code = api.git_reference_next(reference.out(), iterator.get());
    if (code == GIT_ITEROVER) break;
    if (code != 0) return error("read", code);
    if (const git_oid* target = api.git_reference_target(reference.get())) found.push_back({api.git_reference_name(reference.get()), oid_text(api, *target)});
  }
  std::sort(found.begin(), found.end(), [](const GitRef& a, const GitRef& b) { return a.name < b.name; });
  return found;
}

Status ObjectRepo::move_ref(const FileLock&, std::string_view name, std::string_view oid, const std::optional<std::string>& expected, std::string_view reason) {
  const std::lock_guard guard(mutex_);
  const GitApi& api = handles_->api;
  if (const int injected = failpoint("git.before_ref")) return io_error("write to", layout_.repository(), injected);
  LLMOPS_ASSIGN(const git_oid target, parse_oid(api, oid));
  git_oid old{};
  if (expected) {
    LLMOPS_ASSIGN(old, parse_oid(api, *expected));
  }
  Owned<git_reference> reference(api.git_reference_free);
  errno = 0;
  const int code = api.git_reference_create_matching(reference.out(), handles_->repository, std::string(name).c_str(), &target, expected ? 1 : 0, expected ? &old : nullptr,
                                                     std::string(reason).c_str());
  if (code == GIT_EMODIFIED || code == GIT_EEXISTS || code == GIT_ELOCKED) {
    return Error(ErrorCode::kLocked, fmt::format("'{}' was moved by another program meanwhile", name), "run the command again").with_kind("ref_moved", true);
  }
  if (code != 0) return error("write to", code);
  return {};
}

}  // namespace llmops
