// A series of numbers as a line of small bars.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "cli/terminal.h"

namespace llmops {

// One character for each value, from 0 (the lowest bar) to the largest value (the highest); a value above 0 is never drawn as the lowest where there is another bar. A space where there is no value, or it is
// not finite; what is below 0 is drawn as 0. Bars are U+2581 to U+2588, in a terminal without Unicode the characters "_.-:=+*#". As wide as there are values. `least_top`: the highest bar stands for at least so much.
std::string sparkline(std::span<const std::optional<double>> values, const Terminal& terminal, double least_top = 0);

}  // namespace llmops
