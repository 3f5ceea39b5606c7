#include "core/format/bounded_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>

namespace llmops {
namespace {

constexpr uint64_t kWindowBytes = 64 << 10;
static_assert(std::endian::native == std::endian::little, "numbers are read as they lie in the file");

Error io_error(const std::string& name) { return {ErrorCode::kIo, fmt::format("cannot read '{}': {}", name, std::strerror(errno))}; }

}  // namespace

Result<BoundedFile> BoundedFile::open(const std::filesystem::path& path, std::string shown_name) {
  BoundedFile file;
  file.name_ = std::move(shown_name);
  file.fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);   // a pipe is refused below, not waited for
  if (file.fd_ < 0 && errno == ENOENT) return Error(ErrorCode::kNotFound, fmt::format("'{}' does not exist", file.name_));
  struct stat status{};
  if (file.fd_ < 0 || ::fstat(file.fd_, &status) != 0) return io_error(file.name_);
  if (!S_ISREG(status.st_mode)) return Error(ErrorCode::kIo, fmt::format("'{}' is not a regular file", file.name_));
  file.size_bytes_ = static_cast<uint64_t>(status.st_size);
  return file;
}

BoundedFile::BoundedFile(BoundedFile&& other) noexcept
    : name_(std::move(other.name_)), window_(std::move(other.window_)), size_bytes_(other.size_bytes_), position_(other.position_), window_start_(other.window_start_), fd_(std::exchange(other.fd_, -1)) {}

BoundedFile::~BoundedFile() {
  if (fd_ >= 0) ::close(fd_);
}

Error BoundedFile::fault(std::string message) const { return Error(ErrorCode::kData, fmt::format("'{}' {} (at byte {})", name_, message, position_)); }

Status BoundedFile::check(uint64_t count, std::string_view what) const {
  if (count > remaining()) return fault(fmt::format("ends inside {}: {} bytes are wanted and {} are left", what, count, remaining()));
  return {};
}

Status BoundedFile::take_into(char* out, uint64_t count, std::string_view what) {
  LLMOPS_CHECK(check(count, what));
  while (count > 0) {
    const uint64_t at = position_ - window_start_;
    if (position_ < window_start_ || at >= window_.size()) {
      window_start_ = position_;
      window_.resize(std::min(kWindowBytes, remaining()));
      LLMOPS_CHECK(read_at(window_.data(), window_.size(), window_start_));
      continue;
    }
    const uint64_t part = std::min<uint64_t>(count, window_.size() - at);
    std::memcpy(out, window_.data() + at, part);
    out += part;
    count -= part;
    position_ += part;
  }
  return {};
}

Status BoundedFile::read_at(char* out, uint64_t count, uint64_t offset) const {
  while (count > 0) {
    const ssize_t got = ::pread(fd_, out, count, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return io_error(name_);
    if (got == 0) return Error(ErrorCode::kIo, fmt::format("'{}' became shorter while it was read", name_));
    out += got;
    offset += static_cast<uint64_t>(got);
    count -= static_cast<uint64_t>(got);
  }
  return {};
}

Result<std::string> BoundedFile::take(uint64_t count, std::string_view what) {
  LLMOPS_CHECK(check(count, what));
  std::string bytes(count, '\0');
  LLMOPS_CHECK(take_into(bytes.data(), count, what));
  return bytes;
}

}  // namespace llmops
