// Writes a file of weights whose tensors' sizes are known before, from any thread and in any order.
#pragma once

#include <map>
#include <span>

#include "core/base/fs.h"
#include "core/format/gguf.h"
#include "core/format/tensors.h"

namespace llmops {

// Tensors as they will lie in the file: name, type and shape are the caller's, the rest is filled in. Errors: kData: a type that the
// format does not have, rows that do not divide into blocks, a name twice or too long, more than 4 dimensions (GGUF), a tensor
// of the name __metadata__ (safetensors).
Result<std::string> gguf_header(std::span<const GgufEntry> entries, std::vector<TensorInfo>& tensors);
Result<std::string> safetensors_header(const std::map<std::string, std::string>& metadata, std::vector<TensorInfo>& tensors);

// Nothing is visible under the final name before finish(); without it the unfinished file is removed.
class WeightWriter {
 public:
  // Makes a file beside `path` of that size, with the header and zeros. Errors: kIo, also when the disk has no room for it. Failpoints:
  // weights.create, weights.write, weights.before_rename.
  static Result<WeightWriter> create(const fs::path& path, std::string_view header, uint64_t size_bytes);
  WeightWriter(WeightWriter&&) noexcept;
  WeightWriter& operator=(WeightWriter&&) = delete;
  ~WeightWriter();
  // Bytes at an offset of the file; any thread. Errors: kIo.
  Status write_at(std::string_view bytes, uint64_t offset_bytes) const;
  // Lets the disk begin with these bytes; does not wait for it.
  void start_writeback(uint64_t offset_bytes, uint64_t size_bytes) const;
  // The unfinished file, to be read again before it gets its name.
  const fs::path& unfinished() const { return temporary_; }
  // `durable`: on the disk when this returns. Errors: kIo; the unfinished file is gone then, or it has its name and only the folder could
  // not be brought to the disk.
  // `replace`: over a file that is there; else such a file is an error (kUsage), also when it came meanwhile.
  Status finish(bool durable, bool replace);

 private:
  WeightWriter() = default;
  fs::path final_, temporary_;
  int fd_ = -1;
};

}  // namespace llmops
