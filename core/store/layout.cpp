// The store's directory. The bare repository is written out by hand: it is three files and some directories, libgit2 need not
// be loaded for it, and libgit2 1.5 would not fsync the parents of the directories that it makes (seen with strace), so all
// of them are made and synced here.
#include "core/store/layout.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <fmt/format.h>

#include "core/base/failpoint.h"
#include "core/base/fs.h"
#include "core/base/hash.h"

namespace llmops {

Status sync_directory(const fs::path& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return io_error("read", path, errno);
  const int number = fsync(fd) == 0 ? 0 : errno;
  close(fd);
  if (number != 0 && number != EINVAL) return io_error("write", path, number);
  return {};
}

namespace {

constexpr std::string_view kRepositoryConfig =
    "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n\tlogAllRefUpdates = always\n[gc]\n\tauto = 0\n";

Status make_private(const fs::path& path) {
  if (mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return io_error("create directory", path, errno);
  return {};
}

Status make_fan_out(const fs::path& directory) {
  for (int i = 0; i < 256; ++i) LLMOPS_CHECK(make_private(directory / fmt::format("{:02x}", i)));
  return sync_directory(directory);
}

Status write_if_absent(const fs::path& path, std::string_view bytes) {
  if (fs::exists(path)) return {};
  WriteOptions options;
  options.mode = 0600;
  return write_file_atomic(path, bytes, options);
}

std::vector<std::string> sorted_names(const fs::path& directory) {
  std::vector<std::string> names;
  std::error_code failed;
  for (fs::directory_iterator it(directory, failed), end; !failed && it != end; it.increment(failed)) names.push_back(it->path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

Error not_a_store(const StoreLayout& layout) {
  return {ErrorCode::kNotFound, fmt::format("no store '{}'", layout.root.string()), "run `llmops init` first"};
}

}  // namespace

Status create_layout(const StoreLayout& layout) {
  LLMOPS_CHECK(ensure_directory(layout.root, 0700));
  if (chmod(layout.root.c_str(), 0700) != 0) return io_error("change", layout.root, errno);
  LLMOPS_CHECK(write_if_absent(layout.ignore(), "/*\n"));
  for (const fs::path& path : {layout.temporary(), layout.blobs(), layout.repository(), layout.repository() / "objects", layout.repository() / "objects" / "pack",
                               layout.repository() / "objects" / "info", layout.repository() / "refs", layout.repository() / "refs" / "heads", layout.refs()})
    LLMOPS_CHECK(make_private(path));
  LLMOPS_CHECK(make_fan_out(layout.repository() / "objects"));
  LLMOPS_CHECK(write_if_absent(layout.repository() / "config", kRepositoryConfig));
  LLMOPS_CHECK(write_if_absent(layout.repository() / "HEAD", "ref: refs/heads/main\n"));
  LLMOPS_CHECK(sync_directory(layout.repository() / "refs"));
  LLMOPS_CHECK(sync_directory(layout.repository()));
  if (const int injected = failpoint("create.before_format")) return io_error("write", layout.format(), injected);
  return write_if_absent(layout.format(), fmt::format("{}\n", kStoreFormat));
}

Status check_layout(const StoreLayout& layout) {
  struct stat info {};
  if (stat(layout.root.c_str(), &info) != 0 || !S_ISDIR(info.st_mode)) return not_a_store(layout);
  // Root reads everybody's (a container that mounts the user's directory); others only their own.
  if (geteuid() != 0 && info.st_uid != geteuid()) {
    return Error(ErrorCode::kIo, fmt::format("the store '{}' belongs to another user (uid {})", layout.root.string(), info.st_uid), "run as its owner, or work in a copy of your own");
  }
  auto text = read_file(layout.format(), 64);
  if (!text) return text.error().code == ErrorCode::kNotFound ? not_a_store(layout) : std::move(text).error();
  int format = 0;
  const auto [end, problem] = std::from_chars(text->data(), text->data() + text->size(), format);
  if (problem != std::errc{} || std::string_view(end, text->data() + text->size()) != "\n")
    return Error(ErrorCode::kCorrupt, fmt::format("the file '{}' is damaged", layout.format().string()),
                 "restore it from a backup");
  if (format > kStoreFormat) {
    return Error(ErrorCode::kNewerStore, fmt::format("the store '{}' was written by a newer llmops (format {}; this one reads up to {})", layout.root.string(), format, kStoreFormat),
                 "upgrade llmops");
  }
  if (!fs::exists(layout.repository() / "HEAD")) {
    return Error(ErrorCode::kCorrupt, fmt::format("the store's repository '{}' is missing or damaged", layout.repository().string()), "restore it from a backup, or fetch it from a remote");
  }
  return {};
}

bool holds_refs(const StoreLayout& layout) {
  std::error_code failed;
  const bool is_empty = fs::is_empty(layout.refs(), failed);
  return (!failed && !is_empty) || fs::exists(layout.repository() / "packed-refs", failed);
}

bool is_ref_component(std::string_view name) {
  if (name.empty() || name.size() > 200 || name.front() == '.' || name.front() == '-' || name.back() == '.' || name.ends_with(".lock")) return false;
  if (name.find("..") != std::string_view::npos) return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
  });
}

Status check_name(std::string_view what, std::string_view name) {
  if (is_ref_component(name)) return {};
  return Error(ErrorCode::kUsage, fmt::format("{} name '{}' is not usable", what, name), "use letters, digits, '.', '_' and '-', and begin with a letter, a digit or '_'");
}

Result<std::string> refs_digest(const StoreLayout& layout) {
  Sha256 hash;
  const auto add = [&hash](std::string_view part) {
    hash.update(part);
    hash.update("\n");
  };
  const auto add_file = [&](const fs::path& path) -> Status {
    auto text = read_file(path);
    if (!text && text.error().code != ErrorCode::kNotFound) return std::move(text).error();
    add(path.lexically_relative(layout.repository()).string());
    add(text ? std::string_view(*text) : std::string_view("absent"));
    return {};
  };
  LLMOPS_CHECK(add_file(layout.repository() / "packed-refs"));
  for (const std::string& chain : sorted_names(layout.refs())) {
    const fs::path folder = layout.refs() / chain;
    LLMOPS_CHECK(add_file(folder / "label-log"));
    for (const char* kind : {"heads", "labels"}) {
      for (const std::string& name : sorted_names(folder / kind)) {
        if (!name.ends_with(".lock")) LLMOPS_CHECK(add_file(folder / kind / name));
      }
    }
    for (const std::string& name : sorted_names(folder / "auto")) {
      if (!name.ends_with(".lock")) add(chain + "/auto/" + name);
    }
  }
  const Sha256Digest digest = hash.finish();
  return to_hex({reinterpret_cast<const char*>(digest.data()), digest.size()});
}

Status ensure_chain_refs(const StoreLayout& layout, std::string_view chain) {
  const fs::path folder = layout.refs() / chain;
  if (fs::exists(folder / "auto") && fs::exists(folder / "labels") && fs::exists(folder / "heads")) return {};
  LLMOPS_CHECK(make_private(folder));
  for (const char* kind : {"heads", "labels", "auto"}) LLMOPS_CHECK(make_private(folder / kind));
  LLMOPS_CHECK(sync_directory(folder));
  return sync_directory(layout.refs());
}

std::vector<fs::path> stale_ref_locks(const StoreLayout& layout) {
  std::vector<fs::path> found;
  for (const char* file : {"packed-refs.lock", "HEAD.lock", "config.lock"}) {
    if (fs::exists(layout.repository() / file)) found.push_back(layout.repository() / file);
  }
  for (const std::string& chain : sorted_names(layout.refs())) {
    const fs::path folder = layout.refs() / chain;
    for (const fs::path& below : {folder, folder / "heads", folder / "labels", folder / "auto"}) {
      for (const std::string& name : sorted_names(below)) {
        if (name.ends_with(".lock")) found.push_back(below / name);
      }
    }
  }
  return found;
}

bool has_temporary_files(const StoreLayout& layout) {
  std::error_code failed;
  return fs::directory_iterator(layout.temporary(), failed) != fs::directory_iterator();
}

Status sweep_garbage(const StoreLayout& layout, const FileLock&, int64_t now_ms) {
  for (const fs::path& path : stale_ref_locks(layout)) LLMOPS_CHECK(remove_file(path));
  const auto sweep = [now_ms](const fs::path& directory, std::string_view prefix) -> Status {
    for (const std::string& name : sorted_names(directory)) {
      if (!name.starts_with(prefix)) continue;
      struct stat info {};
      const fs::path path = directory / name;
      if (lstat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) continue;
      if (now_ms - int64_t{info.st_mtim.tv_sec} * 1000 >= kGarbageAgeMs) LLMOPS_CHECK(remove_file(path));
    }
    return {};
  };
  LLMOPS_CHECK(sweep(layout.temporary(), ""));
  LLMOPS_CHECK(sweep(layout.repository() / "objects" / "pack", "pack_git2"));
  return sweep(layout.repository() / "objects", "tmp_object");
}

}  // namespace llmops
