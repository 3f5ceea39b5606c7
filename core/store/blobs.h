// Large and binary files by content: blobs/ab/<62 hex> holds the bytes, or <62 hex>.zst holds them compressed where that
// helps. The name is the SHA-256 of the bytes as they were. Files never change once they have their name.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/store/layout.h"

namespace llmops {

using ByteSink = std::function<Status(std::string_view)>;

class Blobs {
 public:
  explicit Blobs(StoreLayout layout) : layout_(std::move(layout)) {}

  bool has(std::string_view sha256) const;
  // Streams the file in; durable when it returns. Known bytes are not written again. kIo when the file no longer has the
  // digest `sha256` (it changed meanwhile). Memory: about 2 MiB.
  Status put_file(const std::filesystem::path& source, std::string_view sha256) const;
  Status put_bytes(std::string_view bytes, std::string_view sha256) const;
  // Hands out the bytes in pieces, then checks the digest: kCorrupt when it differs or the blob is missing, so whoever acts on
  // the bytes waits for the end.
  Status read(std::string_view sha256, const ByteSink& sink) const;
  // Names (64 hex) of all blobs, sorted, and names of files that are none.
  struct Listing { std::vector<std::string> digests, foreign; };
  Listing list() const;

 private:
  using ByteSource = std::function<Result<std::string_view>()>;  // empty: the end
  Status put(const ByteSource& source, std::string_view sha256) const;
  std::filesystem::path place(std::string_view sha256, bool compressed) const;
  StoreLayout layout_;
};

}  // namespace llmops
