#include "core/base/lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <fmt/format.h>

#include "core/base/fs.h"

namespace llmops {
namespace {

// Whether process `pid` holds a flock(2) on the file that `fd` has open, as /proc tells (proc(5), fdinfo). False when it cannot
// be known: another user's process, no /proc.
bool holds_lock(int64_t pid, int fd) {
  struct stat wanted {};
  if (fstat(fd, &wanted) != 0) return false;
  const std::filesystem::path process = fmt::format("/proc/{}", pid);
  std::error_code failed;
  for (std::filesystem::directory_iterator it(process / "fd", failed), end; !failed && it != end; it.increment(failed)) {
    struct stat info {};
    if (stat(it->path().c_str(), &info) != 0 || info.st_dev != wanted.st_dev || info.st_ino != wanted.st_ino) continue;
    const auto facts = read_file(process / "fdinfo" / it->path().filename(), 65'536);
    if (facts && facts->find("FLOCK") != std::string::npos) return true;
  }
  return false;
}

// The file names who wrote it last. Others may hold the lock meanwhile (a shared lock, flock(1)), so the name counts only when
// that process is seen to hold it.
std::string holder_of(int fd) {
  constexpr std::string_view kWord = "process ";
  char text[256];
  const ssize_t got = pread(fd, text, sizeof text - 1, 0);
  std::string_view holder(text, got > 0 ? static_cast<size_t>(got) : 0);
  holder = holder.substr(0, holder.find('\n'));
  int64_t pid = 0;
  if (!holder.starts_with(kWord) || std::from_chars(holder.data() + kWord.size(), holder.data() + holder.size(), pid).ec != std::errc{}) return "another process";
  return holds_lock(pid, fd) ? std::string(holder) : "another process";
}

// For messages only: the lock itself is the kernel's. Failing to write it is no failure.
void write_holder(int fd) {
  char host[64] = "";
  gethostname(host, sizeof host - 1);
  const std::string text = fmt::format("process {} on {}\n", getpid(), host);
  if (ftruncate(fd, 0) == 0) {
    const ssize_t written = pwrite(fd, text.data(), text.size(), 0);
    static_cast<void>(written);
  }
}

}  // namespace

Result<FileLock> FileLock::acquire(const std::filesystem::path& path, Mode mode, int64_t timeout_ms) {
  int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0 && mode == Mode::kShared) fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return io_error("lock", path, errno);
  FileLock lock(fd);
  int64_t waited_ms = 0, step_ms = 1;
  while (flock(fd, (mode == Mode::kExclusive ? LOCK_EX : LOCK_SH) | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) return io_error("lock", path, errno);
    if (waited_ms >= timeout_ms) {
      return Error(ErrorCode::kLocked, fmt::format("the store is locked by {} ('{}')", holder_of(fd), path.string()),
                   "wait until it is done, or raise --lock-timeout");
    }
    const timespec pause{0, step_ms * 1'000'000};
    nanosleep(&pause, nullptr);
    waited_ms += step_ms;
    step_ms = std::min<int64_t>(step_ms * 2, 50);
  }
  if (mode == Mode::kExclusive) write_holder(fd);
  return lock;
}

FileLock::FileLock(FileLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
FileLock& FileLock::operator=(FileLock&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}
FileLock::~FileLock() {
  if (fd_ >= 0) close(fd_);
}

}  // namespace llmops
