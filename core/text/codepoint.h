// Code points of UTF-8 text, one at a time, and Python's str classes and case mappings over them.
// A byte that is no part of a valid sequence counts as one code point, U+FFFD, so that no text makes a loop stall.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace llmops::text {

struct CodePoint {
  int32_t value = 0;
  uint32_t size = 1;   // bytes
  bool valid = true;
};

// Precondition: offset < text.size().
CodePoint decode_at(std::string_view text, size_t offset);
// The character that ends before `end`; U+FFFD of one byte when none does. Precondition: 0 < end <= text.size().
CodePoint decode_before(std::string_view text, size_t end);
// Surrogates and values beyond U+10FFFF are written as U+FFFD.
void append_utf8(std::string& out, int32_t code_point);
size_t count_code_points(std::string_view text);
// Offset of the first byte of code point `index`; text.size() when there are fewer.
size_t offset_of(std::string_view text, size_t index);

bool is_white_space(int32_t code_point);    // Unicode White_Space
bool is_python_space(int32_t code_point);   // str.isspace(): White_Space and U+001C to U+001F
bool is_letter(int32_t code_point);         // category L*
bool is_mark(int32_t code_point);           // category M*
bool is_digit(int32_t code_point);          // category Nd
bool is_numeric(int32_t code_point);        // category N*
bool is_punctuation(int32_t code_point);    // category P*
bool is_upper(int32_t code_point);
bool is_lower(int32_t code_point);
bool is_printable(int32_t code_point);      // str.isprintable()

// str.upper(), str.lower() with the full mappings that grow text (ß, ligatures, İ) and the final sigma.
std::string to_upper(std::string_view text);
std::string to_lower(std::string_view text);
std::string capitalize(std::string_view text);   // str.capitalize()
std::string to_title(std::string_view text);     // str.title(): a letter after a non-letter is upper

// Every `from`, from the left, becomes `to`; an empty `from` is nowhere. Cost: linear in the text and the result.
std::string replace_all(std::string_view text, std::string_view from, std::string_view to);

// The text without leading / trailing code points for which is_python_space holds.
std::string_view strip_left(std::string_view text);
std::string_view strip_right(std::string_view text);

}  // namespace llmops::text
