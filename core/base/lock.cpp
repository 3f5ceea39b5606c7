#include "core/base/lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fmt/format.h>

#include "core/base/fs.h"

namespace llmops {
namespace {

std::string holder_of(int fd) {
  char text[256];
  const ssize_t got = pread(fd, text, sizeof text - 1, 0);
  if (got <= 0) return "another process";
  std::string holder(text, static_cast<size_t>(got));
  if (const size_t end = holder.find('\n'); end != std::string::npos) holder.resize(end);
  return holder.empty() ? "another process" : holder;
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
