// The files of a version: what its manifest says, how its commit's tree keeps them, and how they are read back.
// Tree: manifest.json, files.json, files/<path>. files.json says for each path where its original bytes are ("git" or "blob"),
// their own digest and size: a text's digest in the manifest is over its counted bytes (see content_digest.h).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/store/blobs.h"
#include "core/store/git_format.h"
#include "core/store/object_repo.h"
#include "core/store/records.h"

namespace llmops {

inline constexpr uint64_t kMaxGitFileBytes = uint64_t{1} << 20;  // larger files are blobs

struct ListedFile { std::string path, role, sha256; };
// The "files" of a canonical manifest. kCorrupt when it is none.
Result<std::vector<ListedFile>> manifest_files(std::string_view manifest);

struct StoredFile {
  bool in_git = false;
  std::string raw_sha256;
  uint64_t raw_bytes = 0;
};

// Ready to be committed: blobs are stored, the rest lies in memory.
struct PlannedVersion {
  std::string manifest;
  std::map<std::string, StoredFile> stored;   // by manifest path
  std::map<std::string, std::string> small;   // original bytes of the files that go to git
};

// Checks every file against the manifest (kBug: the caller's digests are wrong or a file is missing; kIo: a source changed)
// and stores large and binary ones as blobs. Needs no lock.
Result<PlannedVersion> plan_version(const VersionInput& input, const Blobs& blobs);

// The objects of the version: blobs and trees, the root tree last, whose id is `root`.
struct VersionObjects { std::vector<ObjectRepo::NewObject> objects; std::string root; };
Result<VersionObjects> version_objects(const PlannedVersion& plan, ObjectRepo& repo);

// Reading back, from the commit.
class Snapshot {
 public:
  static Result<Snapshot> open(ObjectRepo& repo, const Blobs& blobs, std::string_view commit_oid);
  const Commit& commit() const { return commit_; }
  const std::string& manifest() const { return manifest_; }
  const std::vector<ListedFile>& files() const { return files_; }
  // The original bytes in pieces, checked at the end against both digests: kCorrupt. kNotFound: not in the manifest.
  Status read(std::string_view path, const ByteSink& sink) const;
  bool in_git(std::string_view path) const;
  std::string blob_of(std::string_view path) const;  // digest of the blob that holds the file; empty: it is in git, or unknown
  Status present(std::string_view path) const;       // kCorrupt when its blob is missing; reads nothing

 private:
  Snapshot(ObjectRepo& repo, const Blobs& blobs) : repo_(&repo), blobs_(&blobs) {}
  Result<std::string> read_tree_file(std::string_view path) const;
  ObjectRepo* repo_;
  const Blobs* blobs_;
  Commit commit_;
  std::string manifest_;
  std::vector<ListedFile> files_;
  std::map<std::string, StoredFile, std::less<>> stored_;
};

}  // namespace llmops
