// Any bytes are rows, or an error; a reader that failed stays failed, and lines never go back. The first byte chooses the format.
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "core/format/dataset_rows.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  constexpr llmops::DatasetFormat kFormats[] = {llmops::DatasetFormat::kAuto, llmops::DatasetFormat::kJsonl, llmops::DatasetFormat::kCsv, llmops::DatasetFormat::kTsv, llmops::DatasetFormat::kJson};
  const int fd = memfd_create("rows", MFD_CLOEXEC);
  if (fd < 0 || write(fd, data + 1, size - 1) != static_cast<ssize_t>(size - 1)) abort();
  const auto reader = llmops::open_dataset("/proc/self/fd/" + std::to_string(fd), "fuzz.rows", kFormats[data[0] % 5]);
  if (reader) {
    llmops::DatasetRow row;
    int64_t number = 0;
    int line = 0;
    while (true) {
      const auto more = (*reader)->next(row);
      if (!more) {
        if ((*reader)->next(row)) abort();
        break;
      }
      if (!*more) break;
      if (!row.value.is_object() || row.number != ++number || row.line < line) abort();
      line = row.line;
    }
  }
  close(fd);
  return 0;
}
