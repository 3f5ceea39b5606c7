#include "core/chain/manifest.h"

#include <algorithm>

#include "core/base/hash.h"

namespace llmops {
namespace {

constexpr std::string_view kNotPartOfTheVersion[] = {"price", "api_key", "headers", "timeout_s", "rate_limit"};

Json file_entries(std::vector<ManifestFile> files) {
  std::sort(files.begin(), files.end(), [](const auto& a, const auto& b) { return a.path < b.path; });
  Json list = Json::array();
  for (const ManifestFile& file : files) {
    list.push_back({{"path", file.path}, {"role", file.role == FileRole::kText ? "text" : "data"}, {"sha256", file.sha256}, {"size", file.size_bytes}});
  }
  return list;
}

Result<std::string> identity(std::string_view domain, const Json& manifest) {
  LLMOPS_ASSIGN(const std::string canonical, canonical_json(manifest));
  std::string bytes(domain);
  bytes += '\0';
  bytes += canonical;
  return sha256_hex(bytes);
}

}  // namespace

std::string normalize_text(std::string_view bytes) {
  if (bytes.starts_with("\xEF\xBB\xBF")) bytes.remove_prefix(3);
  std::string out;
  out.reserve(bytes.size());
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (bytes[i] == '\r' && i + 1 < bytes.size() && bytes[i + 1] == '\n') continue;
    out += bytes[i];
  }
  return out;
}

Json make_manifest(const Json& document, std::vector<ManifestFile> files, std::vector<CalledChain> chains) {
  Json chain = document;
  chain.erase("description");
  if (const auto models = chain.find("models"); models != chain.end() && models->is_object()) {
    for (auto& model : *models) {
      if (!model.is_object()) continue;
      for (const auto key : kNotPartOfTheVersion) model.erase(std::string(key));
    }
  }
  std::sort(chains.begin(), chains.end(), [](const auto& a, const auto& b) { return a.path < b.path; });
  Json called = Json::array();
  for (const CalledChain& one : chains) called.push_back({{"path", one.path}, {"vid", one.vid}});
  return {{"schema", "llmops.manifest/v1"}, {"engine", kChainEngine}, {"chain", std::move(chain)}, {"files", file_entries(std::move(files))}, {"chains", std::move(called)}};
}

Result<std::string> manifest_vid(const Json& manifest) { return identity("llmops-manifest-v1", manifest); }

Result<ManifestFile> hash_file(const fs::path& source, std::string path, FileRole role) {
  ManifestFile file{std::move(path), role, {}, 0, source};
  if (role == FileRole::kText) {
    LLMOPS_ASSIGN(const std::string bytes, read_file(source));
    const std::string text = normalize_text(bytes);
    if (find_invalid_utf8(text)) return Error(ErrorCode::kConfig, "file '" + file.path + "' is not valid UTF-8", "save it as UTF-8");
    file.sha256 = sha256_hex(text);
    file.size_bytes = text.size();
    return file;
  }
  LLMOPS_ASSIGN(const FileDigest digest, sha256_file(source));
  file.sha256 = digest.sha256;
  file.size_bytes = digest.size_bytes;
  return file;
}

Json make_suite_manifest(const Json& document, std::vector<ManifestFile> files) {
  Json suite = document;
  suite.erase("description");
  suite.erase("gates");
  return {{"schema", "llmops.suite-manifest/v1"}, {"engine", kChainEngine}, {"suite", std::move(suite)}, {"files", file_entries(std::move(files))}};
}

Result<std::string> suite_id(const Json& manifest) { return identity("llmops-suite-v1", manifest); }

}  // namespace llmops
