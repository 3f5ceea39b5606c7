// Text is counted without a byte order mark and with LF line ends, so that git's core.autocrlf does not change a version;
// nothing else is touched, since white space and normal forms change what a model does.
#include "core/store/content_digest.h"

#include <algorithm>

namespace llmops {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

std::string hex(const Sha256Digest& digest) { return to_hex({reinterpret_cast<const char*>(digest.data()), digest.size()}); }

}  // namespace

void ContentDigest::update(std::string_view bytes) {
  raw_.update(bytes);
  raw_bytes_ += bytes.size();
  if (!text_) return;
  if (started_) return update_text(bytes);
  const size_t wanted = std::min(kByteOrderMark.size() - start_.size(), bytes.size());
  start_.append(bytes.substr(0, wanted));
  if (start_.size() < kByteOrderMark.size()) return;
  started_ = true;
  if (start_ != kByteOrderMark) update_text(start_);
  update_text(bytes.substr(wanted));
}

void ContentDigest::update_text(std::string_view bytes) {
  while (!bytes.empty()) {
    if (pending_cr_) {
      pending_cr_ = false;
      if (bytes.front() != '\n') counted_.update("\r");
    }
    const size_t cr = std::min(bytes.find('\r'), bytes.size());
    counted_.update(bytes.substr(0, cr));
    pending_cr_ = cr < bytes.size();
    bytes.remove_prefix(std::min(cr + 1, bytes.size()));
  }
}

ContentDigest::Digests ContentDigest::finish() {
  Digests digests;
  digests.raw_bytes = raw_bytes_;
  digests.raw = hex(raw_.finish());
  if (!text_) {
    digests.counted = digests.raw;
    return digests;
  }
  if (!started_) update_text(start_);
  if (pending_cr_) counted_.update("\r");
  digests.counted = hex(counted_.finish());
  return digests;
}

ContentDigest::Digests content_digests(std::string_view bytes, std::string_view role) {
  ContentDigest digest(role);
  digest.update(bytes);
  return digest.finish();
}

bool looks_binary(std::string_view bytes) { return bytes.substr(0, 8000).find('\0') != std::string_view::npos; }

std::string vid_of_text(std::string_view canonical_manifest) {
  Sha256 hash;
  hash.update(std::string_view("llmops-manifest-v1\0", 19));
  hash.update(canonical_manifest);
  return hex(hash.finish());
}

}  // namespace llmops
