#include "core/store/snapshot.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fmt/format.h>
#include <memory>

#include "core/base/fs.h"
#include "core/base/json.h"
#include "core/store/content_digest.h"

namespace llmops {
namespace {

Error damaged(std::string_view what) {
  return {ErrorCode::kCorrupt, fmt::format("the store is damaged: {}", what), "restore store.git from a backup, or fetch it from a remote"};
}

const std::string* string_member(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get_ptr<const std::string*>() : nullptr;
}

std::string files_document(const std::map<std::string, StoredFile>& stored) {
  Json files = Json::object();
  for (const auto& [path, file] : stored) files[path] = Json{{"store", file.in_git ? "git" : "blob"}, {"raw_sha256", file.raw_sha256}, {"raw_bytes", file.raw_bytes}};
  return dump_json_pretty(Json{{"schema", "llmops.files/v1"}, {"files", std::move(files)}}) + "\n";
}

Result<std::map<std::string, StoredFile, std::less<>>> parse_files_document(std::string_view text) {
  LLMOPS_ASSIGN(const Json document, parse_json(text, "files.json"));
  std::map<std::string, StoredFile, std::less<>> stored;
  const auto files = document.find("files");
  if (files == document.end() || !files->is_object()) return damaged("files.json has no files");
  for (const auto& [path, entry] : files->items()) {
    const std::string* store = entry.is_object() ? string_member(entry, "store") : nullptr;
    const std::string* digest = entry.is_object() ? string_member(entry, "raw_sha256") : nullptr;
    if (store == nullptr || digest == nullptr || !entry.contains("raw_bytes") || !entry["raw_bytes"].is_number_unsigned()) return damaged("files.json has a malformed entry");
    stored[path] = {*store == "git", *digest, entry["raw_bytes"].get<uint64_t>()};
  }
  return stored;
}

// Digests of a file on disk in both forms, in one pass.
Result<ContentDigest::Digests> digest_source(const fs::path& path, std::string_view role) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return io_error("read", path, errno);
  ContentDigest digest(role);
  constexpr size_t kPieceBytes = size_t{64} << 10;
  const auto buffer = std::make_unique_for_overwrite<char[]>(kPieceBytes);
  while (true) {
    const ssize_t got = read(fd, buffer.get(), kPieceBytes);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) {
      const int number = errno;
      close(fd);
      if (got < 0) return io_error("read", path, number);
      return digest.finish();
    }
    digest.update({buffer.get(), static_cast<size_t>(got)});
  }
}

}  // namespace

Result<std::vector<ListedFile>> manifest_files(std::string_view manifest) {
  LLMOPS_ASSIGN(const Json document, parse_json(manifest, "manifest.json"));
  std::vector<ListedFile> found;
  const auto files = document.find("files");
  if (!document.is_object() || files == document.end()) return found;
  if (!files->is_array()) return damaged("the files of a manifest are not a list");
  for (const Json& entry : *files) {
    const std::string* path = entry.is_object() ? string_member(entry, "path") : nullptr;
    const std::string* role = path != nullptr ? string_member(entry, "role") : nullptr;
    const std::string* sha256 = path != nullptr ? string_member(entry, "sha256") : nullptr;
    if (role == nullptr || sha256 == nullptr) return damaged("a manifest has a malformed file entry");
    found.push_back({*path, *role, *sha256});
  }
  return found;
}

Result<PlannedVersion> plan_version(const VersionInput& input, const Blobs& blobs) {
  const auto wrong = [&input](std::string_view what) { return Error(ErrorCode::kBug, fmt::format("cannot store version {}: {}", input.vid, what)); };
  if (vid_of_text(input.manifest) != input.vid) return wrong("its manifest does not hash to it");
  LLMOPS_ASSIGN(const std::vector<ListedFile> expected, manifest_files(input.manifest));
  std::map<std::string_view, const SnapshotFile*> given;
  for (const SnapshotFile& file : input.files) given[file.path] = &file;
  PlannedVersion plan;
  plan.manifest = input.manifest;
  for (const ListedFile& entry : expected) {
    const auto found = given.find(entry.path);
    if (found == given.end()) return wrong(fmt::format("the file '{}' of its manifest was not handed over", entry.path));
    const SnapshotFile& file = *found->second;
    ContentDigest::Digests digests;
    if (file.source.empty()) {
      digests = content_digests(file.bytes, entry.role);
    } else {
      LLMOPS_ASSIGN(digests, digest_source(file.source, entry.role));
    }
    if (digests.counted != entry.sha256) {
      if (file.source.empty()) return wrong(fmt::format("the file '{}' does not have the digest of its manifest", entry.path));
      return Error(ErrorCode::kIo, fmt::format("the file '{}' changed while it was being stored", file.source), "run the command again when nothing writes to it");
    }
    const bool in_git = file.source.empty() && file.bytes.size() <= kMaxGitFileBytes && !looks_binary(file.bytes);
    plan.stored[entry.path] = {in_git, digests.raw, digests.raw_bytes};
    if (in_git) plan.small[entry.path] = file.bytes;
    else if (file.source.empty()) LLMOPS_CHECK(blobs.put_bytes(file.bytes, digests.raw));
    else LLMOPS_CHECK(blobs.put_file(file.source, digests.raw));
  }
  return plan;
}

namespace {

// A directory while a tree is built, children by name.
struct TreeNode {
  std::map<std::string, TreeNode> directories;
  std::map<std::string, std::string> files;  // oid
  void add(std::string_view path, std::string oid) {
    const size_t slash = path.find('/');
    if (slash == std::string_view::npos) files[std::string(path)] = std::move(oid);
    else directories[std::string(path.substr(0, slash))].add(path.substr(slash + 1), std::move(oid));
  }
};

Result<std::string> add_object(ObjectRepo& repo, std::vector<ObjectRepo::NewObject>& objects, GitKind kind, std::string bytes) {
  LLMOPS_ASSIGN(std::string oid, repo.id_of(kind, bytes));
  objects.push_back({kind, std::move(bytes)});
  return oid;
}

Result<std::string> add_trees(ObjectRepo& repo, std::vector<ObjectRepo::NewObject>& objects, const TreeNode& node) {
  std::vector<TreeEntry> entries;
  for (const auto& [name, child] : node.directories) {
    LLMOPS_ASSIGN(std::string oid, add_trees(repo, objects, child));
    entries.push_back({name, std::move(oid), true});
  }
  for (const auto& [name, oid] : node.files) entries.push_back({name, oid, false});
  return add_object(repo, objects, GitKind::kTree, encode_tree(std::move(entries)));
}

}  // namespace

Result<VersionObjects> version_objects(const PlannedVersion& plan, ObjectRepo& repo) {
  VersionObjects result;
  TreeNode root;
  const auto add = [&](std::string_view path, std::string bytes) -> Status {
    LLMOPS_ASSIGN(std::string oid, add_object(repo, result.objects, GitKind::kBlob, std::move(bytes)));
    root.add(path, std::move(oid));
    return {};
  };
  LLMOPS_CHECK(add("manifest.json", plan.manifest));
  LLMOPS_CHECK(add("files.json", files_document(plan.stored)));
  for (const auto& [path, bytes] : plan.small) LLMOPS_CHECK(add("files/" + tree_path(path), bytes));
  LLMOPS_ASSIGN(result.root, add_trees(repo, result.objects, root));
  return result;
}

Result<Snapshot> Snapshot::open(ObjectRepo& repo, const Blobs& blobs, std::string_view commit_oid) {
  Snapshot snapshot(repo, blobs);
  LLMOPS_ASSIGN(const std::string bytes, repo.read(GitKind::kCommit, commit_oid));
  LLMOPS_ASSIGN(snapshot.commit_, decode_commit(bytes));
  LLMOPS_ASSIGN(snapshot.manifest_, snapshot.read_tree_file("manifest.json"));
  if (const std::string& vid = snapshot.commit_.trailers["vid"]; vid_of_text(snapshot.manifest_) != vid)
    return damaged(fmt::format("the manifest of version {} does not hash to it", vid));
  LLMOPS_ASSIGN(snapshot.files_, manifest_files(snapshot.manifest_));
  LLMOPS_ASSIGN(const std::string files, snapshot.read_tree_file("files.json"));
  LLMOPS_ASSIGN(snapshot.stored_, parse_files_document(files));
  return snapshot;
}

Result<std::string> Snapshot::read_tree_file(std::string_view path) const {
  std::string tree = commit_.tree;
  std::string_view rest = path;
  while (true) {
    const size_t slash = rest.find('/');
    LLMOPS_ASSIGN(const std::string bytes, repo_->read(GitKind::kTree, tree));
    LLMOPS_ASSIGN(const std::vector<TreeEntry> entries, decode_tree(bytes));
    const auto found = std::find_if(entries.begin(), entries.end(), [&](const TreeEntry& entry) { return entry.name == rest.substr(0, slash); });
    if (found == entries.end()) return damaged(fmt::format("a version's tree has no '{}'", path));
    if (slash == std::string_view::npos) return repo_->read(GitKind::kBlob, found->oid);
    tree = found->oid;
    rest.remove_prefix(slash + 1);
  }
}

bool Snapshot::in_git(std::string_view path) const {
  const auto stored = stored_.find(path);
  return stored != stored_.end() && stored->second.in_git;
}

std::string Snapshot::blob_of(std::string_view path) const {
  const auto stored = stored_.find(path);
  return stored == stored_.end() || stored->second.in_git ? std::string() : stored->second.raw_sha256;
}

Status Snapshot::present(std::string_view path) const {
  const auto stored = stored_.find(path);
  const std::string& vid = commit_.trailers.at("vid");
  if (stored == stored_.end()) return damaged(fmt::format("files.json of version {} has no '{}'", vid, path));
  if (stored->second.in_git || blobs_->has(stored->second.raw_sha256)) return {};
  return damaged(fmt::format("the blob {} of version {} is missing", stored->second.raw_sha256, vid));
}

Status Snapshot::read(std::string_view path, const ByteSink& sink) const {
  const std::string& vid = commit_.trailers.at("vid");
  const auto entry = std::find_if(files_.begin(), files_.end(), [path](const ListedFile& file) { return file.path == path; });
  if (entry == files_.end()) {
    std::vector<std::string> known;
    for (const ListedFile& file : files_) known.push_back(file.path);
    return Error(ErrorCode::kNotFound, fmt::format("version {} has no file '{}'", vid.substr(0, 12), path), did_you_mean(path, known));
  }
  const auto stored = stored_.find(path);
  if (stored == stored_.end()) return damaged(fmt::format("files.json of version {} has no '{}'", vid, path));
  ContentDigest digest(entry->role);
  const auto counted = [&](std::string_view piece) -> Status {
    digest.update(piece);
    return sink(piece);
  };
  if (stored->second.in_git) {
    LLMOPS_ASSIGN(const std::string bytes, read_tree_file("files/" + tree_path(path)));
    LLMOPS_CHECK(counted(bytes));
  } else {
    LLMOPS_CHECK(blobs_->read(stored->second.raw_sha256, counted));
  }
  const ContentDigest::Digests digests = digest.finish();
  if (digests.raw != stored->second.raw_sha256 || digests.counted != entry->sha256)
    return damaged(fmt::format("the file '{}' of version {} does not have its digest", path, vid));
  return {};
}

}  // namespace llmops
