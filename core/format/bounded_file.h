// Reads parts of a file whose size is known, for formats whose lengths cannot be trusted.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "core/base/result.h"

namespace llmops {

class BoundedFile {
 public:
  // Errors: kNotFound, kIo.
  static Result<BoundedFile> open(const std::filesystem::path& path, std::string shown_name);
  BoundedFile(BoundedFile&& other) noexcept;
  BoundedFile& operator=(BoundedFile&&) = delete;
  ~BoundedFile();

  uint64_t size_bytes() const { return size_bytes_; }
  uint64_t position() const { return position_; }
  uint64_t remaining() const { return size_bytes_ - position_; }
  const std::string& shown_name() const { return name_; }
  // The next bytes. Errors (kData): fewer are left ("ends inside WHAT"); nothing is allocated then.
  Result<std::string> take(uint64_t count, std::string_view what);
  template <class Number>
  Result<Number> number(std::string_view what) {
    Number value{};
    LLMOPS_CHECK(take_into(reinterpret_cast<char*>(&value), sizeof value, what));
    return value;
  }
  // Bytes anywhere, for any thread. Errors: kIo, also when the file became shorter.
  Status read_at(char* out, uint64_t count, uint64_t offset) const;
  // kData with the file and the byte.
  Error fault(std::string message) const;

 private:
  BoundedFile() = default;
  Status take_into(char* out, uint64_t count, std::string_view what);
  Status check(uint64_t count, std::string_view what) const;
  std::string name_, window_;
  uint64_t size_bytes_ = 0, position_ = 0, window_start_ = 0;
  int fd_ = -1;
};

}  // namespace llmops
