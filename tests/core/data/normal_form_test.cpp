#include "core/data/normal_form.h"

#include <catch2/catch.hpp>
#include <random>

#include "core/text/codepoint.h"
#include "core/text/unicode.h"

namespace llmops {

TEST_CASE("the normal form forgets case, width, white space and punctuation", "[data][normal_form]") {
  CHECK(normal_form("How do I  locate\tmy card?") == "how do i locate my card");
  CHECK(normal_form("  HOW, do i (locate) my card!!") == "how do i locate my card");
  CHECK(normal_form("what's up") == "what s up");
  CHECK(normal_form("snake_case-word") == "snake case word");
  // unicodedata.normalize('NFKC', ...).casefold() of Python 3.11.
  CHECK(normal_form("\xEF\xBC\xA8\xEF\xBD\x85llo \xEF\xAC\x81ne") == "hello fine");           // fullwidth, ligature
  CHECK(normal_form("STRA\xC3\x9F" "E") == "strasse");
  CHECK(normal_form("Cafe\xCC\x81") == normal_form("CAF\xC3\x89"));
  CHECK(normal_form("x\xC2\xB2") == "x2");
  CHECK(normal_form("soft\xC2\xADhyphen") == "softhyphen");
  CHECK(normal_form("\xE2\x80\x9Cquoted\xE2\x80\x9D \xE2\x80\x94 text\xE2\x80\xA6") == "quoted text");
  CHECK(normal_form("") == "");
  CHECK(normal_form(" \n") == "");
}

TEST_CASE("the normal form keeps what carries meaning", "[data][normal_form]") {
  CHECK(normal_form("C++") == "c + +");
  CHECK(normal_form("C") == "c");
  CHECK(normal_form("What is 2 - 1?") == "what is 2 - 1");
  CHECK(normal_form("What is 2*1?") == "what is 2 * 1");
  CHECK(normal_form("3.5, please") == "3 . 5 please");
  CHECK(normal_form("room 5, bed") == "room 5 bed");
  CHECK(normal_form("5 - a") == "5 a");
  CHECK(normal_form("$5") == "$ 5");
  CHECK(normal_form("???") == "???");
  CHECK(normal_form("?!") != normal_form("..."));
  CHECK(normal_form("\xF0\x9F\x98\x80!") == "\xF0\x9F\x98\x80");
  CHECK(normal_form("\xE6\x97\xA5\xE6\x9C\xAC\xE8\xAA\x9E") == "\xE6\x97\xA5 \xE6\x9C\xAC \xE8\xAA\x9E");
  CHECK(normal_form("\xFF" "a") == normal_form("\xEF\xBF\xBD" "a"));
}

TEST_CASE("the path for ASCII gives what the path for all text gives, and both are idempotent", "[data][normal_form]") {
  std::mt19937_64 random(3);
  for (int round = 0; round < 3000; ++round) {
    std::string text;
    for (size_t left = random() % 24; left > 0; --left) text.push_back(static_cast<char>(random() % 96 + 32));
    const std::string once = normal_form(text);
    INFO(text);
    CHECK(normal_form(once) == once);
    // A text that starts with a letter that is not ASCII takes the other path.
    if (!once.empty() && once[0] >= 'a' && once[0] <= 'z') CHECK(normal_form("\xC3\xA9 " + text) == "\xC3\xA9 " + once);
    CHECK(count_words(text) == split_words(text).size());
  }
}

TEST_CASE("words and characters are counted as the text room counts them", "[data][normal_form]") {
  for (const std::string text : {"", "a", "one two", "h\xC3\xA9llo w\xC3\xB6rld", "\xE6\x97\xA5\xE6\x9C\xAC", "\xF0\x9F\x98\x80 ok", "abcdefgh\xC3\xA9jklmnop"}) {
    INFO(text);
    CHECK(count_words(text) == split_words(text).size());
    CHECK(count_characters(text) == text::count_code_points(text));
  }
  std::vector<uint64_t> hashes;
  hash_words("a b a", hashes);
  REQUIRE(hashes.size() == 3);
  CHECK(hashes[0] == hashes[2]);
  CHECK(hashes[0] != hashes[1]);
  hash_words("", hashes);
  CHECK(hashes.empty());
}

}  // namespace llmops
