// Addresses of the hub: https://huggingface.co/docs/hub/models-downloading and the hf:// form of its file system library.
#include "core/store/external_source.h"

#include <fmt/format.h>

#include "core/http/address.h"
#include "core/http/download.h"

namespace llmops {
namespace {

constexpr std::string_view kHubScheme = "hf://", kPlaceholder = "{revision}";

Result<std::string> hub_url(const ExternalSource& source, std::string_view endpoint) {
  std::string_view path = std::string_view(source.uri).substr(kHubScheme.size());
  std::string kind;
  for (const std::string_view prefix : {"datasets/", "spaces/", "models/"}) {
    if (!path.starts_with(prefix)) continue;
    kind = prefix == "models/" ? "" : prefix;
    path.remove_prefix(prefix.size());
    break;
  }
  const size_t owner = path.find('/'), name = owner == std::string_view::npos ? owner : path.find('/', owner + 1);
  const bool is_whole = name != std::string_view::npos && owner > 0 && name > owner + 1 && name + 1 < path.size();
  if (!is_whole || path.find("..") != std::string_view::npos) return Error(ErrorCode::kConfig, fmt::format("'{}' names no file of the hub", source.uri), "write hf://datasets/OWNER/NAME/PATH or hf://OWNER/NAME/PATH");
  if (path.substr(0, name).find('@') != std::string_view::npos) return Error(ErrorCode::kConfig, fmt::format("'{}' holds a revision", source.uri), "write it as `revision:`");
  while (endpoint.ends_with('/')) endpoint.remove_suffix(1);
  return fmt::format("{}/{}{}/resolve/{}/{}", endpoint, kind, path.substr(0, name), source.revision.empty() ? "main" : source.revision, path.substr(name + 1));
}

}  // namespace

bool is_hub_address(std::string_view uri) { return uri.starts_with(kHubScheme); }

Result<std::string> external_url(const ExternalSource& source, std::string_view hub_endpoint) {
  if (is_hub_address(source.uri)) return hub_url(source, hub_endpoint);
  std::string url = source.uri;
  bool names_revision = !source.revision.empty() && url.find(source.revision) != std::string::npos;
  for (size_t at = url.find(kPlaceholder); at != std::string::npos; at = url.find(kPlaceholder, at + source.revision.size())) {
    if (source.revision.empty()) return Error(ErrorCode::kConfig, fmt::format("'{}' asks for a revision", source.uri), "add revision: ...");
    url.replace(at, kPlaceholder.size(), source.revision);
    names_revision = true;
  }
  const size_t colon = url.find("://");
  const std::string scheme = url.substr(0, colon);
  if (colon == std::string::npos || (scheme != "https" && scheme != "http")) {
    return Error(ErrorCode::kConfig, fmt::format("'{}' cannot be fetched: its scheme is none of https and hf", shown_url(source.uri)), "write https://HOST/PATH or hf://datasets/OWNER/NAME/PATH, or a `path` of the project");
  }
  LLMOPS_ASSIGN(const UrlParts parts, parse_url(url));
  if (parts.has_userinfo) return Error(ErrorCode::kConfig, fmt::format("'{}' holds a user name", shown_url(url)), "leave the user name and the password out of the address");
  if (scheme != "https" && !is_loopback_url(url)) return Error(ErrorCode::kConfig, fmt::format("'{}' is not fetched without TLS", shown_url(url)), "write https://");
  if (source.sha256.empty() && source.etag.empty() && !names_revision) {
    return Error(ErrorCode::kConfig, fmt::format("nothing in '{}' depends on its revision", shown_url(url)), "write {revision} where the address names it, or pin the file by sha256 or etag");
  }
  return url;
}

}  // namespace llmops
