#include "core/store/git_format.h"

#include <catch2/catch.hpp>
#include <random>
#include <set>

#include "tests/core/store/store_fixture.h"

namespace llmops {

using test::must;

TEST_CASE("a tree's entries are ordered as git orders them and come back") {
  // git compares directories as if they ended in '/': "a-b" < "a/" < "a0"
  const std::string oid(40, 'f');
  const auto bytes = encode_tree({{"a0", oid, false}, {"a", oid, true}, {"a-b", oid, false}});
  const auto entries = must(decode_tree(bytes));
  REQUIRE(entries.size() == 3);
  CHECK(entries[0].name == "a-b");
  CHECK(entries[1].name == "a");
  CHECK(entries[1].directory);
  CHECK(entries[2].name == "a0");
  CHECK(entries[2].oid == oid);
  CHECK_FALSE(decode_tree(bytes.substr(0, bytes.size() - 1)));
}

TEST_CASE("a commit comes back with its message byte for byte") {
  for (const std::string message : {"", "one line", "subject\n\nbody\n", "ends with lines\n\n\n", "vid: no trailer\n\nvid: neither\nlabel: x", "\n\nleading"}) {
    const Commit commit{std::string(40, 'a'), std::string(40, 'b'), "Ada L <ada@example.org>", 1'764'000'000'123, message, {{"vid", std::string(64, 'c')}, {"chain", "bot"}}};
    const Commit back = must(decode_commit(encode_commit(commit)));
    CHECK(back.tree == commit.tree);
    CHECK(back.parent == commit.parent);
    CHECK(back.author == commit.author);
    CHECK(back.time_ms == commit.time_ms);
    CHECK(back.message == message);
    CHECK(back.trailers.at("vid") == std::string(64, 'c'));
    CHECK(back.trailers.at("chain") == "bot");
    CHECK_FALSE(back.trailers.contains("label"));
  }
}

TEST_CASE("an author cannot break a commit") {
  const std::vector<std::pair<std::string, std::string>> table = {
      {"Ada <ada@x>", "Ada <ada@x>"}, {"Ada", "Ada <>"}, {"", "unknown <>"}, {"A\nB <c>\ntree x", "AB <ctree x>"}, {"<a@b>", "unknown <a@b>"}, {"A <b> <c>", "A <b c>"}};
  for (const auto& [given, stored] : table) {
    const Commit commit{std::string(40, 'a'), "", given, 1000, "m", {{"vid", std::string(64, 'c')}}};
    CHECK(must(decode_commit(encode_commit(commit))).author == stored);
  }
}

TEST_CASE("what is no commit of ours is damage") {
  for (const char* bytes : {"", "tree x", "tree aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n\nmessage\n", "\n\n\n\n"}) {
    const auto commit = decode_commit(bytes);
    REQUIRE_FALSE(commit);
    CHECK(commit.error().code == ErrorCode::kCorrupt);
    CHECK(commit.error().message == "a commit in the store's repository is malformed");
  }
}

TEST_CASE("paths that git refuses are written differently, and no two paths become one") {
  CHECK(tree_path("prompts/system.md") == "prompts/system.md");
  CHECK(tree_path("../shared/a.md") == "%2E./shared/a.md");
  CHECK(tree_path(".git/config") == "%2Egit/config");
  CHECK(tree_path("a/.GIT/x") == "a/%2EGIT/x");
  CHECK(tree_path("git~1/x") == "%67it~1/x");
  CHECK(tree_path("100%") == "100%25");
  std::mt19937_64 random(3);
  const std::string alphabet = "a.%/2E~\\";
  std::map<std::string, std::string> seen;
  for (int i = 0; i < 20'000; ++i) {
    std::string path;
    for (uint64_t n = 1 + random() % 6; n > 0; --n) path += alphabet[random() % alphabet.size()];
    const auto [at, fresh] = seen.emplace(tree_path(path), path);
    REQUIRE((fresh || at->second == path));
  }
}

}  // namespace llmops
