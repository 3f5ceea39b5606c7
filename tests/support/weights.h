// Files of weights made by hand, byte by byte, so that tests can also make wrong ones.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "core/base/json.h"

namespace llmops::test {

template <class Number>
std::string raw(Number value) { return {reinterpret_cast<const char*>(&value), sizeof value}; }
// A length of 8 bytes, then the text.
inline std::string counted(const std::string& text) { return raw<uint64_t>(text.size()) + text; }

inline std::string safetensors_bytes(const std::string& header, size_t data_bytes) { return counted(header) + std::string(data_bytes, '\1'); }

// Zeros of type F16, in the order given: {name, shape}.
inline std::string f16_weights(const std::vector<std::pair<std::string, std::vector<uint64_t>>>& tensors) {
  Json header = Json::object();
  uint64_t end = 0;
  for (const auto& [name, shape] : tensors) {
    uint64_t size = 2;
    for (const uint64_t one : shape) size *= one;
    header[name] = {{"dtype", "F16"}, {"shape", shape}, {"data_offsets", {end, end + size}}};
    end += size;
  }
  return counted(dump_json(header)) + std::string(end, '\0');
}

// A GGUF file; what is set wrong is written wrong.
struct GgufBytes {
  std::string magic = "GGUF";
  uint32_t version = 3;
  std::vector<std::string> pairs{counted("general.architecture") + raw<uint32_t>(8) + counted("llama")}, tensors;
  size_t data_bytes = 0;

  std::string bytes() const {
    std::string made = magic + raw(version) + raw<uint64_t>(tensors.size()) + raw<uint64_t>(pairs.size());
    for (const std::string& pair : pairs) made += pair;
    for (const std::string& tensor : tensors) made += tensor;
    made.resize((made.size() + 31) / 32 * 32, '\0');
    return made + std::string(data_bytes, '\1');
  }
  GgufBytes& text(const std::string& key, const std::string& value) {
    pairs.push_back(counted(key) + raw<uint32_t>(8) + counted(value));
    return *this;
  }
  GgufBytes& number(const std::string& key, uint32_t value) {
    pairs.push_back(counted(key) + raw<uint32_t>(4) + raw(value));
    return *this;
  }
  GgufBytes& texts(const std::string& key, const std::vector<std::string>& values) {
    std::string pair = counted(key) + raw<uint32_t>(9) + raw<uint32_t>(8) + raw<uint64_t>(values.size());
    for (const std::string& value : values) pair += counted(value);
    pairs.push_back(pair);
    return *this;
  }
  // Sizes as GGUF writes them: the fastest first.
  GgufBytes& tensor(const std::string& name, const std::vector<uint64_t>& sizes, uint32_t type, uint64_t offset) {
    std::string made = counted(name) + raw<uint32_t>(static_cast<uint32_t>(sizes.size()));
    for (const uint64_t size : sizes) made += raw(size);
    tensors.push_back(made + raw(type) + raw(offset));
    return *this;
  }
};

}  // namespace llmops::test
