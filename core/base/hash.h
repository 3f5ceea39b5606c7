// SHA-256 (FIPS 180-4) through libcrypto, and identifiers made from it.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "core/base/result.h"

namespace llmops {

using Sha256Digest = std::array<uint8_t, 32>;

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;
  void update(std::string_view bytes);
  // May be called once.
  Sha256Digest finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

Sha256Digest sha256(std::string_view bytes);
std::string to_hex(std::string_view bytes);                     // lower case
std::string sha256_hex(std::string_view bytes);                 // 64 characters
bool is_hex(std::string_view text);                             // as to_hex writes; not empty
struct FileDigest { std::string sha256; uint64_t size_bytes = 0; };
// Streams the file: memory stays flat.
Result<FileDigest> sha256_file(const std::filesystem::path& path);

// RFC 9562 UUIDv7 from a time in ms and 10 random bytes of the operating system.
std::string make_uuid_v7(int64_t unix_ms);

}  // namespace llmops
