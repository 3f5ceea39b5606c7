#include "core/text/schema_pattern.h"

#include <catch2/catch.hpp>
#include <random>
#include <re2/re2.h>
#include <regex>

#include "core/text/schema_checker.h"

using namespace llmops;

namespace {

std::string translated(const std::string& pattern) { return re2_of_ecmascript(pattern).value_or("none"); }

// "valid", "KEYWORD at POINTER", "error: MESSAGE | HINT"
std::string checked(const Json& schema, const Json& value) {
  const auto compiled = SchemaChecker::compile(schema);
  if (!compiled) return "refused: " + compiled.error().message + " | " + compiled.error().hint;
  const auto failure = compiled->check(value);
  if (!failure) return "error: " + failure.error().message + " | " + failure.error().hint;
  return *failure ? (*failure)->keyword + " at " + (*failure)->pointer : "valid";
}

Json text_of(const std::string& pattern) { return {{"type", "string"}, {"pattern", pattern}}; }

}  // namespace

TEST_CASE("what ECMAScript and RE2 read alike is handed on, and what differs is written out") {
  CHECK(translated("^[a-z]{2,5}(?:-[A-Z]+)?$") == "^[a-z]{2,5}(?:-[A-Z]+)?$");
  CHECK(translated(R"(\d+\.\d*|\w\b)") == R"(\d+\.\d*|\w\b)");
  CHECK(translated("a.b") == R"(a[^\n\r\x{2028}\x{2029}]b)");
  CHECK(translated(R"([^\]\-_])") == R"([^\]\-_])");
  CHECK(translated(R"([\_])") == "[_]");
  CHECK(translated(R"(\S)").starts_with("[^"));
  for (const char* pattern : {"(?=a)", "(?!a)", "(?<=a)", "(?i)a", "(?P<x>a)", R"((a)\1)", R"(\x41)", "\\u0041", R"(\cA)", R"(\A)", R"(\z)", R"(\pL)", R"(\Qa)", "[[:alpha:]]", "[]", "[^]", R"([\b])", R"([\S])", "a{", "a{,3}", "a{x}", "]", "a\\"}) {
    CHECK(translated(pattern) == "none");
  }
}

TEST_CASE("patterns of ASCII match as std::regex matches them") {
  std::mt19937_64 random(31);
  const std::vector<std::string> pieces{"a", "b", ".", "^", "$", "|", "(", "(?:", ")", "[ab]", "[^a]", "[a-c]", R"(\d)", R"(\w)", R"(\s)", R"(\b)", R"(\.)", "*", "+", "?", "{2}", "{1,2}", "*?", "-", "1"};
  const std::string alphabet = "aabbc1- .\n";
  int compared = 0;
  for (int round = 0; round < 6000; ++round) {
    std::string pattern;
    for (size_t k = 1 + random() % 7; k > 0; --k) pattern += pieces[random() % pieces.size()];
    const auto re2 = re2_of_ecmascript(pattern);
    if (!re2) continue;
    const re2::RE2 ours(*re2, re2::RE2::Quiet);
    std::optional<std::regex> reference;
    try { reference.emplace(pattern); } catch (const std::regex_error&) { continue; }
    if (!ours.ok()) continue;
    for (int i = 0; i < 5; ++i) {
      std::string text;
      for (size_t k = random() % 6; k > 0; --k) text += alphabet[random() % alphabet.size()];
      INFO(pattern << " on " << text);
      CHECK(re2::RE2::PartialMatch(text, ours) == std::regex_search(text, *reference));
      ++compared;
    }
  }
  CHECK(compared > 5000);
}

TEST_CASE("a pattern that RE2 knows is matched in texts of any length, in linear time") {
  const std::string many(2'000'000, 'a');
  CHECK(checked(text_of("^(a|b)*$"), many) == "valid");
  CHECK(checked(text_of("^(a+)+$"), many + "!") == "pattern at ");   // exponential by backtracking
  CHECK(checked(Json::parse(R"({"properties": {"x": {"pattern": "^(((((((a)))))))*$"}}})"), Json{{"x", many}}) == "valid");
}

TEST_CASE("characters of a pattern are code points") {
  CHECK(checked(text_of("^.$"), "\xC3\xA9") == "valid");
  CHECK(checked(text_of("^[\xC3\xA4\xC3\xB6]$"), "\xC3\xB6") == "valid");
  CHECK(checked(text_of(R"(^\s$)"), "\xC2\xA0") == "valid");
}

TEST_CASE("what is left to std::regex is refused on long texts instead of overflowing the stack") {
  const std::string longest(SchemaChecker::kLongestMatchedText, 'a'), longer = longest + "a";
  const std::string told = "error: a text over " + std::to_string(SchemaChecker::kLongestMatchedText) +
                           " bytes cannot be checked by a schema with 'format', 'patternProperties' or a 'pattern' that RE2 does not know | "
                           "write the pattern without look-ahead and back-references, and leave 'format' out";
  for (const Json& schema : {text_of("^(?=a)(a|b)*$"), Json{{"format", "date"}}, Json{{"patternProperties", {{"^(a|b)*$", {{"type", "string"}}}}}}}) {
    CHECK(checked(schema, longer) == told);
    CHECK_FALSE(checked(schema, longest).starts_with("error: "));
  }
  CHECK(checked(text_of("^(?=a)(a|b)*$"), longest) == "valid");
  CHECK(checked(Json{{"type", "string"}}, longer) == "valid");
}

TEST_CASE("data inside a schema keeps its words, and a key of ours in a schema of theirs breaks nothing") {
  CHECK(checked(Json::parse(R"({"const": {"pattern": "a"}})"), Json{{"pattern", "a"}}) == "valid");
  CHECK(checked(Json::parse(R"({"enum": [{"pattern": "a"}]})"), Json{{"pattern", "b"}}) == "enum at ");
  CHECK(checked(Json::parse(R"({"properties": {"pattern": {"type": "number"}}})"), Json{{"pattern", "b"}}) == "type at /pattern");
  CHECK(checked(Json::parse(R"({"llmops:pattern": 7})"), "a").starts_with("refused: not a draft 7 schema: "));
  CHECK(checked(Json::parse(R"({"llmops:pattern": "x"})"), "a").starts_with("refused: not a draft 7 schema: "));
}
