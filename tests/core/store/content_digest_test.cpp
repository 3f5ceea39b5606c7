#include "core/store/content_digest.h"

#include <catch2/catch.hpp>
#include <random>

namespace llmops {
namespace {

// The rule on the whole text at once.
std::string counted_bytes(std::string text) {
  if (text.starts_with("\xEF\xBB\xBF")) text.erase(0, 3);
  for (size_t at = 0; (at = text.find("\r\n", at)) != std::string::npos; ++at) text.erase(at, 1);
  return text;
}

}  // namespace

TEST_CASE("text is counted without byte order mark and with line feeds, in pieces of any size") {
  std::mt19937_64 random(7);
  const std::string alphabet = "a\r\n\xEF\xBB\xBF";
  for (int round = 0; round < 3000; ++round) {
    std::string text;
    if (random() % 3 == 0) text = "\xEF\xBB\xBF";
    for (uint64_t i = random() % 12; i > 0; --i) text += alphabet[random() % alphabet.size()];
    ContentDigest digest("text");
    for (size_t at = 0; at < text.size();) {
      const size_t piece = 1 + random() % 4;
      digest.update(std::string_view(text).substr(at, piece));
      at += piece;
    }
    const auto digests = digest.finish();
    REQUIRE(digests.raw == sha256_hex(text));
    REQUIRE(digests.counted == sha256_hex(counted_bytes(text)));
    REQUIRE(digests.raw_bytes == text.size());
  }
}

TEST_CASE("data is counted as it is") {
  const auto digests = content_digests("\xEF\xBB\xBF" "a\r\n", "data");
  CHECK(digests.counted == digests.raw);
  CHECK(digests.counted == sha256_hex("\xEF\xBB\xBF" "a\r\n"));
}

TEST_CASE("a vid is the digest that the reference implementation gives") {
  // printed by the Python reference for its first manifest
  const std::string manifest =
      R"({"chain":{"inputs":["question"],"llmops":"chain/v1","models":{"main":{"provider":"echo"}},"name":"hello","output":"{{ steps.answer.output }}","steps":[{"id":"answer","model":"main","prompt":"{{ question }}"}]},"chains":[],"engine":1,"files":[],"schema":"llmops.manifest/v1"})";
  CHECK(vid_of_text(manifest) == "3ff0d74cc197d5a28da98b23be786fc6eae0c8cae99e9122851c724d8af1ec4e");
}

TEST_CASE("a NUL byte near the start makes a file binary") {
  CHECK(looks_binary(std::string_view("a\0b", 3)));
  CHECK_FALSE(looks_binary("plain text"));
  CHECK_FALSE(looks_binary(std::string(8000, 'a') + std::string(1, '\0')));
}

}  // namespace llmops
