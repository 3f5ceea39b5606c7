#include "core/base/json.h"

#include <catch2/catch.hpp>
#include <limits>

using namespace llmops;

namespace {

// "line:column: message" of a refused text.
std::string refusal(const std::string& text, int first_line = 1) {
  const auto parsed = parse_json(text, "rows.jsonl", first_line);
  if (parsed) return "accepted: " + dump_json(*parsed);
  const Error& error = parsed.error();
  CHECK(error.code == ErrorCode::kData);
  CHECK(error.where.file == "rows.jsonl");
  return std::to_string(error.where.line) + ":" + std::to_string(error.where.column) + ": " + error.message;
}

Json read(const std::string& text) {
  auto parsed = parse_json(text, "test");
  if (!parsed) FAIL(parsed.error().message);
  return std::move(*parsed);
}

std::string nested(size_t depth, bool objects) {
  std::string text;
  for (size_t i = 0; i < depth; ++i) text += objects ? "{\"a\":" : "[";
  text += "1";
  for (size_t i = 0; i < depth; ++i) text += objects ? "}" : "]";
  return text;
}

}  // namespace

TEST_CASE("an object keeps the order in which its keys were written") {
  const Json value = read(R"({"z": 1, "a": {"y": 2, "b": 3}, "m": [4, 5]})");
  CHECK(dump_json(value) == R"({"z":1,"a":{"y":2,"b":3},"m":[4,5]})");
}

TEST_CASE("malformed JSON is refused with the line and column of the byte that breaks it") {
  CHECK(refusal("{\"a\": }") == "1:7: malformed JSON: unexpected '}'");
  CHECK(refusal("{\"a\": 1,\n  \"b\": nope}") == "2:9: malformed JSON: invalid literal near '\"b\": no'");
  CHECK(refusal("[1, 2") == "1:6: malformed JSON: unexpected end of input");
  CHECK(refusal("") == "1:1: malformed JSON: unexpected end of input");
  CHECK(refusal("[NaN]") == "1:2: malformed JSON: invalid literal near '[N'");
  CHECK(refusal("[1] [2]") == "1:5: malformed JSON: unexpected '['");
}

TEST_CASE("every refusal of JSON says what to do") {
  const auto hint = [](const std::string& text) { return parse_json(text, "f").error().hint; };
  CHECK(hint("{\"a\": }") == "remove the comma before it, or write the value that is missing");
  CHECK(hint("[1, ]") == "remove the comma before it, or write the value that is missing");
  CHECK(hint("[,1]") == "write the value that is missing before the comma");
  CHECK(hint("[1, 2") == "close the quote, bracket or brace that is open");
  CHECK(hint("{\"a\": nope}") == "write text in double quotes; other values are numbers, true, false and null");
  CHECK(hint("{\"a\": 1, \"a\": 2}") == "remove one of the two");
  CHECK(hint("[1e400]") == "write it in quotes if text is meant");
  CHECK(hint("[\"\xff\"]") == "save the text as UTF-8");
  CHECK(hint("[\"a\tb\"]") == "write control characters as escapes, like \\n or \\u0000");
  CHECK(hint(R"(["\q"])") == "double the backslash");
  CHECK(hint(nested(129, false)) == "nest less deeply");
  for (const char* text : {"", "{", "'a'", "{a: 1}", "[1 2]", "{\"a\" 1}", "{\"a\": 1,}", "[-]", "[01]", R"(["\ud800"])", R"(["\u12"])", "\"abc", "// x", "[1] x", "nul"}) {
    INFO(text);
    CHECK_FALSE(hint(text).empty());
  }
}

TEST_CASE("the line of a row counts on from the line that the caller names") {
  CHECK(refusal("{\"a\": 1,\n\"a\": 2}", 41).starts_with("42:"));
  CHECK(refusal("{\"a\" 1}", 7).starts_with("7:6: "));
}

TEST_CASE("a refused text carries its line for showing, unless the line is very long") {
  const auto short_line = parse_json("{\n  \"a\": x\n}", "f");
  CHECK(short_line.error().where.line_text == "  \"a\": x");
  const auto long_line = parse_json("{\"a\": \"" + std::string(500, 'b') + "\", x}", "f");
  CHECK(long_line.error().where.line_text.empty());
}

TEST_CASE("duplicate keys are refused at the second one, in small and in large objects, at any depth") {
  CHECK(refusal("{\"a\": 1, \"b\": 2, \"a\": 3}") == "1:20: malformed JSON: duplicate key 'a'");
  CHECK(refusal("{\"a\": {\"b\": 1,\n\"b\": 2}}") == "2:3: malformed JSON: duplicate key 'b'");
  std::string text = "{";
  for (int i = 0; i < 100; ++i) text += "\"key" + std::to_string(i) + "\": 1, ";
  CHECK(refusal(text + "\"key57\": 2}").ends_with("malformed JSON: duplicate key 'key57'"));
  CHECK(refusal(text + "\"key100\": 2}").starts_with("accepted"));
  // Escapes are read before keys are compared.
  CHECK(refusal(R"({"a": 1, "\u0061": 2})").ends_with("malformed JSON: duplicate key 'a'"));
}

TEST_CASE("nesting is accepted to a depth of 128 and refused beyond") {
  for (const bool objects : {false, true}) {
    CHECK(parse_json(nested(128, objects), "f"));
    const auto refused = parse_json(nested(129, objects), "f");
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message == "malformed JSON: nesting is deeper than 128");
  }
  CHECK_FALSE(parse_json(std::string(1'000'000, '['), "f"));
  CHECK_FALSE(parse_json("[[1]]", "f", 1, {.max_depth = 1}));
  CHECK(parse_json("[1]", "f", 1, {.max_depth = 1}));
}

TEST_CASE("numbers that no double holds, lone surrogates and invalid UTF-8 are refused") {
  CHECK(refusal("[1, 1e400]") == "1:9: malformed JSON: number '1e400' is out of range");
  CHECK(refusal(R"(["\ud800"])").find("malformed JSON: ") != std::string::npos);
  CHECK(refusal("[\"\xff\"]").find("malformed JSON: ") != std::string::npos);
  CHECK(refusal("[\"a\tb\"]").find("malformed JSON: ") != std::string::npos);
  CHECK(read(R"(["\ud83d\ude00"])")[0] == "\xF0\x9F\x98\x80");
}

TEST_CASE("an object of many keys is read in linear time") {
  std::string text = "{";
  for (int i = 0; i < 200'000; ++i) text += (i == 0 ? "\"k" : ",\"k") + std::to_string(i) + "\":1";
  const auto parsed = parse_json(text + "}", "f");
  REQUIRE(parsed);
  CHECK(parsed->size() == 200'000);
}

TEST_CASE("dumped JSON is one line, replaces invalid UTF-8 and writes doubles in their shortest form") {
  CHECK(dump_json(Json{{"a", 0.1}, {"b", Json::array({1, true, nullptr})}}) == R"({"a":0.1,"b":[1,true,null]})");
  CHECK(dump_json(Json("a\xff")) == "\"a\xEF\xBF\xBD\"");
  CHECK(dump_json_pretty(Json{{"a", 1}}) == "{\n  \"a\": 1\n}");
  CHECK(json_to_text(Json("plain")) == "plain");
  CHECK(json_to_text(Json::array({1, "a"})) == "[1,\"a\"]");
}

TEST_CASE("a JSON pointer names a value, or nothing") {
  const Json value = read(R"({"a": [{"b/c": 1, "d~e": 2}, 3], "": 4, "0": 5})");
  CHECK(*json_at(value, "") == value);
  CHECK(*json_at(value, "/a/0/b~1c") == 1);
  CHECK(*json_at(value, "/a/0/d~0e") == 2);
  CHECK(*json_at(value, "/a/1") == 3);
  CHECK(*json_at(value, "/") == 4);
  CHECK(*json_at(value, "/0") == 5);
  for (const char* none : {"a", "/a/2", "/a/01", "/a/-1", "/a/-", "/a/0/b/c", "/a/0/d~2e", "/a/0/d~", "/b", "/a/1/x"}) CHECK(json_at(value, none) == nullptr);
}

TEST_CASE("equality is by value: 1 equals 1.0, and the order of keys does not matter") {
  CHECK(json_equal(read("1"), read("1.0")));
  CHECK(json_equal(read(R"({"a": 1, "b": [2.0]})"), read(R"({"b": [2], "a": 1.0})")));
  CHECK_FALSE(json_equal(read("1"), read("\"1\"")));
  CHECK_FALSE(json_equal(read("[1, 2]"), read("[2, 1]")));
  CHECK_FALSE(json_equal(read(R"({"a": 1})"), read(R"({"a": 1, "b": 2})")));
  CHECK_FALSE(json_equal(read("0"), read("false")));
  CHECK_FALSE(json_equal(read("null"), read("0")));
  CHECK_FALSE(json_equal(read("9007199254740993"), read("9007199254740992")));
}

TEST_CASE("a negative integer equals no unsigned one") {
  CHECK_FALSE(json_equal(read("-1"), read("18446744073709551615")));
}
