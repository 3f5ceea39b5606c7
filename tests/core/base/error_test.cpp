#include "core/base/error.h"

#include <catch2/catch.hpp>
#include <functional>
#include <random>

using namespace llmops;

namespace {

// The definition, by recursion: optimal string alignment distance.
size_t slow_distance(std::string_view a, std::string_view b) {
  if (a.empty()) return b.size();
  if (b.empty()) return a.size();
  const auto cut = [](std::string_view text, size_t n) { return text.substr(0, text.size() - n); };
  size_t best = std::min(slow_distance(cut(a, 1), b) + 1, slow_distance(a, cut(b, 1)) + 1);
  best = std::min(best, slow_distance(cut(a, 1), cut(b, 1)) + (a.back() == b.back() ? 0 : 1));
  if (a.size() > 1 && b.size() > 1 && a.back() == b[b.size() - 2] && a[a.size() - 2] == b.back()) best = std::min(best, slow_distance(cut(a, 2), cut(b, 2)) + 1);
  return best;
}

}  // namespace

TEST_CASE("the closest name is at most a third of the name away, at least one edit") {
  CHECK(closest_name("answr", {"find", "answer"}) == "answer");
  CHECK(closest_name("asnwer", {"answer"}) == "answer");
  CHECK(closest_name("ab", {"abc"}) == "abc");
  CHECK(closest_name("a", {"b"}) == "b");
  CHECK(closest_name("ab", {"xy"}).empty());
  CHECK(closest_name("temperature", {"temprature", "top_p"}) == "temprature");
  CHECK(closest_name("retreive", {"extract", "retrieve"}) == "retrieve");
  CHECK(closest_name("", {"a"}).empty());
  CHECK(closest_name(std::string(65, 'a'), {std::string(65, 'a')}).empty());
  CHECK(closest_name("name", {std::string(65, 'a')}).empty());
}

TEST_CASE("of equally close names the earlier one counts") {
  CHECK(closest_name("cat", {"bat", "hat"}) == "bat");
  CHECK(closest_name("cat", {"hat", "cat"}) == "cat");
}

TEST_CASE("the closest name is the one that the definition of the distance gives") {
  std::mt19937_64 random(7);
  const auto word = [&](size_t longest) {
    std::string text;
    for (size_t n = 1 + random() % longest; n > 0; --n) text += static_cast<char>('a' + random() % 3);
    return text;
  };
  for (int round = 0; round < 300; ++round) {
    const std::string name = word(6);
    std::vector<std::string> candidates{word(6), word(6), word(6)};
    std::string expected;
    size_t best = std::max<size_t>(1, name.size() / 3) + 1;
    for (const std::string& candidate : candidates) {
      if (const size_t distance = slow_distance(name, candidate); distance < best) best = distance, expected = candidate;
    }
    CAPTURE(name, candidates);
    REQUIRE(closest_name(name, candidates) == expected);
  }
}

TEST_CASE("without a close name up to twelve known ones are listed") {
  CHECK(did_you_mean("modle", {"model"}) == "did you mean 'model'?");
  CHECK(did_you_mean("zzz", {"first", "second"}) == "known: first, second");
  CHECK(did_you_mean("zzz", {}).empty());
  CHECK(did_you_mean("zzz", std::vector<std::string>(12, "name")).starts_with("known: name, name"));
  CHECK(did_you_mean("zzz", std::vector<std::string>(13, "name")).empty());
}

TEST_CASE("every error code has a word of its own") {
  CHECK(error_code_name(ErrorCode::kUsage) == "usage");
  CHECK(error_code_name(ErrorCode::kConfig) == "config");
  CHECK(error_code_name(ErrorCode::kData) == "data");
  CHECK(error_code_name(ErrorCode::kNotFound) == "not_found");
  CHECK(error_code_name(ErrorCode::kIo) == "io");
  CHECK(error_code_name(ErrorCode::kProvider) == "provider");
  CHECK(error_code_name(ErrorCode::kMissingSecret) == "missing_secret");
  CHECK(error_code_name(ErrorCode::kOffline) == "offline");
  CHECK(error_code_name(ErrorCode::kUntrusted) == "untrusted");
  CHECK(error_code_name(ErrorCode::kLocked) == "locked");
  CHECK(error_code_name(ErrorCode::kCorrupt) == "corrupt");
  CHECK(error_code_name(ErrorCode::kNewerStore) == "newer_store");
  CHECK(error_code_name(ErrorCode::kBudget) == "budget");
  CHECK(error_code_name(ErrorCode::kInterrupted) == "interrupted");
  CHECK(error_code_name(ErrorCode::kBug) == "bug");
}
