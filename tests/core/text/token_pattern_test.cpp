// Which expressions RE2 reads as Oniguruma does, and what becomes of the others.
#include "core/text/token_pattern.h"

#include <catch2/catch.hpp>

using namespace llmops::text;

namespace {

std::string fault(const std::string& pattern) {
  const auto made = TokenPattern::make(pattern, "t");
  return made ? "read" : made.error().message;
}

std::vector<std::string> matches(const std::string& pattern, std::string_view text) {
  const auto made = TokenPattern::make(pattern, "t");
  if (!made) return {made.error().message};
  std::vector<std::string> found;
  for (size_t from = 0, begin = 0, end = 0; (*made)->find(text, from, begin, end); from = end) found.emplace_back(text.substr(begin, end - begin));
  return found;
}

}  // namespace

TEST_CASE("counted repetitions are read where the engines agree and refused where they do not") {
  CHECK(matches("a{2}", "aaaaa") == std::vector<std::string>{"aa", "aa"});
  CHECK(matches("a{2,}b?", "aaab a") == std::vector<std::string>{"aaab"});
  CHECK(matches("a{1,3}?", "aa") == std::vector<std::string>{"a", "a"});
  for (const char* pattern : {"a{,2}", "a{2}?", "a{1,3}+", "a{2}+", "a{", "a{x}", "a{1,2", "a}"}) CHECK(fault(pattern) == std::string("'t' splits text by the pattern '") + pattern + "', which is not supported");
  CHECK(fault("[{}]\\{") == "read");
}

TEST_CASE("a pattern of megabytes is refused by its size") {
  CHECK(fault(std::string(17'000, '}')) == "'t' splits text by a pattern of 17000 bytes, more than 16384");
  CHECK(fault(std::string(16'000, 'a')) == "read");
}
