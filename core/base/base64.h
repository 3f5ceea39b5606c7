// RFC 4648, with padding.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace llmops {

std::string base64_encode(std::string_view bytes);
// Absent: not base64.
std::optional<std::string> base64_decode(std::string_view text);

}  // namespace llmops
