// Lengths of time as people write them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/result.h"

namespace llmops {

// "90s", "15m", "24h", "7d", "2w" as milliseconds: a whole number from 1 on and its unit. Errors (kUsage): anything else, more than 100 years.
Result<int64_t> parse_duration_ms(std::string_view text);
// The shortest of these forms that is exact: 86,400,000 is "24h", 172,800,000 "2d".
std::string format_duration(int64_t ms);

}  // namespace llmops
