#include "core/base/temporary_files.h"

#include <fcntl.h>
#include <signal.h>

#include <cerrno>
#include <charconv>
#include <cstdio>

namespace llmops {

void remove_stale_siblings(const fs::path& path) {
  const std::string prefix = "." + path.filename().string() + ".";
  std::error_code ignored;
  const fs::path folder = path.parent_path().empty() ? fs::path(".") : path.parent_path();
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(prefix) || !name.ends_with(".tmp")) continue;
    const std::string_view middle = std::string_view(name).substr(prefix.size());
    pid_t owner = 0;
    const auto [end, failed] = std::from_chars(middle.data(), middle.data() + middle.size(), owner);
    if (failed != std::errc() || owner <= 0 || *end != '.') continue;
    if (kill(owner, 0) != 0 && errno == ESRCH) fs::remove_all(entry.path(), ignored);
  }
}

int rename_file(const fs::path& from, const fs::path& to, bool replace) {
  if (!replace) {
    if (renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return 0;
    if (errno != EINVAL && errno != ENOSYS) return errno;
    std::error_code ignored;
    if (fs::exists(to, ignored)) return EEXIST;
  }
  return rename(from.c_str(), to.c_str()) == 0 ? 0 : errno;
}

}  // namespace llmops
