// Added tokens, of which the longest wins wherever it stands, against sorting all that there are.
#include "core/text/added_tokens.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <random>

using namespace llmops;
using namespace llmops::text;

namespace {

using Places = std::vector<std::pair<size_t, size_t>>;

AddedTokens longest_of(const std::vector<std::string>& contents) {
  AddedTokens made;
  made.set_longest_first(true);
  for (size_t i = 0; i < contents.size(); ++i) REQUIRE(made.add({.id = static_cast<int32_t>(i), .content = contents[i]}));
  return made;
}

Places places(const std::vector<AddedTokens::Found>& found) {
  Places made;
  for (const AddedTokens::Found& one : found) made.emplace_back(one.begin, one.end);
  return made;
}

Places slow_places(const std::vector<std::string>& contents, const std::string& text) {
  Places all, made;
  for (size_t at = 0; at < text.size(); ++at) {
    for (const std::string& content : contents) if (text.compare(at, content.size(), content) == 0) all.emplace_back(at, at + content.size());
  }
  std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.second - a.first > b.second - b.first; });
  for (const auto& one : all) {
    const bool free = std::none_of(made.begin(), made.end(), [&](const auto& other) { return one.first < other.second && other.first < one.second; });
    if (free) made.push_back(one);
  }
  std::sort(made.begin(), made.end());
  return made;
}

}  // namespace

TEST_CASE("of tokens that overlap the longest is found, of equal ones the leftmost") {
  CHECK(places(longest_of({"ab", "bcd"}).find("abcd", true)) == Places{{1, 4}});
  CHECK(places(longest_of({"ab", "bc"}).find("abc", true)) == Places{{0, 2}});
  std::mt19937 random(5);
  for (int round = 0; round < 3000; ++round) {
    std::vector<std::string> contents;
    const auto word = [&](size_t most) {
      std::string made(1 + random() % most, 'a');
      for (char& c : made) c = static_cast<char>('a' + random() % 2);
      return made;
    };
    while (contents.size() < 1 + static_cast<size_t>(round) % 9) {
      const std::string made = word(7);
      if (std::find(contents.begin(), contents.end(), made) == contents.end()) contents.push_back(made);
    }
    const std::string text = word(40);
    if (places(longest_of(contents).find(text, true)) != slow_places(contents, text)) FAIL(text);
  }
}

TEST_CASE("tokens a, aa, aaa and so on cost no list of all their matches") {
  std::vector<std::string> contents;
  for (size_t size = 1; size <= 200; ++size) contents.emplace_back(size, 'a');
  const auto found = longest_of(contents).find(std::string(200'050, 'a'), true);
  REQUIRE(found.size() == 1001);
  CHECK(found.back().end - found.back().begin == 50);
}
