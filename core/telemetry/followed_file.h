// A log that is still being written, read to its end and on as it grows.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>

#include "core/base/cancel.h"
#include "core/format/dataset_rows_bytes.h"

namespace llmops {

// Blocks of the file as they come; the end only when `cancel` is set. `idle` is called when all that is there was read, before the first wait of 200 ms;
// what it fails with ends the reading. A file that was replaced (rotated) is read to its end, then the new one from its beginning; one that became shorter is read from its
// beginning. Plain bytes: a compressed log does not grow by lines. Errors: kNotFound, kIo.
Result<std::unique_ptr<ByteSource>> follow_file(const std::filesystem::path& path, const std::string& shown_name, CancelToken cancel, std::function<Status()> idle);

}  // namespace llmops
