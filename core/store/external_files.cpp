#include "core/store/external_files.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/hash.h"
#include "core/base/json.h"
#include "core/base/lock.h"
#include "core/store/blobs.h"

namespace llmops {
namespace {

constexpr int64_t kProgressNs = 10'000'000'000;

bool is_commit(std::string_view revision) {
  return revision.size() == 40 && is_hex(revision);
}

// The last part of the address as a file name of ours: nothing that a shell, a path or a glob reads otherwise.
std::string file_name(std::string_view uri) {
  uri = uri.substr(0, uri.find_first_of("?#"));
  std::string name(uri.substr(uri.rfind('/') + 1));
  if (name.size() > 100) name = name.substr(name.size() - 100);
  for (char& c : name) {
    const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
    if (!is_plain) c = '_';
  }
  if (name.empty() || name[0] == '.') name = "content" + name;
  return name;
}

std::string shown_bytes(uint64_t bytes) {
  if (bytes < 10'000'000) return fmt::format("{:.1f} kB", static_cast<double>(bytes) / 1e3);
  if (bytes < uint64_t{10'000'000'000}) return fmt::format("{:.1f} MB", static_cast<double>(bytes) / 1e6);
  return fmt::format("{:.1f} GB", static_cast<double>(bytes) / 1e9);
}

// The record beside the file: what the bytes were when they came. nullopt: none.
std::optional<std::string> recorded_digest(const fs::path& folder) {
  const auto bytes = read_file(folder / "record.json", 1 << 16);
  if (!bytes) return std::nullopt;
  const auto json = parse_json(*bytes, "record.json");
  if (!json || !json->is_object()) return std::nullopt;
  const std::string digest = json->value("sha256", "");
  return digest.size() == 64 ? std::optional(digest) : std::nullopt;
}

}  // namespace

fs::path ExternalFiles::folder(const ExternalSource& source) const {
  const Json identity = {{"uri", source.uri}, {"sha256", source.sha256}, {"etag", source.etag}, {"revision", source.revision}};
  return layout_.external() / sha256_hex(dump_json(identity)).substr(0, 32);
}

Result<std::optional<ExternalFile>> ExternalFiles::find(const ExternalSource& source) const {
  const fs::path path = folder(source) / file_name(source.uri);
  const std::optional<std::string> recorded = recorded_digest(folder(source));
  const std::string wanted = !source.sha256.empty() ? source.sha256 : recorded.value_or("");
  if (wanted.empty()) return std::optional<ExternalFile>();
  std::error_code ignored;
  if (!fs::exists(path, ignored)) {
    const Blobs blobs(layout_);
    if (!blobs.has(wanted)) return std::optional<ExternalFile>();
    LLMOPS_CHECK(ensure_directory(folder(source)));
    LLMOPS_ASSIGN(AtomicFile file, AtomicFile::create(path, {0644, true, "external.restore"}));
    LLMOPS_CHECK(blobs.read(wanted, [&](std::string_view bytes) { return file.append(bytes); }));
    LLMOPS_CHECK(file.commit());
  }
  LLMOPS_ASSIGN(const FileDigest digest, sha256_file(path));
  if (digest.sha256 != wanted) {
    if (options_.note) options_.note(fmt::format("warning: the local copy of {} is damaged: it is fetched again", shown_url(source.uri)));
    LLMOPS_CHECK(remove_file(path));
    return std::optional<ExternalFile>();
  }
  return std::optional(ExternalFile{path, digest.sha256, digest.size_bytes, false});
}

Result<ExternalFile> ExternalFiles::get(const ExternalSource& source, const CancelToken& cancel) const {
  LLMOPS_CHECK(external_url(source, options_.hub_endpoint));
  LLMOPS_ASSIGN(auto here, find(source));
  if (here) {
    if (source.copy) LLMOPS_CHECK(keep_copy(*here));
    return *here;
  }
  LLMOPS_CHECK(ensure_directory(folder(source)));
  std::optional<FileLock> lock;
  while (!lock) {
    auto acquired = FileLock::acquire(folder(source) / "lock", FileLock::Mode::kExclusive, 1000);
    if (acquired) lock.emplace(*std::move(acquired));
    else if (acquired.error().code != ErrorCode::kLocked) return std::move(acquired).error();
    else if (cancel.cancelled()) return Error(ErrorCode::kInterrupted, "interrupted");
    else if (options_.note) options_.note(fmt::format("waiting for another process that fetches {}", shown_url(source.uri)));
  }
  LLMOPS_ASSIGN(here, find(source));   // another process may have fetched it meanwhile
  if (here) return *here;
  return fetch(source, cancel);
}

Result<ExternalFile> ExternalFiles::fetch(const ExternalSource& source, const CancelToken& cancel) const {
  DownloadRequest request;
  LLMOPS_ASSIGN(request.url, external_url(source, options_.hub_endpoint));
  if (is_hub_address(source.uri) && options_.hub_token && !options_.hub_token->empty()) request.headers.emplace_back("Authorization", "Bearer " + options_.hub_token->reveal());
  request.file = folder(source) / file_name(source.uri);
  request.sha256 = source.sha256;
  request.etag = source.etag;
  if (is_commit(source.revision)) request.commit = source.revision;
  request.retry = options_.retry;
  int64_t told_ns = 0;
  request.on_progress = [&](uint64_t done, std::optional<uint64_t> total) {
    if (!options_.note) return;
    const int64_t now_ns = options_.clock->steady_ns();
    if (told_ns != 0 && now_ns - told_ns < kProgressNs) return;
    const std::string size = total ? shown_bytes(*total) : "unknown size";
    if (told_ns == 0) options_.note(fmt::format("fetching {} ({})", shown_url(source.uri), size));
    else options_.note(fmt::format("  {} of {}", shown_bytes(done), size));
    told_ns = now_ns;
  };
  LLMOPS_ASSIGN(const Download made, download_file(transport_, request, cancel));
  const Json record = {{"uri", shown_url(source.uri)}, {"sha256", made.sha256}, {"etag", made.etag}, {"revision", source.revision}, {"size_bytes", made.size_bytes}, {"fetched_ms", options_.clock->unix_ms()}};
  LLMOPS_CHECK(write_file_atomic(folder(source) / "record.json", dump_json(record) + "\n", {0644, true, "external.record"}));
  ExternalFile file{request.file, made.sha256, made.size_bytes, true};
  if (source.copy) LLMOPS_CHECK(keep_copy(file));
  return file;
}

Status ExternalFiles::keep_copy(const ExternalFile& file) const { return Blobs(layout_).put_file(file.path, file.sha256); }

}  // namespace llmops
