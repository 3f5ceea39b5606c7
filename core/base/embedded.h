// Files that travel inside the binary: JSON Schemas and SQL migrations (schemas/), examples and project templates.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace llmops {

struct EmbeddedEntry { const char* path; const unsigned char* bytes; size_t size; };
// Generated; ends with a null path.
const EmbeddedEntry* embedded_entries();

// The file's bytes, or an empty view when there is none of that name. `path` as in the repository: "schemas/chain.json".
std::string_view embedded_file(std::string_view path);
// Paths that start with `prefix`, sorted.
std::vector<std::string_view> embedded_paths(std::string_view prefix);

}  // namespace llmops
