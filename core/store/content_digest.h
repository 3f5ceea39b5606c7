// The digest by which a manifest counts a file, and the digest of the bytes themselves, in one pass.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/hash.h"

namespace llmops {

// Feed the file in pieces of any size. role "text": the counted bytes leave out a UTF-8 byte order mark at the start and the
// CR of every CRLF; role "data": they are the bytes.
class ContentDigest {
 public:
  explicit ContentDigest(std::string_view role) : text_(role == "text") {}
  void update(std::string_view bytes);
  struct Digests {
    std::string raw;      // 64 hex, of the bytes
    std::string counted;  // 64 hex, as the manifest has it
    uint64_t raw_bytes = 0;
  };
  Digests finish();  // once

 private:
  void update_text(std::string_view bytes);
  bool text_;
  Sha256 raw_, counted_;
  uint64_t raw_bytes_ = 0;
  std::string start_;         // the first bytes, while they may be a byte order mark
  bool started_ = false;
  bool pending_cr_ = false;   // a CR at the end of a piece, whose LF may come
};

ContentDigest::Digests content_digests(std::string_view bytes, std::string_view role);

// A NUL byte in the first 8000 bytes, as git tells binary from text.
bool looks_binary(std::string_view bytes);

// sha256("llmops-manifest-v1" NUL manifest): what a vid is.
std::string vid_of_text(std::string_view canonical_manifest);

}  // namespace llmops
