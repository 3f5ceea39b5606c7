#include "core/base/duration.h"

#include <catch2/catch.hpp>

using namespace llmops;

TEST_CASE("duration: a number and a unit") {
  CHECK(parse_duration_ms("90s").value() == 90'000);
  CHECK(parse_duration_ms("15m").value() == 900'000);
  CHECK(parse_duration_ms("24h").value() == 86'400'000);
  CHECK(parse_duration_ms("7d").value() == 604'800'000);
  CHECK(parse_duration_ms("2w").value() == 1'209'600'000);
  for (const char* text : {"", "h", "0h", "-1d", "1.5h", "24", "24 h", "24hours", "99999999w", "9223372036854775807d"}) {
    CAPTURE(text);
    const auto parsed = parse_duration_ms(text);
    REQUIRE_FALSE(parsed);
    CHECK(parsed.error().message == "'" + std::string(text) + "' is not a length of time");
  }
}

TEST_CASE("duration: written as people say it, and read back") {
  CHECK(format_duration(86'400'000) == "24h");
  CHECK(format_duration(604'800'000) == "7d");
  CHECK(format_duration(5'400'000) == "90m");
  CHECK(format_duration(1'000) == "1s");
  for (const int64_t ms : {1'000, 60'000, 3'600'000, 86'400'000, 172'800'000}) CHECK(parse_duration_ms(format_duration(ms)).value() == ms);
}
