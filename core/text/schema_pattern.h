// Regular expressions of JSON Schema (ECMA-262 without flags, as draft 7 asks for) in the words of RE2, whose time is linear
// in the text and whose stack does not grow with it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace llmops {

// An expression that RE2 matches wherever ECMAScript matches `pattern`; nullopt: none is known. Known are literals, . ^ $ |,
// groups without look-around, classes of plain characters and ranges, \d \w \s \b and their opposites, the escapes of control
// and punctuation characters, and the repetitions * + ? {n} {n,} {n,m}, lazy or not. A character is a code point, as with the
// flag u. RE2 may still refuse what comes out: it repeats up to 1000 times only.
std::optional<std::string> re2_of_ecmascript(std::string_view pattern);

}  // namespace llmops
