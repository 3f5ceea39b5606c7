// The canonical form against RFC 8785 (its appendix B and section 3.2.3) and the vectors of the independent reference in
// Python that also made tests/data/chain/vid_vectors.jsonl.
#include <bit>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <random>

#include "core/base/json.h"

using namespace llmops;

namespace {

std::string canonical(const Json& value) {
  auto text = canonical_json(value);
  if (!text) return "refused: " + text.error().message + (text.error().hint.empty() ? "" : " | " + text.error().hint);
  return std::move(*text);
}

Json read(const std::string& text) {
  auto parsed = parse_json(text, "test");
  if (!parsed) FAIL(parsed.error().message);
  return std::move(*parsed);
}

}  // namespace

TEST_CASE("numbers are printed as ECMAScript prints a double: the table of RFC 8785, appendix B") {
  const std::pair<uint64_t, const char*> table[] = {
      {0x0000000000000000, "0"},
      {0x8000000000000000, "0"},
      {0x0000000000000001, "5e-324"},
      {0x8000000000000001, "-5e-324"},
      {0x7fefffffffffffff, "1.7976931348623157e+308"},
      {0xffefffffffffffff, "-1.7976931348623157e+308"},
      {0x4340000000000000, "9007199254740992"},
      {0xc340000000000000, "-9007199254740992"},
      {0x4430000000000000, "295147905179352830000"},
      {0x44b52d02c7e14af5, "9.999999999999997e+22"},
      {0x44b52d02c7e14af6, "1e+23"},
      {0x44b52d02c7e14af7, "1.0000000000000001e+23"},
      {0x444b1ae4d6e2ef4e, "999999999999999700000"},
      {0x444b1ae4d6e2ef4f, "999999999999999900000"},
      {0x444b1ae4d6e2ef50, "1e+21"},
      {0x3eb0c6f7a0b5ed8c, "9.999999999999997e-7"},
      {0x3eb0c6f7a0b5ed8d, "0.000001"},
      {0x41b3de4355555553, "333333333.3333332"},
      {0x41b3de4355555554, "333333333.33333325"},
      {0x41b3de4355555555, "333333333.3333333"},
      {0x41b3de4355555556, "333333333.3333334"},
      {0x41b3de4355555557, "333333333.33333343"},
      {0xbecbf647612f3696, "-0.0000033333333333333333"},
      {0x43143ff3c1cb0959, "1424953923781206.2"},
  };
  for (const auto& [bits, text] : table) CHECK(ecmascript_number(std::bit_cast<double>(bits)) == text);
}

TEST_CASE("numbers are printed as the independent reference prints them") {
  const std::pair<double, const char*> table[] = {{1.0, "1"},   {0.1, "0.1"},        {1e21, "1e+21"},  {1e20, "100000000000000000000"}, {1.2345678901234568e+20, "123456789012345680000"},
                                                  {1e-6, "0.000001"}, {1e-7, "1e-7"}, {4.35, "4.35"}, {1.234e-06, "0.000001234"},       {-2.5, "-2.5"}, {9007199254740991, "9007199254740991"}};
  for (const auto& [value, text] : table) CHECK(canonical(Json(value)) == text);
}

TEST_CASE("any finite double reads back as itself from its canonical text") {
  std::mt19937_64 random(20260101);
  for (int i = 0; i < 20'000; ++i) {
    const double value = std::bit_cast<double>(random());
    if (!std::isfinite(value)) continue;
    const std::string text = ecmascript_number(value);
    const Json again = read(text);
    REQUIRE(again.get<double>() == value);
  }
}

TEST_CASE("keys are sorted by UTF-16 code units, on every level") {
  CHECK(canonical(read(R"({"\u20ac":1,"\r":2,"\ufb33":3,"1":4,"\ud83d\ude00":5,"\u0080":6,"\u00f6":7,"a":{"b":[],"A":null}})")) ==
        "{\"\\r\":2,\"1\":4,\"a\":{\"A\":null,\"b\":[]},\"\xC2\x80\":6,\"\xC3\xB6\":7,\"\xE2\x82\xAC\":1,\"\xF0\x9F\x98\x80\":5,\"\xEF\xAC\xB3\":3}");
  // A prefix comes first; two supplementary characters go by code point.
  CHECK(canonical(read(R"({"ab":1,"a":2,"":3})")) == R"({"":3,"a":2,"ab":1})");
  CHECK(canonical(read(R"({"\ud83d\ude01":1,"\ud83d\ude00":2})")) == "{\"\xF0\x9F\x98\x80\":2,\"\xF0\x9F\x98\x81\":1}");
}

TEST_CASE("strings have the shortest escapes and nothing else is escaped") {
  CHECK(canonical(read(R"("\u20ac$\u000f\u000aA'\u0042\u0022\u005c\\\"\/")")) == "\"\xE2\x82\xAC$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"");
  CHECK(canonical(Json("\b\f\n\r\t\x1f\x7f")) == "\"\\b\\f\\n\\r\\t\\u001f\x7f\"");
  CHECK(canonical(Json("\xE2\x80\xA8")) == "\"\xE2\x80\xA8\"");
}

TEST_CASE("the document of RFC 8785, section 3.2.2, has the canonical form of the RFC") {
  const Json value = read(R"({"numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
    "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/", "literals": [null, true, false]})");
  CHECK(canonical(value) == "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,1e+30,4.5,0.002,1e-27],"
                            "\"string\":\"\xE2\x82\xAC$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}");
}

TEST_CASE("integers beyond 2^53 - 1, not finite numbers and invalid UTF-8 have no canonical form") {
  CHECK(canonical(Json(9007199254740991)) == "9007199254740991");
  CHECK(canonical(Json(-9007199254740991)) == "-9007199254740991");
  CHECK(canonical(Json(9007199254740992)) == "refused: integer 9007199254740992 is beyond 2^53 - 1 | carry it as a string");
  CHECK(canonical(Json(-9007199254740992)) == "refused: integer -9007199254740992 is beyond 2^53 - 1 | carry it as a string");
  CHECK(canonical(Json(std::numeric_limits<uint64_t>::max())) == "refused: integer 18446744073709551615 is beyond 2^53 - 1 | carry it as a string");
  CHECK(canonical(Json(std::numeric_limits<double>::quiet_NaN())) == "refused: a number is not finite, so it has no canonical form | leave it out, or carry it as a string");
  CHECK(canonical(Json(-std::numeric_limits<double>::infinity())) == "refused: a number is not finite, so it has no canonical form | leave it out, or carry it as a string");
  for (const char* broken : {"\xff", "\xC0\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xE2\x82", "\x80"}) {
    CHECK(canonical(Json(broken)) == "refused: text is not valid UTF-8, so it has no canonical form | save the text as UTF-8");
    CHECK(canonical(Json{{broken, 1}}) == "refused: text is not valid UTF-8, so it has no canonical form | save the text as UTF-8");
  }
}

TEST_CASE("the smallest 64-bit integer has no canonical form either") {
  CHECK(canonical(Json(std::numeric_limits<int64_t>::min())) == "refused: integer -9223372036854775808 is beyond 2^53 - 1 | carry it as a string");
}

TEST_CASE("1, 1.0 and 0.10 written differently have one canonical form") {
  CHECK(canonical(read("[1, 1.0, 1e0, 10e-1]")) == "[1,1,1,1]");
  CHECK(canonical(read("[0.1, 0.10, 1e-1]")) == "[0.1,0.1,0.1]");
  CHECK(canonical(read("[-0.0, -0, 0]")) == "[0,0,0]");
}
