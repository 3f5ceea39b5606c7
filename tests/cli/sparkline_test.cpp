// Lines of bars: the scale, gaps, and terminals without Unicode.
#include "cli/sparkline.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <map>
#include <vector>

namespace llmops {
namespace {

using Values = std::vector<std::optional<double>>;
const Terminal kUnicode(std::map<std::string, std::string>{{"LANG", "C.UTF-8"}}), kAscii(std::map<std::string, std::string>{{"LANG", "C"}});

}  // namespace

TEST_CASE("bars go from 0 to the largest value, and what is above 0 is seen") {
  CHECK(sparkline(Values{0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0}, kUnicode) == "▁▂▃▄▅▆▇█");
  CHECK(sparkline(Values{0.0, 1e-9, 0.05, 0.9, 1.0}, kUnicode) == "▁▂▂██");
  CHECK(sparkline(Values{0.0, 0.0}, kUnicode) == "▁▁");
  CHECK(sparkline(Values{3.0}, kUnicode) == "█");
  CHECK(sparkline(Values{0.0, 0.1, 0.5}, kUnicode, 1) == "▁▂▅");
}

TEST_CASE("what is not known is a space, what is no number too, and below 0 there is nothing") {
  CHECK(sparkline(Values{1.0, std::nullopt, NAN, INFINITY, -2.0}, kUnicode) == "█   ▁");
  CHECK(sparkline(Values{std::nullopt}, kUnicode) == " ");
  CHECK(sparkline({}, kUnicode).empty());
}

TEST_CASE("a terminal without Unicode has plain characters") { CHECK(sparkline(Values{0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, std::nullopt}, kAscii) == "_.-:=+*# "); }

}  // namespace llmops
