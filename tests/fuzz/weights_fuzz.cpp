// Files of weights from anywhere: whatever a header says, no tensor lies outside the file.
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>

#include "core/format/tensors.h"

namespace {

void check(const llmops::Result<llmops::TensorFile>& made, size_t size) {
  if (!made) return;
  for (const llmops::TensorInfo& tensor : made->tensors) {
    if (tensor.offset_bytes > size || tensor.size_bytes > size - tensor.offset_bytes) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const int fd = memfd_create("weights", MFD_CLOEXEC);
  if (ftruncate(fd, 0) != 0 || pwrite(fd, data, size, 0) != static_cast<ssize_t>(size)) return 0;
  const std::string path = fmt::format("/proc/self/fd/{}", fd);
  check(llmops::read_safetensors_header(path, "weights"), size);
  check(llmops::read_gguf_header(path, "weights"), size);
  return 0;
}
