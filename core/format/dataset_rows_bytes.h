// The bytes of a dataset file in blocks, decompressed on the way, and the lines made of them.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/result.h"

namespace llmops {

class ByteSource {
 public:
  virtual ~ByteSource() = default;
  // The next block, valid until the next call; empty at the end. Errors: kIo; kData for damaged compressed data.
  virtual Result<std::string_view> next_block() = 0;
};

// Gzip and zstd are told by their first bytes. A byte order mark is left out. `shown_name` is used in errors about the
// compressed data. Memory: a few blocks of 64 KiB, and zstd's window of at most 128 MiB.
Result<std::unique_ptr<ByteSource>> open_byte_source(const std::filesystem::path& path, const std::string& shown_name);

// A source whose first block has been looked at.
class PeekedSource : public ByteSource {
 public:
  explicit PeekedSource(std::unique_ptr<ByteSource> source) : source_(std::move(source)) {}
  // The first block that holds a byte that is not white space, or all bytes up to there.
  Result<std::string_view> peek();
  Result<std::string_view> next_block() override;

 private:
  std::unique_ptr<ByteSource> source_;
  std::string head_;
  bool has_head_ = false;
};

// Errors (kData, kind "unread_format"): by name or first bytes an archive, a Parquet or Arrow file, a spreadsheet, a document, a database.
Status check_readable(PeekedSource& source, const std::filesystem::path& path, const std::string& shown_name);

// All bytes. Errors (kData): more than `max_bytes`.
Result<std::string> read_all(ByteSource& source, const std::string& shown_name, size_t max_bytes);

constexpr size_t kLongestRowBytes = size_t{256} << 20;

// Lines without their \n.
class LineReader {
 public:
  explicit LineReader(std::unique_ptr<ByteSource> source) : source_(std::move(source)) {}
  // False: the end. The line is valid until the next call. Errors: the source's; kData for a line over kLongestRowBytes.
  Result<bool> next(std::string_view& line);
  int line_number() const { return line_number_; }  // of the last line, from 1

 private:
  std::unique_ptr<ByteSource> source_;
  std::string_view rest_;
  std::string carried_;
  bool ended_ = false;
  int line_number_ = 0;
};

// Offset of the first byte that is not part of valid UTF-8, or npos.
size_t first_invalid_utf8(std::string_view text);

}  // namespace llmops
