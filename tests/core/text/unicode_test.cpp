#include "core/text/unicode.h"

#include <catch2/catch.hpp>
#include <utf8proc.h>

#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "core/text/codepoint.h"

namespace llmops {

using Words = std::vector<std::string>;

TEST_CASE("UTF-8 is valid when every sequence is shortest, complete and no surrogate", "[unicode]") {
  CHECK(is_valid_utf8(""));
  CHECK(is_valid_utf8("aé東😀"));
  CHECK_FALSE(is_valid_utf8("\xff"));
  CHECK_FALSE(is_valid_utf8("a\xc3"));              // cut
  CHECK_FALSE(is_valid_utf8("\xc0\x80"));           // overlong
  CHECK_FALSE(is_valid_utf8("\xed\xa0\x80"));       // surrogate
  CHECK_FALSE(is_valid_utf8("\xf4\x90\x80\x80"));   // beyond U+10FFFF
}

TEST_CASE("invalid bytes become replacement characters and the rest stays", "[unicode]") {
  CHECK(replace_invalid_utf8("aé") == "aé");
  CHECK(replace_invalid_utf8("a\xff" "b\xc3") == "a\uFFFDb\uFFFD");
  CHECK(replace_invalid_utf8("\xe6\x9d") == "\uFFFD\uFFFD");
}

TEST_CASE("case folding is full and leaves normalisation alone", "[unicode]") {
  // str.casefold() of Python 3.11.
  CHECK(fold_case("Hello WORLD") == "hello world");
  CHECK(fold_case("Straße") == "strasse");
  CHECK(fold_case("ΣΊΣΥΦΟΣ ς") == "σίσυφοσ σ");
  CHECK(fold_case("ﬁ") == "fi");
  CHECK(fold_case("E\u0301") == "e\u0301");
  CHECK(fold_case("\xff") == "\uFFFD");
}

TEST_CASE("NFC composes and is_nfc tells whether it would", "[unicode]") {
  CHECK(to_nfc("e\u0301") == "é");
  CHECK(to_nfc("\u1112\u1161\u11ab") == "한");
  CHECK(is_nfc("é"));
  CHECK(is_nfc("plain"));
  CHECK_FALSE(is_nfc("e\u0301"));
  CHECK_FALSE(is_nfc("\xff"));
}

TEST_CASE("white space collapses and trims by Unicode White_Space", "[unicode]") {
  CHECK(collapse_space(" a \t\n b\u00a0\u3000c ") == "a b c");
  CHECK(collapse_space("\u2003") == "");
  CHECK(collapse_space("a\u200bb") == "a\u200bb");   // a zero-width space is no White_Space
  CHECK(trim_space("\u3000 a  b\r\n") == "a  b");
  CHECK(trim_space(" \t") == "");
}

TEST_CASE("words are runs of letters, marks and digits, case-folded", "[unicode]") {
  CHECK(split_words("Hello, WORLD-42 it's") == Words{"hello", "world", "42", "it", "s"});
  CHECK(split_words("") == Words{});
  CHECK(split_words("... !") == Words{});
  CHECK(split_words("na\u0308ive Straße") == Words{"na\u0308ive", "strasse"});
  CHECK(split_words("snake_case") == Words{"snake", "case"});
  CHECK(split_words("a\xff" "b") == Words{"a", "b"});
}

TEST_CASE("characters of scripts without spaces are words of their own", "[unicode]") {
  CHECK(split_words("東京タワー2024年") == Words{"東", "京", "タ", "ワ", "ー", "2024", "年"});
  CHECK(split_words("ひらがなabc") == Words{"ひ", "ら", "が", "な", "abc"});
  CHECK(split_words("か\u3099x") == Words{"か\u3099", "x"});
  CHECK(split_words("ไทย") == Words{"ไ", "ท", "ย"});
  CHECK(split_words("한국어 문장") == Words{"한국어", "문장"});
  CHECK(split_words("❤\uFE0F ok") == Words{"ok"});
}

TEST_CASE("width counts columns of a terminal", "[unicode]") {
  CHECK(display_width("abc") == 3);
  CHECK(display_width("東京") == 4);
  CHECK(display_width("e\u0301") == 1);
  CHECK(display_width("😀") == 2);
  CHECK(display_width("") == 0);
}

TEST_CASE("text is cut to a width with an ellipsis and never inside a character", "[unicode]") {
  CHECK(truncate_to_width("short", 5) == "short");
  CHECK(truncate_to_width("longer", 5) == "long…");
  CHECK(truncate_to_width("longer", 5, false) == "lo...");
  CHECK(truncate_to_width("東京都", 5) == "東京…");
  CHECK(truncate_to_width("東京都", 4) == "東…");
  CHECK(truncate_to_width("abc", 0) == "");
  CHECK(truncate_to_width("abcdef", 2, false) == "..");
  CHECK(truncate_to_width("abcdef", 1) == "…");
}

TEST_CASE("control characters are shown as escapes and can't drive a terminal", "[unicode]") {
  CHECK(escape_control("a\tb\nc") == "a\tb\nc");
  CHECK(escape_control("\x1b[31mred") == "\\x1b[31mred");
  CHECK(escape_control("\r\x07\x7f") == "\\x0d\\x07\\x7f");
  CHECK(escape_control("\u009b31m") == "\\x9b31m");
  CHECK(escape_control("\x9b") == "\uFFFD");   // the 8-bit form of CSI is no valid UTF-8
  CHECK(escape_control("\u202eabc\u2066") == "\\u202eabc\\u2066");
  CHECK(escape_control(std::string("\0", 1)) == "\\x00");
}

TEST_CASE("case mappings follow Python's str methods", "[unicode]") {
  CHECK(text::to_upper("straße ﬁ ŉ") == "STRASSE FI ʼN");
  CHECK(text::to_lower("ΣΊΣΥΦΟΣ ΟΣ.") == "σίσυφος ος.");
  CHECK(text::to_lower("İ") == "i̇");
  CHECK(text::capitalize("ßa") == "Ssa");
  CHECK(text::to_title("it's o'neil 2nd") == "It'S O'Neil 2Nd");
}

TEST_CASE("normal forms are those that utf8proc gives the whole text", "[unicode]") {
  // Letters, marks of several classes, some that fall apart into marks (U+0344, U+0F73), Hangul, ligatures, Greek.
  const int32_t kPoints[] = {'a', 'e', ' ', 0xE9, 0x1EBF, 0x301, 0x316, 0x327, 0x345, 0x344, 0xF71, 0xF73, 0xF81, 0x1100, 0x1161, 0xAC00, 0x11A8, 0xFB01, 0xFDFA, 0x390, 0x212B, 0x2F800, 0x1D15E};
  const std::pair<NormalForm, int> kForms[] = {{NormalForm::kNfc, UTF8PROC_COMPOSE}, {NormalForm::kNfd, UTF8PROC_DECOMPOSE}, {NormalForm::kNfkc, UTF8PROC_COMPOSE | UTF8PROC_COMPAT}, {NormalForm::kNfkd, UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT}};
  std::mt19937_64 random(9);
  for (int round = 0; round < 4000; ++round) {
    std::string given;
    for (size_t i = random() % 14; i > 0; --i) text::append_utf8(given, kPoints[random() % std::size(kPoints)]);
    for (const auto& [form, options] : kForms) {
      utf8proc_uint8_t* made = nullptr;
      const utf8proc_ssize_t size = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(given.data()), static_cast<utf8proc_ssize_t>(given.size()), &made, static_cast<utf8proc_option_t>(UTF8PROC_STABLE | options));
      REQUIRE(size >= 0);
      const std::string expected(made, made + size);
      std::free(made);
      if (to_normal_form(given, form) != expected) CHECK(to_normal_form(given, form) == expected);
    }
  }
}

TEST_CASE("a run of a hundred thousand marks is put in order", "[unicode]") {
  std::string given = "a", expected = "a";
  for (const char* mark : {"\u0301", "\u0316"}) for (int i = 0; i < 50'000; ++i) given += mark;
  for (const char* mark : {"\u0316", "\u0301"}) for (int i = 0; i < 50'000; ++i) expected += mark;
  CHECK(to_normal_form(given, NormalForm::kNfd) == expected);
  std::string apart, both;   // U+0F73 is two marks of different classes
  for (int i = 0; i < 50'000; ++i) apart += "\u0F73";
  for (const char* mark : {"\u0F71", "\u0F72"}) for (int i = 0; i < 50'000; ++i) both += mark;
  CHECK(to_normal_form(apart, NormalForm::kNfc) == both);
}

TEST_CASE("replacing goes from the left and does not look at what it wrote", "[unicode]") {
  CHECK(text::replace_all("aaa", "aa", "b") == "ba");
  CHECK(text::replace_all("aaa", "a", "aa") == "aaaaaa");
  CHECK(text::replace_all("abc", "", "x") == "abc");
  CHECK(text::decode_before("aé", 3).value == 0xE9);
  CHECK(text::decode_before("aé", 2).value == 0xFFFD);   // inside the character
  CHECK_FALSE(text::decode_before("\xA9\xA9\xA9\xA9\xA9", 5).valid);
}

TEST_CASE("any bytes give valid text from every function", "[unicode]") {
  std::mt19937_64 random(7);
  for (int round = 0; round < 2000; ++round) {
    std::string bytes;
    for (size_t i = random() % 24; i > 0; --i) bytes.push_back(static_cast<char>(random() % 4 == 0 ? 0xC0 + random() % 64 : random() % 256));
    CAPTURE(round);
    CHECK(is_valid_utf8(replace_invalid_utf8(bytes)));
    CHECK(is_valid_utf8(fold_case(bytes)));
    CHECK(is_valid_utf8(to_nfc(bytes)));
    CHECK(is_valid_utf8(escape_control(bytes)));
    CHECK(text::count_code_points(bytes) <= bytes.size());
    CHECK(text::strip_left(text::strip_right(bytes)).size() <= bytes.size());
    for (const std::string& word : split_words(bytes)) CHECK_FALSE(word.empty());
    CHECK(display_width(truncate_to_width(replace_invalid_utf8(bytes), 5)) <= 5);
  }
}

}  // namespace llmops
