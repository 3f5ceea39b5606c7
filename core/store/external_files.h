// Files outside the project that a chain pins by digest, etag or revision. They are fetched when something reads them, verified,
// and kept in external/KEY/NAME of the store, KEY being a digest of address and pins: another pin never meets the bytes of the
// old one. With `copy` the bytes are a blob too, so that the version can be read when the server no longer has them.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/cancel.h"
#include "core/base/clock.h"
#include "core/base/fs.h"
#include "core/base/secret.h"
#include "core/http/download.h"
#include "core/store/external_source.h"
#include "core/store/layout.h"

namespace llmops {

struct ExternalFile {
  fs::path path;                   // its extension tells the format, as that of the address
  std::string sha256;
  uint64_t size_bytes = 0;
  bool is_new = false;             // fetched by this call
};

struct ExternalOptions {
  std::string hub_endpoint{kHubEndpoint};
  std::optional<Secret> hub_token; // goes to hub addresses alone
  RetryPolicy retry;
  Clock* clock = nullptr;          // required
  std::function<void(const std::string&)> note;   // what takes time, for people
};

class ExternalFiles {
 public:
  // `transport` and options.clock must outlive it.
  ExternalFiles(StoreLayout layout, Transport& transport, ExternalOptions options) : layout_(std::move(layout)), transport_(transport), options_(std::move(options)) {}

  // Here and verified (read once, about 1 GB/s), or fetched. Two processes that want one file fetch it once. Errors: external_url; those of download_file; kIo.
  Result<ExternalFile> get(const ExternalSource& source, const CancelToken& cancel) const;
  // Without the network; nullopt: it has to be fetched.
  Result<std::optional<ExternalFile>> find(const ExternalSource& source) const;

 private:
  fs::path folder(const ExternalSource& source) const;
  Result<ExternalFile> fetch(const ExternalSource& source, const CancelToken& cancel) const;
  Status keep_copy(const ExternalFile& file) const;
  StoreLayout layout_;
  Transport& transport_;
  ExternalOptions options_;
};

}  // namespace llmops
