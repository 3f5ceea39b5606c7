// Where a file outside the project lies, and what pins its bytes.
#pragma once

#include <string>
#include <string_view>

#include "core/base/result.h"

namespace llmops {

inline constexpr std::string_view kHubEndpoint = "https://huggingface.co";

struct ExternalSource {
  std::string uri;                 // https://, hf://[datasets/]OWNER/NAME/PATH; http:// on this machine alone. "{revision}" stands for the revision
  std::string sha256;              // lower-case hex; empty: not pinned by it
  std::string etag, revision;      // likewise
  bool copy = true;
};

// Where it is fetched. Errors (kConfig): another scheme, a user name in it, a hub address without owner, name and path, a revision that
// the address says nothing of.
Result<std::string> external_url(const ExternalSource& source, std::string_view hub_endpoint = kHubEndpoint);
bool is_hub_address(std::string_view uri);

}  // namespace llmops
