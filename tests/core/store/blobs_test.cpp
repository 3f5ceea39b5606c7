#include "core/store/blobs.h"

#include <catch2/catch.hpp>
#include <fstream>
#include <random>

#include "core/base/fs.h"
#include "core/base/hash.h"
#include "tests/core/store/store_fixture.h"

namespace llmops {
namespace {

using test::must;

struct Folder {
  test::TempDir directory;
  StoreLayout layout{directory.path() / ".llmops"};
  Blobs blobs{layout};
  Folder() { must(create_layout(layout)); }
  std::string read(const std::string& digest) {
    std::string bytes;
    must(blobs.read(digest, [&bytes](std::string_view piece) -> Status { return bytes += piece, Status(); }));
    return bytes;
  }
  std::vector<std::string> files(const fs::path& below) {
    std::vector<std::string> found;
    for (const auto& entry : fs::recursive_directory_iterator(below)) {
      if (entry.is_regular_file()) found.push_back(entry.path().lexically_relative(layout.root).string());
    }
    std::sort(found.begin(), found.end());
    return found;
  }
};

std::string noise(size_t size) {
  std::mt19937_64 random(11);
  std::string bytes(size, '\0');
  for (char& c : bytes) c = static_cast<char>(random());
  return bytes;
}

std::string prose(size_t size) {
  std::string bytes;
  for (int i = 0; bytes.size() < size; ++i) bytes += "line " + std::to_string(i) + " of many\n";
  return bytes.substr(0, size);
}

}  // namespace

TEST_CASE("blobs come back as they were, whatever their size and kind") {
  Folder folder;
  for (const size_t size : {size_t{0}, size_t{1}, (size_t{1} << 17), (size_t{1} << 20) - 1, size_t{1} << 20, (size_t{5} << 20) + 17}) {
    for (const std::string& bytes : {noise(size), prose(size), std::string(size, '\0')}) {
      const std::string digest = sha256_hex(bytes);
      must(folder.blobs.put_bytes(bytes, digest));
      CHECK(folder.blobs.has(digest));
      CHECK(folder.read(digest) == bytes);
    }
  }
  CHECK(folder.blobs.list().foreign.empty());
  CHECK(folder.files(folder.layout.temporary()).empty());
}

TEST_CASE("what compresses is kept compressed, what does not is kept as it is") {
  Folder folder;
  const std::string text = prose(3 << 20), weights = noise(3 << 20);
  const std::string a = sha256_hex(text), b = sha256_hex(weights);
  must(folder.blobs.put_file(folder.directory.write("text", text), a));
  must(folder.blobs.put_file(folder.directory.write("weights", weights), b));
  CHECK(fs::file_size(folder.layout.blobs() / a.substr(0, 2) / (a.substr(2) + ".zst")) < text.size() / 5);
  CHECK(fs::file_size(folder.layout.blobs() / b.substr(0, 2) / b.substr(2)) == weights.size());
  CHECK(folder.read(a) == text);
}

TEST_CASE("known bytes are not written again") {
  Folder folder;
  const std::string digest = sha256_hex("once");
  must(folder.blobs.put_bytes("once", digest));
  const test::Failpoints points("blob.write:eio");
  must(folder.blobs.put_bytes("once", digest));
}

TEST_CASE("a file that changes while it is stored is refused and leaves nothing") {
  Folder folder;
  const fs::path file = folder.directory.write("data", "new bytes");
  const Status status = folder.blobs.put_file(file, sha256_hex("old bytes"));
  REQUIRE_FALSE(status);
  CHECK(status.error().code == ErrorCode::kIo);
  CHECK(status.error().message == "the file '" + file.string() + "' changed while it was being stored");
  CHECK(folder.blobs.list().digests.empty());
  CHECK(folder.files(folder.layout.temporary()).empty());
}

TEST_CASE("a full disk leaves no part of a blob") {
  for (const char* point : {"blob.write", "fs.before_rename", "blob.before_rename"}) {
    Folder folder;
    const std::string digest = sha256_hex("bytes");
    {
      const test::Failpoints points(std::string(point) + ":enospc");
      const Status status = folder.blobs.put_bytes("bytes", digest);
      REQUIRE_FALSE(status);
      CHECK(status.error().code == ErrorCode::kIo);
      CHECK(status.error().message.find("the disk is full") != std::string::npos);
    }
    CHECK_FALSE(folder.blobs.has(digest));
    CHECK(folder.files(folder.layout.temporary()).empty());
    must(folder.blobs.put_bytes("bytes", digest));
    CHECK(folder.read(digest) == "bytes");
  }
}

// Some bits of a zstd frame change no content (the unused one of its header, RFC 8878, 3.1.1.1.1; an offset to an equal match).
TEST_CASE("no flipped byte of a blob reaches whoever reads it") {
  for (const std::string& bytes : {std::string("a short blob"), prose(4000)}) {
    Folder folder;
    const std::string digest = sha256_hex(bytes);
    must(folder.blobs.put_bytes(bytes, digest));
    const fs::path file = folder.layout.root / folder.files(folder.layout.blobs()).front();
    const std::string whole = must(read_file(file));
    int harmless = 0;
    for (size_t i = 0; i < whole.size(); ++i) {
      std::string flipped = whole;
      flipped[i] = static_cast<char>(flipped[i] ^ 0x10);
      fs::permissions(file, fs::perms::owner_all);
      std::ofstream(file, std::ios::binary) << flipped;
      std::string content;
      const Status status = folder.blobs.read(digest, [&content](std::string_view piece) -> Status { return content += piece, Status(); });
      if (status) {
        ++harmless;
        REQUIRE(content == bytes);
      } else {
        REQUIRE(status.error().code == ErrorCode::kCorrupt);
      }
    }
    CHECK(harmless < 10);
    std::ofstream(file, std::ios::binary) << whole.substr(0, whole.size() / 2);
    CHECK_FALSE(folder.blobs.read(digest, [](std::string_view) -> Status { return {}; }));
  }
}

TEST_CASE("a missing blob is damage") {
  Folder folder;
  const std::string digest = sha256_hex("nowhere");
  const Status status = folder.blobs.read(digest, [](std::string_view) -> Status { return {}; });
  REQUIRE_FALSE(status);
  CHECK(status.error().code == ErrorCode::kCorrupt);
  CHECK(status.error().message == "the blob " + digest + " is missing");
}

}  // namespace llmops
