// Every file access of the product. Writes go through one seam that tests can make fail at named points (failpoint.h),
// and that leaves either the old file or the new one, whole, whatever happens in between.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"

namespace llmops {

namespace fs = std::filesystem;

// The whole file. Errors: kNotFound when it does not exist, kIo otherwise (a directory, permission, over `max_bytes`).
Result<std::string> read_file(const fs::path& path, uint64_t max_bytes = uint64_t{1} << 34);

struct WriteOptions {
  unsigned mode = 0644;
  bool durable = true;            // fsync the file and its directory
  const char* failpoint = "fs.write";
};
// Writes a temporary file beside `path`, fsyncs it, renames it over `path`, fsyncs the directory. On any error the old
// file is untouched and the temporary file is gone. The directory must exist.
Status write_file_atomic(const fs::path& path, std::string_view bytes, const WriteOptions& options = {});

// A file that grows by appends (reports by line). Nothing is visible under the final name before commit().
class AtomicFile {
 public:
  static Result<AtomicFile> create(fs::path path, const WriteOptions& options = {});
  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile& operator=(AtomicFile&& other) noexcept;
  ~AtomicFile();  // without commit(): the temporary file is removed
  Status append(std::string_view bytes);
  Status commit();

 private:
  AtomicFile() = default;
  fs::path final_, temporary_;
  WriteOptions options_;
  int fd_ = -1;
};

// A file that takes more than one run of the program to write: bytes gather in PATH.part, which an error or an interruption
// leaves as it is, until commit() gives them their name.
class PartialFile {
 public:
  // Opens or makes PATH.part; what it holds stays. `failpoint`: before bytes are appended.
  static Result<PartialFile> open(fs::path path, const char* failpoint = "fs.write");
  PartialFile(PartialFile&& other) noexcept;
  PartialFile& operator=(PartialFile&& other) noexcept;
  ~PartialFile();
  uint64_t size_bytes() const { return size_bytes_; }
  fs::path part() const;
  Status append(std::string_view bytes);
  Status restart();               // drops what is there
  Status commit();                // durable
  static fs::path part_of(const fs::path& path) { return fs::path(path) += ".part"; }

 private:
  PartialFile() = default;
  fs::path final_;
  const char* failpoint_ = "fs.write";
  int fd_ = -1;
  uint64_t size_bytes_ = 0;
};

// For writers of their own kind: a name beside `path` that no other writer has, and the directory of `path` onto the disk.
fs::path temporary_sibling(const fs::path& path);
Status sync_directory_of(const fs::path& path);

Status ensure_directory(const fs::path& path, unsigned mode = 0755);
Status remove_file(const fs::path& path);  // absent is fine

// Resolves `relative`, as written in a user's file that lies in `base`, to an absolute path inside `root`.
// Errors (kConfig): absolute, '..' past the root, a symbolic link that leads out of the root, control characters.
// The file need not exist. `root` and `base` must be absolute.
Result<fs::path> resolve_inside(const fs::path& root, const fs::path& base, std::string_view relative);

// Files below `base` that match a glob of '*', '?', '**' and '[..]', relative to `base`, '/'-separated, sorted by bytes.
// Hidden files and .llmops are left out unless the pattern names them. Links out of `root` are errors as in resolve_inside.
Result<std::vector<std::string>> expand_glob(const fs::path& root, const fs::path& base, std::string_view pattern);
bool is_glob(std::string_view pattern);

// "disk full: cannot write 'x'" with a hint for the errno values that users meet (ENOSPC, EACCES, EROFS, EDQUOT, EFBIG).
Error io_error(std::string_view what, const fs::path& path, int error_number);

}  // namespace llmops
