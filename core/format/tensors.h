// What a file of weights says it holds: its header alone is read, and every figure in it is checked before it is used.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/json.h"

namespace llmops {

struct TensorInfo {
  std::string name, type;             // type as the format writes it: "BF16", "Q4_K"
  std::vector<uint64_t> shape;        // slowest dimension first in both formats; empty: one value
  uint64_t offset_bytes = 0;          // from the start of the file
  uint64_t size_bytes = 0;
  uint64_t elements() const;
};

struct TensorFile {
  std::vector<TensorInfo> tensors;    // in the order of their data
  Json metadata = Json::object();     // safetensors: __metadata__; GGUF: scalars and texts, of an array {type, count}
  uint64_t size_bytes = 0;            // of the file
};

// The safetensors format (https://github.com/huggingface/safetensors): a length of 8 bytes, a JSON header, the data without a gap. Errors:
// kNotFound, kIo; kData: a header past 100 MB or past the file, no JSON object, a name twice, an unknown type, an offset that
// leaves a hole or overlaps, a size that shape and type do not give, bytes behind the last tensor. Cost: the header.
Result<TensorFile> read_safetensors_header(const std::filesystem::path& path, const std::string& shown_name);

// Bits of one value of a type of safetensors; nullopt: it has no such type.
std::optional<uint32_t> safetensors_bits(std::string_view type);

// GGUF, versions 2 and 3 (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md), little-endian. Errors: kNotFound, kIo; kData: another
// magic or version, counts and lengths past the file, keys and values past its first 256 MB, a key or tensor twice, an unknown or removed type,
// more than 4 dimensions, an offset that is not the padded end of the tensor before, a file shorter than its data. Cost: the header; no
// allocation is larger than the bytes that are there.
Result<TensorFile> read_gguf_header(const std::filesystem::path& path, const std::string& shown_name);

}  // namespace llmops
