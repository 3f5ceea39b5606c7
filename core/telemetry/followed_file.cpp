#include "core/telemetry/followed_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "core/base/fs.h"

namespace llmops {
namespace {

constexpr size_t kBlockBytes = size_t{64} << 10;
constexpr int kWaitMs = 200;

class FollowedFile : public ByteSource {
 public:
  FollowedFile(std::filesystem::path path, int fd, CancelToken cancel, std::function<Status()> idle) : path_(std::move(path)), fd_(fd), cancel_(std::move(cancel)), idle_(std::move(idle)), block_(kBlockBytes) {}
  ~FollowedFile() override { ::close(fd_); }
  FollowedFile(const FollowedFile&) = delete;
  FollowedFile& operator=(const FollowedFile&) = delete;

  Result<std::string_view> next_block() override {
    bool was_idle = false;
    while (!cancel_.cancelled()) {
      const ssize_t count = ::read(fd_, block_.data(), block_.size());
      if (count > 0) return std::string_view(block_.data(), static_cast<size_t>(count));
      if (count < 0 && errno != EINTR && errno != EAGAIN) return io_error("read", path_, errno);
      if (count == 0 && reopen()) continue;
      if (!was_idle && idle_) LLMOPS_CHECK(idle_());
      was_idle = true;
      ::poll(nullptr, 0, kWaitMs);
    }
    return std::string_view();
  }

 private:
  // Whether there is something to read from a beginning: the name stands for another file, or this one became shorter.
  bool reopen() {
    struct stat here{}, named{};
    if (::fstat(fd_, &here) != 0 || !S_ISREG(here.st_mode)) return false;
    const off_t at = ::lseek(fd_, 0, SEEK_CUR);
    if (here.st_size < at) return ::lseek(fd_, 0, SEEK_SET) == 0;
    if (::stat(path_.c_str(), &named) != 0 || (named.st_dev == here.st_dev && named.st_ino == here.st_ino)) return false;
    const int fresh = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
    if (fresh < 0) return false;
    ::close(fd_);
    fd_ = fresh;
    return true;
  }

  std::filesystem::path path_;
  int fd_;
  CancelToken cancel_;
  std::function<Status()> idle_;
  std::vector<char> block_;
};

}  // namespace

Result<std::unique_ptr<ByteSource>> follow_file(const std::filesystem::path& path, const std::string& shown_name, CancelToken cancel, std::function<Status()> idle) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0 && errno == ENOENT) return Error(ErrorCode::kNotFound, fmt::format("file '{}' does not exist", shown_name), "check the path");
  if (fd < 0) return io_error("read", path, errno);
  return std::unique_ptr<ByteSource>(std::make_unique<FollowedFile>(path, fd, std::move(cancel), std::move(idle)));
}

}  // namespace llmops
