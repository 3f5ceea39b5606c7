// A large file over HTTP: it goes on where it was cut, also in another process, and is verified before it gets its name.
#pragma once

#include <filesystem>

#include "core/http/retry.h"

namespace llmops {

struct DownloadRequest {
  std::string url;                  // https; http on this machine alone
  HttpHeaders headers;              // go to the host of `url` alone: a redirect to another one goes without them
  std::filesystem::path file;       // gets the bytes when they are whole and verified; until then they gather in FILE.part
  std::string sha256;               // 64 lower-case hex digits; empty: any
  std::string etag;                 // empty: any; quotes and W/ are not compared
  std::string commit;               // 40 hex digits, compared where the server tells its own (x-repo-commit); empty: any
  int64_t idle_timeout_ms = 60'000;
  RetryPolicy retry;                // the tries start anew whenever bytes have come
  // Bytes that are here, and of how many; on the transport's thread.
  std::function<void(uint64_t done, std::optional<uint64_t> total)> on_progress;
};

struct Download {
  std::string sha256, etag;         // etag: as the server told it, without quotes; empty: none
  uint64_t size_bytes = 0;
  uint64_t resumed_bytes = 0;       // were here before
};

// Follows up to 5 redirects, from https to https alone and never from elsewhere to this machine. A cut transfer is asked to go on with Range and If-Range (RFC 9110,
// sections 13.1.5 and 14.2); a server that cannot sends it whole. Errors: kConfig: such a url; kData "changed": the server has
// other bytes, another etag or another commit; kNotFound: 404 and 410; kProvider: other answers, and the transport's; kIo:
// the part stays for the next try. One process at a time: the caller holds a lock.
// Failpoints: download.write before bytes are appended, fs.before_rename.
Result<Download> download_file(Transport& transport, const DownloadRequest& request, const CancelToken& cancel);

// Without user, password, query and fragment: for messages.
std::string shown_url(std::string_view url);

}  // namespace llmops
