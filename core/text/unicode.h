// Unicode text by utf8proc: words, case folding, display width, and what a terminal must not be sent.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace llmops {

bool is_valid_utf8(std::string_view text);
// Invalid sequences become U+FFFD.
std::string replace_invalid_utf8(std::string_view text);
// Full case folding (Unicode default caseless matching), no normalisation.
std::string fold_case(std::string_view text);
enum class NormalForm { kNfc, kNfd, kNfkc, kNfkd };
// UAX #15. Invalid sequences become U+FFFD. Cost: linear, runs of n combining marks n log n.
std::string to_normal_form(std::string_view text, NormalForm form);
std::string to_nfc(std::string_view text);
bool is_nfc(std::string_view text);
// Runs of white space (Unicode White_Space) become one space; none at the ends.
std::string collapse_space(std::string_view text);
std::string trim_space(std::string_view text);
// Maximal runs of letters, marks and digits, case-folded: what BM25 and the vocabulary count. Han, Hiragana, Katakana and
// Thai characters are words of their own (no spaces divide them).
std::vector<std::string> split_words(std::string_view text);
// Columns on a terminal: wide characters count 2, combining marks 0.
int display_width(std::string_view text);
// The longest prefix of at most `columns` columns; when something was cut it ends in "…" (or "..." when !unicode).
std::string truncate_to_width(std::string_view text, int columns, bool unicode = true);
// Control characters (C0 but \t and \n, DEL, C1, and bidirectional controls) are shown as \x1b-like escapes, so that model output
// cannot drive a terminal.
std::string escape_control(std::string_view text);

}  // namespace llmops
