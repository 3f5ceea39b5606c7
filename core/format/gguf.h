// Keys of a GGUF file with the types and bytes that they have there, so that another file can be written that says the same.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/format/tensors.h"

namespace llmops {

enum class GgufKind : uint32_t { kU8, kI8, kU16, kI16, kU32, kI32, kF32, kBool, kText, kArray, kU64, kI64, kF64 };

struct GgufEntry {
  std::string key;
  GgufKind kind = GgufKind::kU32, element = GgufKind::kU32;   // element: of an array
  uint64_t count = 0;                 // of an array
  std::string bytes;                  // as in the file, without type, and without the length of a text or an array

  Json json() const;                               // of a scalar or a text; null: of an array
  std::optional<std::string> text() const;         // of a text
  std::optional<uint64_t> whole() const;           // of a number that is whole and not negative
  std::optional<double> number() const;            // of any number
  std::optional<bool> flag() const;
  std::optional<std::vector<std::string>> texts() const;     // of an array of texts
  std::optional<std::vector<double>> numbers() const;        // of an array of numbers or truth values
};

GgufEntry gguf_text(std::string key, std::string value);
GgufEntry gguf_u32(std::string key, uint32_t value);
GgufEntry gguf_f32(std::string key, float value);
GgufEntry gguf_bool(std::string key, bool value);
GgufEntry gguf_texts(std::string key, std::span<const std::string> values);
GgufEntry gguf_f32s(std::string key, std::span<const float> values);
GgufEntry gguf_i32s(std::string key, std::span<const int32_t> values);

struct GgufFile {
  std::vector<GgufEntry> entries;     // in the order of the file
  std::vector<TensorInfo> tensors;    // in the order of their data
  uint64_t size_bytes = 0;            // of the file
  const GgufEntry* find(std::string_view key) const;   // nullptr: none
};

// Where keys and their values must end in a file: they are kept in memory, and the largest vocabularies take some 2^25.
inline constexpr uint64_t kMaxGgufKeyBytes = 256 << 20;

// As read_gguf_header, with the arrays. Errors: its. Cost: the header; about twice the bytes of the keys in memory.
Result<GgufFile> read_gguf(const std::filesystem::path& path, const std::string& shown_name);

// A type of GGUF's tensors: its number, and what a block of it holds and takes. nullptr: none, or removed from the format.
struct GgufType { const char* name; uint32_t elements, bytes; };
const GgufType* gguf_type(std::string_view name, uint32_t* id = nullptr);

}  // namespace llmops
