// What large files need beside fs.h, whose writers make them in their own way: leftovers of dead processes, and the last rename.
#pragma once

#include "core/base/fs.h"

namespace llmops {

// Removes what writers under exactly temporary_sibling()'s names left beside `path`, files and folders, whose process is no more. What cannot
// be read or removed stays.
void remove_stale_siblings(const fs::path& path);

// 0, or the errno value; without `replace` EEXIST when `to` is there (asked and done in one step where the file system can).
int rename_file(const fs::path& from, const fs::path& to, bool replace);

}  // namespace llmops
