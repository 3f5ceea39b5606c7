#include "core/base/embedded.h"

#include <algorithm>

namespace llmops {

std::string_view embedded_file(std::string_view path) {
  for (const EmbeddedEntry* entry = embedded_entries(); entry->path != nullptr; ++entry) {
    if (path == entry->path) return {reinterpret_cast<const char*>(entry->bytes), entry->size};
  }
  return {};
}

std::vector<std::string_view> embedded_paths(std::string_view prefix) {
  std::vector<std::string_view> paths;
  for (const EmbeddedEntry* entry = embedded_entries(); entry->path != nullptr; ++entry) {
    if (std::string_view(entry->path).starts_with(prefix)) paths.emplace_back(entry->path);
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

}  // namespace llmops
