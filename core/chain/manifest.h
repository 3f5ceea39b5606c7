// The version of a chain: the canonical manifest of everything its output depends on, and its identity
//   vid = SHA-256( "llmops-manifest-v1" NUL canonical_json(manifest) ), 64 lower-case hex, shown as the first 12.
// Same files, same vid, on every machine. Who made it, when and why belong to the commit, not to the vid.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/base/json.h"
#include "core/base/fs.h"

namespace llmops {

enum class FileRole { kText, kData };  // text: hashed without byte order mark and with LF line ends; data: raw bytes

struct ManifestFile {
  std::string path;            // relative to the chain file, normalised, '/'-separated
  FileRole role = FileRole::kData;
  std::string sha256;
  uint64_t size_bytes = 0;     // of the bytes that were hashed
  fs::path source;             // where it lies now; not part of the manifest
};

struct CalledChain { std::string path, vid; };

// Raised only when the same document means something else than before.
inline constexpr int kChainEngine = 1;

// Text without a UTF-8 byte order mark, CRLF turned into LF. Nothing else is touched: white space and Unicode forms
// change what a model does.
std::string normalize_text(std::string_view bytes);

// `document`: the chain as parsed. Left out: description, and price, api_key, headers, timeout_s, rate_limit of models.
Json make_manifest(const Json& document, std::vector<ManifestFile> files, std::vector<CalledChain> chains);

// Errors: what canonical_json refuses.
Result<std::string> manifest_vid(const Json& manifest);

// Hashes one file by its role. Data is streamed. Errors: unreadable; kConfig when a text file is not UTF-8.
Result<ManifestFile> hash_file(const fs::path& source, std::string path, FileRole role);

// The identity of a suite, in the same form: its document without description and gates (a changed threshold scores nothing
// anew), and its files. SHA-256( "llmops-suite-v1" NUL canonical_json ).
Json make_suite_manifest(const Json& document, std::vector<ManifestFile> files);
Result<std::string> suite_id(const Json& manifest);

}  // namespace llmops
