// The store's lock: flock(2) on a file, so that the kernel drops it when a process dies.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "core/base/result.h"

namespace llmops {

class FileLock {
 public:
  enum class Mode { kShared, kExclusive };
  // Creates the file when absent. Polls with backoff up to `timeout_ms`; then kLocked, naming the holder (pid and
  // host) where it is seen to hold the lock. The lock is per open file description: two FileLocks in one process exclude each other.
  static Result<FileLock> acquire(const std::filesystem::path& path, Mode mode, int64_t timeout_ms);
  FileLock(FileLock&& other) noexcept;
  FileLock& operator=(FileLock&& other) noexcept;
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  explicit FileLock(int fd) : fd_(fd) {}
  int fd_ = -1;
};

}  // namespace llmops
