// git's trees and commits as bytes (https://git-scm.com/docs/gitformat-index, "git cat-file"): writing them here keeps what is
// asked of libgit2 small and the same in all its versions.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"

namespace llmops {

struct TreeEntry {
  std::string name;
  std::string oid;      // 40 hex
  bool directory = false;
};

// The bytes of a tree object; entries in git's order (a directory sorts as if its name ended with '/').
std::string encode_tree(std::vector<TreeEntry> entries);
Result<std::vector<TreeEntry>> decode_tree(std::string_view bytes);

struct Commit {
  std::string tree;                  // 40 hex
  std::string parent;                // 40 hex, or empty
  std::string author;                // "Name <mail>"
  int64_t time_ms = 0;
  std::string message;               // the user's
  // Ours, as "key: value" lines after the message: vid, chain, time-ms, and of label moves label.
  std::map<std::string, std::string> trailers;
};

// Characters that would break the format (NUL; line ends and angle brackets in names) become '?' or are dropped.
std::string encode_commit(const Commit& commit);
// kCorrupt: not a commit, or not one of ours (no vid).
Result<Commit> decode_commit(std::string_view bytes);

// A manifest path as a path of tree entries: components that git refuses ("..", ".git") or that would be ambiguous are written
// with %XX. Injective.
std::string tree_path(std::string_view manifest_path);

}  // namespace llmops
