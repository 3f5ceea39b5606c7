// What GGUF's reader and writer share: the limits of the format (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, and what
// llama.cpp's reader refuses), and numbers as bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace llmops::gguf_layout {

inline constexpr size_t kMaxNameBytes = 63, kMaxDimensions = 4;   // of a tensor
inline constexpr uint64_t kDefaultAlignment = 32;

// The bytes of a number as they lie in a file.
template <class Number>
std::string raw(Number value) { return {reinterpret_cast<const char*>(&value), sizeof value}; }

constexpr uint64_t padded(uint64_t size, uint64_t alignment) { return (size + alignment - 1) / alignment * alignment; }

}  // namespace llmops::gguf_layout
