// dump_json against the library's own serializer.
#include <catch2/catch.hpp>

#include <limits>
#include <random>

#include "core/base/json.h"

namespace llmops {
namespace {

std::string by_library(const Json& value) { return value.dump(-1, ' ', false, Json::error_handler_t::replace); }

}  // namespace

TEST_CASE("what is dumped is what the library's serializer writes") {
  const Json values = Json::array({nullptr, true, false, 0, -1, 1u, std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max(), std::numeric_limits<uint64_t>::max(), 0.1, 1e300, -0.0, 1700000000000.0, 2.5e-7,
                                   std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN(), "", "plain", "a longer text without anything in it", "\"\\/\b\f\n\r\t\x01\x0f\x10\x1f\x7f", "Größe €\xF0\x9F\x98\x80",
                                   "cut off \xC3", "\xFFwithin\xED\xA0\x80 and\xF0\x9F\x98", Json::array(), Json::object(), Json::array({Json::array(), Json::object()}), Json{{"a \"name\"\n", 1}, {"\xFF", Json{{"", 2}}}}});
  for (const Json& value : values) CHECK(dump_json(value) == by_library(value));
  CHECK(dump_json(values) == by_library(values));
  CHECK(dump_json(Json::binary({1, 2})) == by_library(Json::binary({1, 2})));
  std::string text = "before ";
  append_json(text, {{"a", 1}});
  append_json_text(text, "b\"\xFF");
  CHECK(text == "before {\"a\":1}\"b\\\"\xEF\xBF\xBD\"");
}

TEST_CASE("texts of any bytes are dumped as the library does") {
  for (int byte = 0; byte < 256; ++byte) {
    for (size_t before = 0; before < 18; ++before) {
      const std::string text = std::string(before, 'x') + static_cast<char>(byte) + "yz";
      CHECK(dump_json(text) == by_library(text));
    }
  }
  std::mt19937_64 random(3);
  for (int i = 0; i < 5000; ++i) {
    std::string text;
    for (size_t n = random() % 40; n > 0; --n) text += static_cast<char>(random() % 3 == 0 ? random() % 256 : "aé€\xF0\x9F\x98\x80\"\\"[random() % 12]);
    CHECK(dump_json(text) == by_library(text));
  }
}

}  // namespace llmops
