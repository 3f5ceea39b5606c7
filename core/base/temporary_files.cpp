#include "core/base/temporary_files.h"

#include <fcntl.h>
#include <signal.h>

#include <cerrno>
#include <charconv>
#include <cstdio>

namespace llmops {

namespace {

// The process that wrote under a name of temporary_sibling(), of which `rest` is what stands behind ".NAME.": PID.SERIAL.tmp. 0: the name is
// another file's, as that of a file called NAME.2024 would be.
pid_t owner_of(std::string_view rest) {
  if (!rest.ends_with(".tmp")) return 0;
  rest.remove_suffix(4);
  const auto is_digits = [](std::string_view text) { return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos; };
  const size_t dot = rest.find('.');
  if (dot == std::string_view::npos || !is_digits(rest.substr(0, dot)) || !is_digits(rest.substr(dot + 1))) return 0;
  pid_t owner = 0;
  const auto [end, failed] = std::from_chars(rest.data(), rest.data() + dot, owner);
  return failed == std::errc() ? owner : 0;
}

}  // namespace

void remove_stale_siblings(const fs::path& path) {
  const std::string prefix = "." + path.filename().string() + ".";
  std::error_code failure, ignored;
  const fs::path folder = path.parent_path().empty() ? fs::path(".") : path.parent_path();
  for (fs::directory_iterator entry(folder, failure), end; !failure && entry != end; entry.increment(failure)) {
    const std::string name = entry->path().filename().string();
    const pid_t owner = name.starts_with(prefix) ? owner_of(std::string_view(name).substr(prefix.size())) : 0;
    if (owner > 0 && kill(owner, 0) != 0 && errno == ESRCH) fs::remove_all(entry->path(), ignored);
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
