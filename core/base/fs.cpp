#include "core/base/fs.h"

#include <fcntl.h>
#include <fnmatch.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <utility>

#include "core/base/failpoint.h"

namespace llmops {

Error io_error(std::string_view what, const fs::path& path, int error_number) {
  const std::string shown = path.string();
  switch (error_number) {
    case ENOENT: return {ErrorCode::kNotFound, fmt::format("cannot {} '{}': it does not exist", what, shown), "check the path"};
    case ENOSPC: return {ErrorCode::kIo, fmt::format("cannot {} '{}': the disk is full", what, shown), "free some space, then run the command again"};
    case EDQUOT: return {ErrorCode::kIo, fmt::format("cannot {} '{}': the disk quota is used up", what, shown), "free some space, then run the command again"};
    case EACCES:
    case EPERM: return {ErrorCode::kIo, fmt::format("cannot {} '{}': permission denied", what, shown), "check the owner and mode of the file and its directory"};
    case EROFS: return {ErrorCode::kIo, fmt::format("cannot {} '{}': the file system is read-only", what, shown), "work in a directory that can be written"};
    case EISDIR: return {ErrorCode::kIo, fmt::format("cannot {} '{}': it is a directory", what, shown), "name a file"};
    case EIO: return {ErrorCode::kIo, fmt::format("cannot {} '{}': Input/output error", what, shown), "look for a failing disk or network file system, then try again"};
    default: break;
  }
  // Thread-safe text of the errno value (XSI strerror_r and GNU's differ in signature; strerrordesc_np is glibc's).
  const char* text = strerrordesc_np(error_number);
  return {ErrorCode::kIo, fmt::format("cannot {} '{}': {}", what, shown, text != nullptr ? text : "unknown error"), "check the path, and the file system that it is on"};
}

namespace {

// Closes on every way out.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() { if (fd_ >= 0) close(fd_); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

int write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return 0;
}

int sync_directory(const fs::path& directory) {
  Descriptor fd(open(directory.empty() ? "." : directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.get() < 0) return errno;
  // Some network file systems cannot sync a directory and say EINVAL: there is nothing more to do there.
  return fsync(fd.get()) == 0 || errno == EINVAL ? 0 : errno;
}

}  // namespace

fs::path temporary_sibling(const fs::path& path) {
  static std::atomic<unsigned> serial{0};
  return path.parent_path() / fmt::format(".{}.{}.{}.tmp", path.filename().string(), getpid(), serial.fetch_add(1));
}

Status sync_directory_of(const fs::path& path) {
  if (const int number = sync_directory(path.parent_path())) return io_error("write", path, number);
  return {};
}

Result<std::string> read_file(const fs::path& path, uint64_t max_bytes) {
  Descriptor fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0) return io_error("read", path, errno);
  struct stat info {};
  if (fstat(fd.get(), &info) != 0) return io_error("read", path, errno);
  if (S_ISDIR(info.st_mode)) return io_error("read", path, EISDIR);
  if (S_ISREG(info.st_mode) && static_cast<uint64_t>(info.st_size) > max_bytes)
    return Error(ErrorCode::kIo, fmt::format("cannot read '{}': {} bytes are more than the limit of {}", path.string(), info.st_size, max_bytes), "give a smaller file");
  std::string bytes(S_ISREG(info.st_mode) ? static_cast<size_t>(info.st_size) : 0, '\0');
  size_t filled = 0;
  while (true) {
    if (filled == bytes.size()) bytes.resize(filled + std::max<size_t>(filled / 2, 4096));
    const ssize_t got = read(fd.get(), bytes.data() + filled, bytes.size() - filled);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return io_error("read", path, errno);
    if (got == 0) break;
    filled += static_cast<size_t>(got);
    if (filled > max_bytes) return Error(ErrorCode::kIo, fmt::format("cannot read '{}': more than {} bytes", path.string(), max_bytes), "give a smaller file");
  }
  bytes.resize(filled);
  return bytes;
}

Result<AtomicFile> AtomicFile::create(fs::path path, const WriteOptions& options) {
  AtomicFile file;
  file.temporary_ = temporary_sibling(path);
  file.final_ = std::move(path);
  file.options_ = options;
  if (const int injected = failpoint(options.failpoint)) return io_error("write", file.final_, injected);
  file.fd_ = open(file.temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, options.mode);
  if (file.fd_ < 0) return io_error("write", file.final_, errno);
  return file;
}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : final_(std::move(other.final_)), temporary_(std::move(other.temporary_)), options_(other.options_), fd_(std::exchange(other.fd_, -1)) {}

AtomicFile& AtomicFile::operator=(AtomicFile&& other) noexcept {
  std::swap(final_, other.final_);
  std::swap(temporary_, other.temporary_);
  std::swap(options_, other.options_);
  std::swap(fd_, other.fd_);
  return *this;
}

AtomicFile::~AtomicFile() {
  if (fd_ < 0) return;
  close(fd_);
  unlink(temporary_.c_str());
}

Status AtomicFile::append(std::string_view bytes) {
  if (const int number = write_all(fd_, bytes)) return io_error("write", final_, number);
  return {};
}

Status AtomicFile::commit() {
  const auto fail = [this](int number) {
    if (fd_ >= 0) close(std::exchange(fd_, -1));
    unlink(temporary_.c_str());
    return io_error("write", final_, number);
  };
  if (options_.durable && fsync(fd_) != 0) return fail(errno);
  if (close(std::exchange(fd_, -1)) != 0) return fail(errno);
  if (const int injected = failpoint("fs.before_rename")) return fail(injected);
  if (rename(temporary_.c_str(), final_.c_str()) != 0) return fail(errno);
  if (options_.durable) {
    if (const int number = sync_directory(final_.parent_path())) return io_error("write", final_, number);
  }
  return {};
}

Status write_file_atomic(const fs::path& path, std::string_view bytes, const WriteOptions& options) {
  LLMOPS_ASSIGN(AtomicFile file, AtomicFile::create(path, options));
  LLMOPS_CHECK(file.append(bytes));
  return file.commit();
}

Result<PartialFile> PartialFile::open(fs::path path, const char* failpoint) {
  PartialFile file;
  file.final_ = std::move(path);
  file.failpoint_ = failpoint;
  file.fd_ = ::open(file.part().c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (file.fd_ < 0) return io_error("write", file.part(), errno);
  struct stat info {};
  if (fstat(file.fd_, &info) != 0) return io_error("write", file.part(), errno);
  file.size_bytes_ = static_cast<uint64_t>(info.st_size);
  return file;
}

PartialFile::PartialFile(PartialFile&& other) noexcept
    : final_(std::move(other.final_)), failpoint_(other.failpoint_), fd_(std::exchange(other.fd_, -1)), size_bytes_(other.size_bytes_) {}

PartialFile& PartialFile::operator=(PartialFile&& other) noexcept {
  std::swap(final_, other.final_);
  std::swap(failpoint_, other.failpoint_);
  std::swap(fd_, other.fd_);
  std::swap(size_bytes_, other.size_bytes_);
  return *this;
}

PartialFile::~PartialFile() {
  if (fd_ >= 0) close(fd_);
}

fs::path PartialFile::part() const { return part_of(final_); }

Status PartialFile::append(std::string_view bytes) {
  const int injected = failpoint(failpoint_);
  if (const int number = injected != 0 ? injected : write_all(fd_, bytes)) return io_error("write", final_, number);
  size_bytes_ += bytes.size();
  return {};
}

Status PartialFile::restart() {
  if (ftruncate(fd_, 0) != 0) return io_error("write", part(), errno);
  size_bytes_ = 0;
  return {};
}

Status PartialFile::commit() {
  if (fsync(fd_) != 0) return io_error("write", final_, errno);
  if (close(std::exchange(fd_, -1)) != 0) return io_error("write", final_, errno);
  if (const int injected = failpoint("fs.before_rename")) return io_error("write", final_, injected);
  if (rename(part().c_str(), final_.c_str()) != 0) return io_error("write", final_, errno);
  if (const int number = sync_directory(final_.parent_path())) return io_error("write", final_, number);
  return {};
}

Status ensure_directory(const fs::path& path, unsigned mode) {
  struct stat info {};
  if (stat(path.c_str(), &info) == 0) {
    if (S_ISDIR(info.st_mode)) return {};
    return Error(ErrorCode::kIo, fmt::format("cannot create directory '{}': a file of that name exists", path.string()), "move the file away, or choose another directory");
  }
  if (path.has_parent_path() && path.parent_path() != path) LLMOPS_CHECK(ensure_directory(path.parent_path(), mode));
  if (const int injected = failpoint("fs.mkdir")) return io_error("create directory", path, injected);
  if (mkdir(path.c_str(), mode) != 0 && errno != EEXIST) return io_error("create directory", path, errno);
  return {};
}

Status remove_file(const fs::path& path) {
  if (unlink(path.c_str()) != 0 && errno != ENOENT) return io_error("remove", path, errno);
  return {};
}

namespace {

bool is_inside(const fs::path& root, const fs::path& path) {
  const auto [end, ignored] = std::mismatch(root.begin(), root.end(), path.begin(), path.end());
  return end == root.end() || (std::next(end) == root.end() && end->empty());
}

}  // namespace

Result<fs::path> resolve_inside(const fs::path& root, const fs::path& base, std::string_view relative) {
  const auto refuse = [&](std::string_view why, std::string hint) {
    return Error(ErrorCode::kConfig, fmt::format("path '{}' {}", relative, why), std::move(hint));
  };
  if (relative.empty()) return refuse("is empty", "name a file");
  if (std::any_of(relative.begin(), relative.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }))
    return refuse("holds control characters", "rename the file");
  const fs::path wanted(relative);
  if (wanted.is_absolute()) return refuse("is absolute", "write it relative to the file it stands in");
  const fs::path lexical = (base / wanted).lexically_normal();
  if (!is_inside(root.lexically_normal(), lexical)) return refuse("leads outside the project", fmt::format("keep files below '{}'", root.string()));
  bool is_linked = false;
  for (fs::path at = lexical; at != root && at.has_relative_path(); at = at.parent_path()) {
    std::error_code ignored;
    if (!fs::is_symlink(fs::symlink_status(at, ignored))) continue;
    // A link to nothing has no real path to look at, and may point anywhere tomorrow.
    if (!fs::exists(at, ignored)) return refuse("leads outside the project through a symbolic link", "copy the file into the project");
    is_linked = true;
  }
  if (!is_linked) return lexical;  // spares asking the system about every folder, for every file of a glob
  std::error_code failed;
  const fs::path real_root = fs::weakly_canonical(root, failed);
  if (failed) return io_error("resolve", root, failed.value());
  const fs::path real = fs::weakly_canonical(lexical, failed);
  if (failed) return io_error("resolve", lexical, failed.value());
  if (!is_inside(real_root, real)) return refuse("leads outside the project through a symbolic link", "copy the file into the project");
  return lexical;
}

bool is_glob(std::string_view pattern) { return pattern.find_first_of("*?[") != std::string_view::npos; }

namespace {

std::vector<std::string> split_path(std::string_view path) {
  std::vector<std::string> parts;
  while (!path.empty()) {
    const size_t slash = std::min(path.find('/'), path.size());
    if (slash > 0 && path.substr(0, slash) != ".") parts.emplace_back(path.substr(0, slash));
    path.remove_prefix(std::min(slash + 1, path.size()));
  }
  return parts;
}

struct GlobWalk {
  const fs::path& root;
  const fs::path& base;
  const std::vector<std::string>& parts;
  std::vector<std::string> found;

  Status walk(const std::string& below, size_t index) {
    if (index == parts.size()) return {};
    const std::string& part = parts[index];
    if (part == ".." || !is_glob(part)) return step(below + part, index);
    std::error_code failed;
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(base / below, failed)) names.push_back(entry.path().filename().string());
    std::sort(names.begin(), names.end());
    if (part == "**") {
      LLMOPS_CHECK(walk(below, index + 1));
      for (const std::string& name : names) {
        if (name[0] == '.') continue;
        if (fs::is_directory(fs::symlink_status(base / (below + name), failed))) LLMOPS_CHECK(walk(below + name + "/", index));
      }
      return {};
    }
    for (const std::string& name : names) {
      if (name == ".llmops") continue;
      if (fnmatch(part.c_str(), name.c_str(), FNM_PERIOD) == 0) LLMOPS_CHECK(step(below + name, index));
    }
    return {};
  }

  Status step(const std::string& path, size_t index) {
    std::error_code failed;
    const fs::file_status status = fs::status(base / path, failed);
    if (index + 1 < parts.size()) return fs::is_directory(status) ? walk(path + "/", index + 1) : Status{};
    if (!fs::is_regular_file(status)) return {};
    LLMOPS_ASSIGN(const fs::path inside, resolve_inside(root, base, path));
    static_cast<void>(inside);
    found.push_back(path);
    return {};
  }
};

}  // namespace

Result<std::vector<std::string>> expand_glob(const fs::path& root, const fs::path& base, std::string_view pattern) {
  if (!pattern.empty() && pattern[0] == '/') return Error(ErrorCode::kConfig, fmt::format("path '{}' is absolute", pattern), "write it relative to the file it stands in");
  const std::vector<std::string> parts = split_path(pattern);
  GlobWalk walk{root, base, parts, {}};
  LLMOPS_CHECK(walk.walk("", 0));
  std::sort(walk.found.begin(), walk.found.end());
  walk.found.erase(std::unique(walk.found.begin(), walk.found.end()), walk.found.end());
  return std::move(walk.found);
}

}  // namespace llmops
