// Blocks of 64 KiB from a file, through zlib (RFC 1952, members one after another) or zstd (RFC 8878, frames one after
// another). Compression is told by the first bytes, not by the name: a download often loses or gains a suffix.
#include "core/format/dataset_rows_bytes.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "core/base/fs.h"

namespace llmops {
namespace {

constexpr size_t kBlockBytes = 64 << 10;

class FileSource : public ByteSource {
 public:
  FileSource(int fd, std::filesystem::path path) : fd_(fd), path_(std::move(path)), block_(kBlockBytes) {}
  ~FileSource() override { ::close(fd_); }
  FileSource(const FileSource&) = delete;
  FileSource& operator=(const FileSource&) = delete;

  Result<std::string_view> next_block() override {
    while (true) {
      const ssize_t count = ::read(fd_, block_.data(), block_.size());
      if (count >= 0) return std::string_view(block_.data(), static_cast<size_t>(count));
      if (errno != EINTR) return io_error("read", path_, errno);
    }
  }

 private:
  int fd_;
  std::filesystem::path path_;
  std::vector<char> block_;
};

class GzipSource : public ByteSource {
 public:
  GzipSource(std::unique_ptr<ByteSource> source, std::string name) : source_(std::move(source)), name_(std::move(name)), block_(kBlockBytes) {
    inflateInit2(&stream_, 15 + 16);  // 16: gzip, not zlib
  }
  ~GzipSource() override { inflateEnd(&stream_); }
  GzipSource(const GzipSource&) = delete;
  GzipSource& operator=(const GzipSource&) = delete;

  Result<std::string_view> next_block() override {
    stream_.next_out = block_.data();
    stream_.avail_out = static_cast<uInt>(block_.size());
    while (stream_.avail_out == block_.size()) {
      if (input_.empty()) { LLMOPS_ASSIGN(input_, source_->next_block()); }
      if (input_.empty()) {
        if (inside_) return Error(ErrorCode::kData, "the gzip data of '" + name_ + "' ends early", "copy the file again");
        break;
      }
      // zlib's interface predates const.
      stream_.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(input_.data()));
      stream_.avail_in = static_cast<uInt>(input_.size());
      const int status = inflate(&stream_, Z_NO_FLUSH);
      input_.remove_prefix(input_.size() - stream_.avail_in);
      inside_ = status != Z_STREAM_END;
      if (status == Z_STREAM_END) inflateReset(&stream_);
      else if (status != Z_OK && status != Z_BUF_ERROR) return Error(ErrorCode::kData, "the gzip data of '" + name_ + "' is damaged", "copy the file again");
    }
    return std::string_view(reinterpret_cast<const char*>(block_.data()), block_.size() - stream_.avail_out);
  }

 private:
  std::unique_ptr<ByteSource> source_;
  std::string name_;
  std::vector<Bytef> block_;
  std::string_view input_;
  z_stream stream_{};
  bool inside_ = true;
};

class ZstdSource : public ByteSource {
 public:
  ZstdSource(std::unique_ptr<ByteSource> source, std::string name)
      : source_(std::move(source)), name_(std::move(name)), block_(kBlockBytes), stream_(ZSTD_createDStream(), ZSTD_freeDStream) {}

  Result<std::string_view> next_block() override {
    ZSTD_outBuffer out{block_.data(), block_.size(), 0};
    while (out.pos == 0) {
      // What a full output block left inside the decoder comes out without new input.
      if (input_.empty() && !pending_) {
        LLMOPS_ASSIGN(input_, source_->next_block());
        if (input_.empty()) {
          if (inside_) return Error(ErrorCode::kData, "the zstd data of '" + name_ + "' ends early", "copy the file again");
          break;
        }
      }
      ZSTD_inBuffer in{input_.data(), input_.size(), 0};
      const size_t status = ZSTD_decompressStream(stream_.get(), &out, &in);
      if (ZSTD_isError(status)) return Error(ErrorCode::kData, "the zstd data of '" + name_ + "' is damaged: " + ZSTD_getErrorName(status), "copy the file again");
      input_.remove_prefix(in.pos);
      inside_ = status != 0;
      pending_ = out.pos == out.size && inside_;
    }
    return std::string_view(block_.data(), out.pos);
  }

 private:
  std::unique_ptr<ByteSource> source_;
  std::string name_;
  std::vector<char> block_;
  std::unique_ptr<ZSTD_DStream, size_t (*)(ZSTD_DStream*)> stream_;
  std::string_view input_;
  bool inside_ = true, pending_ = false;
};

// Leaves out a byte order mark at the start, and refuses texts that are not bytes of UTF-8 from their first character on.
class MarkSkipper : public ByteSource {
 public:
  MarkSkipper(std::unique_ptr<ByteSource> source, std::string name) : source_(std::move(source)), name_(std::move(name)) {}
  Result<std::string_view> next_block() override {
    if (started_) return source_->next_block();
    started_ = true;
    while (head_.size() < 3) {
      LLMOPS_ASSIGN(const std::string_view block, source_->next_block());
      if (block.empty()) break;
      head_ += block;
    }
    std::string_view view = head_;
    if (view.starts_with("\xFF\xFE") || view.starts_with("\xFE\xFF")) {
      return Error(ErrorCode::kData, "'" + name_ + "' is UTF-16 text", "convert it: iconv -f UTF-16 -t UTF-8 OLD > NEW").at({name_, 1, 1, 1, {}});
    }
    if (view.starts_with("\xEF\xBB\xBF")) view.remove_prefix(3);
    if (view.empty()) return source_->next_block();
    return view;
  }

 private:
  std::unique_ptr<ByteSource> source_;
  std::string name_;
  std::string head_;
  bool started_ = false;
};

bool is_json_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

}  // namespace

Result<std::unique_ptr<ByteSource>> open_byte_source(const std::filesystem::path& path, const std::string& shown_name) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    if (errno == ENOENT) return Error(ErrorCode::kNotFound, "dataset '" + shown_name + "' does not exist", "check the path");
    return io_error("read", path, errno);
  }
  // Pipes cannot be sought, so the magic number is peeked from the first block.
  auto peeked = std::make_unique<PeekedSource>(std::make_unique<FileSource>(fd, path));
  LLMOPS_ASSIGN(const std::string_view start, peeked->peek());
  std::unique_ptr<ByteSource> source;
  if (start.starts_with("\x1F\x8B")) source = std::make_unique<GzipSource>(std::move(peeked), shown_name);
  else if (start.starts_with("\x28\xB5\x2F\xFD")) source = std::make_unique<ZstdSource>(std::move(peeked), shown_name);
  else if (path.extension() == ".gz") return Error(ErrorCode::kData, "'" + shown_name + "' is not gzip data", "remove .gz from the name, or compress the file");
  else if (path.extension() == ".zst") return Error(ErrorCode::kData, "'" + shown_name + "' is not zstd data", "remove .zst from the name, or compress the file");
  else source = std::move(peeked);
  return std::unique_ptr<ByteSource>(std::make_unique<MarkSkipper>(std::move(source), shown_name));
}

Result<std::string_view> PeekedSource::peek() {
  while (std::all_of(head_.begin(), head_.end(), is_json_space) && head_.size() < kLongestRowBytes) {
    LLMOPS_ASSIGN(const std::string_view block, source_->next_block());
    if (block.empty()) break;
    head_ += block;
  }
  has_head_ = true;
  return std::string_view(head_);
}

Result<std::string_view> PeekedSource::next_block() {
  if (has_head_ && !head_.empty()) {
    has_head_ = false;
    return std::string_view(head_);
  }
  return source_->next_block();
}

Status check_readable(PeekedSource& source, const std::filesystem::path& path, const std::string& shown_name) {
  struct Known { std::string_view ending, head, name; };
  static constexpr std::array<Known, 9> kKnown{{{".parquet", "PAR1", "a Parquet file"}, {".arrow", "ARROW1", "an Arrow file"}, {".feather", "ARROW1", "an Arrow file"}, {".zip", "PK\x03\x04", "an archive"},
                                                {".tar", "", "an archive"}, {".tgz", "", "an archive"}, {".xlsx", "", "a spreadsheet"}, {".pdf", "%PDF-", "a PDF document"}, {".db", "SQLite format 3", "a database"}}};
  LLMOPS_ASSIGN(const std::string_view head, source.peek());
  std::string ending = path.extension().string();
  if (ending == ".gz" || ending == ".zst") ending = path.stem().extension().string();
  for (const Known& known : kKnown) {
    if (ending != known.ending && (known.head.empty() || !head.starts_with(known.head))) continue;
    return Error(ErrorCode::kData, fmt::format("'{}' is {}, whose rows are not read", shown_name, known.name), "convert it to JSONL or CSV").with_kind("unread_format", false);
  }
  return {};
}

Result<std::string> read_all(ByteSource& source, const std::string& shown_name, size_t max_bytes) {
  std::string text;
  while (true) {
    LLMOPS_ASSIGN(const std::string_view block, source.next_block());
    if (block.empty()) return text;
    if (text.size() + block.size() > max_bytes) {
      return Error(ErrorCode::kData, "'" + shown_name + "' is larger than " + std::to_string(max_bytes >> 20) + " MiB, which is read whole",
                   "convert it to JSONL, which is read row by row");
    }
    text += block;
  }
}

Result<bool> LineReader::next(std::string_view& line) {
  carried_.clear();
  bool carrying = false;
  while (true) {
    if (rest_.empty() && !ended_) {
      LLMOPS_ASSIGN(rest_, source_->next_block());
      ended_ = rest_.empty();
    }
    if (ended_) {
      if (!carrying) return false;
      break;
    }
    const void* newline = std::memchr(rest_.data(), '\n', rest_.size());
    const size_t length = newline == nullptr ? rest_.size() : static_cast<size_t>(static_cast<const char*>(newline) - rest_.data());
    if (newline != nullptr && !carrying) {
      line = rest_.substr(0, length);
      rest_.remove_prefix(length + 1);
      ++line_number_;
      return true;
    }
    carried_ += rest_.substr(0, length);
    carrying = true;
    rest_.remove_prefix(newline == nullptr ? length : length + 1);
    if (carried_.size() > kLongestRowBytes) {
      return Error(ErrorCode::kData, "line " + std::to_string(line_number_ + 1) + " is longer than " + std::to_string(kLongestRowBytes >> 20) + " MiB", "write one row per line");
    }
    if (newline != nullptr) break;
  }
  ++line_number_;
  line = carried_;
  return true;
}

size_t first_invalid_utf8(std::string_view text) {
  constexpr std::array<uint32_t, 5> kSmallest{0, 0, 0x80, 0x800, 0x10000};
  size_t i = 0;
  while (i < text.size()) {
    uint64_t word = 0;
    if (i + sizeof word <= text.size()) {
      std::memcpy(&word, text.data() + i, sizeof word);
      if ((word & 0x8080808080808080u) == 0) { i += sizeof word; continue; }
    }
    const auto lead = static_cast<unsigned char>(text[i]);
    if (lead < 0x80) { ++i; continue; }
    const size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (lead < 0xC2 || lead > 0xF4 || i + length > text.size()) return i;
    uint32_t point = lead & (0x7Fu >> length);
    for (size_t k = 1; k < length; ++k) {
      const auto next = static_cast<unsigned char>(text[i + k]);
      if ((next & 0xC0) != 0x80) return i;
      point = point << 6 | (next & 0x3Fu);
    }
    if (point < kSmallest[length] || point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF)) return i;
    i += length;
  }
  return std::string_view::npos;
}

}  // namespace llmops
