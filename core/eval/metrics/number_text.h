// Numbers written in text.
#pragma once

#include <optional>
#include <string_view>

namespace llmops {

// A text that is one number after its currency sign ($ € £ ¥ ₹), thousands separators ("1,234", groups of three only), a
// percent sign (85% is 85) and the space around are stripped. nullopt: anything else. Only ASCII digits; a decimal point.
std::optional<double> parse_number_text(std::string_view text);

// The first or the last number inside a text. A sign counts unless a letter, digit or closing bracket stands before it
// ("5-3" holds 5 and 3). nullopt: there is none.
std::optional<double> first_number_in(std::string_view text);
std::optional<double> last_number_in(std::string_view text);

}  // namespace llmops
