// Strict JSON without a document, held against the library's own parser.
#include "core/base/json_cursor.h"

#include <catch2/catch.hpp>

#include <fstream>
#include <random>

#include "tests/support/test_data.h"

namespace llmops {
namespace {

std::optional<Json> by_cursor(std::string_view text) {
  Json value;
  JsonCursor cursor(text);
  return cursor.value(value) && cursor.at_end() ? std::optional(std::move(value)) : std::nullopt;
}

bool skips(std::string_view text) {
  JsonCursor cursor(text);
  return cursor.skip() && cursor.at_end();
}

// Of equal types too: 1 is not 1.0, and -0.0 is not 0.0.
bool is_same(const Json& a, const Json& b) {
  if (a.type() != b.type() || a.size() != b.size()) return false;
  if (a.is_structured()) {
    for (auto one = a.begin(), other = b.begin(); one != a.end(); ++one, ++other) if ((a.is_object() && one.key() != other.key()) || !is_same(*one, *other)) return false;
    return true;
  }
  return a == b && dump_json(a) == dump_json(b);
}

// Whatever the cursor accepts, the library makes the same of it. Returns whether it accepted.
bool agrees(const std::string& text) {
  const auto value = by_cursor(text);
  INFO(text);
  CHECK(skips(text) == value.has_value());
  if (!value) return false;
  const Json expected = Json::parse(text, nullptr, false);
  CHECK_FALSE(expected.is_discarded());
  CHECK(is_same(*value, expected));
  return true;
}

}  // namespace

TEST_CASE("the cursor reads what the library's parser reads") {
  for (const char* text : {"null", " true ", "false", "0", "-0", "-0.0", "12", "-12", "9223372036854775807", "-9223372036854775808", "9223372036854775808", "18446744073709551615", "0.1", "1e3", "1E+3", "-1.5e-7", "2.2250738585072014e-308",
                           "179769313486231570000000000000000000000e270", "\"\"", R"("a\"b\\c\/d\b\f\n\r\t")", R"("\u0000\u00e9\u20ac\ud83d\ude00")", "\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\xED\x9F\xBF\xEE\x80\x80\xF4\x8F\xBF\xBF\"", "[]", "[ ]", "{}", "{ }", "[1,2,[3,{}]]",
                           R"({"a":1,"b":{"a":[{"c":null}]},"":"x"})", " \t\r\n[\n1 ,\t2 ]\r\n", R"("12345678")", R"("1234567\n12345678\u00e9")", "\"a longer text without anything in it\"", "\"\x7F\""}) {
    INFO(text);
    CHECK(agrees(text));
  }
}

TEST_CASE("what is no strict JSON is refused") {
  for (const char* text : {"", " ", "nul", "nulll", "True", "01", "-", "+1", ".5", "1.", "1e", "1e+", "0x1", "NaN", "Infinity", "1 2", "[1,]", "[,1]", "[1 2]", "[", "]", "{", "}", "[1}", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}", "{1:1}", "{\"a\" 1}",
                           "\"", "\"a", "\"\\\"", "\"\\x\"", "\"\\u12\"", "\"\\u12g4\"", "\"\\u-123\"", "\"\\u+123\"", "\"\\ud800\"", "\"\\ud800x\"", "\"\\ud800\\n\"", "\"\\ud800\\u0041\"", "\"\\udc00\"", "\"\n\"", "\"\x1F\"", "\"\x80\"", "\"\xC0\x80\"", "\"\xC1\xBF\"", "\"\xE0\x9F\xBF\"",
                           "\"\xED\xA0\x80\"", "\"\xF0\x8F\xBF\xBF\"", "\"\xF4\x90\x80\x80\"", "\"\xF5\x80\x80\x80\"", "\"\xC3\"", "\"\xE2\x82\"", "\"\xF0\x9F\x98\"", "\"a\"b", "// 1", "1 // 1"}) {
    INFO(text);
    CHECK_FALSE(by_cursor(text));
    CHECK_FALSE(skips(text));
    CHECK(Json::parse(text, nullptr, false).is_discarded());
  }
  CHECK_FALSE(by_cursor(std::string("1\0", 2)));
  CHECK_FALSE(by_cursor(std::string("\"\0\"", 3)));
  // Numbers beyond 64 bits and beyond a double, names with escapes and a byte order mark: for parse_json.
  for (const char* text : {"18446744073709551616", "-9223372036854775809", "1e400", "1e-400", R"({"\u0061":1})", "\xEF\xBB\xBF[]"}) {
    INFO(text);
    CHECK_FALSE(by_cursor(text));
  }
  CHECK(parse_json("18446744073709551616", "x")->is_number_float());
  CHECK(dump_json(*parse_json(R"({"\u0061":1})", "x")) == R"({"a":1})");
}

TEST_CASE("equal names of one object are refused, however many there are") {
  CHECK_FALSE(by_cursor(R"({"a":1,"a":2})"));
  CHECK_FALSE(skips(R"([{"b":{"a":1,"b":2,"a":3}}])"));
  CHECK(by_cursor(R"({"a":{"a":1},"b":{"a":2}})"));
  for (const int count : {15, 16, 17, 18, 40, 1000}) {
    const auto object = [&](int last) {
      std::string text = "{";
      for (int i = 0; i < count; ++i) text += (i == 0 ? "\"k" : ",\"k") + std::to_string(i == count - 1 ? last : i) + "\":{\"x\":1}";
      return text + "}";
    };
    INFO(count);
    CHECK(agrees(object(count)));
    CHECK_FALSE(by_cursor(object(0)));
    CHECK_FALSE(by_cursor(object(count / 2)));
    CHECK_FALSE(skips(object(count - 2)));
  }
}

TEST_CASE("nesting is as deep as parse_json allows") {
  const auto nested = [](size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  CHECK(agrees(nested(128)));
  CHECK_FALSE(by_cursor(nested(129)));
  CHECK_FALSE(skips(nested(1'000'000)));
  CHECK_FALSE(parse_json(nested(129), "x"));
}

TEST_CASE("a text that was damaged anywhere is refused or read as the library reads it") {
  const std::string whole = R"({"key":"value \u00e9 \ud83d\ude00 )" "\xC3\xA9\xF0\x9F\x98\x80" R"(","n":[-12,0.5e3,18446744073709551615,true,null],"deep":{"a":[{"b":"\\\"x"}],"c":""}, "last" : "0123456789abcdef" })";
  REQUIRE(agrees(whole));
  for (size_t cut = 0; cut < whole.size(); ++cut) CHECK_FALSE(agrees(whole.substr(0, cut)));
  int accepted = 0;
  for (size_t at = 0; at < whole.size(); ++at) {
    for (int byte = 0; byte < 256; ++byte) {
      std::string text = whole;
      text[at] = static_cast<char>(byte);
      accepted += agrees(text);
    }
  }
  CHECK(accepted > 4000);
  std::mt19937_64 random(11);
  for (int i = 0; i < 20'000; ++i) {
    std::string text = whole;
    for (int changes = 1 + static_cast<int>(random() % 3); changes > 0; --changes) {
      const size_t at = random() % text.size();
      switch (random() % 3) {
        case 0: text.erase(at, 1 + random() % 4); break;
        case 1: text.insert(at, text.substr(random() % text.size(), 1 + random() % 8)); break;
        default: text[at] = "{}[]\",:\\u0123456789abcdefnrt -+.eE\x80\xC3"[random() % 36]; break;
      }
    }
    agrees(text);
  }
}

TEST_CASE("lines of traces are read as the library reads them") {
  const auto root = test::data_root();
  if (!root) return test::note_left_out("traces: lines by the cursor");
  int accepted = 0;
  for (const auto& entry : std::filesystem::directory_iterator(*root / "traces")) {
    std::ifstream file(entry.path());
    const std::string bytes((std::istreambuf_iterator<char>(file)), {});
    if (entry.path().extension() == ".json") accepted += agrees(bytes);
    for (size_t from = 0; from < bytes.size();) {
      const size_t end = std::min(bytes.find('\n', from), bytes.size());
      accepted += agrees(bytes.substr(from, end - from));
      from = end + 1;
    }
  }
  CHECK(accepted > 20);
}

}  // namespace llmops
